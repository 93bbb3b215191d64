"""Questions that no selector chooses: the audit's, answers in doubt, and disputes between answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator

import numpy as np

from reid_al_agents.clustering import Sides
from reid_al_agents.grouping.audit import AuditedPair, Strata
from reid_al_agents.grouping.evidence import chance_of_error, is_decided
from reid_al_agents.grouping.settings import GroupSettings
from reid_al_agents.grouping.stopping import ChangeMonitor
from reid_al_agents.learner.asking import AskingReport
from reid_al_agents.learner.doubts import Checked, Doubt
from reid_al_agents.learner.group_batch import AuditNote, Doubted, GroupBatch, Question
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
        rng: Of the audit's draws.
        strata: What the audit draws from; ``None`` where nothing is audited.
        sides: Which images can be compared.
        keeps: Whether doubts are kept here; not where somebody else does that, who can take answers back.
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
        self._weighed: GroupBatch | None = None
        self._settled: Counter[tuple[int, int]] = Counter()
        self._audited = 0
        self._known: list[AuditedPair] = []

    def disputes(self, constraints: ConstraintGraph, room: Room) -> Iterator[Steps]:
        """The pairs that settle disputes which are not decided."""
        for dispute in constraints.disputes():
            # Who errs the same way each time would else be asked about one pair until the budget is spent.
            doubtful = not is_decided(dispute.weight, dispute.cut_weight)
            told = self._comparable(*dispute.ask)  # a sequence that joins two sides is nobody's to judge
            if room() and doubtful and told and self._settled[dispute.ask] < _SETTLING:
                self._settled[dispute.ask] += 1
                self._report.repeated += 1
                yield _once(Question(*dispute.ask, 0.5, "dispute"))

    def due(
        self, batch: GroupBatch, worth: float, constraints: ConstraintGraph, room: Room
    ) -> Iterator[Steps]:
        """Audit questions that are due, and doubts that are worth more than the next question."""
        while self._audited < self._settings.audit_share * self._report.answers and room():
            self._audited += 1
            yield self._audit_pair(batch, constraints)
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
        doubt = Doubt(pair, (others.first, others.second), answer, others.reach, question.described)
        rate = self._checked.error_rate(self._settings.error_rate)
        self._checked.doubts.add(doubt, question.probability, rate)

    def _repeat(self, batch: GroupBatch, doubt: Doubt, room: Room) -> Steps:
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

    def _audit_pair(self, batch: GroupBatch, constraints: ConstraintGraph) -> Steps:
        drawn = None if self._strata is None else self._strata.draw(self._rng)
        if drawn is None or batch.excluded[list(drawn[:2])].any():
            return
        i, j, stratum = drawn
        design = self._checked.present
        relation = constraints.relation(i, j)
        if relation != 0:
            self._known.append(AuditedPair(i, j, design, stratum, relation))
            self._checked.audited.append(self._known[-1])
        elif not constraints.asked(i, np.array([j]))[0]:  # nobody could tell, and nobody is asked twice
            together = bool(batch.formed.groups[i] == batch.formed.groups[j])
            note = AuditNote(design, stratum, together, tuple(self._known))
            self._known.clear()
            likely = _probability(batch, i, j)
            relation = yield Question(i, j, likely, "audit", audit=note)
            self._report.audited += 1
            self._checked.withheld.add((min(i, j), max(i, j)))
            self._monitor.add(relation != 0 and (relation < 0) == together)
            if relation != 0:
                self._checked.audited.append(AuditedPair(i, j, design, stratum, relation))
                self._checked.guessed.append(likely)
                self._checked.found.append(relation > 0)

    def _comparable(self, i: int, j: int) -> bool:
        return self._sides is None or bool(self._sides.comparable(np.array([i]), np.array([j]))[0])


def _once(question: Question) -> Steps:
    yield question


def _probability(batch: GroupBatch, i: int, j: int) -> float:
    """Of a match of two images, by their groups."""
    a, b = batch.view.groups.labels[[i, j]]
    if a == b:
        return _SURE
    described = batch.view.describe_pairs(np.array([a]), np.array([b]))
    return float(batch.view.match_probabilities(described)[0])
