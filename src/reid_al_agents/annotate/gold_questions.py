"""Gold questions: pairs that were answered before, asked again to measure how reliable annotators are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reid_al_agents.annotate.leases import new_question
from reid_al_agents.annotate.messages import PendingQuestion
from reid_al_agents.log.events import SIGNS, Event

_AGO = 50  # answers after which an annotator is assumed to have forgotten a pair
_TRIES = 20


class GoldQuestions:
    """Draws pairs that were answered before.

    The earlier answer is not taken for the truth: whoever gave it may guess. :class:`.Reliability` weighs all
    answers about a pair against each other.

    Args:
        run: The run.
        rng: Of the draws.
    """

    def __init__(self, run: str, rng: np.random.Generator) -> None:
        self._run, self._rng = run, rng

    def draw(
        self,
        annotator: str,
        effective: Mapping[int, Event],
        round_: int,
        now: float,
    ) -> PendingQuestion | None:
        """A question for one annotator about a pair that they have not seen lately.

        Args:
            annotator: The annotator.
            effective: Events that count, in order.
            round_: The present round.
            now: The time.

        Returns:
            The question, for this annotator only; ``None`` where there is none.
        """
        events = list(effective.values())
        recent = {
            (event.query, event.candidate)
            for event in events[-_AGO:]
            if event.annotator == annotator or event.question_kind == "hidden"
        }
        for _ in range(_TRIES if len(events) > _AGO else 0):
            event = events[int(self._rng.integers(len(events)))]
            if SIGNS.get(event.answer or "", 0) == 0 or event.query is None or event.candidate is None:
                continue
            if (event.query, event.candidate) in recent or event.question_kind == "hidden":
                continue
            record = new_question(
                self._run,
                round=round_,
                query=event.query,
                candidate=event.candidate,
                kind="hidden",
                selector="hidden",
                created_at=now,
                probability=event.probability,
                detail={"needed": 1, "only": annotator},
            )
            return PendingQuestion(record, None, 1, annotator)
        return None
