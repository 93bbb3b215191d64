"""Reliability of annotators: the rate of wrong answers of each, by the gold questions."""

from __future__ import annotations

from dataclasses import dataclass, field

from reid_al_agents.beliefs.suspected_errors import MAX_ERROR_RATE
from reid_al_agents.beliefs.weights import answer_weight
from reid_al_agents.log.events import SIGNS, Event

PRIOR = 20
"""Gold questions that the assumed rate of wrong answers counts as."""


@dataclass
class Reliability:
    """Estimated rate of wrong answers of each annotator; their answers are weighed by it.

    With the assumed rate ε and w wrong ones of n answers to gold questions, the estimate is the posterior
    mean ``(20 ε + w) / (20 + n)`` under a Beta(20 ε, 20 (1 − ε)) prior (A. Gelman et al., Bayesian Data
    Analysis, section 2.4). Dawid and Skene's joint estimate of answers and reliabilities (Applied Statistics
    1979) needs several annotators for each pair; here most pairs have one.

    Attributes:
        assumed: ε, in (0, 0.5).
        gold: Answers to gold questions and wrong ones among them, by annotator.
    """

    assumed: float
    gold: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        """Count an answer if it is to a gold question; "can't tell" is neither right nor wrong."""
        sign = SIGNS.get(event.answer or "", 0)
        if (
            event.kind != "answer"
            or event.question_kind != "hidden"
            or not sign
            or "truth" not in event.payload
        ):
            return
        asked, wrong = self.gold.get(event.annotator, (0, 0))
        self.gold[event.annotator] = asked + 1, wrong + (sign != int(event.payload["truth"]))

    def error_rate(self, annotator: str) -> float:
        """Estimated rate of wrong answers of an annotator."""
        asked, wrong = self.gold.get(annotator, (0, 0))
        return min((PRIOR * self.assumed + wrong) / (PRIOR + asked), MAX_ERROR_RATE)

    def weight(self, annotator: str) -> float:
        """What an answer of the annotator weighs against one of an annotator who is not known."""
        mine, usual = (answer_weight(1, 0.5, rate) for rate in (self.error_rate(annotator), self.assumed))
        return mine / usual
