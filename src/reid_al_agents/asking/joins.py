"""Joins of groups by match probability: the identities to deliver, and what an answer would change."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.candidates import Candidates
from reid_al_agents.asking.value import expected_change
from reid_al_agents.clustering.forming import Closure, FormedGroups
from reid_al_agents.clustering.linkage import Merge, merge_nearest
from reid_al_agents.identities import Identities
from reid_al_env import ConstraintGraph

LIKELY = 0.5
"""Match probability from which two groups are joined without an answer."""

_LEAST = 0.001  # probability of a match below which two identities are no question


class Comparison(NamedTuple):
    """A question about two groups.

    Args:
        gain: Expected change of the delivered identities, in images.
        a: One group.
        b: The other.
        joined: Whether both are in one delivered identity.
    """

    gain: float
    a: int
    b: int
    joined: bool


class Parts(NamedTuple):
    """What a question is about: two sets of groups, each assumed to be of one identity.

    Args:
        probability: Probability that the two match.
        ours: Groups of one set.
        theirs: Groups of the other.
        joined: Whether both are in one delivered identity.
    """

    probability: float
    ours: tuple[int, ...]
    theirs: tuple[int, ...]
    joined: bool


class Joins:
    """Groups joined by average linkage over match probabilities, down to ½, under all constraints.

    Joining what is likelier than not makes the fewest expected errors. Nothing is fixed by it: the next
    answers change the probabilities, and the joins are made again.

    Args:
        view: The groups and their match probabilities.
        formed: Their images.
        constraints: Constraints between the images.
    """

    def __init__(self, view: Candidates, formed: FormedGroups, constraints: ConstraintGraph) -> None:
        self._view, self._formed = view, formed
        self._closure = Closure.of_groups(constraints, formed.groups)
        self._images: list[int] = view.groups.sizes.tolist()
        self._sizes = [float(size) for size in self._images]
        self._sums: list[dict[int, float]] = [{} for _ in self._sizes]
        # By columns: a list for each of 100,000 pairs would have Python look for garbage again and again.
        for a, b, p in zip(*view.pairs.T.tolist(), view.pair_probabilities.tolist(), strict=True):
            if p > 0:
                self._sums[a][b] = self._sums[b][a] = p * self._sizes[a] * self._sizes[b]
        self._parts = [[group] for group in range(len(self._sizes))]
        self._checks: list[Parts] = []
        for merge in merge_nearest(self._sums, self._sizes, LIKELY, self._closure):
            self._record(merge)

    def identities(self, matched: NDArray[np.int64]) -> Identities:
        """The identities to deliver.

        Args:
            matched: (N,) component of each image under must-links alone.
        """
        closure = self._closure
        formed = FormedGroups(self._formed.micro_clusters, closure.groups(), closure.conflicts())
        return Identities(formed, matched)

    def comparisons(self) -> Iterator[Comparison]:
        """Questions in descending order of the expected change; each identity is in one of them at most.

        Either two identities are compared that may be one, or two parts of an identity that were joined
        without an answer. Of each side, the groups are shown that speak most for a match.
        """
        touched = np.zeros(len(self._parts), dtype=bool)
        for gain, parts in self.ranked:
            groups = np.array((*parts.ours, *parts.theirs))
            if touched[groups].any():
                continue
            pair = self._strongest(parts)
            if pair is not None:
                touched[groups] = True
                yield Comparison(gain, *pair, parts.joined)

    @cached_property
    def ranked(self) -> list[tuple[float, Parts]]:
        """All questions with their gains, best first; to rank them takes far longer than to draw one."""
        ranked = [(self.gain(parts), parts) for parts in (*self._checks, *self._between())]
        return sorted(ranked, key=lambda each: -each[0])

    @cached_property
    def _places(self) -> dict[tuple[int, int], int]:
        """Place of each pair of groups in the view's pairs."""
        return {pair: place for place, pair in enumerate(zip(*self._view.pairs.T.tolist(), strict=True))}

    def gain(self, parts: Parts) -> float:
        """Expected change of the delivered identities by an answer about two parts, in images."""
        ours, theirs = (sum(self._images[group] for group in side) for side in (parts.ours, parts.theirs))
        return expected_change(parts.probability, parts.joined, ours, theirs)

    def _record(self, merge: Merge) -> None:
        keep, lose = self._parts[merge.keep], self._parts[merge.lose]
        self._checks.append(Parts(merge.similarity, tuple(keep), tuple(lose), joined=True))
        keep += lose
        self._parts[merge.lose] = []

    def _between(self) -> Iterator[Parts]:
        for a, row in enumerate(self._sums):
            for b, total in row.items():
                probability = total / (self._sizes[a] * self._sizes[b])
                if a < b and probability > _LEAST and self._closure.may_join(a, b):
                    yield Parts(probability, tuple(self._parts[a]), tuple(self._parts[b]), joined=False)

    def _strongest(self, parts: Parts) -> tuple[int, int] | None:
        """The pair of groups whose probability and sizes count most; ``None`` where no pair can be asked."""
        found = [
            place
            for a in parts.ours
            for b in parts.theirs
            if (place := self._places.get((min(a, b), max(a, b)))) is not None and self._view.pair_open[place]
        ]
        if not found:
            return None
        pairs, sizes = self._view.pairs[found], self._view.groups.sizes
        weights = self._view.pair_probabilities[found] * sizes[pairs[:, 0]] * sizes[pairs[:, 1]]
        a, b = pairs[int(weights.argmax())].tolist()
        return a, b
