"""What the data know of images, in words: the columns that let an exported table be read as data again."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_agents.data.decoding import Box, image_size


def facts_of(images: ImageSet) -> dict[str, list[str]]:
    """Columns of a table of images: what is known of each, blank where unknown.

    Args:
        images: The N images.

    Returns:
        N cells of each of ``camera``, ``side``, ``place``, ``time``, ``latitude``, ``longitude``,
        ``sequence`` and ``bbox`` (pixels of the upright photograph); none of what is unknown of all images.
    """
    rows = range(len(images))
    columns = {
        "camera": [called(images.cameras, images.camera_names, row) for row in rows],
        "side": [called(images.sides, images.side_names, row) for row in rows],
        "place": [called(images.places, images.place_names, row) for row in rows],
        "time": [time_taken(images, row) for row in rows],
        "latitude": [_degrees(images.latitudes, row) for row in rows],
        "longitude": [_degrees(images.longitudes, row) for row in rows],
        "sequence": [called(images.tracklets, None, row) for row in rows],
        "bbox": _boxes(images),
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def called(numbers: NDArray[np.int64] | None, names: tuple[str, ...] | None, row: int) -> str:
    """What the number of an image is called, such as its camera; blank where it is unknown."""
    if numbers is None or numbers[row] < 0:
        return ""
    return str(numbers[row]) if names is None else names[int(numbers[row])]


def time_taken(images: ImageSet, row: int) -> str:
    """When an image was taken, ISO 8601; blank where it is unknown."""
    return "" if images.times is None or np.isnat(images.times[row]) else str(images.times[row])


def relative_paths(images: ImageSet) -> tuple[Path | None, list[str] | None]:
    """The folder that the files of images are relative to, and their paths in it.

    Returns:
        The folder, ``None`` for images that are in no files; and the N paths, ``None`` where the names of the
        images are these paths. They are not where images came from several folders, or are boxes in
        photographs; the folder is then the deepest that holds all files.
    """
    if images.files is None or images.gone.all():
        return None, None
    pairs = list(zip(images.files.tolist(), images.names.tolist(), strict=True))
    roots = {_root(file, name) for file, name in pairs if file}
    if len(roots) == 1 and (only := roots.pop()) is not None:
        return Path(only), None
    root = os.path.commonpath([os.path.dirname(file) for file, _ in pairs if file])
    paths = [Path(os.path.relpath(file, root)).as_posix() if file else name for file, name in pairs]
    return Path(root), paths


def _root(file: str, name: str) -> str | None:
    """The folder in which a file is called by its image's name."""
    end = f"/{name}"
    return file[: -len(end)] or "/" if file.endswith(end) else None


def _degrees(column: NDArray[np.float64] | None, row: int) -> str:
    return "" if column is None or np.isnan(column[row]) else repr(float(column[row]))


def _boxes(images: ImageSet) -> list[str]:
    if images.boxes is None or images.files is None:
        return [""] * len(images)
    size = lru_cache(maxsize=1)(image_size)  # the boxes of one photograph come one after the other
    return [
        "" if box is None or not file else _in_pixels(box, size(file) if box.relative else (1, 1))
        for box, file in zip(images.boxes, images.files.tolist(), strict=True)
    ]


def _in_pixels(box: Box, size: tuple[int, int]) -> str:
    height, width = size
    sides = (box.x * width, box.y * height, box.width * width, box.height * height)
    return f"[{', '.join(f'{side:.10g}' for side in sides)}]"
