"""The order in which images become the query: a seeded shuffle without replacement."""

from __future__ import annotations

import numpy as np


class QueryBrowser:
    """Draws every image once in random order, then shuffles anew.

    The shuffle is a Fisher–Yates drawn as it is needed, so that starting one costs O(1) for any number of
    images and a draw stores one entry.

    Args:
        size: Number of images.
        rng: The generator that decides the order.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size = size
        self._rng = rng
        self._swapped: dict[int, int] = {}
        self._drawn = 0

    @property
    def remaining(self) -> int:
        """Images of this pass that have not been drawn."""
        return self._size - self._drawn

    def next(self) -> int:
        """The next query's dataset index."""
        if self._drawn == self._size:
            self._swapped, self._drawn = {}, 0
        position = self._drawn
        chosen = int(self._rng.integers(position, self._size))
        query = self._swapped.get(chosen, chosen)
        self._swapped[chosen] = self._swapped.pop(position, position)
        self._drawn += 1
        return query
