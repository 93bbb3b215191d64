"""Exact nearest neighbours of every image, by FAISS."""

from __future__ import annotations

import faiss
import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

_ROWS = 16_384


def unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale the rows of ``features`` (N, D) to length 1, as contiguous float32.

    Raises:
        InputError: A row has no direction.
    """
    rows = np.array(features, dtype=np.float32, order="C")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise InputError(
            f"features: row {int(np.argmin(lengths))} is zero and has no direction; embed it again"
        )
    rows /= lengths
    return rows


def nearest_neighbours(points: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Find the nearest points of every point, itself first.

    Args:
        points: (N, D) float32, rows of length 1.
        count: Neighbours of a point, itself included; at most N.

    Returns:
        (N, count) int64, by descending inner product; column 0 is the point itself, duplicates or not.

    Raises:
        InputError: ``count`` is outside 1..N.
    """
    if not 1 <= count <= len(points):
        raise InputError(f"neighbours: {count} of {len(points)} points; expected 1 to {len(points)}")
    searcher = faiss.IndexFlatIP(points.shape[1])
    searcher.add(points)
    found = np.empty((len(points), count), dtype=np.int64)
    for start in range(0, len(points), _ROWS):
        _, found[start : start + _ROWS] = searcher.search(points[start : start + _ROWS], count)
    _lead_with_self(found)
    return found


def _lead_with_self(found: NDArray[np.int64]) -> None:
    """Put every point first in its own list: FAISS may rank duplicates before it, or leave it out."""
    own = np.arange(len(found))
    for row in np.flatnonzero(found[:, 0] != own):
        others = found[row][found[row] != row]
        found[row, 1:] = others[: found.shape[1] - 1]
        found[row, 0] = row
