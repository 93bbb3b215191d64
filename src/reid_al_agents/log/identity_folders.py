"""The identities found as folders of images, one for each."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_agents.log.image_copies import copy_image, new_folder
from reid_al_agents.log.tables import UNKNOWN, identity_names

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]')  # of a file, on any system


def write_identity_folders(
    folder: str | os.PathLike[str],
    images: ImageSet,
    groups: NDArray[np.int64],
    labels: Mapping[int, str] | None = None,
    *,
    link: bool = False,
) -> int:
    """Write the images into a folder for each identity, and those that stand alone into ``unknown``.

    A file is called by the image's number and its own name, so that no two are alike.

    Args:
        folder: The folder to make; must be new or empty.
        images: The N images.
        groups: (N,) int64 group of each image.
        labels: Names that annotators gave to groups, by group; a folder is called so.
        link: Make hard links where the file system can.

    Returns:
        How many images were written.

    Raises:
        InputError: The folder is not empty or cannot be written, or an image cannot be read.
    """
    places = _folder_names(identity_names(images.names, groups, labels or {}))
    kept = [index for index in range(len(images)) if not images.gone[index]]
    with new_folder(folder) as target:
        for index in kept:
            place = target / places[int(groups[index])]
            place.mkdir(exist_ok=True)
            stem = _NOT_IN_NAMES.sub("_", Path(str(images.names[index])).stem)
            copy_image(place, f"{index:06d}_{stem}", images, index, link)
    return len(kept)


def _folder_names(names: Mapping[int, str]) -> dict[int, str]:
    """A folder for each group; names that differ only in what no file may be called get their number."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for group, name in names.items():
        plain = _NOT_IN_NAMES.sub("_", name).strip(" .") or f"identity_{group}"
        if name != UNKNOWN and plain.casefold() in taken | {UNKNOWN}:
            plain = f"{plain} ({group})"
        taken.add(plain.casefold())
        found[group] = plain
    return found
