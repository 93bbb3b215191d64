"""Waiting for the disk together: one sync serves all threads that wait for one."""

import os
import sys
import threading
from pathlib import Path


class GroupSync:
    """Brings SQLite's write-ahead log to the disk.

    A commit that waits for the disk makes the next writer wait as well. Here, writers commit without waiting
    and then call `wait`: one of them syncs for all that have committed by then (group commit; DeWitt et al.,
    SIGMOD 1984). SQLite syncs the log itself before it moves it into the database and begins it again, so
    that what is no longer in the log is on disk already.

    Args:
        path: The log's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counting, self._syncing = threading.Lock(), threading.Lock()
        self._written = self._synced = 0

    def wrote(self) -> None:
        """Count a commit that did not wait."""
        with self._counting:
            self._written += 1

    def wait(self) -> None:
        """Return once all commits before this call are on disk.

        Raises:
            OSError: The disk refuses.
        """
        with self._counting:
            wanted = self._written
        with self._syncing:
            if self._synced >= wanted:
                return
            with self._counting:
                reached = self._written
            _sync(self._path)
            self._synced = reached


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # a plain fsync stops at the drive's cache
        else:
            os.fsync(handle)
    finally:
        os.close(handle)
