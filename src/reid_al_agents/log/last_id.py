"""The id of the last acknowledged event, kept beside an SQLite database: what was lost since shows."""

import logging
import shutil
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from reid_al_env.errors import InputError

_log = logging.getLogger(__name__)


class LastId:
    """The highest id of an event whose append has returned, in a file of one line.

    SQLite reads its write-ahead log up to the first frame with a wrong checksum and drops the rest, without a
    word: a torn write at the end of a log looks the same as damage
    (https://www.sqlite.org/walformat.html#recovery). Committed transactions are lost then, and only a number
    that is kept elsewhere tells.

    It is written after the commit, so it is never ahead of the database. It does not wait for the disk: after
    a power cut it may be a little behind, and then tells less.

    Args:
        database: The database's file.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(f"{database.name}-last")
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None

    def read(self) -> int:
        """The id; 0 where there is no file, or it is damaged, which is said.

        Raises:
            InputError: It cannot be read.
        """
        with self._reporting("read"):
            try:
                return _number(self._path.read_bytes()) if self._path.exists() else 0
            except ValueError:
                _log.warning("%s is damaged and made again; no event is lost by that", self._path)
                return 0

    def check(self, acknowledged: int, found: int) -> None:
        """See that the database still holds the last acknowledged event.

        Args:
            acknowledged: What :meth:`read` gave, before the database was read: others may write meanwhile.
            found: The highest id in the database; it must still be open.

        Raises:
            InputError: Events are missing.
        """
        if acknowledged > found:
            raise InputError(
                f"{self._database}: events {found + 1} to {acknowledged} are missing "
                f"({_keep_damaged_log(self._database)}); put its files back from a backup, or delete "
                f"{self._path.name} to go on without these events"
            )

    def begin(self, found: int) -> None:
        """Open the file for :meth:`rise_to`.

        Args:
            found: The highest id in the database.

        Raises:
            InputError: It cannot be written.
        """
        with self._reporting("written"):
            self._path.touch()
            self._file = self._path.open("r+b", buffering=0)
        self.rise_to(found)

    def rise_to(self, number: int) -> None:
        """Write the id where it is higher than what the file holds; another process may be further.

        Raises:
            InputError: It cannot be written.
        """
        with self._lock, self._reporting("written"):
            if self._file is None:  # the store was closed meanwhile
                return
            self._file.seek(0)
            before = -1
            with suppress(ValueError):  # new, or damaged
                before = _number(self._file.read(100))
            if number > before:
                self._file.seek(0)
                self._file.write(_line(number))
                self._file.truncate()

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    @contextmanager
    def _reporting(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self._path}: cannot be {what} ({error.strerror}); make it and its folder writable"
            ) from error


def _keep_damaged_log(database: Path) -> str:
    """Copy the write-ahead log, which SQLite deletes when it closes, for those who can read more from it."""
    log = database.with_name(f"{database.name}-wal")
    kept = database.with_name(f"{log.name}.damaged")
    with suppress(OSError):
        if log.stat().st_size:
            shutil.copyfile(log, kept)
    if kept.is_file():
        return f"{log.name} is damaged, a copy is {kept.name}"
    return f"{log.name} was lost, or an older {database.name} put here"


_DIGITS = 19  # of the largest id


def _number(line: bytes) -> int:
    number = int(line[:_DIGITS])
    if line != _line(number):
        raise ValueError("it does not fit its checksum")
    return number


def _line(number: int) -> bytes:
    digits = b"%019d" % number
    return digits + b" %08x\n" % zlib.crc32(digits)
