"""Visual similarity of images, cameras discounted: what groups are formed from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.clustering.cameras import standardise_by_camera
from reid_al_agents.clustering.jaccard import jaccard_similarities
from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_agents.clustering.sides import Sides

NEAREST = 100
"""Number of neighbours of an image that are kept; matches beyond are too rare to be found."""

_FEWEST, _SHARE = 2, 6


@dataclass(frozen=True)
class VisualSimilarity:
    """Visual similarity of all images of a pool by one model.

    Attributes:
        points: (N, D) float32, features standardised by camera and, where sides are known, separated by them.
        similarities: (N, N) sparse Jaccard similarities of the points; none between different sides.
        sides: Which images can be compared; ``None`` where all can.
    """

    points: NDArray[np.float32]
    similarities: sparse.csr_matrix
    sides: Sides | None = None

    @cached_property
    def near(self) -> NDArray[np.int64]:
        """(N, k) int64, the nearest images of each, itself first, then up to :data:`NEAREST` others."""
        return nearest_neighbours(unit_rows(self.points), min(NEAREST + 1, len(self.points)))


def compare_visually(
    features: NDArray[np.float32],
    cameras: NDArray[np.int64] | None,
    k1: int = 20,
    k2: int = 4,
    sides: Sides | None = None,
) -> VisualSimilarity:
    """Standardise features by camera and compare them by the neighbours they share.

    Args:
        features: (N, D) float32.
        cameras: (N,) int64, or None.
        k1: Length of the neighbour lists of the Jaccard similarity; at most a sixth of a small pool, since
            lists that hold most of the pool make all images similar.
        k2: Number of neighbours over which it averages.
        sides: Which images can be compared; ``None`` where all can.
    """
    k1 = min(k1, max(_FEWEST, len(features) // _SHARE))
    k2 = min(k1, k2)
    points = standardise_by_camera(features, cameras)
    if sides is None:
        return VisualSimilarity(points, jaccard_similarities(points, k1, k2))
    points = sides.separate(points)
    return VisualSimilarity(points, sides.without_incomparable(jaccard_similarities(points, k1, k2)), sides)
