"""A write-ahead log that was damaged after a kill: SQLite drops what it cannot read, and we say so."""

import shutil

import pytest
from damaging import KINDS, command, features_run, flip
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_env import InputError

COUNT = 20
NAME = "events.sqlite"


def answer(number):
    pair = {"query": number, "candidate": number + 1}
    return Event(f"key-{number}", "run", "answer", "anna", 1.0 + number, answer="same", **pair)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What a process leaves that was killed: half of its answers were synced together, half alone."""
    folder, left = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("killed")
    with EventStore(folder / NAME) as store:
        for number in range(COUNT):
            store.append(answer(number), wait=number % 2 == 0)
        store.sync()
        shutil.copytree(folder, left, dirs_exist_ok=True)
    assert (left / f"{NAME}-wal").stat().st_size > 32 + COUNT * 4096
    return left


def copy_of(killed, tmp_path, change):
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(killed, folder)
    log = folder / f"{NAME}-wal"
    log.write_bytes(change(log.read_bytes()))
    return folder


def events_or_refusal(folder):
    try:
        with EventStore(folder / NAME) as store:
            return store.events("run"), ""
    except InputError as error:
        return None, str(error)


def test_what_a_killed_process_leaves_is_read_in_full(killed, tmp_path):
    found, _ = events_or_refusal(copy_of(killed, tmp_path, lambda content: content))
    assert [event.key for event in found] == [f"key-{number}" for number in range(COUNT)]


@pytest.mark.parametrize("kind", ["cut in half", "emptied", "text", "picture", "nested 100,000 deep"])
def test_a_damaged_log_is_refused_in_one_line_and_kept(killed, tmp_path, kind):
    folder = copy_of(killed, tmp_path, lambda content: KINDS[kind](content, 0))
    damaged = (folder / f"{NAME}-wal").read_bytes()
    for _ in range(2):  # SQLite deletes its log when it is closed
        found, said = events_or_refusal(folder)
        assert found is None
        assert f"to {COUNT} are missing" in said
        assert f"{folder / NAME}: events" in said
        assert f"delete {NAME}-last" in said
        assert "\n" not in said
    kept = folder / f"{NAME}-wal.damaged"
    assert kept.read_bytes() == damaged if damaged else not kept.exists()
    (folder / f"{NAME}-last").unlink()  # as the line advises those who have no backup
    found, _ = events_or_refusal(folder)
    assert [event.key for event in found] == [f"key-{number}" for number in range(len(found))]
    assert len(found) < COUNT


def test_a_deleted_log_is_refused(killed, tmp_path):
    folder = copy_of(killed, tmp_path, lambda content: content)
    (folder / f"{NAME}-wal").unlink()
    found, said = events_or_refusal(folder)
    assert found is None
    assert f"{NAME}-wal was lost" in said


def test_an_older_database_put_in_place_of_the_present_one_is_refused(killed, tmp_path):
    older = tmp_path / "older.sqlite"
    with EventStore(tmp_path / NAME) as store:
        store.append(answer(0))
    shutil.copyfile(tmp_path / NAME, older)
    with EventStore(tmp_path / NAME) as store:
        store.append_many([answer(1), answer(2)])
    shutil.copyfile(older, tmp_path / NAME)
    assert "events 2 to 3 are missing" in events_or_refusal(tmp_path)[1]


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage", b"9" * 30, b"\0" * 30, "shifted"],
    ids=["empty", "garbage", "digits", "zeros", "shifted"],
)
def test_a_damaged_last_id_is_made_again_and_that_is_said(tmp_path, caplog, content):
    path = tmp_path / f"{NAME}-last"
    with EventStore(tmp_path / NAME) as store:
        store.append(answer(0))
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b"1", b"2", 1) if content == "shifted" else content)
    with EventStore(tmp_path / NAME) as store:
        assert len(store.events("run")) == 1
    assert f"{path} is damaged" in caplog.text
    assert path.read_bytes() == sound


def test_a_last_id_is_kept_for_stores_that_had_none_and_not_beside_foreign_files(tmp_path):
    with EventStore(tmp_path / NAME) as store:
        store.append(answer(0))
    (tmp_path / f"{NAME}-last").unlink()
    with EventStore(tmp_path / NAME):
        pass
    assert (tmp_path / f"{NAME}-last").read_bytes().startswith(b"0000000000000000001 ")
    (tmp_path / "notes.txt").write_bytes(b"notes " * 1000)
    with pytest.raises(InputError, match="is not a database"):
        EventStore(tmp_path / "notes.txt")
    assert not (tmp_path / "notes.txt-last").exists()


def test_the_last_id_is_never_ahead_of_the_disk(tmp_path):
    path = tmp_path / f"{NAME}-last"
    with EventStore(tmp_path / NAME) as store:
        store.append(answer(0))
        store.append(answer(1), wait=False)
        assert path.read_bytes().startswith(b"0000000000000000001 ")
        store.sync()
        assert path.read_bytes().startswith(b"0000000000000000002 ")


@seed(29)
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(where=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255), cut=st.booleans())
def test_any_byte_flipped_and_any_cut_is_said_or_harmless(killed, tmp_path, where, bits, cut):
    def change(content):
        place = int(where * len(content))
        return content[:place] if cut else flip(content, place, bits)

    found, said = events_or_refusal(copy_of(killed, tmp_path, change))
    assert f"to {COUNT} are missing" in said if found is None else len(found) == COUNT


@pytest.mark.parametrize("what", ["run", "export"])
def test_commands_say_it(tmp_path, what):
    folder = tmp_path / "run"
    features_run(folder)
    with EventStore(folder / NAME) as store:
        (run,) = store.runs()
        store.append(Event("late", run, "answer", "anna", 1.0, query=0, candidate=1, answer="same"))
        copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / f"{NAME}-wal").write_bytes(b"")
    code, said = command(what, copy, *(["--out", copy / "exported"] if what == "export" else []))
    assert code == 2
    assert len(said.splitlines()) == 1
    assert f"{copy / NAME}: events" in said
