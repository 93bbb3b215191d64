"""The pair log: nothing acknowledged is ever lost, nothing counts twice, other people's files stay whole."""

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reid_al_agents.log.pair_log import PairAnswer, PairLog
from reid_al_agents.log.run_export import export_identities_csv, export_pairs_csv

from reid_al_env import RecordedOracle
from reid_al_env.errors import InputError


def example(number: int = 0, **changes: object) -> PairAnswer:
    answer = PairAnswer(
        key=f"run/0/{number}",
        run="run",
        round=0,
        step=number,
        query=number,
        candidate=number + 1,
        query_name=f"{number:04d}.jpg",
        candidate_name=f"{number + 1:04d}.jpg",
        answer=(-1, 0, 1)[number % 3],
        selector="dqn",
        source="labels",
        annotator="",
        shown_at=1000.0 + number,
        answered_at=1000.5 + number,
    )
    return replace(answer, **changes)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pairs.sqlite"


def test_answers_come_back_in_order_after_reopening(path: Path) -> None:
    written = [example(number) for number in (3, 1, 2)]
    with PairLog(path) as log:
        assert log.record_many(written) == 3
    with PairLog(path) as log:
        assert log.answers() == written
        assert log.count() == 3


def test_runs_and_rounds_are_told_apart(path: Path) -> None:
    with PairLog(path) as log:
        for number, (run, round_) in enumerate([("a", 0), ("a", 1), ("b", 0), ("b", 1)]):
            log.record(example(number, run=run, round=round_))
        assert [answer.step for answer in log.answers(run="a")] == [0, 1]
        assert [answer.step for answer in log.answers(round=1)] == [1, 3]
        assert [answer.step for answer in log.answers(run="b", round=1)] == [3]
        assert (log.count(run="a"), log.count(round=0), log.count(run="b", round=1)) == (2, 2, 1)


def test_pairs_are_an_integer_array_even_when_there_are_none(path: Path) -> None:
    with PairLog(path) as log:
        assert log.pairs().shape == (0, 3)
        log.record_many([example(0), example(2)])
        assert log.pairs().dtype == np.int64
        assert log.pairs().tolist() == [[0, 1, -1], [2, 3, 1]]


def test_the_same_key_counts_once_and_the_first_answer_stays(path: Path) -> None:
    with PairLog(path) as log:
        assert log.record(example(2)) is True
        assert log.record(example(2, answer=-1)) is False
        assert log.record_many([example(2), example(4), example(4)]) == 1
        assert log.answers() == [example(2), example(4)]


def test_numpy_values_are_stored_as_numbers(path: Path) -> None:
    index = np.int64(7)
    with PairLog(path) as log:
        log.record(example(query=index, candidate=np.int64(9), answer=np.int8(1), query_name=np.str_("q")))
    kinds = "SELECT typeof(query), typeof(candidate), typeof(answer), typeof(query_name) FROM answers"
    connection = sqlite3.connect(path)
    assert connection.execute(kinds).fetchone() == ("integer", "integer", "integer", "text")
    connection.close()


@pytest.mark.parametrize(
    "wrong", [{"answer": 2}, {"query": -1}, {"query": 5, "candidate": 5}], ids=["value", "padding", "itself"]
)
def test_an_unusable_answer_stores_nothing_of_its_batch(path: Path, wrong: dict[str, int]) -> None:
    with PairLog(path) as log:
        with pytest.raises(InputError, match="expected"):
            log.record_many([example(0), example(1, **wrong)])
        assert log.count() == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            PairAnswer,
            key=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20),
            run=st.text("ab", max_size=2),
            round=st.integers(0, 3),
            step=st.integers(0, 2**40),
            query=st.integers(0, 2**40),
            candidate=st.integers(2**41, 2**42),
            query_name=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20),
            candidate_name=st.text("äöü,\"'\n", max_size=20),
            answer=st.sampled_from([-1, 0, 1]),
            selector=st.text("ab", max_size=2),
            source=st.text("ab", max_size=2),
            annotator=st.text("ab", max_size=2),
            shown_at=st.floats(0, 4e9),
            answered_at=st.floats(0, 4e9),
        ),
        max_size=12,
    )
)
def test_any_answers_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, answers: list[PairAnswer]
) -> None:
    file = tmp_path_factory.mktemp("log") / "pairs.sqlite"
    first_of_key: dict[str, PairAnswer] = {}
    for answer in answers:
        first_of_key.setdefault(answer.key, answer)
    with PairLog(file) as log:
        assert log.record_many(answers) == len(first_of_key)
        assert log.record_many(answers) == 0
    with PairLog(file) as log:
        assert log.answers() == list(first_of_key.values())
        expected = [[a.query, a.candidate, a.answer] for a in first_of_key.values()]
        assert log.pairs().tolist() == expected


_WRITER = """
import sys
from dataclasses import replace
from reid_al_agents.log.pair_log import PairAnswer, PairLog
answer = PairAnswer("", "run", 0, 0, 1, 2, "a", "b", 1, "dqn", "person", "", 0.0, 0.0)
log = PairLog(sys.argv[1])
for number in range(1_000_000):
    batch = [replace(answer, key=f"{number}.{part}", step=3 * number + part) for part in range(3)]
    log.record_many(batch)
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_every_acknowledged_answer_outlives_kill_dash_nine(path: Path) -> None:
    source = Path(__file__).resolve().parents[2] / "src"
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(60)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().split()]
    assert child.returncode == -signal.SIGKILL
    with PairLog(path) as log:
        steps = [answer.step for answer in log.answers()]
        log.record(example(0))  # and the log goes on
    assert steps == list(range(len(steps)))
    assert len(steps) >= 3 * len(acknowledged)
    assert len(steps) % 3 == 0, "a batch is stored wholly or not at all"


def test_it_asks_the_disk_to_flush_every_answer(path: Path) -> None:
    with PairLog(path) as log:
        pragma = log._connection.execute
        assert pragma("PRAGMA journal_mode").fetchone() == ("wal",)
        assert pragma("PRAGMA synchronous").fetchone() == (2,)  # FULL: the log is flushed at each commit


def test_readers_see_whole_batches_while_one_writes(path: Path) -> None:
    batches, size = 60, 5
    seen = []
    with PairLog(path) as writer, PairLog(path) as reader:

        def write() -> None:
            for batch in range(batches):
                writer.record_many([example(size * batch + part) for part in range(size)])

        thread = threading.Thread(target=write)
        thread.start()
        while thread.is_alive():
            seen.append(reader.count())
        thread.join()
        seen.append(reader.count())
    assert all(count % size == 0 for count in seen)
    assert seen == sorted(seen)
    assert seen[-1] == batches * size


def test_threads_may_share_a_log(path: Path) -> None:
    with PairLog(path) as log:

        def write(offset: int) -> None:
            for number in range(30):
                log.record(example(offset + number))

        threads = [threading.Thread(target=write, args=(100 * index,)) for index in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.count() == 90


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def test_a_text_file_is_not_a_pair_log(path: Path) -> None:
    path.write_text("these are somebody's notes, long enough to look like a database page\n" * 30)
    before = path.read_bytes()
    with pytest.raises(InputError, match="pair log") as error:
        PairLog(path)
    assert "pairs.sqlite" in one_line(error)
    assert path.read_bytes() == before


def test_another_database_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE notes (text)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="not a pair log") as error:
        PairLog(path)
    one_line(error)
    assert path.read_bytes() == before


def test_a_log_of_a_newer_version_is_refused(path: Path) -> None:
    PairLog(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match=r"version 99.*upgrade") as error:
        PairLog(path)
    one_line(error)


def test_a_missing_folder_and_a_folder_for_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist") as error:
        PairLog(tmp_path / "absent" / "pairs.sqlite")
    one_line(error)
    with pytest.raises(InputError, match="cannot be opened") as error:
        PairLog(tmp_path)
    one_line(error)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="writable"):
        PairLog(tmp_path / "pairs.sqlite")
    tmp_path.chmod(0o700)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write in")
def test_a_file_system_that_refuses_is_reported_in_one_line() -> None:
    with pytest.raises(InputError, match="writable") as error:
        PairLog("/proc/self/pairs.sqlite")
    one_line(error)


def test_a_closed_log_says_so(path: Path) -> None:
    log = PairLog(path)
    log.close()
    log.close()
    with pytest.raises(InputError, match="closed"):
        log.record(example())


def test_exported_pairs_read_back(path: Path, tmp_path: Path) -> None:
    awkward = example(1, query_name='a "quoted", name\n.jpg', annotator="Zoë")
    with PairLog(path) as log:
        log.record_many([example(0), awkward])
        assert export_pairs_csv(log, tmp_path / "pairs.csv") == 2
    with (tmp_path / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["answer"] for row in rows] == ["-1", "0"]
    assert rows[1]["query_name"] == awkward.query_name
    assert rows[1]["annotator"] == "Zoë"


def test_exported_pairs_answer_again(path: Path, tmp_path: Path) -> None:
    """``RecordedOracle`` reads what ``export_pairs_csv`` writes, by index and by name."""
    with PairLog(path) as log:
        log.record_many([example(number) for number in range(5)])
        export_pairs_csv(log, tmp_path / "pairs.csv")
    names = [f"{number:04d}.jpg" for number in range(6)]
    left, right = np.arange(5), np.arange(1, 6)
    expected = [-1, 0, 1, -1, 0]
    assert RecordedOracle.from_csv(tmp_path / "pairs.csv").answer(right, left).tolist() == expected
    by_name = RecordedOracle.from_csv(tmp_path / "pairs.csv", names[::-1])
    assert by_name.answer(5 - left, 5 - right).tolist() == expected


def test_exported_identities_by_hand(tmp_path: Path) -> None:
    target = tmp_path / "identities.csv"
    names = np.array(["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    assert export_identities_csv(names, np.array([0, 1, 0, 2]), target) == 3
    assert target.read_text() == "name,identity,group_size\na.jpg,0,2\nb.jpg,1,1\nc.jpg,0,2\nd.jpg,2,1\n"


def test_exports_refuse_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 names but 1 groups"):
        export_identities_csv(["a", "b"], np.array([0]), tmp_path / "x.csv")
    with pytest.raises(InputError, match="cannot be written") as error:
        export_identities_csv(["a"], np.array([0]), tmp_path / "absent" / "x.csv")
    one_line(error)
