"""Evidence about pairs of images, and how disagreements in it are settled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.evidence.min_cut import TOLERANCE, CutFinder


@dataclass(frozen=True)
class Dispute:
    """A pair answered "no match" whose images are joined by a path of matches.

    Args:
        i: Smaller dataset index of the pair.
        j: Larger one.
        weight: Weight of "no match" minus weight of "match" among the answers about the pair itself.
        cut: The lightest set of matches (i < j) whose removal separates the two images, among all matches,
            in force or set aside.
        cut_weight: Total weight of the cut.
        ask: The pair to recheck: (i, j) if it weighs no more than the cut, else the lightest match of the
            cut.
    """

    i: int
    j: int
    weight: float
    cut: tuple[tuple[int, int], ...]
    cut_weight: float
    ask: tuple[int, int]


@dataclass(slots=True)
class Pair:
    """The evidence about the images ``i`` < ``j``.

    Args:
        i: Dataset index.
        j: Dataset index.
        net: Weight of the matches minus weight of the non-matches: above 0 a must-link, below 0 a
            cannot-link.
        since: Number of the answer that gave ``net`` its sign.
    """

    i: int
    j: int
    net: float
    since: int

    @property
    def sign(self) -> int:
        """+1 for a must-link, −1 for a cannot-link, 0 for neither."""
        return (self.net > 0) - (self.net < 0)

    def add(self, weight: float, now: int) -> None:
        """Add the weight of one more answer, negative for a non-match."""
        before, net = self.sign, self.net + weight
        # Rounding must not decide a tie: sums of fractions can miss zero by a rounding error.
        self.net = 0.0 if abs(net) <= TOLERANCE * max(abs(self.net), abs(weight)) else net
        if self.sign != before:
            self.since = now


@dataclass(frozen=True)
class _Chain:
    """Assumed matches of each image with the image before and after it; shape (N,) each, −1 for none."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    weight: float
    since: int


_NOTHING: Final[Mapping[int, Pair]] = MappingProxyType({})


class Evidence:
    """All evidence about pairs: answers in dictionaries, assumed matches in arrays.

    Args:
        size: N, number of images.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._now = 0
        self._pairs: dict[int, dict[int, Pair]] = {}
        self._chains: list[_Chain] = []

    def __deepcopy__(self, memo: dict[int, object]) -> Evidence:
        """A copy; chains never change, so they are shared."""
        other = Evidence(self._size)
        other._now, other._chains = self._now, list(self._chains)
        pairs = {
            (pair.i, pair.j): Pair(pair.i, pair.j, pair.net, pair.since)
            for i, others in self._pairs.items()
            for pair in others.values()
            if pair.i == i
        }
        other._pairs = {
            i: {j: pairs[(i, j) if i < j else (j, i)] for j in others} for i, others in self._pairs.items()
        }
        return other

    def add(self, i: int, j: int, answer: int, weight: float) -> tuple[int, int]:
        """Add an answer, +1, −1 or 0; returns the pair's sign before and after."""
        _check_weight(weight)
        i, j = min(i, j), max(i, j)
        self._now += 1
        pair = self.answered(i).get(j) or self._assumed(i, j) or Pair(i, j, 0.0, self._now)
        self._pairs.setdefault(i, {})[j] = self._pairs.setdefault(j, {})[i] = pair
        before = pair.sign
        pair.add(answer * weight, self._now)
        return before, pair.sign

    def forget(self, i: int, j: int) -> None:
        """Remove the answers about a pair; assumed matches stay."""
        for image, other in ((i, j), (j, i)):
            others = self._pairs.get(image, {})
            others.pop(other, None)
            if not others:
                self._pairs.pop(image, None)

    def assume(self, labels: NDArray[np.int64], weight: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Assume a match between each image and the next of its label; labels below 0 are of no group.

        Returns:
            For each image, the first image of its label, and the next one after it; both of shape (N,), −1
            for none.
        """
        _check_weight(weight)
        if labels.shape != (self._size,) or not np.issubdtype(labels.dtype, np.integer):
            raise InputError(
                f"constraints: labels are {labels.dtype} of shape {labels.shape}; "
                f"expected one integer for each of the {self._size} images"
            )
        labels = labels.astype(np.int64)
        order = np.argsort(labels, kind="stable")
        order = order[labels[order] >= 0]  # (M,), the images of a label side by side
        starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
        linked = np.flatnonzero(np.diff(labels[order]) == 0)
        first, before, after = np.full((3, self._size), -1, dtype=np.int64)
        first[order] = np.repeat(order[starts], np.diff(starts, append=len(order)))
        after[order[linked]], before[order[linked + 1]] = order[linked + 1], order[linked]
        self._now += 1
        self._chains.append(_Chain(before, after, weight, self._now))
        for image, pairs in self._pairs.items():
            if after[image] in pairs:
                pairs[int(after[image])].add(weight, self._now)
        return first, after

    def answered(self, image: int) -> Mapping[int, Pair]:
        """Answered pairs of an image, by the other image of the pair."""
        return self._pairs.get(image, _NOTHING)

    def images(self) -> NDArray[np.int64]:
        """All images with an answer, shape (M,)."""
        return np.fromiter(self._pairs, np.int64, len(self._pairs))

    def answered_pairs(self) -> NDArray[np.int64]:
        """All answered pairs, smaller index first, shape (M, 2)."""
        pairs = [(i, j) for i, others in self._pairs.items() for j in others if i < j]
        return np.asarray(pairs, dtype=np.int64).reshape(-1, 2)

    def assumed_links(self) -> NDArray[np.int64]:
        """Assumed matches, shape (M, 2), in the order of the calls and sorted within each."""
        first = [np.flatnonzero(chain.after >= 0) for chain in self._chains]
        links = [np.stack([i, chain.after[i]], axis=1) for i, chain in zip(first, self._chains, strict=True)]
        return np.concatenate([np.empty((0, 2), dtype=np.int64), *links])

    def component(self, image: int) -> Component:
        """All images that matches, in force or set aside, connect with ``image``."""
        images = {image: None}  # in the order found, unlike a set
        front = [image]
        matches: list[Pair] = []
        for here in front:  # grows while it is walked: a queue
            for pair in self._matches(here):
                if here == pair.i:
                    matches.append(pair)
                there = pair.i + pair.j - here
                if there not in images:
                    images[there] = None
                    front.append(there)
        disputed = [
            pair
            for i in images
            for j, pair in self.answered(i).items()
            if pair.net < 0 and i < j and j in images
        ]
        return Component(
            list(images),
            sorted(matches, key=lambda pair: (pair.since, pair.i, pair.j)),
            sorted(disputed, key=lambda pair: (pair.net, pair.since)),
        )

    def _matches(self, image: int) -> Iterator[Pair]:
        answered = self.answered(image)
        yield from (pair for pair in answered.values() if pair.net > 0)
        assumed = {int(side[image]) for chain in self._chains for side in (chain.before, chain.after)} - {-1}
        for other in sorted(assumed.difference(answered)):
            pair = self._assumed(min(image, other), max(image, other))
            assert pair is not None
            yield pair

    def _assumed(self, i: int, j: int) -> Pair | None:
        chains = [chain for chain in self._chains if chain.after[i] == j]
        return Pair(i, j, sum(chain.weight for chain in chains), chains[0].since) if chains else None


@dataclass(frozen=True)
class Component:
    """Images joined by matches, and the pairs within them.

    Args:
        images: Dataset indices.
        matches: The must-links, the earliest first.
        disputed: The cannot-links, the heaviest first; of equal weights the earliest first.
    """

    images: list[int]
    matches: list[Pair]
    disputed: list[Pair]

    def settle(self) -> list[list[int]]:
        """Groups by the links in force; a single one if nothing is disputed.

        The cannot-links are visited once, the heaviest first. If the two images are still joined, the
        cannot-link is compared with the minimum cut of the remaining matches, and the lighter of the two is
        set aside; of equal weights, the newer. A cut is kept even if a later one makes it unnecessary.
        """
        if not self.disputed:
            return [self.images]
        finder = self._cut_finder()
        for pair in self.disputed:
            cut = finder.cut(pair.i, pair.j, at_most=-pair.net)
            if cut is not None and cut[1] and self._gives_way(*cut, pair):
                finder.remove(cut[1])
        return finder.parts(self.images)

    def disputes(self) -> dict[tuple[int, int], Dispute]:
        """The disputes of this component by pair."""
        finder = self._cut_finder()
        return {(pair.i, pair.j): self._dispute(finder, pair) for pair in self.disputed}

    def _cut_finder(self) -> CutFinder:
        return CutFinder([(pair.i, pair.j) for pair in self.matches], [pair.net for pair in self.matches])

    def _gives_way(self, weight: float, cut: list[int], pair: Pair) -> bool:
        if math.isclose(weight, -pair.net, rel_tol=TOLERANCE):
            return self.matches[cut[-1]].since > pair.since
        return weight < -pair.net

    def _dispute(self, finder: CutFinder, pair: Pair) -> Dispute:
        found = finder.cut(pair.i, pair.j)
        assert found is not None  # only a limit makes it None
        weight, cut = found[0], [self.matches[edge] for edge in found[1]]
        doubtful = -pair.net <= weight * (1 + TOLERANCE)
        ask = pair if doubtful else min(cut, key=lambda match: (match.net, match.i, match.j))
        links = tuple(sorted((match.i, match.j) for match in cut))
        return Dispute(pair.i, pair.j, -pair.net, links, weight, (ask.i, ask.j))


def _check_weight(weight: float) -> None:
    if not (math.isfinite(weight) and weight > 0):
        raise InputError(f"constraints: weight {weight}; expected a number above 0")
