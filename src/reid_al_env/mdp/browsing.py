"""The order in which images become the query: a seeded shuffle without replacement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class QueryBrowser:
    """Draws every image once in random order, then reshuffles.

    The Fisher–Yates shuffle is computed as images are drawn, so starting a pass costs O(1) for any number of
    images, and each draw stores one entry.

    Args:
        size: Number of images.
        rng: Source of the order.
    """

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size = size
        self._rng = rng
        self._swapped: dict[int, int] = {}
        self._drawn = 0

    @property
    def remaining(self) -> int:
        """Number of images of this pass that have not been drawn."""
        return self._size - self._drawn

    def next(self) -> int:
        """The next query's dataset index."""
        return int(self.draw(1)[0])

    def draw(self, count: int) -> NDArray[np.int64]:
        """The next ``count`` queries, shape (count,): the same as from ``count`` calls of :meth:`next`."""
        queries = np.empty(count, dtype=np.int64)
        done = 0
        while done < count:
            if self._drawn == self._size:
                self._swapped, self._drawn = {}, 0
            some = min(count - done, self._size - self._drawn)
            places = range(self._drawn, self._drawn + some)
            swapped = self._swapped
            for position, other in zip(places, self._choose(places), strict=True):
                queries[done] = swapped.get(other, other)
                swapped[other] = swapped.pop(position, position)
                done += 1
            self._drawn += some
        return queries

    def _choose(self, places: range) -> list[int]:
        """For each place p, a random number in p..size−1; the same whether drawn in one call or several."""
        if len(places) == 1:
            return [int(self._rng.integers(places[0], self._size))]
        return [int(chosen) for chosen in self._rng.integers(np.array(places), self._size)]
