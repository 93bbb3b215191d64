"""The event store's database: opened, checked, and read and written in transactions."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL

from reid_al_agents.log import schema as store_schema
from reid_al_agents.log.address import Address, read_address
from reid_al_agents.log.group_sync import GroupSync
from reid_al_agents.log.last_id import LastId
from reid_al_env.errors import InputError

WAIT_FOR_LOCK_SECONDS = 30.0
_CONNECT_SECONDS = 10
_CONNECTIONS = 5  # kept open
_MORE_CONNECTIONS = 15  # while many threads ask at once; a PostgreSQL server lends 100 by default
_OPENING = "to be made or checked"  # what is locked while a store is opened, in place of a run


class Database:
    """An event store's database, SQLite or PostgreSQL.

    What is written for a run is written by one transaction at a time, on both databases: ids rise in the
    order of the commits, so that reading on after the last id seen misses nothing, and what a transaction has
    checked still holds when it commits.

    Args:
        url: Path of an SQLite file, or an SQLAlchemy address.

    Attributes:
        where: The address as messages may show it, without password.
        insert: The dialect's INSERT, which knows ON CONFLICT.

    Raises:
        InputError: It cannot be opened, is not an event store, or is of a newer version.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self._address: Address = read_address(url)
        self.where = self._address.shown
        self._is_sqlite = self._address.is_sqlite
        self.insert = sqlite.insert if self._is_sqlite else postgresql.insert
        # SQLite's own wait for a lock is a poll that may starve; threads of one process queue here instead.
        self._turn = threading.Lock() if self._is_sqlite else nullcontext()
        self._closed = False
        self._group: GroupSync | None = None  # where a commit need not wait by itself
        self._last: LastId | None = None  # where the database itself does not tell that it lost something
        self._stored = 0  # id of the last event committed here
        with self._reporting("cannot be opened as an event store"):
            self._engine = _sqlite(self._address.url) if self._is_sqlite else _postgresql(self._address.url)
            self._writer = self._engine.execution_options(begin="BEGIN IMMEDIATE")
            self._passing_writer = self._writer.execution_options(synchronous="NORMAL")
            if self._is_sqlite:
                self._last = LastId(Path(str(self._address.url.database)))
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read in one transaction: a consistent state on SQLite, what is committed on PostgreSQL.

        Yields:
            An open connection.

        Raises:
            InputError: The database is closed or cannot be read.
        """
        with self._reporting("cannot be read"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(
        self,
        runs: Iterable[str],
        what: str = "cannot be written",
        *,
        passing: bool = False,
        synced_later: bool = False,
    ) -> Iterator[Connection]:
        """Write for some runs in one transaction, on disk when the block has ended; undone by an error.

        Args:
            runs: The runs written for; another writer of one of them waits.
            what: Says in a message what failed.
            passing: It need not outlive a power cut, only the process: SQLite does not wait for the disk.
                The next transaction that does brings this one along.
            synced_later: The caller calls `sync` before it relies on the disk.

        Yields:
            An open connection.

        Raises:
            InputError: The database is closed or refuses.
        """
        later = synced_later and self._group is not None
        writer = self._passing_writer if passing or later else self._writer
        with self._reporting(what), self._turn, writer.begin() as connection:
            if not self._is_sqlite:
                for key in sorted({_lock_number(run) for run in runs}):  # sorted against deadlocks
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            yield connection
        if later and self._group is not None:
            self._group.wrote()

    def stored(self, last: int, *, synced_later: bool = False) -> None:
        """Note that events were committed.

        Args:
            last: The highest of their ids.
            synced_later: As it was for `writing`.

        Raises:
            InputError: The disk refuses.
        """
        self._stored = max(self._stored, last)
        if self._last is not None and not (synced_later and self._group is not None):
            self._last.rise_to(last)

    def sync(self) -> None:
        """Return once all that was written before is on disk.

        Raises:
            InputError: The disk refuses.
        """
        if self._group is None:
            return
        stored = self._stored
        try:
            self._group.wait()
        except OSError as error:
            raise InputError(
                f"{self.where}: cannot be written ({error.strerror}); see to the disk"
            ) from error
        if self._last is not None:
            self._last.rise_to(stored)

    def close(self) -> None:
        """Close all connections; closing twice is harmless."""
        self._closed = True
        self._engine.dispose()
        if self._last is not None:
            self._last.close()

    def _prepare(self) -> None:
        # Check the database before writing anything, so that opening a foreign one by mistake leaves every
        # byte of it alone.
        what = "cannot be opened as an event store"
        acknowledged = 0 if self._last is None else self._last.read()
        with self._reporting(what), self._engine.begin() as connection:
            if self._is_sqlite:
                self._check_integrity(connection)
            blank = store_schema.is_blank(connection)
            if not blank:
                store_schema.stored_version(connection, self.where)
            if self._last is not None:
                self._last.check(acknowledged, 0 if blank else store_schema.last_event(connection))
        with self.writing([_OPENING], what) as connection:
            if store_schema.is_blank(connection):  # otherwise another process may have made it since
                store_schema.create_tables(connection)
            store_schema.migrate(connection, store_schema.stored_version(connection, self.where))
            found = store_schema.last_event(connection)
        if self._last is not None:
            self._last.begin(found)
        if self._is_sqlite:
            with self._reporting(what), self._turn:
                if _use_write_ahead_log(self._engine):
                    self._group = GroupSync(Path(f"{self._address.url.database}-wal"))

    def _check_integrity(self, connection: Connection) -> None:
        """See that no row was lost between the file's pages; what is in the rows is under their checksums."""
        found = str(connection.execute(text("PRAGMA integrity_check(1)")).scalar_one())
        if found != "ok":
            raise InputError(
                f"{self.where}: is damaged ({' '.join(found.split())}); "
                "restore it from a backup, or save what `sqlite3 FILE .recover` finds"
            )

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        if self._closed:
            raise InputError(f"{self.where}: {what}: the store is closed; open it again")
        try:
            yield
        except (exc.SQLAlchemyError, ImportError, UnicodeDecodeError) as error:
            raise InputError(self._address.explain(what, error)) from error


def _sqlite(url: URL) -> Engine:
    assert url.database is not None  # read_address saw to it
    folder = Path(url.database).parent
    if not folder.is_dir():
        raise InputError(f"{url.database}: folder {folder} does not exist; create it first")
    engine = create_engine(
        url,
        connect_args={"timeout": WAIT_FOR_LOCK_SECONDS, "check_same_thread": False},
        pool_size=_CONNECTIONS,
        max_overflow=-1,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 would otherwise begin transactions as it sees fit
        connection.execute("PRAGMA synchronous = FULL")  # a commit waits for the disk
        connection.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync stops at the drive's cache

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        wanted = options.get("synchronous", "FULL")
        if connection.info.get("synchronous", "FULL") != wanted:
            connection.exec_driver_sql(f"PRAGMA synchronous = {wanted}")
            connection.info["synchronous"] = wanted
        connection.exec_driver_sql(options.get("begin", "BEGIN"))

    return engine


def _use_write_ahead_log(engine: Engine) -> bool:
    """Whether the database has one now; some file systems cannot hold it."""
    raw = engine.raw_connection()  # the mode cannot change within a transaction
    try:
        return str(raw.cursor().execute("PRAGMA journal_mode = WAL").fetchone()[0]).lower() == "wal"
    finally:
        raw.close()


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        connect_args={} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS},
        isolation_level="READ COMMITTED",  # a lock waited for must show what its holder committed
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_pre_ping=True,  # the server may have been restarted
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        connection.execute(f"SET lock_timeout = {round(1000 * WAIT_FOR_LOCK_SECONDS)}")
        # An answer acknowledged is on disk, whatever the database was configured to; stronger modes stay.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    return engine


def _lock_number(run: str) -> int:
    """A number for PostgreSQL's advisory lock: those of other programs are unlikely to be the same."""
    digest = blake2b(run.encode(), digest_size=8, person=b"reid-al").digest()
    return int.from_bytes(digest, "big", signed=True)
