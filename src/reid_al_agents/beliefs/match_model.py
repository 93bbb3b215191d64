"""The probability that two groups show the same identity, learned from the answers so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from reid_al_agents.beliefs.calibration import calibration_error

PAIR_FEATURES = (
    "cosine",
    "root_jaccard",
    "log_jaccard",
    "jaccard_share_low",
    "jaccard_share_high",
    "cosine_gap_low",
    "cosine_gap_high",
    "log_smaller",
    "log_larger",
    "shared_camera",
)
"""What a pair of groups is described by; see :meth:`.Candidates.describe_pairs`."""

MEMORY = 3000
"""Answers that the model is fitted to, the latest ones: features change with every refresh."""

PRIOR = 20
"""Answers that the first guess counts as, beside those that were given."""

ENOUGH = 100
"""Answers below which the first guess is used where it is not known what pairs there are."""

_SAMPLE = 400
_CONSTANT = 1e-12  # spread of a feature that is the same for all pairs but for rounding


@dataclass
class MatchModel:
    """Logistic regression on standardised pair features, refitted to the latest answers.

    Before the first answer the probability is ``σ(6 √J − 3)``, a prior on the average Jaccard similarity J
    that is ½ at a quarter of the neighbours in common. Later this prior still counts as a few answers about
    the pairs that are open. The answered pairs are a biased sample, the likeliest ones, and a fit to them
    alone ranked the others of Market-1501's pool in reverse order.

    Attributes:
        described: Features of the answered pairs, M arrays of shape (F,), in the order of the answers.
        matched: Whether each was a match; "can't tell" is left out.
        predicted: Probability that was given to each before it was answered.
        seen: A sample of the open pairs at the last fit, (S, F); ``None`` before the first.
        prior: Answers that the first guess counts as, beside those that were given.
    """

    described: list[NDArray[np.float64]] = field(default_factory=list)
    matched: list[bool] = field(default_factory=list)
    predicted: list[float] = field(default_factory=list)
    seen: NDArray[np.float64] | None = None
    prior: float = PRIOR
    _fitted: tuple[NDArray[np.float64], float] | None = None

    def probabilities(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of a match for pairs described by ``described`` (M, F); shape (M,)."""
        if not len(described):
            return np.empty(0)
        if self._fitted is None:
            return _guess(described)
        weights, offset = self._fitted
        return np.asarray(expit(described @ weights + offset))

    def add(self, described: NDArray[np.float64], predicted: float, answer: int) -> None:
        """Add the answer (+1 or −1; 0 is ignored) about a pair described by ``described`` (F,)."""
        if answer != 0:
            self.described.append(np.asarray(described, dtype=np.float64))
            self.matched.append(answer > 0)
            self.predicted.append(float(predicted))

    def fit(self, seen: NDArray[np.float64] | None = None) -> None:
        """Fit to the latest answers, and to the prior on the open pairs.

        Args:
            seen: The open pairs, (M, F); ``None`` keeps those of the last fit. If there were none yet, the
                prior is used until there are enough answers of both kinds, and dropped then.
        """
        from sklearn.linear_model import LogisticRegression

        if seen is not None:
            self.seen = seen[:: max(1, len(seen) // _SAMPLE)]
        # Another thread may add answers or read probabilities meanwhile, so the fit is replaced as a whole.
        count = len(self.matched)
        pairs, matched = self.described[:count][-MEMORY:], np.array(self.matched[:count][-MEMORY:])
        weights = np.ones(len(matched))
        if self.seen is not None and len(self.seen) and len(matched):
            guess = _guess(self.seen)
            each = self.prior * _even_weights(guess)
            pairs = [*pairs, *self.seen, *self.seen]
            matched = np.concatenate([matched, np.repeat([True, False], len(self.seen))])
            weights = np.concatenate([weights, each * guess, each * (1 - guess)])
        elif len(matched) < ENOUGH or not 0 < matched.sum() < len(matched):
            return
        points = np.array(pairs)
        mean = np.average(points, axis=0, weights=weights)
        spread = np.sqrt(np.average((points - mean) ** 2, axis=0, weights=weights))
        scale = np.where(spread > _CONSTANT * (1 + np.abs(mean)), spread, 1.0)
        regression = LogisticRegression(solver="newton-cholesky", tol=1e-8)
        regression.fit((points - mean) / scale, matched, sample_weight=weights)
        # Kept as plain arrays: for one pair at a time, scikit-learn's input checks would dominate the cost.
        slopes = regression.coef_[0] / scale
        self._fitted = slopes, float(regression.intercept_[0] - slopes @ mean)

    def calibration_error(self, last: int, bins: int = 10) -> float | None:
        """:func:`.calibration_error` of the last answers that it learned from, which a policy chose.

        Args:
            last: Number of answers to look at.
            bins: Number of bins.
        """
        if last < bins:
            return None
        return calibration_error(self.predicted[-last:], self.matched[-last:], bins)


def _even_weights(guess: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that add up to 1 and count all tenths of the probability alike that occur, (M,)."""
    tenths = np.minimum((10 * guess).astype(np.int64), 9)
    counts = np.bincount(tenths, minlength=10)
    return np.asarray(1 / (counts[tenths] * np.count_nonzero(counts)))


def first_guess(root_jaccard: NDArray[np.float64]) -> NDArray[np.float64]:
    """The match probability before any answer, ``σ(6 √J − 3)``, of the root of the Jaccard similarity J."""
    return np.asarray(expit(6 * root_jaccard - 3))


def _guess(described: NDArray[np.float64]) -> NDArray[np.float64]:
    return first_guess(described[:, PAIR_FEATURES.index("root_jaccard")])
