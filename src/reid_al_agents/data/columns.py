"""The columns of a set of images, such as names and identities: frozen, chosen by rows, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError

COLUMNS: dict[str, str] = {
    "names": "U",
    "identities": "i8",
    "cameras": "i8",
    "tracklets": "i8",
    "sides": "i8",
    "places": "i8",
    "times": "M8[s]",
    "latitudes": "f8",
    "longitudes": "f8",
    "files": "U",
    "paths": "U",
}
"""Type of each column, by its name."""

Columns: TypeAlias = dict[str, NDArray[Any] | None]
"""Columns by name; None for what is not known of any image."""

_GONE: dict[str, Any] = {"i": -1, "M": np.datetime64("NaT", "s"), "U": "", "f": np.nan}  # by kind of column


def frozen(values: ArrayLike, dtype: str) -> NDArray[Any]:
    """A copy of one dimension that cannot be written to."""
    array: NDArray[Any] = np.array(values, dtype=dtype, ndmin=1)
    array.setflags(write=False)
    return array


def known_or_none(column: ArrayLike | None) -> NDArray[np.int64] | None:
    """A column of numbers; None where all are unknown, so that a blank column is no column."""
    numbers = None if column is None else np.asarray(column, dtype=np.int64)
    return None if numbers is None or (numbers.size and (numbers < 0).all()) else numbers


def some_rows(columns: Mapping[str, NDArray[Any] | None], rows: NDArray[np.int64]) -> Columns:
    """The columns of some images.

    Args:
        columns: The columns, (N,) each.
        rows: (n,) in [0, N); -1 for an image that is gone, of which nothing is known.
    """
    there = rows >= 0
    return {
        name: None if column is None else np.where(there, column[rows], _GONE[column.dtype.kind])
        for name, column in columns.items()
    }


def check_columns(columns: Mapping[str, NDArray[Any] | None], source: str) -> None:
    """See that there are images, one value for each of them in every column, and no name twice.

    Args:
        columns: The columns; ``names`` among them.
        source: Where they come from, for messages.

    Raises:
        InputError: It is not so.
    """
    listed = columns["names"]
    assert listed is not None
    if not len(listed):
        raise InputError(f"{source}: no images; expected at least one")
    for name, column in columns.items():
        if column is not None and column.shape != (len(listed),):
            raise InputError(f"{source}: {len(column)} {name} for {len(listed)} images; give one each")
    names, counts = np.unique(listed, return_counts=True)
    if len(names) != len(listed):
        raise InputError(f"{source}: image {names[counts.argmax()]} is listed twice; list every image once")


def check_unrepeated(rows: NDArray[np.int64], names: NDArray[np.str_], source: str) -> None:
    """See that no image is chosen twice.

    Args:
        rows: (n,) images that are chosen.
        names: (N,) names of all.
        source: Where they come from, for messages.

    Raises:
        InputError: One is.
    """
    if len(np.unique(rows)) != len(rows):
        repeated = names[rows[np.bincount(rows)[rows] > 1][0]]
        raise InputError(f"{source}: image {repeated} is chosen twice; choose every image once")


def as_names(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """What the numbers of a column are called; None where they are the data's own."""
    return None if names is None else tuple(names)
