"""Which files of a folder are images, and what is left out and why."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from reid_al_env.messages import Message

from .decoding import suffixes

_BY_OTHER_PROGRAMS = frozenset(
    {".heic", ".heif", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2"}
)
_MOVIES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".mts", ".m4v", ".mpg", ".mpeg", ".wmv"})


@dataclass
class LeftOut:
    """What is not taken from a data set, counted by reason.

    Attributes:
        reasons: Number of files or rows by reason.
    """

    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, count: int = 1) -> None:
        """Count ``count`` more of a reason."""
        self.reasons[reason] += count

    def notes(self) -> tuple[str, ...]:
        """One line that names every reason with its number; none where nothing is left out."""
        if not self.reasons:
            return ()
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(self.reasons.items()))
        return (Message("left out: {reasons}", reasons=told),)


def list_images(folder: Path, left_out: LeftOut | None = None, *, deep: bool = False) -> list[Path]:
    """List the image files in a folder.

    Args:
        folder: An existing folder.
        left_out: Counts the files left out and the folders not entered, by reason.
        deep: Also list the folders in it, and those in them; each once, wherever links lead.

    Returns:
        Paths sorted by their parts. Which endings are images is in :func:`~.decoding.suffixes`.
    """
    told = LeftOut() if left_out is None else left_out
    found: list[Path] = []
    entered = {os.path.realpath(folder)}
    for place, folders, files in os.walk(
        folder, onerror=lambda _: told.add("folders that cannot be entered"), followlinks=True
    ):
        folders[:] = (
            [name for name in sorted(folders) if _enter(Path(place, name), entered, told)] if deep else []
        )
        for name in files:
            reason = _why_not(name)
            if reason is None:
                found.append(Path(place, name))
            else:
                told.add(reason)
    return sorted(found, key=lambda path: path.parts)


def _enter(folder: Path, entered: set[str], told: LeftOut) -> bool:
    """Whether to enter a folder: hidden folders and repeated ones are left out."""
    if folder.name.startswith("."):
        told.add("hidden folders")
        return False
    real = os.path.realpath(folder)
    if real in entered:
        told.add("folders that are links to others here")
        return False
    entered.add(real)
    return True


def _why_not(name: str) -> str | None:
    """Why a file is not taken; None where it is."""
    suffix = Path(name).suffix.lower()
    if name.startswith("."):
        return "hidden files"
    if suffix in suffixes():
        return None
    if suffix in _BY_OTHER_PROGRAMS:
        return f"{suffix} files (convert them to .jpg)"
    if suffix in _MOVIES:
        return f"{suffix} files (films: save frames as images)"
    return f"{suffix} files (no images)" if suffix else "files without an ending (no images)"
