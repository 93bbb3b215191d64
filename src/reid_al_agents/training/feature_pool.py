"""A pool of bare features, without a model to refresh."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import Corrections, ImageSet, Split
from reid_al_env import ConstraintGraph, FeatureSet


class FeaturePool:
    """A pool of bare features: without a network to refresh, only the identities change, not the ranking.

    Args:
        features: All images.
        split: Names the identities of the pool; ``None`` for all.
        images: The pool's images, where they are at hand; what else is known of them comes from there.
    """

    def __init__(
        self, features: FeatureSet, split: Split | None = None, images: ImageSet | None = None
    ) -> None:
        self._pool = features if split is None else features.subset(split.pool(features))
        self._describe(images)

    def __len__(self) -> int:
        return len(self._pool)

    @property
    def trains(self) -> bool:
        """See :class:`Pool`."""
        return False

    @property
    def names(self) -> NDArray[np.str_]:
        """See :class:`Pool`."""
        return self._pool.names

    @property
    def gone(self) -> NDArray[np.bool_]:
        """See :class:`Pool`."""
        return np.zeros(len(self), dtype=bool) if self.images is None else self.images.gone

    @property
    def identities(self) -> NDArray[np.int64]:
        """See :class:`Pool`."""
        return self._pool.identities

    @property
    def cameras(self) -> NDArray[np.int64] | None:
        """See :class:`Pool`."""
        return self._pool.cameras

    def correct(self, corrections: Corrections) -> None:
        """See :class:`Pool`."""
        if self.images is not None:
            self._describe(self.images.corrected(corrections))

    def _describe(self, images: ImageSet | None) -> None:
        self.images = images
        self.tracklets = None if images is None else images.tracklets
        self.known_different = None if images is None else images.known_different
        self.sides = None if images is None else images.sides

    def features(self) -> FeatureSet:
        """See :class:`Pool`."""
        return self._pool

    def refresh(
        self,
        constraints: ConstraintGraph,
        seed: int,
        *,
        quick: bool = False,
        assumed_groups: NDArray[np.int64] | None = None,
        kept: NDArray[np.int64] | None = None,
    ) -> dict[str, Any]:
        """Nothing to train."""
        return {}

    adapted = False

    def adapt(self, seed: int) -> dict[str, Any]:
        """Nothing to train."""
        return {}

    def save_start(self, path: Path) -> None:
        """Nothing to keep."""

    def load_start(self, path: Path) -> None:
        """Nothing was kept."""

    def learn_all_labels(self, seed: int) -> None:
        """Nothing to train."""

    def scores(self) -> dict[str, float]:
        """No model, no scores of its own."""
        return {}

    def restart(self) -> None:
        """Nothing changes."""

    def save(self, path: Path) -> None:
        """Nothing to keep."""

    def load(self, path: Path) -> None:
        """Nothing was kept."""

    def save_features(self, path: Path, features: FeatureSet) -> None:
        """Nothing to keep: they are the data."""

    def fingerprint(self) -> str:
        """See :class:`Pool`."""
        return hashlib.sha256(np.ascontiguousarray(self._pool.features).tobytes()).hexdigest()
