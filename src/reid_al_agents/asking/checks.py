"""Questions that no selector chooses: the audit's, answers in doubt, and disputes between answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.batch import AuditNote, Batch, Doubted, Question
from reid_al_agents.asking.browsing import AskingReport
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.audit import AuditedPair, Strata
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.suspected_errors import Checked, SuspectedError
from reid_al_agents.beliefs.weights import chance_of_error, is_decided
from reid_al_agents.clustering.sides import Sides
from reid_al_env import ConstraintGraph

Steps = Generator[Question, int, None]
"""Something that takes one or more questions: yields each and is sent its answer."""

Room = Callable[[], bool]
"""Whether another question may be asked."""

_SETTLING = 3  # times that a pair is asked to settle a dispute
_LEAST_WORTH = (
    0.05  # of a question that is asked again: the chance that it was answered wrongly, times its reach
)
_SURE = 0.95  # match probability of two images that are in one group already


class Checks:
    """Keeps what is to be checked of the answers and the groups.

    Args:
        checked: What the checks of earlier models left, and what these are to leave.
        settings: Share of the audit, rate of wrong answers, and whether doubts are asked about.
        report: Counts what is asked.
        monitor: Is told whether answers to the audit, and those asked for again, change groups.
        rng: Of the audit's draws; nothing else may draw from it, or what is asked would follow from them.
        strata: What the audit draws from; ``None`` where nothing is audited.
        sides: Which images can be compared.
        keeps: Whether doubts and the audit's answers are kept here; not where somebody else does that, who
            can take answers back.
    """

    def __init__(
        self,
        checked: Checked,
        settings: GroupSettings,
        report: AskingReport,
        monitor: ChangeMonitor,
        rng: np.random.Generator,
        strata: Strata | None = None,
        sides: Sides | None = None,
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._strata, self._sides = strata, sides
        self._checked, self._settings, self._rng = checked, settings, rng
        self._report, self._monitor = report, monitor
        self._weighed: Batch | None = None
        self._settled: Counter[tuple[int, int]] = Counter()
        self._audited = 0
        self._known: list[AuditedPair] = []
        self._again: set[tuple[int, int]] = set()
        self._drawn: NDArray[np.int64] | None = None

    def disputes(self, constraints: ConstraintGraph, room: Room) -> Iterator[Steps]:
        """The pairs that settle disputes which are not decided."""
        for dispute in constraints.disputes():
            # Who errs the same way each time would else be asked about one pair until the budget is spent.
            doubtful = not is_decided(dispute.weight, dispute.cut_weight)
            told = self._comparable(*dispute.ask)  # a sequence that joins two sides is nobody's to judge
            if room() and doubtful and told and self._settled[dispute.ask] < _SETTLING:
                self._settled[dispute.ask] += 1
                self._report.repeated += 1
                yield self._settle(*dispute.ask)

    def due(self, batch: Batch, worth: float, constraints: ConstraintGraph, room: Room) -> Iterator[Steps]:
        """Audit questions that are due, and doubts that are worth more than the next question."""
        share, owed = self._settings.audit_share, self._checked.owed
        while self._audited < owed + share * self._report.answers and room():
            self._audited += 1
            doubtful = self._doubtful(batch) if self._settings.repeat else None
            yield self._audit_pair(batch, constraints) if doubtful is None else self._audit_again(doubtful)
        doubts = self._checked.doubts
        if (
            self._weighed is not batch
        ):  # as likely as the present model holds them, not as the first guess did
            self._weighed = batch
            doubts.weigh(batch.view.match_probabilities, self._checked.error_rate(self._settings.error_rate))
        while room() and (doubt := doubts.pop(max(worth, _LEAST_WORTH))) is not None:
            yield self._repeat(batch, doubt, room)

    def doubt(self, question: Question, answer: int) -> None:
        """Remember an answer, +1, −1 or 0, where it may be wrong."""
        if not (self._keeps and self._settings.repeat and answer):
            return
        if question.again is None or question.described is None:
            return
        others, pair = question.again, (question.first, question.second)
        doubt = SuspectedError(pair, (others.first, others.second), answer, others.reach, question.described)
        rate = self._checked.error_rate(self._settings.error_rate)
        self._checked.doubts.add(doubt, question.probability, rate)

    def _repeat(self, batch: Batch, doubt: SuspectedError, room: Room) -> Steps:
        if batch.excluded[[*doubt.first, *doubt.second]].any():
            return
        probability = float(batch.view.match_probabilities(doubt.described[None])[0])
        chance = chance_of_error(doubt.answer, probability, self._settings.error_rate)
        self._report.repeated += 1
        doubted = Doubted(*doubt.first, doubt.answer, chance)
        # Even odds: what was likely beforehand has counted with the answer in doubt.
        answer = yield Question(*doubt.second, 0.5, "repeat", doubted=doubted)
        self._monitor.add(answer == -doubt.answer)
        if self._keeps and answer != 0:
            self._checked.expected += chance
            self._checked.disagreed += answer == -doubt.answer
        if answer == -doubt.answer:
            self._report.disagreed += 1
            if room():
                yield Question(*doubt.first, 0.5, "repeat")

    def _audit_pair(self, batch: Batch, constraints: ConstraintGraph) -> Steps:
        trail, strata = self._checked.audited, self._strata
        if strata is None:
            return
        if self._drawn is None:  # from here on with those that are not answered yet
            self._drawn = trail.drawn(len(strata.sizes))
        drawn = strata.draw(self._rng, self._drawn)
        if drawn is None:
            return
        i, j, stratum = drawn
        self._drawn[stratum] += 1
        if batch.excluded[[i, j]].any():
            return
        design = self._checked.present
        relation = constraints.relation(i, j)
        if relation != 0:
            self._known.append(AuditedPair(i, j, design, stratum, relation))
            if self._keeps:
                trail.know(self._known[-1])
        elif not constraints.asked(i, np.array([j]))[0]:  # nobody could tell, and nobody is asked twice
            together = bool(batch.formed.groups[i] == batch.formed.groups[j])
            note = self._note(design, stratum, together)
            likely = _probability(batch, i, j)
            relation = yield Question(i, j, likely, "audit", audit=note)
            self._report.audited += 1
            self._checked.withheld.add((min(i, j), max(i, j)))
            self._monitor.add(relation != 0 and (relation < 0) == together)
            if self._keeps and relation != 0:
                trail.hear(AuditedPair(i, j, design, stratum, relation), likely)

    def _audit_again(self, pair: AuditedPair) -> Steps:
        """Ask for another answer about a pair of the audit, in place of drawing one.

        So it comes a while after the first, and the audit's answers are as many whatever they are.
        """
        key, note = (pair.i, pair.j), self._note(pair.design, pair.stratum, None)
        self._again.add(key)
        try:
            answer = yield Question(*key, 0.5, "audit", audit=note)
            self._report.audited += 1
            if self._keeps:
                self._checked.audited.hear_again(*key, answer)
        finally:
            self._again.discard(key)

    def _doubtful(self, batch: Batch) -> AuditedPair | None:
        """A pair of the audit about which another answer is wanted, and nobody is being asked for one."""
        for pair in self._checked.audited.doubtful():
            if (pair.i, pair.j) not in self._again and not batch.excluded[[pair.i, pair.j]].any():
                return pair
        return None

    def _note(self, design: int, stratum: int, together: bool | None) -> AuditNote:
        known = tuple(self._known)
        self._known.clear()
        return AuditNote(design, stratum, together, known)

    def _settle(self, i: int, j: int) -> Steps:
        answer = yield Question(i, j, 0.5, "dispute")
        if self._keeps:
            self._checked.audited.hear_again(i, j, answer)

    def _comparable(self, i: int, j: int) -> bool:
        return self._sides is None or bool(self._sides.comparable(np.array([i]), np.array([j]))[0])


def _probability(batch: Batch, i: int, j: int) -> float:
    """Of a match of two images, by their groups."""
    a, b = batch.view.groups.labels[[i, j]]
    if a == b:
        return _SURE
    described = batch.view.describe_pairs(np.array([a]), np.array([b]))
    return float(batch.view.match_probabilities(described)[0])
