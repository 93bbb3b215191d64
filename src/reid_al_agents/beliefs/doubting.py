"""What the events say of answers that may be wrong, so that it outlives a restart and goes with an undo."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import numpy as np

from reid_al_agents.asking.batch import Question
from reid_al_agents.beliefs.fold import SIGNS
from reid_al_agents.beliefs.match_model import PAIR_FEATURES
from reid_al_agents.beliefs.suspected_errors import Checked, SuspectedError, SuspectedErrors
from reid_al_agents.log.events import Event


def notes_of(question: Question) -> dict[str, Any]:
    """What is kept with a question about doubts, for JSON."""
    notes = {"again": question.again, "doubted": question.doubted}
    return {name: list(note) for name, note in notes.items() if note is not None}


class Doubting:
    """Keeps which answers may be wrong, and how many of those asked for again were.

    Of a question the first "same" or "different" is taken.

    Args:
        checked: What is kept up to date.
        events: Those that count, in order.
        error_rate: Rate of wrong answers that is assumed.
    """

    def __init__(self, checked: Checked, events: Iterable[Event], error_rate: float) -> None:
        self._checked, self._error_rate = checked, error_rate
        self._heard: set[str] = set()
        checked.expected, checked.disagreed, checked.doubts = 0.0, 0, SuspectedErrors()
        events = list(events)
        again = {_pair(event) for event in events if "doubted" in event.payload}
        for event in events:
            self.hear(event, again)

    def hear(self, event: Event, again: Container[tuple[int, int]] = ()) -> None:
        """Take in the next event; answers about the pairs ``again`` were asked for again already."""
        sign = SIGNS.get(event.answer or "", 0)
        if sign == 0 or event.question is None or event.question in self._heard:
            return
        self._heard.add(event.question)
        checked, doubt = self._checked, _doubt(event, sign)
        if doubt is not None and doubt.first not in again:
            rate = checked.error_rate(self._error_rate)
            checked.doubts.add(doubt, event.probability or 0.5, rate)
        if "doubted" in event.payload:
            _, _, answer, chance = event.payload["doubted"]
            checked.expected += float(chance)
            checked.disagreed += sign == -int(answer)


def _pair(event: Event) -> tuple[int, int]:
    """The images of the answer that an event asks for again."""
    first, second, _, _ = event.payload["doubted"]
    return int(first), int(second)


def _doubt(event: Event, sign: int) -> SuspectedError | None:
    told, described = event.payload.get("again"), event.payload.get("described")
    if told is None or described is None or len(described) != len(PAIR_FEATURES):
        return None
    if event.query is None or event.candidate is None:
        return None
    first, second, reach = told
    others = int(first), int(second)
    return SuspectedError(
        (event.query, event.candidate), others, sign, float(reach), np.array(described, np.float64)
    )
