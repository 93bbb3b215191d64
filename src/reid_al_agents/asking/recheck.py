"""Rechecks: questions about the groups of a suspected error, with two other images."""

from __future__ import annotations

import heapq

import numpy as np

from reid_al_agents.asking.batch import Batch
from reid_al_agents.asking.question import MayAsk, Question, Steps, Suspicion
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.suspected_errors import Pair, SuspectedError
from reid_al_agents.beliefs.weights import chance_of_error

_LEAST_GAIN = 0.05
"""Least expected gain of a recheck: the chance that the answer is wrong, times its reach √(|A| |B|)."""


class Rechecks:
    """Ranks the suspected errors by the expected gain of a recheck and asks about the best.

    Args:
        beliefs: Holds the suspected errors.
        report: Counts the questions.
    """

    def __init__(self, beliefs: Beliefs, report: AskingReport) -> None:
        self._beliefs, self._report = beliefs, report
        self._ranked: list[tuple[float, int, Pair]] = []  # a heap: best first, ties by age
        self._listed: set[Pair] = set()
        self._taken: set[Pair] = set()
        self._number = 0
        self._weighed: Batch | None = None

    def next(self, batch: Batch, gain: float, may_ask: MayAsk) -> Steps | None:
        """The best recheck, if its expected gain is at least ``gain``."""
        if self._weighed is not batch:  # rank by the match model of this batch
            self._weighed = batch
            self._rank_all(batch)
        for pair, error in self._beliefs.suspected.items():
            if pair not in self._listed:
                self._list(pair, error, error.probability)
        least = max(gain, _LEAST_GAIN)
        while self._ranked and -self._ranked[0][0] >= least:
            _, _, pair = heapq.heappop(self._ranked)
            found = self._beliefs.suspected.get(pair)
            if found is not None and pair not in self._taken:
                self._taken.add(pair)
                return self._recheck(batch, pair, found, may_ask)
        return None

    def _rank_all(self, batch: Batch) -> None:
        self._ranked, self._listed, self._number = [], set(), 0
        open_ = {pair: error for pair, error in self._beliefs.suspected.items() if pair not in self._taken}
        if not open_:
            return
        described = np.stack([error.described for error in open_.values()])
        for (pair, error), probability in zip(
            open_.items(), batch.view.match_probabilities(described), strict=True
        ):
            self._list(pair, error, float(probability))

    def _list(self, pair: Pair, error: SuspectedError, probability: float) -> None:
        gain = chance_of_error(error.answer, probability, self._beliefs.error_rate) * error.reach
        heapq.heappush(self._ranked, (-gain, self._number, pair))
        self._listed.add(pair)
        self._number += 1

    def _recheck(self, batch: Batch, pair: Pair, error: SuspectedError, may_ask: MayAsk) -> Steps:
        if batch.excluded[[*error.first, *error.second]].any():
            return
        probability = float(batch.view.match_probabilities(error.described[None])[0])
        chance = chance_of_error(error.answer, probability, self._beliefs.assumed_error_rate)
        suspicion = Suspicion(*error.first, error.answer, chance)
        self._report.repeated += 1
        try:
            # Probability 0.5: the prior already counted with the suspected answer.
            answer = yield Question(*error.second, 0.5, "repeat", suspicion=suspicion)
        except GeneratorExit:  # the question was dropped: it may be asked later
            self._taken.discard(pair)
            raise
        if answer == -error.answer:
            self._report.disagreed += 1
            if may_ask():
                yield Question(*error.first, 0.5, "repeat")
