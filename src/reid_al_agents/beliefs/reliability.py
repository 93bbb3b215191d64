"""Reliability of annotators: the rate of wrong answers of each, estimated from all answers together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit, log_expit

from reid_al_agents.beliefs.suspected_errors import MAX_ERROR_RATE, Pair, unordered
from reid_al_agents.beliefs.weights import answer_weight, log_odds, prior_log_odds
from reid_al_agents.log.events import SIGNS, Event

PRIOR = 100
"""Answers that the assumed rate of wrong answers counts as, for an annotator who errs about as assumed."""

UNUSUAL = 0.05
"""Share of annotators who may err at any rate, such as those who guess."""

_LEFT_OUT = ("repeat", "dispute", "screen")
"""Rechecks and disputes come where an answer is suspected: with them, errors would seem too frequent.
The many answers of one screen are one judgement."""

_FEWEST = 10  # answers before the first estimate
_GROWTH = 1.1  # between two estimates: the cost of a replay stays linear
_SPREAD = 0.5  # standard deviations of the prior on the calibration of the match model
_LEAST = 1e-4  # rate of wrong answers that an estimate may reach


@dataclass
class Reliability:
    """Estimated rate of wrong answers of each annotator; their answers are weighed by it.

    No answer is taken for the truth, whoever gave it. Whether the images of a pair match is a latent
    variable, as in A. P. Dawid and A. M. Skene (Applied Statistics 28, 1979), and each annotator answers
    wrongly at a rate of their own. What is known of a pair beside the answers is the probability p that the
    match model gave before the first of them, as in V. C. Raykar et al. (JMLR 11, 2010). So three things show
    that an annotator guesses: they contradict others, they contradict themselves when a pair comes again, and
    their answers have less to do with p than those of others. Of two annotators who contradict each other,
    the last two tell which one is wrong. With one annotator alone the assumed rate stays.

    The estimate is the mode of the posterior. The prior of a rate is a mixture: most annotators err at about
    the assumed rate ε, ``Beta(100 ε, 100 (1 − ε))``, and one in twenty at any rate, ``Beta(1, 1)``. Chance
    contradictions hardly move the weight of a careful annotator by that, and enough of them show a guesser.
    The match model may be badly calibrated, so the log-odds used are ``b · logit p + c``, with b and c
    estimated as well, around 1 and 0. The estimate is made again whenever a tenth more answers have come.

    Attributes:
        assumed: ε, in (0, 0.5).
        rates: Rate of wrong answers of each annotator at the last estimate.
    """

    assumed: float
    rates: dict[str, float] = field(default_factory=dict)
    _answers: list[tuple[int, str, int]] = field(default_factory=list)  # place of the pair, annotator, sign
    _pairs: dict[Pair, int] = field(default_factory=dict)
    _odds: list[float] = field(default_factory=list)  # logit p of each pair
    _due: int = _FEWEST

    def add(self, event: Event) -> None:
        """Count an answer about one pair; "can't tell" is neither right nor wrong."""
        sign = SIGNS.get(event.answer or "", 0)
        if event.kind != "answer" or event.question_kind in _LEFT_OUT or not sign:
            return
        if event.query is None or event.candidate is None:
            return
        pair = unordered(event.query, event.candidate)
        if pair not in self._pairs:
            self._pairs[pair] = len(self._odds)
            self._odds.append(prior_log_odds(0.5 if event.probability is None else event.probability))
        self._answers.append((self._pairs[pair], event.annotator, sign))
        if len(self._answers) >= self._due:
            self._due = int(_GROWTH * len(self._answers)) + 1
            self._estimate()

    def error_rate(self, annotator: str) -> float:
        """Estimated rate of wrong answers of an annotator."""
        return min(self.rates.get(annotator, self.assumed), MAX_ERROR_RATE)

    def weight(self, annotator: str) -> float:
        """What an answer of the annotator weighs against one of an annotator who is not known."""
        mine, usual = (answer_weight(1, 0.5, rate) for rate in (self.error_rate(annotator), self.assumed))
        return mine / usual

    def _estimate(self) -> None:
        from scipy.optimize import minimize

        names = sorted({annotator for _, annotator, _ in self._answers})
        if len(names) < 2:
            return
        place = {name: number for number, name in enumerate(names)}
        pair = np.array([number for number, _, _ in self._answers])
        who = np.array([place[annotator] for _, annotator, _ in self._answers])
        sign = np.array([sign for _, _, sign in self._answers], dtype=np.float64)
        odds = np.array(self._odds)
        usual = -log_odds(self.assumed)
        start = np.append(np.full(len(names), usual), [1.0, 0.0])
        bounds = [(0.0, -log_odds(_LEAST))] * len(names) + [(0.0, None), (None, None)]
        found = minimize(
            _loss, start, (pair, who, sign, odds, self.assumed), jac=True, method="L-BFGS-B", bounds=bounds
        )
        self.rates = dict(zip(names, expit(-found.x[: len(names)]).tolist(), strict=True))


def _loss(
    parameters: NDArray[np.float64],
    pair: NDArray[np.int64],
    who: NDArray[np.int64],
    sign: NDArray[np.float64],
    odds: NDArray[np.float64],
    assumed: float,
) -> tuple[float, NDArray[np.float64]]:
    """Negative logarithm of the posterior, and its gradient.

    Args:
        parameters: Log-odds that each annotator is right, (K,), then b and c.
        pair: The pair that each answer is about, (A,).
        who: The annotator of each, (A,).
        sign: The answers, +1 or −1, (A,).
        odds: Log-odds of a match by the match model, (M,).
        assumed: ε.
    """
    right, slope, offset = parameters[:-2], parameters[-2], parameters[-1]
    prior = slope * odds + offset
    said = sign * right[who]
    match = log_expit(prior) + np.bincount(pair, log_expit(said), len(odds))
    other = log_expit(-prior) + np.bincount(pair, log_expit(-said), len(odds))
    chance = expit(match - other)  # that the images match, given the answers
    likely = float(np.logaddexp(match, other).sum())
    usual, pull = _beta(right, PRIOR * (1 - assumed), PRIOR * assumed)
    unusual, other_pull = _beta(right, 1.0, 1.0)
    usual, unusual = usual + np.log(1 - UNUSUAL), unusual + np.log(UNUSUAL)
    either = np.logaddexp(usual, unusual)
    is_usual = np.exp(usual - either)
    likely += float(either.sum())
    likely -= ((slope - 1) ** 2 + offset**2) / (2 * _SPREAD**2)
    by_annotator = np.bincount(who, sign * (chance[pair] - expit(said)), len(right))
    by_annotator += is_usual * pull + (1 - is_usual) * other_pull
    surplus = chance - expit(prior)
    by_model = [surplus @ odds - (slope - 1) / _SPREAD**2, surplus.sum() - offset / _SPREAD**2]
    return -likely, -np.append(by_annotator, by_model)


def _beta(odds: NDArray[np.float64], a: float, b: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Logarithm of the density of log-odds whose probability has a Beta(a, b) distribution, and its slope."""
    density = a * log_expit(odds) + b * log_expit(-odds) - betaln(a, b)
    return density, a - (a + b) * expit(odds)
