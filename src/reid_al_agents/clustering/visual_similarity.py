"""Visual similarity of images, cameras discounted: what groups are formed from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.clustering.cameras import standardise_by_camera
from reid_al_agents.clustering.jaccard import (
    encode_by_neighbours,
    jaccard_similarities,
    pair_similarities,
)
from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.clustering.whitening import principal_components, whiten_within

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
        standardised: (N, D) float32, the points before sides were separated; ``None`` if they are the same.
        k1: Length of the neighbour lists of the Jaccard similarity.
        k2: Number of neighbours over which it averages.
    """

    points: NDArray[np.float32]
    similarities: sparse.csr_matrix
    sides: Sides | None = None
    standardised: NDArray[np.float32] | None = None
    k1: int = 14
    k2: int = 4

    @cached_property
    def near(self) -> NDArray[np.int64]:
        """(N, k) int64, the nearest images of each, itself first, then up to :data:`NEAREST` others."""
        return nearest_neighbours(unit_rows(self.points), min(NEAREST + 1, len(self.points)))

    @cached_property
    def _components(self) -> NDArray[np.float64] | None:
        return principal_components(self.points if self.standardised is None else self.standardised)

    @cached_property
    def _encodings(self) -> dict[int, sparse.csr_matrix]:
        return {}

    def of_pairs(self, pairs: NDArray[np.int64], k1: int) -> NDArray[np.float64]:
        """Jaccard similarities of some pairs by neighbour lists of another length, quick when asked again.

        Args:
            pairs: (M, 2) images.
            k1: Length of the neighbour lists, at most :data:`NEAREST`.

        Returns:
            (M,) in [0, 1], see :func:`.pair_similarities`.
        """
        if k1 not in self._encodings:
            points = unit_rows(self.points)
            self._encodings[k1] = encode_by_neighbours(points, self.near[:, :k1], min(self.k2, k1))
        return pair_similarities(self._encodings[k1], pairs)

    def adapted(self, matched: NDArray[np.int64], k1: int) -> VisualSimilarity:
        """The similarities of the points, whitened by :func:`.whiten_within` where that is possible.

        Args:
            matched: (N,) int64 component of each image under the matches.
            k1: Length of the neighbour lists.
        """
        components = self._components
        whitened = None if components is None else whiten_within(components, matched)
        if whitened is None and k1 == self.k1:
            return self
        points = self.points if self.standardised is None else self.standardised
        return _compare(points if whitened is None else whitened, k1, min(self.k2, k1), self.sides)


def compare_visually(
    features: NDArray[np.float32],
    cameras: NDArray[np.int64] | None,
    k1: int = 14,
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
    return _compare(standardise_by_camera(features, cameras), k1, min(k1, k2), sides)


def _compare(standardised: NDArray[np.float32], k1: int, k2: int, sides: Sides | None) -> VisualSimilarity:
    if sides is None:
        similarities = jaccard_similarities(standardised, k1, k2)
        return VisualSimilarity(standardised, similarities, k1=k1, k2=k2)
    points = sides.separate(standardised)
    similarities = sides.without_incomparable(jaccard_similarities(points, k1, k2))
    return VisualSimilarity(points, similarities, sides, standardised, k1, k2)
