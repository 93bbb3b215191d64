"""Checks of actions and queries given by a user, which must be whole numbers in a range."""

from __future__ import annotations

import math
import reprlib

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

_WHOLE = "iub"


def as_index(value: object, name: str, count: int) -> int:
    """``value`` as an int, checked to be in 0..count−1.

    Args:
        value: A Python or numpy integer, or an array without dimensions.
        name: Name of the value in the message.
        count: Number of valid values.

    Raises:
        InputError: If it is not a whole number in that range.
    """
    array = _as_array(value)
    if array.ndim == 0 and array.dtype.kind in _WHOLE and 0 <= (index := int(array)) < count:
        return index
    raise InputError(_message(array, name, "a whole number", count))


def as_indices(values: object, name: str, size: int, count: int) -> NDArray[np.int64]:
    """``values`` as an int64 array of shape (size,), checked to be in 0..count−1.

    Raises:
        InputError: If there are not ``size`` of them, or one is not a whole number in that range.
    """
    array = _as_array(values)
    if (
        array.shape != (size,)
        or array.dtype.kind not in _WHOLE
        or not (array.min() >= 0 and array.max() < count)
    ):
        raise InputError(_message(array, name, f"{size} whole numbers", count))
    return array.astype(np.int64, copy=False)


def as_queries(chosen: object, size: int, count: int) -> NDArray[np.int64]:
    """``options["query"]`` for each sub-environment, shape (size,).

    Args:
        chosen: One number for all sub-environments, or ``size`` numbers.
        size: Number of sub-environments.
        count: Number of images.

    Raises:
        InputError: If it is neither.
    """
    if _as_array(chosen).ndim == 0:
        return np.full(size, as_index(chosen, "query", count))
    return as_indices(chosen, "query", size, count)


def as_limit(steps: object) -> float:
    """``max_episode_steps`` as a number of steps; infinity for ``None`` and −1, which mean no limit.

    Raises:
        InputError: If it is not a whole number of at least 1.
    """
    if steps is None:
        return math.inf
    array = _as_array(steps)
    if array.ndim == 0 and array.dtype.kind in "iu" and ((whole := int(array)) >= 1 or whole == -1):
        return math.inf if whole == -1 else whole
    raise InputError(f"max_episode_steps: {steps!r}; expected a whole number of at least 1, or None")


def _as_array(values: object) -> NDArray[np.generic]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError):  # such as lists of different lengths
        whole = np.empty((), dtype=object)
        whole[()] = values
        return whole


def _message(array: NDArray[np.generic], name: str, expected: str, count: int) -> str:
    shown = " ".join(reprlib.repr(array.tolist()).split())
    what = f"{shown} of shape {array.shape} and type {array.dtype}"
    return f"{name}: {what}; expected {expected} in 0..{count - 1}"
