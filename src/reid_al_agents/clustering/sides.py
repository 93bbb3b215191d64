"""Sides of an animal or a vehicle: images that show different ones cannot be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Sides:
    """Which images can be compared: those that show one side, and any with those of unknown side.

    Whether a left and a right flank are of one animal cannot be seen. So such images are neither similar nor
    dissimilar: they are not grouped by similarity, no question compares them, and they are no negatives of
    each other in training. Other evidence can still join both sides: a sequence of images, or an image of
    unknown side that is similar to both.

    Args:
        sides: (N,) int64 side of each image, from 0; −1 where unknown.

    Attributes:
        sides: See above.
    """

    def __init__(self, sides: NDArray[np.int64]) -> None:
        self.sides = np.asarray(sides, dtype=np.int64)
        self._count = max(int(self.sides.max(initial=-1)) + 1, 1)

    def separate(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add a coordinate for every side, so that an image is nearer to all of its side than to another.

        The added vector is √2 times as long as the point itself, so that a cosine c becomes ``(c + 2) / 3``
        within a side, at least 1/3, and ``c / 3`` across, at most 1/3. Images of unknown side get equal parts
        of all coordinates and lie in between.

        Args:
            points: (N, D).

        Returns:
            (N, D + S) for S sides.
        """
        shown = np.full((len(points), self._count), self._count**-0.5, dtype=points.dtype)
        known = self.sides >= 0
        shown[known] = np.eye(self._count)[self.sides[known]]
        lengths = np.sqrt(2) * np.linalg.norm(points, axis=1, keepdims=True)
        return np.concatenate([points, shown * lengths], axis=1).astype(points.dtype)

    def without_incomparable(self, similarities: sparse.csr_matrix) -> sparse.csr_matrix:
        """Drop from ``similarities`` (N, N) those of images that cannot be compared."""
        pairs = similarities.tocoo()
        kept = self.comparable(pairs.row, pairs.col)
        entries = (pairs.data[kept], (pairs.row[kept], pairs.col[kept]))
        return sparse.csr_matrix(entries, shape=pairs.shape)

    def comparable(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the images ``i`` and ``j`` of each pair can be compared; arrays of one shape."""
        a, b = self.sides[i], self.sides[j]
        return np.asarray((a == b) | (a < 0) | (b < 0))

    def of_groups(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(G, S) on which sides a group can be compared; an image of unknown side opens all.

        Args:
            labels: (N,) int64 group of each image, 0 to G − 1; −1 for images that are left out.
        """
        seen = np.zeros((int(labels.max(initial=-1)) + 1, self._count), dtype=bool)
        kept = labels >= 0
        known = kept & (self.sides >= 0)
        seen[labels[known], self.sides[known]] = True
        seen[labels[kept & (self.sides < 0)]] = True
        return seen

    def facing(
        self, ours: NDArray[np.int64], theirs: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """The images of two groups that can be compared with each other, in the order given.

        Where the groups share several sides, it is the one of which the poorer group has most images.

        Args:
            ours: Images of one group.
            theirs: Images of the other.

        Returns:
            The images of each; ``None`` where none can be compared.
        """
        best: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None
        for side in range(self._count):
            found = tuple(part[np.isin(self.sides[part], (side, -1))] for part in (ours, theirs))
            fewest = min(len(found[0]), len(found[1]))
            if fewest > (0 if best is None else min(len(best[0]), len(best[1]))):
                best = found[0], found[1]
        return best


def same_sides(one: Sides | None, other: Sides | None) -> bool:
    """Whether the same images can be compared by both."""
    if one is None or other is None:
        return one is other
    return np.array_equal(one.sides, other.sides)


def sides_of(numbers: NDArray[np.int64] | None) -> Sides | None:
    """The sides, where any is known."""
    return None if numbers is None or (numbers < 0).all() else Sides(numbers)
