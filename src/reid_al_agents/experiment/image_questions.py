"""Questions between images: every image is the query once, in random order, as in the paper."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection

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
from reid_al_env.evidence.constraints import NO_MATCH, ConstraintGraph
from reid_al_env.mdp.browsing import QueryBrowser


class ImageQuestions:
    """Browses the images as queries; see :class:`.Questions`.

    Images that are gone are neither queries nor candidates.

    Args:
        beliefs: What is known.
        selector: Gives the selector that chooses among a query's candidates.
        episode: Of the environment.
        parallel: Queries that are open side by side.
        closure: Whether pairs that follow from earlier answers are left out.
        order: Numbers of the seed of the order of the queries.
        before: Images that are no queries of this pass: they were queries of the one before, which ended when
            images were added or removed.
        done: Images of this pass that were queries in a round that was broken off, and are no more.
    """

    visual: VisualSimilarity | None = None

    def __init__(
        self,
        beliefs: Beliefs,
        selector: Callable[[], Selector],
        episode: EpisodeSettings,
        parallel: int,
        closure: bool,
        order: tuple[int, ...],
        before: Collection[int] = (),
        done: Collection[int] = (),
    ) -> None:
        self._beliefs, self._selector = beliefs, selector
        self._episode, self._parallel, self._closure = episode, parallel, closure
        images = np.arange(len(beliefs.constraints))
        there = ~np.isin(images, list(beliefs.excluded))
        self._all_there, self._present = bool(there.all()), images[there]
        self._place = np.where(there, np.cumsum(there) - 1, -1)
        self._queries = _Queries(
            images[~np.isin(images, list(before))],
            np.where(np.isin(images, list(done)), -1, self._place),
            np.random.default_rng(order),
        )
        self._features: FeatureSet | None = None
        self._inquiry: Inquiry | None = None

    @property
    def drawn(self) -> int:
        """See :class:`.Questions`."""
        return self._queries.drawn

    @property
    def exhausted(self) -> bool:
        """Whether every image has been the query once."""
        return self._queries.remaining == 0

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
        present, constraints = self._present, self._beliefs.constraints
        known, matches = None, list[tuple[int, int]]()
        if self._closure:  # the environment adds answers to what it knows, and so do the beliefs
            known = copy.deepcopy(constraints) if self._all_there else _among(present, constraints)
        else:
            places = [(int(self._place[i]), int(self._place[j])) for i, j in constraints.must_links]
            matches = [pair for pair in places if min(pair) >= 0]
        features = self._features if self._all_there else self._features.subset(present)
        oracle = CallableOracle(lambda i, j: annotator.answer_pairs(present[i], present[j]))
        self._inquiry = Inquiry(features, self._episode, oracle, known, self._parallel, matches)
        return ask(self._inquiry, self._selector(), self._queries, rng, limits, bar)

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
        self._queries.drawn = int(last.get("drawn", 0))


class _Queries(QueryBrowser):
    """Draws some images once, in random order.

    Args:
        images: Dataset indices, shape (M,).
        places: (N,) what an image is called when it is drawn; below 0 for those that are passed over.
        rng: Source of the order.

    Attributes:
        drawn: Images of the order that were drawn or passed over.
    """

    def __init__(self, images: NDArray[np.intp], places: NDArray[np.int64], rng: np.random.Generator) -> None:
        super().__init__(len(images), rng)
        self._order = places[images[self.draw(len(images))]]
        self.drawn = 0

    @property
    def remaining(self) -> int:
        """Number of images that have not been drawn."""
        return int(np.count_nonzero(self._order[self.drawn :] >= 0))

    def next(self) -> int:
        """The next one."""
        self.drawn += 1 + int(np.argmax(self._order[self.drawn :] >= 0))
        return int(self._order[self.drawn - 1])


def _among(images: NDArray[np.intp], constraints: ConstraintGraph) -> ConstraintGraph:
    """What is known about some images, by their places, (M,); what follows from others is kept."""
    among = ConstraintGraph(len(images))
    groups = constraints.groups()
    among.link_groups(groups[images])
    place = {int(image): number for number, image in enumerate(images)}
    first = {int(groups[image]): place[int(image)] for image in images[::-1]}
    for a, b in constraints.group_conflicts().tolist():
        if a in first and b in first:
            among.add(first[a], first[b], NO_MATCH)
    for i, j in constraints.asked_pairs().tolist():
        if i in place and j in place:
            among.add(place[i], place[j], constraints.relation(i, j))
    return among
