"""Weight of an answer as evidence, given the match probability before it."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_BOUND = 0.01  # match probabilities are clipped to [0.01, 0.99]
_LEAST = 0.1


def log_odds(probability: float) -> float:
    """Log-odds of a probability in (0, 1)."""
    return math.log(probability / (1 - probability))


def prior_log_odds(probability: float) -> float:
    """Log-odds of a predicted match probability, clipped to [0.01, 0.99]: no model is surer than that."""
    return log_odds(min(max(probability, _BOUND), 1 - _BOUND))


def answer_weight(answer: int, probability: float, error_rate: float) -> float:
    """Weight of an answer as evidence: log-odds that it is right.

    By Bayes' rule with a match probability p before the answer and a rate ε of wrong answers, a match is
    right with odds ``p (1 − ε) / ((1 − p) ε)``, and a non-match with odds ``(1 − p)(1 − ε) / (p ε)``.

    Args:
        answer: +1 or −1.
        probability: p.
        error_rate: ε, in (0, 0.5).

    Returns:
        The logarithm of the odds, at least 0.1: an answer always counts for something.
    """
    odds = prior_log_odds(probability)
    return max(math.log((1 - error_rate) / error_rate) + (odds if answer > 0 else -odds), _LEAST)


def trust_weight(trust: float) -> float:
    """Weight of a statement that is right with this probability, in (0.5, 1): its log-odds."""
    return log_odds(trust)


class AskedBefore(Protocol):
    """Anything that knows which pairs were compared, such as a :class:`~reid_al_env.ConstraintGraph`."""

    def asked(self, i: int, others: NDArray[np.int64], /) -> NDArray[np.bool_]:
        """Which of ``others`` were compared with ``i``."""
        ...


def weigh(
    constraints: AskedBefore, i: int, j: int, answer: int, probability: float | None, error_rate: float
) -> float:
    """Weight of the next answer about two images, before it is added to ``constraints``.

    Weights of answers about one pair add up, so the prior counts with the first of them only: by Bayes' rule
    the log-odds after k answers are the prior log-odds plus the log-likelihood ratio of each answer.

    Args:
        constraints: Constraints, which know whether the pair was compared before.
        i: One image.
        j: The other.
        answer: +1, −1 or 0.
        probability: Match probability predicted before any answer; ``None`` if there is none.
        error_rate: ε, in (0, 0.5).

    Returns:
        See :func:`answer_weight`; 1 for "can't tell" and where there is no probability.
    """
    if answer == 0 or probability is None:
        return 1.0
    prior = 0.5 if constraints.asked(i, np.array([j]))[0] else probability
    return answer_weight(answer, prior, error_rate)


def chance_of_error(answer: int, probability: float, error_rate: float) -> float:
    """Probability that an answer is wrong, by the rule of :func:`answer_weight`; in [0, 1].

    An ``error_rate`` of 0 gives 0.
    """
    prior = min(max(probability, _BOUND), 1 - _BOUND)
    agreeing = prior if answer > 0 else 1 - prior
    wrong = error_rate * (1 - agreeing)
    return wrong / (wrong + (1 - error_rate) * agreeing)


DECIDED_WEIGHT = 20.0
"""Weight of an edit or of an answer that settles a contradiction: as much as several answers."""


def is_decided(weight: float, against: float) -> bool:
    """Whether an annotator has settled a contradiction whose two sides have these weights."""
    return max(weight, against) >= DECIDED_WEIGHT > min(weight, against)
