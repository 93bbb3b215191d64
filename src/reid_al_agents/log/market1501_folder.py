"""The identities found as a folder in Market-1501's layout, for programs that train on that."""

import csv
import io
import os
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_agents.data.layouts.named_files import MAP
from reid_al_agents.data.layouts.own_exports import CONFIRMED
from reid_al_agents.files import write_text
from reid_al_agents.log.image_copies import copy_image, new_folder
from reid_al_agents.log.tables import group_sizes
from reid_al_env.errors import InputError

_IMAGES = "bounding_box_train"
_ONLY_CAMERA = 1  # where cameras are unknown
_UNKNOWN_CAMERA = 0  # of an image whose camera is unknown where others are known


def write_market1501(
    folder: str | os.PathLike[str],
    images: ImageSet,
    groups: NDArray[np.int64],
    *,
    confirmed: NDArray[np.bool_] | None = None,
    smallest: int = 2,
    link: bool = False,
) -> int:
    """Write the images with the identities found, in Market-1501's layout.

    Files are copied byte for byte; images that exist in memory only are encoded losslessly. A file is called
    `IDENTITY_cCAMERAs1_NUMBER_00` where identities count from 1 by their first image and NUMBER is the
    image's dataset index.

    Args:
        folder: The folder to make, with `bounding_box_train` in it and `names.csv`, which maps the files
            back to original names and cameras; must be new or empty.
        images: The N images.
        groups: (N,) int64 group of each image.
        confirmed: (N,) whether answers join an image to its identity; a column of the map, so that suggested
            images are known when it is read again. ``None`` leaves it out.
        smallest: Groups of fewer images are left out: a single image may show any of the identities.
        link: Make hard links where the file system can, which takes no disk space; the files are then shared
            with the original.

    Returns:
        How many images were written.

    Raises:
        InputError: The folder is not empty or cannot be written, an image cannot be read, no group is large
            enough, or `groups` does not fit the images.
    """
    numbers = _identity_numbers(group_sizes(images.names, groups), groups, smallest)
    with new_folder(folder) as target:
        (target / _IMAGES).mkdir()
        written = [
            (copy_image(target / _IMAGES, _stem(images, index, numbers[group]), images, index, link), index)
            for index, group in enumerate(groups.tolist())
            if group in numbers and not images.gone[index]
        ]
        write_text(target / MAP, _map(images, written, confirmed))
    return len(written)


def _identity_numbers(sizes: Mapping[int, int], groups: NDArray[np.int64], smallest: int) -> dict[int, int]:
    kept = [group for group in dict.fromkeys(groups.tolist()) if sizes[group] >= smallest]
    if not kept:
        raise InputError(
            f"no identity has {smallest} images yet; answer more pairs, or export smaller groups"
        )
    return {group: number for number, group in enumerate(kept, start=1)}


def _map(images: ImageSet, written: Sequence[tuple[str, int]], confirmed: NDArray[np.bool_] | None) -> str:
    """What each file was called before, its camera, blank where unknown, and whether it is confirmed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "name", "camera", *(() if confirmed is None else (CONFIRMED,))))
    for file, index in written:
        camera = -1 if images.cameras is None else int(images.cameras[index])
        named = "" if camera < 0 else images.camera_names[camera] if images.camera_names else camera
        sure = () if confirmed is None else (int(confirmed[index]),)
        writer.writerow((file, images.names[index], named, *sure))
    return text.getvalue()


def _stem(images: ImageSet, index: int, identity: int) -> str:
    camera = _ONLY_CAMERA if images.cameras is None else max(int(images.cameras[index]), _UNKNOWN_CAMERA)
    return f"{identity:04d}_c{camera}s1_{index:06d}_00"
