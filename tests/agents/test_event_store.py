"""The event store, on SQLite and a real PostgreSQL: nothing is lost, nothing counts twice, undo is exact."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("sqlalchemy")

from postgres_server import new_schema

from reid_al_agents.log.events import ANSWERS, RETRACTABLE, UNDOABLE, Event, StoredQuestion, counting
from reid_al_agents.log.store import EventStore, Lease, NothingToUndo
from reid_al_env.errors import InputError

SOURCE = Path(__file__).resolve().parents[2] / "src"
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    if request.param == "sqlite":
        return lambda: str(tmp_path_factory.mktemp("store") / "events.sqlite")
    socket = request.getfixturevalue("postgres_socket")
    return lambda: new_schema(socket)


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    return new_url()


@pytest.fixture
def store(url: str) -> Iterator[EventStore]:
    with EventStore(url) as opened:
        yield opened


def event(number: int = 0, **changes: object) -> Event:
    made = Event(
        key=f"k{number}",
        run="run",
        kind="answer",
        annotator="me",
        at=1000.5 + number,
        shown_at=1000.0 + number,
        seconds=0.5,
        question=f"q{number}",
        query=number,
        candidate=number + 1,
        query_name=f"{number:04d}.jpg",
        candidate_name=f"{number + 1:04d}.jpg",
        answer=ANSWERS[number % len(ANSWERS)],
        question_kind="policy",
        selector="dqn",
        probability=0.25,
        round=1,
        step=number,
        payload={"features": [1.5, 2], "name": "Zoë"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def taking_back(kind: str, target: Event | int, number: int = 0) -> Event:
    target = target if isinstance(target, int) else target.id
    return Event(f"{kind}{number}", "run", kind, "me", 2000.0, target=target)


def question(number: int = 0, **changes: object) -> StoredQuestion:
    made = StoredQuestion(
        f"q{number}", "run", 0, number, number + 1, "policy", "dqn", 1000.0, 0.5, {"at": [1, 2]}
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def without_id(events: list[Event]) -> list[Event]:
    return [replace(stored, id=0) for stored in events]


# Events


def test_events_come_back_in_order_after_reopening(url: str) -> None:
    written = [event(3), event(1, payload={}), Event("bare", "run", "refresh", "", 5.0)]
    with EventStore(url) as store:
        stored = [store.append(one) for one in written]
    assert all(new for _, new in stored)
    with EventStore(url) as store:
        assert store.events("run") == [one for one, _ in stored]
        assert without_id(store.events("run")) == written
        ids = [one.id for one in store.events("run")]
        assert ids == sorted(ids)
        assert ids[0] > 0


def test_the_same_key_counts_once_and_the_first_event_stays(store: EventStore) -> None:
    first, new = store.append(event(0))
    assert new
    assert store.append(event(0, answer="different", annotator="you")) == (first, False)
    assert store.append_many([event(0), event(1), event(1, answer="same"), event(2)]) == 2
    assert without_id(store.events("run")) == [event(0), event(1), event(2)]
    assert store.append_many([]) == 0


def test_runs_are_told_apart(store: EventStore) -> None:
    mine, _ = store.append(event(0))
    assert store.append(event(0, run="other"))[1], "a key belongs to its run"
    assert store.append_many([event(1), event(1, run="other"), event(1, run="third")]) == 3
    assert [len(store.events(run)) for run in ("run", "other", "third", "none")] == [2, 2, 1, 0]
    with pytest.raises(NothingToUndo, match="run 'other' has no event"):
        store.append(replace(taking_back("undo", mine), run="other"))


def test_reading_on_from_an_id_and_by_kind(store: EventStore) -> None:
    store.append_many(
        [event(0), event(1), Event("n", "run", "name", "me", 1.0, payload={"name": "Anna"}), event(2)]
    )
    everything = store.events("run")
    assert store.events("run", after=everything[1].id) == everything[2:]
    assert store.events("run", after=everything[-1].id) == []
    assert store.events("run", kind="name") == [everything[2]]
    assert store.events("run", after=everything[0].id, kind="answer") == [everything[1], everything[3]]


def test_numpy_values_are_stored_as_plain_ones(store: EventStore) -> None:
    stored, _ = store.append(
        event(
            query=np.int64(7),
            candidate=np.int32(9),
            query_name=np.str_("q"),
            probability=np.float32(0.5),
            at=np.float64(3),
            payload={"scores": np.array([1, 2]), "best": np.int64(4)},
        )
    )
    assert (type(stored.query), type(stored.candidate), type(stored.at)) == (int, int, float)
    assert (stored.query_name, stored.probability) == ("q", 0.5)
    assert stored.payload == {"scores": [1, 2], "best": 4}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "guess"},
        {"answer": "yes"},
        {"answer": None},
        {"query": None},
        {"query": -1},
        {"query": True},
        {"query": 1.5},
        {"candidate": 2**63},
        {"query": 4, "candidate": 4},
        {"at": float("nan")},
        {"at": "now"},
        {"seconds": float("inf")},
        {"key": ""},
        {"run": ""},
        {"annotator": ""},
        {"annotator": "a\x00b"},
        {"query_name": "\ud800"},
        {"target": 3},
        {"question_kind": "other"},
        {"payload": {"x": {1}}},
        {"payload": {"x": float("nan")}},
        {"kind": "undo", "answer": None},
    ],
    ids=str,
)
def test_an_unusable_event_stores_nothing_of_its_batch(store: EventStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        store.append_many([event(1), event(2, **wrong)])
    one_line(error)
    assert store.events("run") == []


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXT, lambda s: st.lists(s, max_size=2), max_leaves=4
)
REALS = st.floats(-4e9, 4e9)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            Event,
            key=TEXT.filter(bool),
            run=st.just("run"),
            kind=st.sampled_from(["answer", "import"]),
            annotator=TEXT.filter(bool),
            at=REALS,
            shown_at=st.none() | REALS,
            seconds=st.none() | REALS,
            question=st.none() | TEXT,
            query=st.integers(0, 2**40),
            candidate=st.integers(2**41, 2**63 - 1),
            query_name=TEXT,
            candidate_name=TEXT,
            answer=st.sampled_from(ANSWERS),
            question_kind=st.sampled_from(["policy", "audit"]),
            selector=st.none() | TEXT,
            probability=st.none() | st.floats(0, 1),
            round=st.none() | st.integers(0, 9),
            step=st.none() | st.integers(0, 2**63 - 1),
            payload=st.dictionaries(TEXT, JSON, max_size=2),
        ),
        max_size=6,
    )
)
def test_any_events_survive_the_round_trip(store: EventStore, events: list[Event]) -> None:
    run = f"run{next(_numbers)}"
    events = [replace(one, run=run) for one in events]
    first_of_key: dict[str, Event] = {}
    for one in events:
        first_of_key.setdefault(one.key, one)
    assert store.append_many(events) == len(first_of_key)
    assert store.append_many(events) == 0
    assert without_id(store.events(run)) == list(first_of_key.values())


# Undo and retract


def test_a_repeated_undo_counts_once(store: EventStore) -> None:
    target, _ = store.append(event(0))
    undone, new = store.append(taking_back("undo", target))
    assert new
    assert store.append(taking_back("undo", target)) == (undone, False)
    assert store.append_many([taking_back("undo", target)]) == 0


@pytest.mark.parametrize("kind", ["undo", "retract"])
def test_what_was_taken_back_stays_so(store: EventStore, kind: str) -> None:
    target, _ = store.append(event(0))
    store.append(taking_back("undo", target, 1))
    with pytest.raises(NothingToUndo, match="taken back before") as error:
        store.append(taking_back(kind, target, 2))
    one_line(error)
    (undo,) = store.events("run", kind="undo")
    with pytest.raises(NothingToUndo, match="of kind undo"):
        store.append(taking_back(kind, undo, 3))
    with pytest.raises(NothingToUndo, match="no event 999"):
        store.append(taking_back(kind, 999, 4))
    assert len(store.events("run")) == 2


def test_only_ones_own_is_undone_but_anybodys_retracted(store: EventStore) -> None:
    target, _ = store.append(event(0, annotator="you"))
    with pytest.raises(NothingToUndo, match="you's, not me's"):
        store.append(taking_back("undo", target, 1))
    assert store.append(taking_back("retract", target, 2))[1]
    assert counting(store.events("run")) == []


def test_an_import_is_retracted_not_undone_and_a_refresh_neither(store: EventStore) -> None:
    imported, _ = store.append(event(0, kind="import"))
    refresh, _ = store.append(Event("r", "run", "refresh", "me", 1.0))
    for kind, target in (("undo", imported), ("undo", refresh), ("retract", refresh)):
        with pytest.raises(NothingToUndo, match="of kind"):
            store.append(taking_back(kind, target, 1))
    store.append(taking_back("retract", imported, 2))
    assert counting(store.events("run")) == [refresh]


def test_a_batch_with_a_wrong_undo_stores_nothing(store: EventStore) -> None:
    target, _ = store.append(event(0))
    with pytest.raises(NothingToUndo):
        store.append_many(
            [event(1), taking_back("undo", target, 1), event(2), taking_back("undo", target, 2)]
        )
    assert store.events("run") == [target]
    assert store.append_many([event(1), taking_back("undo", target, 1), event(2)]) == 3


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["answer", "answer", "merge", "name", "import", "refresh", "undo", "undo", "retract"]
        ),
        st.sampled_from(["me", "you"]),
        st.integers(0, 8),  # which of the events so far is taken back
        st.integers(0, 15),  # its key: some repeat
    ),
    max_size=16,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_effective_is_what_a_replay_by_hand_gives(
    store: EventStore, steps: list[tuple[str, str, int, int]]
) -> None:
    run = f"run{next(_numbers)}"
    log: list[Event] = []  # what should be stored
    taken_back: set[int] = set()
    for kind, annotator, choice, key in steps:
        takes_back = kind in ("undo", "retract")
        target = log[choice % len(log)].id if takes_back and log else 0
        made = event(choice, key=f"k{key}", run=run, kind=kind, annotator=annotator)
        if takes_back:
            made = Event(f"k{key}", run, kind, annotator, 1.0, target=target)
        same_key = [one for one in log if one.key == made.key]
        if same_key:
            assert store.append(made) == (same_key[0], False)
            continue
        aim = next((one for one in log if one.id == target), None)
        allowed = {"undo": UNDOABLE, "retract": RETRACTABLE}.get(kind, ())
        refused = takes_back and (
            aim is None
            or aim.kind not in allowed
            or target in taken_back
            or (kind == "undo" and aim.annotator != annotator)
        )
        if refused:
            with pytest.raises(NothingToUndo):
                store.append(made)
            continue
        stored, new = store.append(made)
        assert new
        log.append(stored)
        if takes_back:
            taken_back.add(target)
    effective = [one for one in log if one.kind not in ("undo", "retract") and one.id not in taken_back]
    assert counting(store.events(run)) == effective
    assert store.events(run) == log


def test_many_are_taken_back_as_one_by_one(store: EventStore) -> None:
    run = event().run
    store.append_many(event(n, key=f"k{n}") for n in range(1000))
    log = store.events(run)
    back = [Event(f"u{n}", run, "retract", "ben", 1.0, target=log[n].id) for n in range(900)]
    assert store.append_many(back[:850]) == 850
    assert store.append_many(back) == 50  # those of before are known by their keys
    assert counting(store.events(run)) == log[900:]
    twice = [replace(back[0], key=f"again{n}", target=log[950].id) for n in range(2)]
    with pytest.raises(NothingToUndo, match="taken back before"):
        store.append_many(twice)
    with pytest.raises(NothingToUndo, match="has no event 99999"):
        store.append_many([replace(twice[0], target=99999)])
    with pytest.raises(NothingToUndo, match="has no event"):
        store.append_many([replace(twice[0], run="another")])
    assert counting(store.events(run)) == log[900:]  # all or none


# Questions and leases


def test_questions_come_back(store: EventStore) -> None:
    asked = [question(n, round=n // 2, probability=None if n == 1 else 0.5) for n in (2, 0, 1)]
    store.add_questions(asked)
    store.add_questions(
        [question(2, selector="other"), question(5, query=np.int64(5)), question(9, run="other")]
    )
    assert store.question("q0") == question(0)
    assert store.question("forged") is None
    assert list(store.questions(["q1", "forged", "q2"]).items()) == [("q1", asked[2]), ("q2", asked[0])]
    assert store.question("q5") == question(5)
    store.add_questions([])


def test_very_many_questions_are_read_at_once(store: EventStore) -> None:
    asked = [question(number) for number in range(1203)]
    store.add_questions(asked)
    assert list(store.questions(one.id for one in reversed(asked)).values()) == asked[::-1]
    assert len(store.lease([one.id for one in asked], "me", 0.0, 10.0)) == 1203
    assert [lease.question for lease in store.leases("run", 1.0)] == [one.id for one in asked]


@pytest.mark.parametrize(
    "wrong", [{"id": ""}, {"kind": "x"}, {"query": 3, "candidate": 3}, {"round": None}], ids=str
)
def test_an_unusable_question_stores_none(store: EventStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        store.add_questions([question(0), question(1, **wrong)])
    one_line(error)
    assert store.questions(["q0", "q1"]) == {}


def test_a_lease_keeps_others_away_until_it_runs_out(store: EventStore) -> None:
    store.add_questions([question(0), question(0, id="other", run="other")])
    assert store.lease(["q0"], "me", now=0.0, seconds=10.0, most=1)
    assert not store.lease(["q0"], "you", now=9.0, seconds=10.0, most=1)
    assert store.lease(["q0"], "me", now=5.0, seconds=10.0, most=1), "one's own is renewed"
    assert store.leases("run", 14.9) == [Lease("q0", "me", 0.0, 15.0)]
    assert store.leases("run", 15.0) == []
    assert store.lease(["q0"], "you", now=15.0, seconds=10.0, most=1)
    assert not store.lease(["q0"], "me", now=16.0, seconds=10.0, most=1)
    assert store.leases("run", 16.0) == [Lease("q0", "you", 15.0, 25.0)]
    assert store.leases("other", 16.0) == []


def test_answers_count_against_the_overlap_until_they_are_undone(store: EventStore) -> None:
    store.add_questions([question(0)])
    assert store.lease(["q0"], "me", 0.0, 10.0, most=2)
    answer, _ = store.append(event(0))
    assert store.lease(["q0"], "you", 1.0, 10.0, most=2), "who answers and still holds it is one person"
    assert not store.lease(["q0"], "anna", 10.5, 10.0, most=2), "one answer and one lease"
    assert store.lease(["q0"], "you", 10.5, 10.0, most=2)
    store.append(taking_back("undo", answer))
    assert store.lease(["q0"], "anna", 11.0, 10.0, most=2)
    assert not store.lease(["q0"], "me", 11.0, 10.0, most=2)


def test_several_leases_at_once(store: EventStore) -> None:
    store.add_questions([question(number) for number in range(5)])
    store.lease(["q1"], "you", 0.0, 10.0)
    assert store.lease(["q4", "q1", "q0", "q4"], "me", 1.0, 10.0) == ["q4", "q0"]
    assert store.lease(["q3", "q0", "q1"], "me", 1.0, 10.0) == ["q3", "q0"]
    assert store.lease([], "me", 1.0, 10.0) == []
    with pytest.raises(InputError, match="'forged' is not in the store") as error:
        store.lease(["q2", "forged"], "me", 1.0, 10.0)
    one_line(error)
    assert [one.question for one in store.leases("run", 2.0)] == ["q1", "q0", "q3", "q4"]


# Many at once

_CONTENDER = """
import json, sys, threading
from reid_al_agents.log.store import Event, EventStore, NothingToUndo, StoredQuestion
url, process = sys.argv[1], sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
results = []
store = EventStore(url)  # all of them make the store at the same time
store.add_questions([StoredQuestion(f"q{n}", "run", 0, n, n + 1, "policy", "dqn", 1.0) for n in range(12)])
shared = [store.append(Event(f"s{n}", "run", "answer", "me", 1.0, query=n, candidate=n + 1, answer="same"))[0]
          for n in range(8)]
def contend(thread):
    name = f"{process}.{thread}"
    for n in range(12):
        if store.lease([f"q{n}"], name, 0.0, 60.0, 2):
            results.append(["lease", n, name])
        stored, new = store.append(
            Event(f"k{n}", "run", "answer", name, 1.0, query=n, candidate=n + 1, answer="same"))
        results.append(["append", n, stored.id, new])
        if process == "0": sys.stdout.write("going on\\n"); sys.stdout.flush()
    for n, target in enumerate(shared):
        try:
            stored, new = store.append(Event(f"u{n}.{name}", "run", "undo", "me", 1.0, target=target.id))
            results.append(["undo", n, stored.id])
        except NothingToUndo:
            pass
threads = [threading.Thread(target=contend, args=(n,)) for n in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(results), flush=True)
"""


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


Contest = tuple[list[list[Any]], list[Event], EventStore]


@pytest.fixture(scope="session")
def contests() -> Iterator[dict[str, Contest]]:
    """Contests that were held, by database; each is held once, in whatever order tests come."""
    held: dict[str, Contest] = {}
    yield held
    for _, _, store in held.values():
        store.close()


@pytest.fixture
def contest(
    request: pytest.FixtureRequest, new_url: Callable[[], str], contests: dict[str, Contest]
) -> Contest:
    """What processes of several threads each did at once, what somebody reading along saw, and the store."""
    database = str(request.node.callspec.params["new_url"])
    if database not in contests:
        contests[database] = hold_contest(new_url())
    return contests[database]


def hold_contest(url: str) -> Contest:
    processes = [run_python(_CONTENDER, url, str(number)) for number in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
    store, seen, results = EventStore(url), list[Event](), []
    for process in processes:
        assert process.stdout is not None
        while (line := process.stdout.readline()) == "going on\n":
            seen += store.events("run", after=seen[-1].id if seen else 0)
        results += json.loads(line)
        process.communicate()
        assert process.returncode == 0
    seen += store.events("run", after=seen[-1].id if seen else 0)
    return results, seen, store


def test_leases_never_exceed_the_overlap_among_processes(contest: Contest) -> None:
    results, _, store = contest
    holders = Counter(result[1] for result in results if result[0] == "lease")
    assert holders == dict.fromkeys(range(12), 2)
    assert Counter(lease.question for lease in store.leases("run", 1.0)) == {f"q{n}": 2 for n in range(12)}


def test_a_key_counts_once_among_processes(contest: Contest) -> None:
    results, _, store = contest
    appended = [result for result in results if result[0] == "append"]
    assert Counter(result[1] for result in appended if result[3]) == dict.fromkeys(range(12), 1)
    for number in range(12):
        assert len({result[2] for result in appended if result[1] == number}) == 1, (
            "all are told of the same event"
        )
    assert len(store.events("run", kind="answer")) == 8 + 12


def test_concurrent_undos_take_an_event_back_once(contest: Contest) -> None:
    results, _, store = contest
    assert Counter(result[1] for result in results if result[0] == "undo") == dict.fromkeys(range(8), 1)
    assert len(store.events("run", kind="undo")) == 8
    assert {one.key for one in counting(store.events("run"))} == {f"k{n}" for n in range(12)}


def test_who_reads_along_misses_nothing(contest: Contest) -> None:
    _, seen, store = contest
    assert seen == store.events("run")


def test_concurrent_creation_makes_one_store(contest: Contest) -> None:
    _, _, store = contest
    assert list(store.questions(f"q{n}" for n in range(12))) == [f"q{n}" for n in range(12)]


_WRITER = """
import sys
from reid_al_agents.log.store import Event, EventStore
store = EventStore(sys.argv[1])
for number in range(1_000_000):
    stored, new = store.append(
        Event(f"k{number}", "run", "answer", "me", 1.0, query=1, candidate=2, answer="same", step=number))
    print(stored.id, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_every_acknowledged_event_outlives_kill_dash_nine(url: str) -> None:
    with run_python(_WRITER, url) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(40)]
        child.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in child.stdout.read().split()]
    assert child.returncode == -signal.SIGKILL
    with EventStore(url) as store:
        stored = store.events("run")
        assert store.append(event(-1 + 10**6))[1]  # and the store goes on
    assert [one.step for one in stored] == list(range(len(stored)))
    assert [one.id for one in stored][: len(acknowledged)] == acknowledged
    assert len(stored) <= len(acknowledged) + 1, "at most one was on its way"


def test_readers_see_whole_batches_while_threads_write(store: EventStore) -> None:
    size, batches = 5, 12
    seen = []

    def write(thread: int) -> None:
        for batch in range(batches):
            first = 1000 * thread + size * batch
            store.append_many(event(first + part) for part in range(size))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        seen.append(len(store.events("run")))
    for thread in threads:
        thread.join()
    assert all(count % size == 0 for count in seen)
    assert seen == sorted(seen)
    assert len(store.events("run")) == 3 * batches * size


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message
