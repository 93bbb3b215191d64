"""Questions that settle disputes between answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from reid_al_agents.asking.question import MayAsk, Question, Steps
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.weights import is_decided
from reid_al_agents.clustering.sides import Sides

_ATTEMPTS = 3  # questions per pair: an annotator who errs systematically would otherwise use up the budget


class Disputes:
    """Asks about the pair that settles a dispute, for each dispute that is not decided.

    Args:
        beliefs: Beliefs, which find the disputes.
        report: Counts the questions.
        sides: Which images can be compared; ``None`` where all can.
    """

    def __init__(self, beliefs: Beliefs, report: AskingReport, sides: Sides | None) -> None:
        self._beliefs, self._report, self._sides = beliefs, report, sides
        self._asked: Counter[tuple[int, int]] = Counter()

    def due(self, may_ask: MayAsk) -> Iterator[Steps]:
        """The questions, one for each open dispute."""
        for dispute in self._beliefs.constraints.disputes():
            undecided = not is_decided(dispute.weight, dispute.cut_weight)
            comparable = self._comparable(
                *dispute.ask
            )  # a sequence may join two sides, which cannot be compared
            if may_ask() and undecided and comparable and self._asked[dispute.ask] < _ATTEMPTS:
                self._asked[dispute.ask] += 1
                self._report.repeated += 1
                yield _ask(*dispute.ask)

    def _comparable(self, i: int, j: int) -> bool:
        return self._sides is None or bool(self._sides.comparable(np.array([i]), np.array([j]))[0])


def _ask(i: int, j: int) -> Steps:
    yield Question(i, j, 0.5, "dispute")
