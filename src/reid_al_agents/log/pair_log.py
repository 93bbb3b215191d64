"""The append-only log of every answer about a pair, in SQLite: an answer is on disk before it is used."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

SCHEMA_VERSION = 2
_APPLICATION_ID = 0x52654964  # "ReId": tells a pair log from any other SQLite file
_WAIT_FOR_LOCK_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    round INTEGER NOT NULL,
    step INTEGER NOT NULL,
    query INTEGER NOT NULL CHECK (query >= 0),
    candidate INTEGER NOT NULL CHECK (candidate >= 0 AND candidate <> query),
    query_name TEXT NOT NULL,
    candidate_name TEXT NOT NULL,
    answer INTEGER NOT NULL CHECK (answer IN (-1, 0, 1)),
    selector TEXT NOT NULL,
    source TEXT NOT NULL,
    annotator TEXT NOT NULL,
    shown_at REAL NOT NULL,
    answered_at REAL NOT NULL,
    probability REAL
)
"""


@dataclass(frozen=True)
class PairAnswer:
    """One answer about one pair of images.

    Attributes:
        key: Identifies the asking; the same key recorded twice counts once.
        run: Identifier of the run that asked.
        round: Round of the run, counted from 0.
        step: Position among the answers of its round, counted from 0.
        query: Dataset index of the query image.
        candidate: Dataset index of the gallery image it was compared with.
        query_name: Name of the query image; what the index means even if the data are later reordered.
        candidate_name: Name of the gallery image.
        answer: +1 the same identity, -1 different ones, 0 can't tell.
        selector: What chose the pair (`dqn`, `random`, ...).
        source: Where the answer is from (`labels`, `person`, ...).
        annotator: Who answered; empty where nobody in particular did.
        shown_at: When the pair was put to the source, in seconds since 1970-01-01 UTC.
        answered_at: When the answer came, in seconds since 1970-01-01 UTC.
        probability: Of a match, as it was held likely before the answer; None where nobody estimated it.
    """

    key: str
    run: str
    round: int
    step: int
    query: int
    candidate: int
    query_name: str
    candidate_name: str
    answer: int
    selector: str
    source: str
    annotator: str
    shown_at: float
    answered_at: float
    probability: float | None = None


_KINDS = tuple(get_type_hints(PairAnswer).values())
COLUMNS = tuple(field.name for field in fields(PairAnswer))
_INSERT = (
    f"INSERT INTO answers ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "
    "ON CONFLICT (key) DO NOTHING"
)


class PairLog:
    """Append-only log of answers in one SQLite file; any number of readers, one writer at a time.

    The file is in write-ahead mode with `synchronous=FULL`: `record` and `record_many` return after the
    answers have been flushed to the disk, so neither a killed process nor a power cut loses an answer that
    was acknowledged. Threads of one process may share a log; processes open one each.

    Args:
        path: The log, made if it is not there; its folder must exist.

    Raises:
        InputError: The file is not a pair log, is of a newer version, or cannot be opened for writing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        if not self.path.parent.is_dir():
            raise InputError(f"{self.path}: folder {self.path.parent} does not exist; create it first")
        with self._reporting("cannot be opened"):
            self._connection = sqlite3.connect(
                self.path, timeout=_WAIT_FOR_LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            with self._reporting("cannot be opened as a pair log"):
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def record(self, answer: PairAnswer) -> bool:
        """Write one answer to disk.

        Args:
            answer: The answer.

        Returns:
            False when its key was recorded before; the log then keeps what it had.

        Raises:
            InputError: The answer is not storable, or the disk refuses it.
        """
        return self.record_many([answer]) == 1

    def record_many(self, answers: Sequence[PairAnswer]) -> int:
        """Write answers to disk in one transaction: all of them or none, with one flush for all.

        Args:
            answers: The answers, stored in this order.

        Returns:
            How many were new; those whose key was recorded before are left as they were.

        Raises:
            InputError: An answer is not storable, or the disk refuses them; then none is stored.
        """
        rows = [_checked(answer) for answer in answers]
        if not rows:
            return 0
        with self._lock, self._reporting("answers could not be stored"), self._transaction():
            before = self._connection.total_changes
            self._connection.executemany(_INSERT, rows)
            return self._connection.total_changes - before

    def answers(self, *, run: str | None = None, round: int | None = None) -> list[PairAnswer]:  # noqa: A002
        """Read answers in the order they were recorded.

        Args:
            run: Only those of this run; None for all runs.
            round: Only those of this round; None for all rounds.

        Returns:
            The answers.
        """
        return [PairAnswer(*row) for row in self._select(", ".join(COLUMNS), run, round)]

    def pairs(self, *, run: str | None = None, round: int | None = None) -> NDArray[np.int64]:  # noqa: A002
        """Read answers as an array, in the order they were recorded.

        Args:
            run: Only those of this run; None for all runs.
            round: Only those of this round; None for all rounds.

        Returns:
            (M, 3) int64: dataset index of the query, dataset index of the candidate, answer.
        """
        rows = self._select("query, candidate, answer", run, round)
        return np.asarray(rows, dtype=np.int64).reshape(-1, 3)

    def count(self, *, run: str | None = None, round: int | None = None) -> int:  # noqa: A002
        """Count the answers.

        Args:
            run: Only those of this run; None for all runs.
            round: Only those of this round; None for all rounds.

        Returns:
            How many answers are on disk.
        """
        with self._lock, self._reporting("cannot be read"):
            sql = "SELECT COUNT(*) FROM answers WHERE (?1 IS NULL OR run = ?1) AND (?2 IS NULL OR round = ?2)"
            return int(self._connection.execute(sql, (run, round)).fetchone()[0])

    def close(self) -> None:
        """Close the file; the log cannot be used afterwards. Closing twice is harmless."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> "PairLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _select(self, columns: str, run: str | None, round_: int | None) -> list[tuple[Any, ...]]:
        sql = (
            f"SELECT {columns} FROM answers "
            "WHERE (?1 IS NULL OR run = ?1) AND (?2 IS NULL OR round = ?2) ORDER BY id"
        )
        with self._lock, self._reporting("cannot be read"):
            return self._connection.execute(sql, (run, round_)).fetchall()

    def _prepare(self) -> None:
        # The file is looked at before anything is written, so that opening somebody else's database by
        # mistake leaves every byte of it alone.
        if self._is_blank():
            with self._transaction():
                if self._is_blank():  # another process may have made it since
                    self._connection.execute(_SCHEMA)
                    self._connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                    self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._check_kind()
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA fullfsync = ON")  # macOS: a plain fsync stops at the drive's cache

    def _is_blank(self) -> bool:
        tables = self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        return tables == 0 and self._pragma("application_id") == 0 and self._pragma("user_version") == 0

    def _check_kind(self) -> None:
        if self._pragma("application_id") != _APPLICATION_ID:
            raise InputError(f"{self.path}: is an SQLite file but not a pair log; name another file")
        self._migrate()
        version = self._pragma("user_version")
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{self.path}: pair log of version {version}, this program reads version {SCHEMA_VERSION}; "
                "upgrade reid-active-learning"
            )

    def _migrate(self) -> None:
        """Bring a log of version 1 up to date; all its answers stay."""
        if self._pragma("user_version") == 1:
            with self._transaction():
                if self._pragma("user_version") == 1:  # another process may have done it since
                    self._connection.execute("ALTER TABLE answers ADD COLUMN probability REAL")
                    self._connection.execute("PRAGMA user_version = 2")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            hint = "check that it is a pair log, that its folder is writable and that the disk has room"
            raise InputError(f"{self.path}: {what} ({error}); {hint}") from error


def _checked(answer: PairAnswer) -> tuple[object, ...]:
    """The row to store, in plain Python types: sqlite3 would store NumPy integers as opaque bytes."""
    if answer.answer not in (-1, 0, 1):
        raise InputError(f"answer {answer.answer} about {answer.query_name}: expected +1, -1 or 0")
    if answer.query == answer.candidate or min(answer.query, answer.candidate) < 0:
        raise InputError(f"pair ({answer.query}, {answer.candidate}): expected two different dataset indices")
    *values, probability = astuple(answer)
    plain = (kind(value) for kind, value in zip(_KINDS[:-1], values, strict=True))
    return (*plain, None if probability is None else float(probability))
