"""Files that do not decode: all of them found at once, before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reid_al_agents.files import write_text
from reid_al_env.errors import InputError
from reid_al_env.messages import Message
from reid_al_env.spreadsheet import csv_text

from .decoding import find_damage
from .images import ImageSet
from .pixels import Progress, in_threads

_NAMED = 20  # files in one line of an error; the others are counted


@dataclass(frozen=True)
class Damaged:
    """An image that cannot be read.

    Attributes:
        index: Its dataset index.
        name: Its name.
        file: The file, as it is shown: below the present folder without that folder.
        reason: What is wrong with its file.
    """

    index: int
    name: str
    file: str
    reason: str


def find_damaged(images: ImageSet, progress: Progress | None = None) -> list[Damaged]:
    """Read every image's file to its end.

    Args:
        images: The images; those in no file of their own are sound.
        progress: Called with (files done, files).

    Returns:
        The images that cannot be read, by index.
    """
    if images.files is None:
        return []
    files = list(dict.fromkeys(images.files.tolist()))
    reasons: dict[str, str] = {}

    def look_at(place: int) -> None:
        reason = find_damage(files[place])
        if reason is not None:
            reasons[files[place]] = reason

    in_threads(look_at, len(files), progress)
    return [
        Damaged(index, str(images.names[index]), _shown(file), reasons[file])
        for index, file in enumerate(images.files.tolist())
        if file in reasons
    ]


def without_damaged(images: ImageSet, damaged: Sequence[Damaged], *, skip: bool) -> ImageSet:
    """Go on without images that cannot be read, or refuse the data and name them.

    Args:
        images: The images.
        damaged: What :func:`find_damaged` found in them.
        skip: Whether to go on.

    Returns:
        The sound images, with a note of those that were left out; ``images`` itself where all are sound.

    Raises:
        InputError: There are damaged images and ``skip`` is False, or no sound one is left.
    """
    if not damaged:
        return images
    told = ", ".join(f"{image.file} ({image.reason})" for image in damaged[:_NAMED])
    more = f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
    many = f"{len(damaged)} of {len(images)} images cannot be read: {told}{more}"
    if not skip:
        raise InputError(
            f"{images.source}: {many}; replace or remove them, or go on without them by --skip-damaged"
        )
    if len(damaged) == len(images):
        raise InputError(Message("{data}: {damaged}; no image is left", data=images.source, damaged=many))
    sound = np.setdiff1d(np.arange(len(images)), [image.index for image in damaged])
    return images.subset(sound).with_notes(f"left out as damaged: {many}")


def save_damaged(damaged: Sequence[Damaged], path: str | Path) -> None:
    """Keep a list of damaged images as a CSV file with the columns ``name``, ``file`` and ``reason``.

    Raises:
        InputError: The file cannot be written.
    """
    rows = ((image.name, image.file, image.reason) for image in damaged)
    write_text(path, csv_text(("name", "file", "reason"), rows))


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
