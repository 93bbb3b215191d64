"""How a run asks about the pool: what questions between groups and between images have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.browsing import AskingLimits
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.clustering.visual_similarity import VisualSimilarity
from reid_al_agents.experiment.simulated import SimulatedAnnotator
from reid_al_env import FeatureSet

Bar = Callable[[int, int], None]
Figures = dict[str, Any]


class Questions(Protocol):
    """Asks about the pool round by round.

    Attributes:
        visual: The pool's visual similarities under the present model; ``None`` where images are compared.
    """

    visual: VisualSimilarity | None

    @property
    def drawn(self) -> int:
        """Queries drawn of the pass over all images; 0 where queries are not drawn."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to ask."""
        ...

    @property
    def ending(self) -> str | None:
        """Why nothing is left to ask, in words; ``None`` while something is."""
        ...

    def see(self, features: FeatureSet, round_: int) -> None:
        """Take in the pool as the model after ``round_`` refreshes sees it."""
        ...

    def ask(
        self, annotator: SimulatedAnnotator, limits: AskingLimits, rng: np.random.Generator, bar: Bar | None
    ) -> AskingReport:
        """Ask until a limit is reached or nothing is left."""
        ...

    def identities(self) -> NDArray[np.int64]:
        """(N,) predicted identity of each image, as it would be delivered now."""
        ...

    def figures(self) -> Figures:
        """Figures about the last round of asking, for the metrics."""
        ...

    def true_rewards(self) -> NDArray[np.float32]:
        """What each candidate would earn by the labels; for the ``greedy`` reference."""
        ...

    def resume(self, last: Figures) -> None:
        """Go on after a round with these metrics."""
        ...
