"""First states of episodes under a metric that may be refitted as matches come in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reid_al_env.feature_set import FeatureSet
from reid_al_env.mdp.metric import l2_normalise
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.mdp.starts import StartTable

_GROWTH = 1.25


class FittedStarts:
    """Builds a :class:`.StartTable`, and with ``metric="verified"`` rebuilds it for more matches.

    Running episodes keep their own distances, so a refit affects episodes that begin later only.

    Args:
        features: The images.
        settings: Settings of the episodes.
        size: B, number of episodes.
        padded: Accept fewer images than the pool needs and pad it.
        matches: Pairs (dataset indices) that are known to match.

    Attributes:
        matches: All matching pairs so far; stays empty for other metrics than "verified".
        fitted_to: The matching pairs to which the metric is fitted.
    """

    STATE = ("matches", "fitted_to")

    def __init__(
        self,
        features: FeatureSet,
        settings: EpisodeSettings,
        size: int,
        padded: bool,
        matches: Sequence[tuple[int, int]],
    ) -> None:
        self._features, self._settings, self._size, self._padded = features, settings, size, padded
        self._follows = settings.metric == "verified"
        self.matches = list(matches) if self._follows else []
        self.fitted_to: tuple[tuple[int, int], ...] = ()
        self._built_for: tuple[tuple[int, int], ...] = self.fitted_to
        self._table = self._build()

    def current(self) -> StartTable:
        """The table for episodes that begin now; refitted when the matches have grown by a quarter."""
        count = len(self.matches)
        if count >= 2 and count >= _GROWTH * len(self.fitted_to):
            self.fitted_to = tuple(self.matches)
        if self._built_for is not self.fitted_to:
            self._table, self._built_for = self._build(), self.fitted_to
        return self._table

    def note(
        self, queries: NDArray[np.int64], galleries: NDArray[np.int64], answers: NDArray[np.int8]
    ) -> None:
        """Take the matches among answered pairs, all of shape (M,), into account."""
        if self._follows:
            match = answers > 0
            self.matches.extend(zip(queries[match].tolist(), galleries[match].tolist(), strict=True))

    def _build(self) -> StartTable:
        return StartTable(self._features, self._settings, self._differences(), self._size, self._padded)

    def _differences(self) -> NDArray[np.float64] | None:
        if not self.fitted_to:
            return None
        pairs = np.asarray(self.fitted_to)
        left = l2_normalise(self._features.features[pairs[:, 0]]).astype(np.float64)
        return np.asarray(left - l2_normalise(self._features.features[pairs[:, 1]]))
