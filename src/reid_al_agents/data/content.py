"""Images by their content, whatever they are called: digests, and what became of a set of images."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL.Image import Image

from reid_al_agents.files import write_text

from .decoding import Box
from .pixels import Progress, in_threads

_CHUNK = 1 << 20
_log = logging.getLogger(__name__)


def digest_pixels(image: Image) -> str:
    """What an image is that is in no file of its own: SHA-256 of its size and pixels."""
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def digest_box(digest: str, box: Box | None) -> str:
    """What a box in a photograph is.

    Args:
        digest: SHA-256 of the photograph's file; empty where that cannot be read.
        box: The box; None for the whole file.
    """
    if box is None or not digest:
        return digest
    return hashlib.sha256(f"{digest} {tuple(box)}".encode()).hexdigest()


class DigestCache:
    """SHA-256 of files, computed once for each path, size and time of change.

    Args:
        path: JSON file to keep them in; None keeps them in memory only. A file that cannot be read is begun
            again: nothing in it is more than a saving.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._known: dict[str, tuple[int, int, str]] = {}
        if self._path is not None and self._path.is_file():
            self._known = _read_known(self._path)

    def digests(self, files: Sequence[str], progress: Progress | None = None) -> dict[str, str]:
        """Digest files, several at a time, and keep what was computed.

        Args:
            files: Paths; each is read once.
            progress: Called with (files done, files).

        Returns:
            Hexadecimal SHA-256 by path; empty text for a file that cannot be read.
        """
        wanted = list(dict.fromkeys(files))
        found: dict[str, str] = {}

        def look_up(place: int) -> None:
            found[wanted[place]] = self._digest(wanted[place])

        in_threads(look_up, len(wanted), progress)
        if self._path is not None:
            write_text(self._path, json.dumps(self._known, separators=(",", ":")) + "\n")
        return found

    def _digest(self, file: str) -> str:
        try:
            state = os.stat(file)
            size, changed, digest = self._known.get(file, (-1, -1, ""))
            if (size, changed) != (state.st_size, state.st_mtime_ns):
                digest = _digest_file(file)
                self._known[file] = (state.st_size, state.st_mtime_ns, digest)
            return digest
        except OSError:
            return ""


def _read_known(path: Path) -> dict[str, tuple[int, int, str]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(file): (int(size), int(changed), str(digest))
            for file, (size, changed, digest) in content.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        _log.warning("%s is damaged and made again", path)
        return {}


def _digest_file(file: str) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class ImageChanges:
    """What became of the images of a set.

    Attributes:
        places: For each image of before, its index now, or -1 where it is gone.
        renamed: (name before, name now) of images of equal content.
        replaced: Names whose content is another now.
        removed: Names of images that are gone.
        added: Indices now of images that were not there before.
    """

    places: tuple[int, ...]
    renamed: tuple[tuple[str, str], ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.renamed or self.replaced or self.removed or self.added)

    def without(self, names: Collection[str]) -> ImageChanges:
        """The changes but for images of before that had one of these names."""
        return replace(
            self,
            renamed=tuple(pair for pair in self.renamed if pair[0] not in names),
            replaced=tuple(name for name in self.replaced if name not in names),
            removed=tuple(name for name in self.removed if name not in names),
        )

    def describe(self) -> str:
        """Say what changed in one line: ``3 renamed (a.jpg is b.jpg, ...), 1 removed (c.jpg)``."""
        parts = {
            "renamed": [f"{before} is {now}" for before, now in self.renamed],
            "replaced by another picture": list(self.replaced),
            "removed": list(self.removed),
        }
        told = [f"{len(names)} {what} ({_first(names)})" for what, names in parts.items() if names]
        return ", ".join([*told, *([f"{len(self.added)} new"] if self.added else [])]) or "nothing changed"


def compare_images(
    names_before: Sequence[str],
    digests_before: Sequence[str],
    names: Sequence[str],
    digests: Sequence[str],
) -> ImageChanges:
    """Recognise the images of before among those of now, by content first and by name second.

    Of images with equal content, those of equal name belong together, the others in order.

    Args:
        names_before: Names that images had.
        digests_before: :meth:`~.ImageSet.content_hashes` of them; empty text where unknown.
        names: Names now, unique.
        digests: Digests now.

    Returns:
        What changed.
    """
    row_of = {name: row for row, name in enumerate(names)}
    places = [-1] * len(names_before)
    for row, (name, digest) in enumerate(zip(names_before, digests_before, strict=True)):
        now = row_of.get(name)
        if now is not None and (not digest or digests[now] == digest):
            places[row] = now
    _match_by_content(places, digests_before, digests)
    taken = set(places)
    renamed, replaced, removed = [], [], []
    for name, place in zip(names_before, places, strict=True):
        if place < 0 and row_of.get(name, -1) not in {-1, *taken}:
            replaced.append(name)
        elif place < 0:
            removed.append(name)
        elif names[place] != name:
            renamed.append((name, names[place]))
    added = tuple(row for row in range(len(names)) if row not in taken)
    return ImageChanges(tuple(places), tuple(renamed), tuple(replaced), tuple(removed), added)


def _match_by_content(places: list[int], before: Sequence[str], now: Sequence[str]) -> None:
    """Give images of before that have no place the free images of equal content, in order."""
    taken = set(places)
    free: dict[str, list[int]] = defaultdict(list)
    for row in reversed(range(len(now))):
        if row not in taken and now[row]:
            free[now[row]].append(row)
    for row, digest in enumerate(before):
        if places[row] < 0 and digest and free[digest]:
            places[row] = free[digest].pop()


def _first(names: Sequence[str], shown: int = 3) -> str:
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
