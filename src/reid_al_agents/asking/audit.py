"""Questions of the audit: pairs drawn at random, from which the quality of the identities is estimated."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.batch import Batch
from reid_al_agents.asking.question import Announce, MayAsk, Question, Steps
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.beliefs.audit import AuditedPair, AuditEstimate, Strata, estimate_quality
from reid_al_agents.beliefs.audit_events import AuditNote
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.visual_similarity import VisualSimilarity

_SURE = 0.95  # match probability of two images that are in one group already


class Audit:
    """Draws the audit's pairs, a fixed share of all questions.

    Args:
        beliefs: What is known, and the audit's answers so far.
        report: Counts the questions.
        strata: Strata that pairs are drawn from.
        design: Number of the sampling design.
        share: Share of the answers that go to the audit.
        owed: Number of questions that earlier rounds fell short of their share; negative for an excess.
        again: Whether answers that contradict the groups are rechecked.
        rng: Generator of the draws, used for nothing else: the pairs must not depend on other questions.
        announce: Logs a pair whose relation was known without asking.
    """

    def __init__(
        self,
        beliefs: Beliefs,
        report: AskingReport,
        strata: Strata,
        design: int,
        share: float,
        owed: float,
        again: bool,
        rng: np.random.Generator,
        announce: Announce,
    ) -> None:
        self._beliefs, self._report, self._strata, self._design = beliefs, report, strata, design
        self._share, self._owed, self._repeats = share, owed, again
        self._rng, self._announce = rng, announce
        self._spent = 0
        self._again: set[tuple[int, int]] = set()
        self._drawn: NDArray[np.int64] | None = None

    def due(self, batch: Batch, may_ask: MayAsk) -> Iterator[Steps]:
        """The questions that are due, given how many answers there are."""
        while self._spent < self._owed + self._share * self._report.answers and may_ask():
            self._spent += 1
            contradicting = self._contradicting(batch) if self._repeats else None
            yield self._draw(batch) if contradicting is None else self._ask_again(contradicting)

    def _draw(self, batch: Batch) -> Steps:
        if self._drawn is None:  # from now on it also counts draws that are not answered yet
            self._drawn = self._beliefs.audit.drawn(len(self._strata.sizes))
        drawn = self._strata.draw(self._rng, self._drawn)
        if drawn is None:
            return
        i, j, stratum = drawn
        self._drawn[stratum] += 1
        if batch.excluded[[i, j]].any():
            return
        relation = self._beliefs.constraints.relation(i, j)
        if relation != 0:
            self._announce({"known": list(AuditedPair(i, j, self._design, stratum, relation))}, None)
        elif not self._beliefs.asked(i, j):  # a pair answered "can't tell" is not asked twice
            together = bool(batch.formed.groups[i] == batch.formed.groups[j])
            note = AuditNote(self._design, stratum, together)
            yield Question(i, j, _probability(batch, i, j), "audit", audit=note)
            self._report.audited += 1

    def _ask_again(self, pair: AuditedPair) -> Steps:
        """Recheck a pair of the audit instead of drawing a new one.

        The recheck comes a while after the first answer, and takes one of the audit's questions, so that
        their number does not depend on the answers.
        """
        key = (pair.i, pair.j)
        self._again.add(key)
        try:
            yield Question(*key, 0.5, "audit", audit=AuditNote(pair.design, pair.stratum, None))
            self._report.audited += 1
        finally:
            self._again.discard(key)

    def _contradicting(self, batch: Batch) -> AuditedPair | None:
        """A pair of the audit that needs a recheck and has no open question."""
        for pair in self._beliefs.audit.to_recheck():
            if (pair.i, pair.j) not in self._again and not batch.excluded[[pair.i, pair.j]].any():
                return pair
        return None


def audited_quality(
    beliefs: Beliefs, judged: NDArray[np.int64], visual: VisualSimilarity
) -> AuditEstimate | None:
    """Estimate the quality of identities from the audit; ``None`` before its first answer.

    Args:
        beliefs: Beliefs, which hold the audit's answers.
        judged: (N,) the identities, formed without these answers, since otherwise they would agree with them.
        visual: Visual similarities of the pool.
    """
    if not beliefs.audit:
        return None
    gone = np.isin(np.arange(len(judged)), sorted(beliefs.excluded))
    strata = Strata(judged, visual.near, gone, visual.sides)
    return estimate_quality(beliefs.audit.pairs(), beliefs.designs, strata)


def _probability(batch: Batch, i: int, j: int) -> float:
    """Match probability of two images, by their groups."""
    a, b = batch.view.groups.labels[[i, j]]
    if a == b:
        return _SURE
    described = batch.view.describe_pairs(np.array([a]), np.array([b]))
    return float(batch.view.match_probabilities(described)[0])
