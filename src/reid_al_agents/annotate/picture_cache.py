"""Reduced pictures on disk, within a limit: the least recently used are deleted first."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from pathlib import Path

LIMIT = 512 * 2**20
"""Bytes that the reduced pictures of a session may take."""

_KEPT = 0.9  # share of the limit that is left after a clearance


class PictureCache:
    """Files by name in a folder; safe to be called from many threads.

    A cache may be deleted at any time. A disk that is full or read-only is no error: nothing is kept then.

    Args:
        folder: Where the files are kept; made when the first one is written.
        limit: Bytes that they may take together.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder, self._limit = folder, limit
        self._lock = threading.Lock()
        self._size: int | None = None  # of all files, once it is known

    def get(self, name: str) -> bytes | None:
        """The content of a file; ``None`` if it is not there."""
        path = self._folder / name
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return content

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return (self._folder / name).is_file()

    def put(self, name: str, content: bytes) -> None:
        """Write a file, and delete old ones if they take too much space."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f".{name}.{secrets.token_hex(4)}.tmp"
            try:
                part.write_bytes(content)
                part.replace(self._folder / name)
            finally:
                part.unlink(missing_ok=True)
            with self._lock:
                if self._size is None:
                    self._size = sum(size for _, size, _ in self._files())
                else:
                    self._size += len(content)
                if self._size > self._limit:
                    self._clear()

    def _clear(self) -> None:
        files = sorted(self._files())
        self._size = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._size <= _KEPT * self._limit:
                return
            path.unlink(missing_ok=True)
            self._size -= size

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of each file."""
        found = []
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found
