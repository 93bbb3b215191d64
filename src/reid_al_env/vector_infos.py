"""Infos of many sub-environments in one dictionary, in the layout of Gymnasium's ``VectorEnv``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

Columns = dict[str, NDArray[Any]]


def lay_out(values: Columns, present: NDArray[np.bool_]) -> dict[str, Any]:
    """Infos with their ``_key`` masks, in new arrays; zeros for sub-environments without infos.

    Args:
        values: Values of all sub-environments by key, each of shape (B, …).
        present: True for sub-environments that have infos, shape (B,).
    """
    infos: dict[str, Any] = {}
    if not present.any():
        return infos
    everywhere = bool(present.all())
    for name, value in values.items():
        infos[name] = value.copy() if everywhere else _zero_outside(value, present)
        infos[f"_{name}"] = present.copy()
    return infos


def keep(infos: dict[str, Any], present: NDArray[np.bool_]) -> dict[str, Any]:
    """Only the infos of the sub-environments where ``present`` (B,) is true."""
    return lay_out({name: value for name, value in infos.items() if not name.startswith("_")}, present)


def merge(infos: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Combine the infos of two disjoint sets of sub-environments."""
    merged = dict(infos)
    for name, value in more.items():
        merged[name] = merged[name] + value if name in merged and not name.startswith("_") else value
        if name.startswith("_") and name in infos:
            merged[name] = infos[name] | value
    return merged


def check_reset_mask(mask: Any, count: int) -> NDArray[np.bool_]:
    """``options["reset_mask"]``, or a mask of all ``count`` sub-environments for ``None``.

    Raises:
        InputError: If it is not a bool array of shape (count,), or is false everywhere.
    """
    if mask is None:
        return np.ones(count, dtype=bool)
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (count,) or not mask.any():
        raise InputError(
            f"reset_mask: {mask!r}; expected a bool array of shape ({count},) with at least one true value"
        )
    return mask


def _zero_outside(value: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    kept = np.zeros_like(value)
    kept[present] = value[present]
    return kept
