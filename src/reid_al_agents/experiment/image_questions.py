"""Questions between images: every image is the query once, in random order, as in the paper."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.browsing import AskingLimits, ask
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.visual_similarity import VisualSimilarity
from reid_al_agents.experiment.questions import Bar, Figures
from reid_al_agents.experiment.simulated import SimulatedAnnotator
from reid_al_agents.selection import Selector
from reid_al_env import CallableOracle, EpisodeSettings, FeatureSet, Inquiry
from reid_al_env.mdp.browsing import QueryBrowser


class ImageQuestions:
    """Browses the images as queries; see :class:`.Questions`.

    Args:
        beliefs: What is known.
        selector: Gives the selector that chooses among a query's candidates.
        episode: Of the environment.
        parallel: Queries that are open side by side.
        closure: Whether pairs that follow from earlier answers are left out.
        seed: Of the order of the queries.
    """

    visual: VisualSimilarity | None = None

    def __init__(
        self,
        beliefs: Beliefs,
        selector: Callable[[], Selector],
        episode: EpisodeSettings,
        parallel: int,
        closure: bool,
        seed: int,
    ) -> None:
        self._beliefs, self._selector = beliefs, selector
        self._episode, self._parallel, self._closure = episode, parallel, closure
        self._count = len(beliefs.constraints)
        self._browser = QueryBrowser(self._count, np.random.default_rng([seed, 0]))
        self._features: FeatureSet | None = None
        self._inquiry: Inquiry | None = None

    @property
    def drawn(self) -> int:
        """See :class:`.Questions`."""
        return self._count - self._browser.remaining

    @property
    def exhausted(self) -> bool:
        """Whether every image has been the query once."""
        return self._browser.remaining == 0

    @property
    def ending(self) -> str | None:
        """See :class:`.Questions`."""
        if not self.exhausted:
            return None
        return "every image has been the query once; a larger --budget or --pool-size would bring more"

    def see(self, features: FeatureSet, round_: int) -> None:
        """See :class:`.Questions`."""
        self._features = features

    def ask(
        self, annotator: SimulatedAnnotator, limits: AskingLimits, rng: np.random.Generator, bar: Bar | None
    ) -> AskingReport:
        """See :class:`.Questions`."""
        assert self._features is not None
        # The environment adds answers to what it knows, and so do the beliefs: each has its own.
        known = copy.deepcopy(self._beliefs.constraints) if self._closure else None
        matches = self._beliefs.constraints.must_links if known is None else ()  # else they are found there
        oracle = CallableOracle(annotator.answer_pairs)
        self._inquiry = Inquiry(self._features, self._episode, oracle, known, self._parallel, matches)
        return ask(self._inquiry, self._selector(), self._browser, rng, limits, bar)

    def identities(self) -> NDArray[np.int64]:
        """(N,) what follows from must-links."""
        return self._beliefs.constraints.groups()

    def figures(self) -> Figures:
        """Nothing beyond the report."""
        return {}

    def true_rewards(self) -> NDArray[np.float32]:
        """See :class:`.Questions`."""
        assert self._inquiry is not None
        return self._inquiry.true_rewards()

    def resume(self, last: Figures) -> None:
        """See :class:`.Questions`."""
        for _ in range(int(last.get("drawn", 0))):
            self._browser.next()
