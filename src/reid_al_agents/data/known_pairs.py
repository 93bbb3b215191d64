"""What a photograph says by itself: two boxes in it are two individuals; a burst shows one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .decoding import Box
from .names import UNKNOWN

_ONE_ANIMAL = 0.5  # intersection over union from which two boxes may be of one animal


def pairs_in_photographs(
    files: NDArray[np.str_] | None, boxes: Sequence[Box | None] | None, identities: NDArray[np.int64]
) -> NDArray[np.int64]:
    """See :attr:`.ImageFacts.in_one_photograph`."""
    pairs: list[tuple[int, int]] = []
    if files is not None and boxes is not None:
        rows_of = defaultdict(list)
        for row, file in enumerate(files.tolist()):
            rows_of[file].append(row)
        for rows in rows_of.values():
            pairs += [pair for pair in combinations(rows, 2) if _are_two(*pair, boxes, identities)]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes in one unit, in [0, 1]."""
    across = min(first.x + first.width, second.x + second.width) - max(first.x, second.x)
    down = min(first.y + first.height, second.y + second.height) - max(first.y, second.y)
    shared = max(across, 0.0) * max(down, 0.0)
    both = first.width * first.height + second.width * second.height - shared
    return shared / both if both > 0 else 0.0


def bursts(
    times: NDArray[np.datetime64], stations: NDArray[np.int64], alone: NDArray[np.bool_], gap: float
) -> NDArray[np.int64]:
    """Find sequences of images that one camera took shortly after one another.

    Args:
        times: (N,) datetime64[s]; NaT where unknown.
        stations: (N,) int64 camera or place of each image; -1 where unknown.
        alone: (N,) bool; whether the image is the only one of its photograph. Others are in no sequence,
            since it is unknown which animal of the next photograph each of them is.
        gap: Seconds at most between an image and the next of its sequence.

    Returns:
        (N,) int64 number of each image's sequence from 0, -1 for images in none; every sequence has two or
        more.
    """
    numbers = np.full(len(times), UNKNOWN, dtype=np.int64)
    usable = np.flatnonzero(~np.isnat(times) & (stations >= 0) & alone)
    order = usable[np.lexsort((times[usable], stations[usable]))]
    starts = np.ones(len(order), dtype=bool)
    apart = (times[order[1:]] - times[order[:-1]]).astype(np.float64) > gap
    starts[1:] = apart | (stations[order[1:]] != stations[order[:-1]])
    runs = np.cumsum(starts) - 1
    long_enough = np.bincount(runs)[runs] > 1 if len(runs) else np.empty(0, dtype=bool)
    _, renumbered = np.unique(runs[long_enough], return_inverse=True)
    numbers[order[long_enough]] = renumbered
    return numbers


def _are_two(i: int, j: int, boxes: Sequence[Box | None], identities: NDArray[np.int64]) -> bool:
    first, second = boxes[i], boxes[j]
    if first is None or second is None or (identities[i] >= 0 and identities[i] == identities[j]):
        return False
    return overlap(first, second) < _ONE_ANIMAL
