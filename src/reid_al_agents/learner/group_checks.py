"""Questions that no selector chooses: the audit's, answers in doubt, and disputes between answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from reid_al_agents.clustering import Sides
from reid_al_agents.grouping.audit import Audit
from reid_al_agents.grouping.evidence import chance_of_error, is_decided
from reid_al_agents.grouping.settings import GroupSettings
from reid_al_agents.grouping.stopping import ChangeMonitor
from reid_al_agents.learner.asking import AskingReport
from reid_al_agents.learner.group_batch import AuditNote, GroupBatch, Question
from reid_al_env import ConstraintGraph

Steps = Generator[Question, int, None]
"""Something that takes one or more questions: yields each and is sent its answer."""

Room = Callable[[], bool]
"""Whether another question may be asked."""

_SETTLING = 3  # times that a pair is asked to settle a dispute
_SURE = 0.95  # match probability of two images that are in one group already


@dataclass(frozen=True)
class _Doubt:
    """An answer that may be wrong, and the pair that tells."""

    worth: float
    first: tuple[int, int]
    second: tuple[int, int]
    answer: int
    probability: float


class Checks:
    """Keeps what is to be checked of the answers and the groups.

    Args:
        audit: Of the groups.
        settings: Share of the audit, rate of wrong answers, and whether doubts are asked about.
        report: Counts what is asked.
        monitor: Is told whether the audit's answers change groups.
        sides: Which images can be compared; the audit passes over the others.
    """

    def __init__(
        self,
        audit: Audit,
        settings: GroupSettings,
        report: AskingReport,
        monitor: ChangeMonitor,
        sides: Sides | None = None,
    ) -> None:
        self._sides = sides
        self._audit, self._settings = audit, settings
        self._report, self._monitor = report, monitor
        self._doubts: list[_Doubt] = []
        self._settled: Counter[tuple[int, int]] = Counter()
        self._audited = 0
        self._known: list[tuple[int, int]] = []

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
        while self._doubts and room():
            doubt = max(self._doubts, key=lambda each: each.worth)
            if doubt.worth < worth:
                break
            self._doubts.remove(doubt)
            yield self._repeat(doubt, room)

    def doubt(
        self,
        batch: GroupBatch,
        asked: tuple[int, int],
        witnesses: tuple[tuple[int, int], tuple[int, int]],
        answer: int,
        probability: float,
    ) -> None:
        """Remember the answer about two groups where it may be wrong.

        Args:
            batch: The groups.
            asked: The two.
            witnesses: The images that were compared, and those to be compared next.
            answer: +1, −1 or 0.
            probability: Of a match, as it was held likely.
        """
        wrong = chance_of_error(answer, probability, self._error_rate()) if answer else 0.0
        if not self._settings.repeat or wrong <= 0:
            return
        reach = float(np.sqrt(np.prod(batch.view.groups.sizes[list(asked)])))
        self._doubts.append(_Doubt(wrong * reach, *witnesses, answer, probability))

    def _repeat(self, doubt: _Doubt, room: Room) -> Steps:
        self._report.repeated += 1
        answer = yield Question(*doubt.second, doubt.probability, "repeat")
        if answer == -doubt.answer:
            self._report.disagreed += 1
            if room():
                yield Question(*doubt.first, doubt.probability, "repeat")

    def _audit_pair(self, batch: GroupBatch, constraints: ConstraintGraph) -> Steps:
        drawn = self._audit.draw()
        if drawn is None:
            return
        stratum, i, j = drawn
        if not self._comparable(i, j):
            return
        known = constraints.relation(i, j)
        if known != 0:
            self._known.append((stratum, known))
        else:
            note = AuditNote(stratum, tuple(self._known))
            self._known.clear()
            known = yield Question(i, j, _probability(batch, i, j), "audit", audit=note)
            self._report.audited += 1
            together = batch.formed.groups[i] == batch.formed.groups[j]
            self._monitor.add(known != 0 and (known < 0) == together)
        self._audit.record(stratum, known)

    def _comparable(self, i: int, j: int) -> bool:
        return self._sides is None or bool(self._sides.comparable(np.array([i]), np.array([j]))[0])

    def _error_rate(self) -> float:
        """Share of wrong answers: the one assumed, as if one had been found, and those that were found."""
        seen = 1 / self._settings.error_rate
        return (1 + self._report.disagreed) / (seen + self._report.answers)


def _once(question: Question) -> Steps:
    yield question


def _probability(batch: GroupBatch, i: int, j: int) -> float:
    """Of a match of two images, by their groups."""
    a, b = batch.view.groups.labels[[i, j]]
    if a == b:
        return _SURE
    described = batch.view.describe_pairs(np.array([a]), np.array([b]))
    return float(batch.view.match_probabilities(described)[0])
