"""The audit: questions drawn with known probability, from which the quality of the groups is estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REACH = (10, 30, 100)
"""Ranks that end the strata of pairs outside groups; beyond the last, matches are too rare to be found."""

ENOUGH = 30
"""Answers that every stratum needs before recall is estimated."""

_DRAWS = 4000
_TRIES = 200


@dataclass(frozen=True)
class AuditEstimate:
    """What the audit says, each with the ends of a 95 % interval; shares in [0, 1].

    Attributes:
        precision: Share of the pairs inside groups that match.
        recall: Share of the matching pairs that are inside groups, among the pairs that are inside groups or
            of which one is within the other's 100 nearest. None while a stratum has fewer than 30 answers:
            matches are rare in the outer ones, and with fewer the prior would decide.
        answers: Answers behind both.
    """

    precision: tuple[float, float, float]
    recall: tuple[float, float, float] | None
    answers: int


class Audit:
    """Draws pairs by stratum and estimates precision and recall from the answers.

    The strata are the ordered pairs (i, j) of images inside one group, and those outside by the rank of j
    among the neighbours of i. Each question first draws a stratum, then a pair uniformly within it. Per
    stratum the share of matches has a Jeffreys posterior, Beta(½ + matches, ½ + others); the intervals
    are the quantiles of what follows from independent draws of them (Brown, Cai and DasGupta, Statistical
    Science 2001, for the interval of one stratum).

    Args:
        groups: (N,) int64 group of each image.
        neighbours: (N, k) int64 nearest images of each, itself first.
        rng: Of the draws.
    """

    def __init__(
        self, groups: NDArray[np.int64], neighbours: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        self._groups = groups
        self._neighbours = neighbours[:, 1:]
        self._rng = rng
        self._members = np.argsort(groups, kind="stable")
        sizes = np.bincount(groups)
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        outside = groups[self._neighbours] != groups[:, None]
        ends = [min(end, self._neighbours.shape[1]) for end in REACH]
        self._ranks = [
            (first, last) for first, last in zip([0, *ends[:-1]], ends, strict=True) if first < last
        ]
        inside = float(np.sum(sizes * (sizes - 1)))
        self.sizes = np.array([inside, *(outside[:, first:last].sum() for first, last in self._ranks)])
        self.asked = np.zeros(len(self.sizes), dtype=np.int64)
        self.matched = np.zeros(len(self.sizes), dtype=np.int64)

    def draw(self) -> tuple[int, int, int] | None:
        """Draw a stratum and a pair in it; half of the draws are inside groups.

        Returns:
            Stratum and two images; ``None`` where there is nothing to draw.
        """
        there = np.flatnonzero(self.sizes)
        if not len(there):
            return None
        weights = np.where(there == 0, 0.5, 0.5 / max(1, len(there) - (0 in there)))
        stratum = int(self._rng.choice(there, p=weights / weights.sum()))
        i, j = self._inside() if stratum == 0 else self._outside(*self._ranks[stratum - 1])
        return (stratum, i, j) if i != j else None

    def record(self, stratum: int, answer: int) -> None:
        """Count the answer +1 or −1 about a pair drawn from ``stratum``; 0 is passed over."""
        if answer != 0:
            self.asked[stratum] += 1
            self.matched[stratum] += answer > 0

    def estimate(self) -> AuditEstimate | None:
        """Precision and recall with their intervals; ``None`` before the first answer."""
        if not self.asked.sum():
            return None
        rng = np.random.default_rng(0)  # quantiles of a posterior: the same answers give the same figures
        share = rng.beta(0.5 + self.matched, 0.5 + self.asked - self.matched, (_DRAWS, len(self.sizes)))
        share = np.where(self.sizes > 0, share, 0.0)
        matching = share * self.sizes
        recall = matching[:, 0] / np.maximum(matching.sum(axis=1), 1e-12)
        enough = (self.asked[self.sizes > 0] >= ENOUGH).all()
        return AuditEstimate(
            _interval(share[:, 0]), _interval(recall) if enough else None, int(self.asked.sum())
        )

    def _inside(self) -> tuple[int, int]:
        sizes = np.diff(self._starts)
        pairs = sizes * (sizes - 1)
        group = int(self._rng.choice(len(sizes), p=pairs / pairs.sum()))
        i, j = self._rng.choice(
            self._members[self._starts[group] : self._starts[group + 1]], 2, replace=False
        )
        return int(i), int(j)

    def _outside(self, first: int, last: int) -> tuple[int, int]:
        """A pair outside groups with a rank from ``first`` to ``last``; by rejection, so uniform."""
        for _ in range(_TRIES):
            i = int(self._rng.integers(len(self._groups)))
            j = int(self._neighbours[i, int(self._rng.integers(first, last))])
            if self._groups[i] != self._groups[j]:
                return i, j
        return 0, 0


def _interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
    return float(middle), float(low), float(high)
