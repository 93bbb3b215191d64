"""Sides of an animal or a vehicle: images that show different ones cannot be compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


class Sides:
    """Which images can be compared: those that show one side, and any with those of unknown side.

    A left and a right flank may be of one animal or of two, and nobody can tell by looking. So such images
    are neither alike nor different: no group is formed of them by looks, nobody is asked about them, and they
    are no negatives of each other in training. What else joins both sides, such as a sequence, holds.

    Args:
        sides: (N,) int64 side of each image, from 0; −1 where unknown.

    Attributes:
        sides: See above.
    """

    def __init__(self, sides: NDArray[np.int64]) -> None:
        self.sides = np.asarray(sides, dtype=np.int64)
        self._count = int(self.sides.max(initial=-1)) + 1

    def set_apart(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add a coordinate for every side, so that each image is nearest to those it can be compared with.

        With one as long as the point itself, cosines c become ``(c + 1) / 2`` within a side and ``c / 2``
        across, which is always less.

        Args:
            points: (N, D).

        Returns:
            (N, D + S) for S sides.
        """
        block = np.zeros((len(points), self._count), dtype=points.dtype)
        known = np.flatnonzero(self.sides >= 0)
        block[known, self.sides[known]] = np.linalg.norm(points[known], axis=1)
        return np.concatenate([points, block], axis=1)

    def cut(self, similarities: sparse.csr_matrix) -> sparse.csr_matrix:
        """``similarities`` (N, N) without those of images that cannot be compared."""
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
        seen = np.zeros((int(labels.max(initial=-1)) + 1, max(self._count, 1)), dtype=bool)
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
        for side in range(max(self._count, 1)):
            found = tuple(part[np.isin(self.sides[part], (side, -1))] for part in (ours, theirs))
            fewest = min(len(found[0]), len(found[1]))
            if fewest > (0 if best is None else min(len(best[0]), len(best[1]))):
                best = found[0], found[1]
        return best


def sides_of(numbers: NDArray[np.int64] | None) -> Sides | None:
    """The sides, where any is known."""
    return None if numbers is None or (numbers < 0).all() else Sides(numbers)
