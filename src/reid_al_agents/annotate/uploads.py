"""Files that annotators send from the page, part by part, until they are taken in or discarded."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path, PurePosixPath

from reid_al_agents.annotate.messages import Conflict, Unknown
from reid_al_agents.files import make_folder
from reid_al_env import InputError
from reid_al_env.messages import Message

MOST_BYTES = 16 << 30
"""Bytes of one upload, all files together."""

MOST_FILES = 100_000
"""Files of one upload."""

_LONGEST_NAME = 200  # bytes of one part of a path; file systems take 255


class Uploads:
    """The files of each upload, in a folder of its own; thread-safe.

    Uploads are known by the random number that the page gives them, and belong to the annotator who began
    them. What an earlier process left is deleted.

    Args:
        place: Folder that holds them.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._owners: dict[str, str] = {}
        self._sizes: dict[str, dict[str, int]] = {}  # of the files of each upload
        shutil.rmtree(place, ignore_errors=True)

    def write(self, upload: str, owner: str, name: str, offset: int, content: bytes) -> int:
        """Write a part of a file; the same part may come again.

        Args:
            upload: Number of the upload; a new one begins it.
            owner: The annotator.
            name: Path of the file within the upload, with strokes.
            offset: Where in the file the part begins.
            content: The part.

        Returns:
            Size of the file so far, in bytes.

        Raises:
            Conflict: The name cannot be used, earlier parts are missing, or the upload grows too large.
            InputError: The disk refuses it.
        """
        parts = _checked(name)
        with self._lock:
            sizes = self._of(upload, owner, begin=True)
            have = sizes.get(name, 0)
            if offset > have:
                raise Conflict(
                    Message(
                        "{file}: the part before byte {offset} is missing; send the file again",
                        file=parts[-1],
                        offset=offset,
                    )
                )
            size = max(have, offset + len(content))
            if sum(sizes.values()) - have + size > MOST_BYTES or len(sizes) >= MOST_FILES + (name in sizes):
                raise Conflict("upload: is too large; send fewer files at once, or use reid-al add")
            _write(self._place.joinpath(upload, *parts), offset, content)
            sizes[name] = size
            return size

    def files(self, upload: str, owner: str) -> list[Path]:
        """The files of an upload.

        Raises:
            Unknown: The annotator has no such upload.
        """
        with self._lock:
            return [self._place.joinpath(upload, name) for name in self._of(upload, owner)]

    def folder(self, upload: str, owner: str) -> Path:
        """The folder that holds the files of an upload.

        Raises:
            Unknown: The annotator has no such upload.
        """
        with self._lock:
            self._of(upload, owner)
            return self._place / upload

    def discard(self, upload: str, owner: str) -> None:
        """Delete an upload, if there is one."""
        with self._lock:
            if self._owners.get(upload) == owner:
                del self._owners[upload], self._sizes[upload]
                shutil.rmtree(self._place / upload, ignore_errors=True)

    def _of(self, upload: str, owner: str, *, begin: bool = False) -> dict[str, int]:
        if begin and upload not in self._owners:
            self._owners[upload], self._sizes[upload] = owner, {}
        if self._owners.get(upload) != owner:
            raise Unknown("upload: is not there (any more); send the files again")
        return self._sizes[upload]


def _checked(name: str) -> tuple[str, ...]:
    """The parts of a path that stays within its folder.

    Raises:
        Conflict: It does not, or no file can have this name.
    """
    parts = PurePosixPath(name).parts
    outside = ".." in parts or Path(name).is_absolute() or Path(name).drive or "\\" in name
    if not parts or outside or not all(map(_is_name, parts)):
        raise Conflict(Message("file {file!r}: cannot be stored under this name; rename it", file=name[:60]))
    return parts


def _is_name(part: str) -> bool:
    return part.isprintable() and len(part.encode("utf-8", "replace")) <= _LONGEST_NAME


def _write(path: Path, offset: int, content: bytes) -> None:
    try:
        make_folder(path.parent)
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(offset)
            file.write(content)
    except OSError as error:
        raise InputError(
            Message(
                "{file}: cannot be written ({reason}); make room on the disk",
                file=path.name,
                reason=error.strerror,
            )
        ) from error
