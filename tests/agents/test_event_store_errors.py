"""The event store where something is wrong: one line of what, where and how to mend it, and no harm."""

import os
import random
import socket as sockets
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")

from postgres_server import USER, new_schema, schema_address
from sqlalchemy import text

from reid_al_agents.log import database as store_database
from reid_al_agents.log import question_table as store_questions
from reid_al_agents.log import schema as store_schema
from reid_al_agents.log.store import Event, EventStore, StoredQuestion
from reid_al_env.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


@pytest.fixture
def server(postgres_socket: str) -> str:
    return new_schema(postgres_socket)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, path: Path) -> str:
    return str(path) if request.param == "sqlite" else str(request.getfixturevalue("server"))


def answer(number: int = 0, **changes: Any) -> Event:
    made = Event(f"k{number}", "run", "answer", "me", 0.5, query=0, candidate=1, answer="same")
    return replace(made, **changes)


def question() -> StoredQuestion:
    return StoredQuestion("q", "run", 0, 0, 1, "policy", "dqn", 1.0)


def refused(url: str | os.PathLike[str], *expected: str) -> str:
    """What opening a store says; it is one line that names the place and does not tell the password."""
    with pytest.raises(InputError) as error:
        EventStore(url)
    message = str(error.value)
    assert "\n" not in message
    assert "hunter2" not in message
    for part in expected:
        assert part in message
    return message


def run_sql(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def change_schema(store: EventStore, statement: str) -> None:
    with store._database.writing(["run"]) as connection:
        connection.execute(text(statement))


def test_a_text_file_is_not_a_store(path: Path) -> None:
    path.write_text("these are somebody's notes, long enough to look like a database page\n" * 30)
    before = path.read_bytes()
    refused(path, "events.sqlite", "cannot be opened as an event store", "name another one")
    assert path.read_bytes() == before


def test_another_programs_file_is_refused_and_left_alone(path: Path) -> None:
    run_sql(path, "CREATE TABLE notes (text)")
    before = path.read_bytes()
    refused(path, "events.sqlite", "not an event store", "name another file")
    assert path.read_bytes() == before
    assert not path.with_name("events.sqlite-wal").exists()


def test_another_programs_meta_table_does_not_mislead(path: Path) -> None:
    run_sql(path, "CREATE TABLE meta (name, value, extra)")
    refused(path, "not an event store")


def test_a_cut_off_file_is_reported(path: Path) -> None:
    with EventStore(path) as store:
        store.append_many(answer(number) for number in range(200))
    path.write_bytes(path.read_bytes()[:5000])
    refused(path, "events.sqlite", "restore it from a backup")


def test_missing_folders_and_folders_for_files_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "absent" / "events", "does not exist", "create it first")
    refused(f"sqlite:///{tmp_path}/absent/events", "does not exist")
    refused(tmp_path, "check that it is a file")
    refused(f"{tmp_path}/", "is no file")
    refused("", "is no file")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder nobody can write in")
def test_a_file_system_that_refuses_is_reported() -> None:
    refused("/proc/self/events.sqlite", "writable")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_that_cannot_be_written_is_refused(path: Path) -> None:
    EventStore(path).close()
    path.chmod(0o400)
    refused(path, "writable")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///events?mode=ro", "takes nothing"),
        ("mysql://me:hunter2@host/db", "no kind of store"),
        ("postgresql+psycopg2://me:hunter2@host/db", "no kind of store"),
        ("postgresql+psycopg://me:hunter2@host:port/db", "cannot be read"),
        ("://hunter2", "cannot be read"),
    ],
)
def test_addresses_of_no_store_are_refused(url: str, expected: str) -> None:
    refused(url, expected, "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE")


def test_a_path_may_be_written_as_an_address(path: Path) -> None:
    with EventStore(f"sqlite:///{path}") as store:
        store.append(answer())
        assert store.where == str(path)
    with EventStore(path) as store:
        assert len(store.events("run")) == 1


def test_a_newer_store_is_refused(url: str) -> None:
    with EventStore(url) as store:
        change_schema(store, "UPDATE meta SET value = '99' WHERE name = 'schema_version'")
    refused(url, "version 99, this program reads version 2", "upgrade reid-active-learning")


def test_an_older_store_is_brought_up_to_date_and_keeps_its_events(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EventStore(url) as store:
        stored, _ = store.append(answer())
    monkeypatch.setattr(store_schema, "SCHEMA_VERSION", 4)
    add = {version: text(f"ALTER TABLE events ADD COLUMN new_in_{version + 1} TEXT") for version in (2, 3)}
    steps = {version: lambda c, s=statement: c.execute(s) for version, statement in add.items()}
    monkeypatch.setattr(store_schema, "MIGRATIONS", steps)
    for _ in range(2):  # once only
        with EventStore(url) as store:
            assert store.events("run") == [stored]
            change_schema(store, "UPDATE events SET new_in_3 = 'a', new_in_4 = 'b'")
    monkeypatch.undo()
    refused(url, "version 4, this program reads version 2")


def test_a_migration_that_fails_leaves_the_store_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    EventStore(url).close()

    def fail(connection: object) -> None:
        connection.execute(text("ALTER TABLE events ADD COLUMN half TEXT"))  # type: ignore[attr-defined]
        connection.execute(text("ALTER TABLE nothing ADD COLUMN half TEXT"))  # type: ignore[attr-defined]

    with monkeypatch.context() as patch:
        patch.setattr(store_schema, "SCHEMA_VERSION", 3)
        patch.setattr(store_schema, "MIGRATIONS", {2: fail})
        refused(url, "cannot be opened as an event store")
    with EventStore(url) as store:
        change_schema(store, "ALTER TABLE events ADD COLUMN half TEXT")


def test_a_store_without_checksums_gets_them_and_keeps_its_events(url: str) -> None:
    events = [answer(number) for number in range(5)]
    with EventStore(url) as store:
        store.append_many(events)
        store.add_questions([question()])
        before, asked = store.events("run"), store.question(question().id)
        for table in ("events", "questions"):
            change_schema(store, f"ALTER TABLE {table} DROP COLUMN checksum")
        change_schema(store, "UPDATE meta SET value = '1' WHERE name = 'schema_version'")
    for _ in range(2):
        with EventStore(url) as store:
            assert store.events("run") == before
            assert store.question(question().id) == asked
    with EventStore(url) as store:
        store.append(answer(9))
        change_schema(store, "UPDATE events SET answer = 'different' WHERE id = 2")
        with pytest.raises(InputError, match="event 2 is damaged"):
            store.events("run")


COLUMNS_CHANGED = {
    "key": "'k'", "kind": "'merge'", "annotator": "'b'", "at": "1.0", "shown_at": "NULL",
    "seconds": "seconds + 1e-9",
    "question": "'other'", "query": "7", "candidate": "8", "query_name": "'x'", "candidate_name": "'y'",
    "answer": "'different'", "question_kind": "'audit'", "selector": "NULL", "probability": "0.5",
    "round": "9", "step": "9", "target": "9", "payload": "'{}'",
}  # fmt: skip


@pytest.mark.parametrize("column", COLUMNS_CHANGED)
def test_a_changed_column_is_noticed_and_the_event_named(url: str, column: str) -> None:
    with EventStore(url) as store:
        full = answer(1, shown_at=2.0, seconds=1.0, selector="s", round=1, step=1, payload={"a": 1})
        store.append_many([answer(0), full, answer(2)])
        change_schema(store, f"UPDATE events SET {column} = {COLUMNS_CHANGED[column]} WHERE id = 2")
    with EventStore(url) as store, pytest.raises(InputError, match="event 2 is damaged") as error:
        store.events("run")
    assert "restore the database from a backup" in str(error.value)


def test_a_changed_question_is_noticed(url: str) -> None:
    with EventStore(url) as store:
        store.add_questions([question()])
        change_schema(store, "UPDATE questions SET candidate = 99")
        with pytest.raises(InputError, match=f"question '{question().id}' is damaged"):
            store.question(question().id)


def test_any_byte_of_the_file_is_either_sound_or_refused_in_one_line(path: Path) -> None:
    with EventStore(path) as store:
        store.append_many(answer(number, payload={"n": number}) for number in range(40))
        stored = store.events("run")
    run_sql(path, "PRAGMA journal_mode = DELETE")
    good, rng = path.read_bytes(), random.Random(1)
    used = [place for place in range(len(good)) if good[place]]
    refusals = []
    for place in rng.sample(used, 200):
        path.write_bytes(good[:place] + bytes([good[place] ^ rng.randrange(1, 256)]) + good[place + 1 :])
        try:
            with EventStore(path) as store:
                assert store.events("run") == stored, place
        except InputError as error:
            refusals.append(str(error))
        for file in path.parent.glob("events.sqlite-*"):
            file.unlink()
    assert len(refusals) > 100
    assert all(str(path) in line and "\n" not in line for line in refusals)


def test_rows_that_an_index_has_lost_are_noticed(path: Path) -> None:
    with EventStore(path) as store:
        store.append_many(answer(number) for number in range(50))
    with sqlite3.connect(path, isolation_level=None) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("CREATE TABLE hidden (run TEXT, id INTEGER)")
        (root,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'events_of_run'").fetchone()
        raw.execute("CREATE INDEX emptied ON hidden (run, id)")
        (blank,) = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'emptied'").fetchone()
        raw.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'events_of_run'", (blank,))
        raw.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = 'emptied'", (root,))
    raw.close()
    refused(path, "is damaged", "restore it from a backup")


def test_a_locked_file_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_database, "WAIT_FOR_LOCK_SECONDS", 0.01)
    with EventStore(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(InputError, match="another program keeps it locked") as error:
            store.append(answer())
        assert "\n" not in str(error.value)
        assert store.events("run") == [], "reading goes on"
        refused(path, "another program keeps it locked")
        other.execute("ROLLBACK")
        other.close()
        assert store.append(answer())[1]


def test_a_locked_table_of_the_server_is_reported(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_database, "WAIT_FOR_LOCK_SECONDS", 0.01)
    with EventStore(server) as store, EventStore(server) as other:
        with other._database.writing(["run"]):
            with pytest.raises(InputError, match="another program keeps it locked") as error:
                store.append(answer())
            assert "\n" not in str(error.value)
            assert store.events("run") == [], "reading goes on"
        assert store.append(answer())[1]


def test_who_leases_waits_for_others_who_lease_the_same(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_database, "WAIT_FOR_LOCK_SECONDS", 0.01)
    with EventStore(server) as store, EventStore(server) as other:
        store.add_questions(StoredQuestion(f"q{n}", "run", 0, 1, 2, "policy", "dqn", 1.0) for n in range(2))
        with other._database.writing([]) as connection:
            store_questions._lock(connection, ["q0"])
            with pytest.raises(InputError, match="another program keeps it locked"):
                store.lease(["q0"], "me", 0.0, 10.0)
            assert store.lease(["q1"], "me", 0.0, 10.0), "other questions are free"
            assert store.append(answer())[1], "and so is answering"
        assert store.lease(["q0"], "me", 0.0, 10.0)


def test_a_closed_store_says_so(url: str) -> None:
    store = EventStore(url)
    store.close()
    store.close()
    for use in (
        lambda: store.append(answer()),
        lambda: store.events("run"),
        lambda: store.leases("run", 0.0),
    ):
        with pytest.raises(InputError, match="the store is closed"):
            use()


def test_a_refused_connection_is_reported_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with sockets.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql+psycopg://me:hunter2@127.0.0.1:{port}/db"
    refused(url, f"postgresql+psycopg://me:***@127.0.0.1:{port}/db", "check host and port")
    refused("postgresql://me@/db?host=/nowhere&password=hunter2", "check host and port")


def test_an_unknown_database_or_user_is_reported(postgres_socket: str) -> None:
    refused(f"postgresql+psycopg://{USER}:hunter2@/absent?host={postgres_socket}", "create it first")
    refused(
        f"postgresql+psycopg://nobody:hunter2@/postgres?host={postgres_socket}", "check user and database"
    )
    refused(f"postgresql+psycopg://{USER}@/postgres?host={postgres_socket}&nonsense=hunter2", "nonsense")


def test_another_programs_tables_in_the_server_are_refused_and_left_alone(server: str) -> None:
    with EventStore(server) as store:
        change_schema(store, "DELETE FROM meta")
    refused(server, "not an event store", "an empty database")
    refused(server, "not an event store")


def test_a_user_who_may_not_create_tables_is_told(postgres_socket: str) -> None:
    import psycopg

    name = f"guest{os.getpid()}"
    with psycopg.connect(host=postgres_socket, user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
        connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA {name} TO {name}")
    refused(schema_address(postgres_socket, name, name), "permission denied", "GRANT")


def test_both_ask_the_disk_to_flush_every_event(path: Path, server: str) -> None:
    with EventStore(path) as store, store._database.reading() as connection:
        pragma = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
        assert pragma == ["wal", 2]  # 2: FULL, the log is flushed at each commit
    careless = f"{server}%20-csynchronous_commit%3Doff"
    with EventStore(careless) as store, store._database.reading() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


@pytest.mark.parametrize(
    ("module", "extra"), [("sqlalchemy", "annotate"), ("psycopg", "postgres")], ids=["sqlalchemy", "psycopg"]
)
def test_a_missing_package_names_the_extra(module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [name for name in sys.modules if name.startswith("reid_al_agents.log.")]
    theirs = [name for name in sys.modules if name.split(".")[0] == module]
    for name in ours + theirs if module == "sqlalchemy" else theirs:
        parent, _, child = name.rpartition(".")
        if child in vars(sys.modules.get(parent, object)):  # else the copy that is imported now stays there
            monkeypatch.setattr(sys.modules[parent], child, sys.modules[name])
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    refused(
        "postgresql+psycopg://me:hunter2@localhost/db", module, f'pip install "reid-active-learning[{extra}]"'
    )


def test_reading_and_writing_fail_in_one_line_too(url: str) -> None:
    with EventStore(url) as store:
        change_schema(store, "DROP TABLE events")
        uses: list[Callable[[], object]] = [
            lambda: store.append(answer()),
            lambda: store.append_many([answer()]),
            lambda: store.events("run"),
        ]
        for use in uses:
            with pytest.raises(InputError) as error:
                use()
            assert "\n" not in str(error.value)
            assert store.where in str(error.value)
