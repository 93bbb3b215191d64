"""What annotators corrected about single images: unusable ones, other sides, other times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .cells import read_time
from .names import UNKNOWN, is_unknown

_NEVER = np.datetime64("NaT", "s")


@dataclass(frozen=True)
class Corrections:
    """What annotators corrected about single images; it takes the place of what the data say.

    Attributes:
        unusable: Images that show nothing that could be compared.
        sides: Name of the side that an image shows; blank where it is unknown after all.
        times: When an image was taken, as :func:`.read_time` reads it; blank likewise.
    """

    unusable: frozenset[int] = frozenset()
    sides: Mapping[int, str] = field(default_factory=dict)
    times: Mapping[int, str] = field(default_factory=dict)


def correct_sides(
    sides: NDArray[np.int64] | None, names: tuple[str, ...] | None, count: int, corrected: Mapping[int, str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """The sides of images, some of them corrected.

    Args:
        sides: (N,) int64, -1 where unknown; None where no side is known.
        names: Name of each number; None where the numbers are the data's own.
        count: N.
        corrected: Names of sides, by image; a new one gets the next number.

    Returns:
        (N,) int64 sides, and the name of each number.
    """
    numbers = np.full(count, UNKNOWN, dtype=np.int64) if sides is None else sides.copy()
    if names is None:
        known = numbers >= 0
        own, numbers[known] = np.unique(numbers[known], return_inverse=True)
        names = tuple(map(str, own.tolist()))
    number_of = {name: number for number, name in enumerate(names)}
    for image, side in corrected.items():
        numbers[image] = UNKNOWN if is_unknown(side) else number_of.setdefault(side, len(number_of))
    return numbers, tuple(number_of)


def correct_times(
    times: NDArray[np.datetime64] | None, count: int, corrected: Mapping[int, str]
) -> NDArray[np.datetime64] | None:
    """The times of images, some of them corrected.

    Args:
        times: (N,) datetime64[s], NaT where unknown; None where no time is known.
        count: N.
        corrected: Times in words, by image.

    Returns:
        (N,) datetime64[s]; None where no time is known.
    """
    found = np.full(count, _NEVER) if times is None else times.copy()
    for image, text in corrected.items():
        found[image] = read_time(text) or _NEVER
    return None if np.isnat(found).all() else found
