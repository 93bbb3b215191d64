"""Rules that choose a question from the observation alone: the opponents of a learned agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.catalogue.questions import QUESTION_FEATURES

Observation = Mapping[str, NDArray[Any]]
Infos = Mapping[str, Any]
Choose = Callable[[Observation, Infos], int]
"""Takes the observation and the infos that came with it, and returns an action."""

_TOGETHER = QUESTION_FEATURES.index("delivered_together")
_COSINES = 3
_SIZES = QUESTION_FEATURES.index("smaller_group")
_CHECK_EVERY = 4
_REFIT_EVERY = 5
_PRIOR = np.array([1.0, 20.0])  # of the calibration's offset and slope, in units of an answer's weight
_NEWTON_STEPS = 8


class RandomQuestion:
    """Any open question.

    Args:
        seed: Seed of the choices.
    """

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, observation: Observation, infos: Infos) -> int:
        """Choose a question."""
        return int(self._rng.choice(np.flatnonzero(observation["action_mask"])))


def nearest(observation: Observation, infos: Infos) -> int:
    """The most similar groups that are delivered apart, or else the least similar that are together.

    It is :func:`reid_al_env.catalogue.references.nearest_first`, the zero of the score.
    """
    return 0


def one_check_in_four(together: NDArray[Any], step: int) -> int:
    """The choice of :class:`OneCheckInFour`.

    Args:
        together: Not zero for open questions about groups that are delivered together, (M,).
        step: Answers so far.
    """
    checks = np.flatnonzero(together)
    return int(checks[0]) if len(checks) and step % _CHECK_EVERY == 0 else 0


class OneCheckInFour:
    """The most similar groups that are delivered apart; at every fourth answer, a check of a join."""

    def __init__(self) -> None:
        self._step = 0

    def __call__(self, observation: Observation, infos: Infos) -> int:
        """Choose a question."""
        self._step = 0 if "answer" not in infos else self._step + 1
        together = observation["questions"][:, _TOGETHER] * observation["action_mask"]
        return one_check_in_four(together, self._step)


class ExpectedChange:
    """The question whose answer is expected to change the delivered identities most.

    The rule of ``reid-al run`` on what an agent sees: P(wrong) · 2ab / (a + b), where a and b are the sizes
    of the two parts that an answer joins or separates, and P(wrong) is the probability that they are now
    delivered wrongly. The probability of a match is a logistic regression on the question's features
    (:func:`described`), whose offset and slope are fitted to the answers of the episode.
    """

    def __init__(self) -> None:
        self._begin()

    def __call__(self, observation: Observation, infos: Infos) -> int:
        """Choose a question."""
        if "answer" not in infos:
            self._begin()
        elif infos["answer"] and not infos["invalid_action"]:
            self._learn(infos["answer"] > 0)
        open_ = np.flatnonzero(observation["action_mask"])
        questions = observation["questions"][open_].astype(np.float64)
        evidence = described(questions) @ WEIGHTS + OFFSET
        probability = 1 / (1 + np.exp(-(self._offset + self._slope * evidence)))
        together = questions[:, _TOGETHER] > 0
        a, b = _parts(questions, together, infos["images"])
        best = int(np.argmax(np.where(together, 1 - probability, probability) * 2 * a * b / (a + b)))
        self._asked = float(evidence[best])
        return int(open_[best])

    def _begin(self) -> None:
        self._offset, self._slope, self._asked = 0.0, 1.0, 0.0
        self._evidence: list[float] = []
        self._matched: list[bool] = []

    def _learn(self, match: bool) -> None:
        """Platt's calibration of the first guess, by Newton's method (Platt, 1999)."""
        self._evidence.append(self._asked)
        self._matched.append(match)
        if len(self._matched) % _REFIT_EVERY:
            return
        points = np.stack([np.ones(len(self._evidence)), np.array(self._evidence)], axis=1)
        fitted, first = np.array([self._offset, self._slope]), np.array([0.0, 1.0])
        for _ in range(_NEWTON_STEPS):
            probability = 1 / (1 + np.exp(-points @ fitted))
            slope = points.T @ (probability - np.array(self._matched)) + _PRIOR * (fitted - first)
            curvature = (points.T * (probability * (1 - probability))) @ points + np.diag(_PRIOR)
            fitted = fitted - np.linalg.solve(curvature, slope)
        self._offset, self._slope = fitted.tolist()


def described(questions: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the first guess is a regression on: features, squared cosines, cosines of those together; (Q, 15).

    Args:
        questions: Features of Q questions, (Q, 9).
    """
    features, cosines = questions[:, : len(QUESTION_FEATURES)], questions[:, :_COSINES]
    return np.concatenate([features, cosines**2, cosines * questions[:, [_TOGETHER]]], axis=1)


def _parts(
    questions: NDArray[np.float64], together: NDArray[np.bool_], images: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sizes of what an answer joins: two identities, or a group and the rest of its identity."""
    columns = slice(_SIZES, _SIZES + 4)
    group, _, smaller, larger = np.exp(questions[:, columns] * np.log(images)).T
    return np.where(together, group, smaller), np.where(together, larger - group, larger)


RULES: dict[str, Callable[[int], Choose]] = {
    "nearest": lambda seed: nearest,
    "random": RandomQuestion,
    "one-check-in-four": lambda seed: OneCheckInFour(),
    "expected-change": lambda seed: ExpectedChange(),
}
"""Makers of rules by name; they take the seed of random choices."""

WEIGHTS = np.array(
    [16.27, 2.25, -9.85, -18.88, -11.16, -8.01, -0.95, 7.24, -0.39, 18.72, -0.74, -16.59, 1.82, -5.15, -0.49]
)
OFFSET = -5.87
"""Logistic regression of "match" on :func:`described` questions, over states of training tasks under random,
nearest-first, one-check-in-four and label-seeing play. ``python benchmarks/expected_change.py`` fits it again
and comes to the same numbers."""
