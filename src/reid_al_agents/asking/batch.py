"""A batch of questions between groups: the groups at one moment, and their order as queries."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.candidates import Candidates
from reid_al_agents.asking.delivery import Grouping
from reid_al_agents.asking.joins import Comparison, Joins
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_env import ConstraintGraph, EpisodeSettings, Inquiry

FEWEST = 3
"""Fewest groups that make an episode of the environment."""


class Batch:
    """The current groups, the environment over them, and their order as queries.

    Args:
        grouping: The images and their groups.
        constraints: Constraints between the images; read once, not kept.
        model: Gives the match probabilities.
        settings: Of the groups.
        episode: Of the environment.
        rows: Number of groups that can be queries at the same time.
        node_features: Whether the observation describes the groups.
        excluded: (N,) bool, images left out of all questions, each a group of its own.

    Attributes:
        formed: Groups of the images.
        view: The groups with their candidates.
        excluded: See above.
        joins: The groups joined to the identities to deliver.
        free: Episodes not in use.
    """

    def __init__(
        self,
        grouping: Grouping,
        constraints: ConstraintGraph,
        model: MatchModel,
        settings: GroupSettings,
        episode: EpisodeSettings,
        rows: int,
        node_features: bool,
        excluded: NDArray[np.bool_],
    ) -> None:
        self.formed, self.excluded = grouping.formed, excluded
        self.view = Candidates(
            grouping.features,
            grouping.similarities,
            grouping.formed,
            constraints,
            model,
            settings.neighbours,
            excluded,
            grouping.sides,
        )
        self.joins = Joins(self.view, grouping.formed, constraints)
        self.free = list(range(rows))[::-1]
        self._episode, self._rows, self._node_features = episode, rows, node_features
        self._given: dict[tuple[int, int], int] = {}
        self._touched = np.zeros(len(self.view.groups), dtype=bool)

    @cached_property
    def inquiry(self) -> Inquiry:
        """The environment over groups, ``rows`` episodes side by side."""
        return self._environment(self._episode, self._rows, self._node_features)

    def comparisons(self) -> Iterator[Comparison]:
        """Pairs of groups in descending order of what their answer is expected to change."""
        return self.joins.comparisons()

    def queries(self) -> Iterator[tuple[int, float]]:
        """Query groups in descending order of the expected gain of their best question, with that gain.

        A group that was query or candidate in this batch is skipped, and so is a group whose best candidate
        was.
        """
        view = self.view
        if len(view.groups) < FEWEST:
            return
        best = view.gain.max(axis=1, initial=0.0)
        favourite = view.candidates[np.arange(len(best)), view.gain.argmax(axis=1)]
        for query in np.argsort(-best, kind="stable"):
            if best[query] <= 0:
                return
            if not (self._touched[query] or self._touched[favourite[query]]):
                yield int(query), float(best[query])

    def touch(self, group: int) -> None:
        """Mark a group as query or candidate in this batch."""
        self._touched[group] = True

    def give(self, a: int, b: int, answer: int) -> None:
        """Store the answer about two groups for the environment's next step."""
        self._given[a, b] = answer

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """Return the stored answers; the batch is the oracle of its environment."""
        pairs = zip(queries.tolist(), galleries.tolist(), strict=True)
        return np.array([self._given.pop(pair) for pair in pairs], dtype=np.int8)

    def _environment(self, episode: EpisodeSettings, rows: int, node_features: bool) -> Inquiry:
        """Make the environment: known relations are implied answers, pairs already asked are masked.

        The pool size is fixed, however few groups are left, since policies and replay buffers need one shape.
        """
        view, count = self.view, len(self.view.groups)
        known = ConstraintGraph(count)
        for a, b in view.conflicts.tolist():
            known.add(a, b, -1)
        masked = np.concatenate([view.closed_pairs(), view.incomparable(min(episode.pool_size, count - 1))])
        for a, b in masked.tolist():
            if known.relation(a, b) == 0:
                known.add(a, b, 0)
        described = view if node_features else None
        return Inquiry(view.groups.nodes(), episode, self, known, rows, node_features=described, padded=True)
