"""How fast, how reliable and how much in agreement the people are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from reid_al_agents.annotate.messages import Json
from reid_al_agents.log.events import SIGNS, Event

_RECENT = 20  # answers over which speed is measured
_PAUSE = 60.0  # seconds between two answers that count as a pause, not as work
_COMMON = 5  # pairs that two people must share before their agreement is told


def answers_per_minute(times: list[float], now: float) -> float | None:
    """Speed over the latest answers, pauses taken as a minute at most; ``None`` if nobody answers now."""
    recent = [*times[-_RECENT:], now]
    if len(times) < 2 or now - times[-1] > 10 * _PAUSE:
        return None
    worked = float(np.minimum(np.diff(recent[:-1]), _PAUSE).sum())
    return 60.0 * (len(recent) - 2) / worked if worked > 0 else None


def answered_today(events: Iterable[Event], now: float) -> int:
    """Answers since midnight, local time."""
    start = datetime.fromtimestamp(now).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    return sum(event.kind == "answer" and event.at >= start.timestamp() for event in events)


def table(events: Iterable[Event], now: float) -> list[Json]:
    """One line for each person who answered, by name."""
    mine: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind == "answer":
            mine[event.annotator].append(event)
    said = {who: _said(answers) for who, answers in mine.items()}
    return [_line(who, mine[who], said, now) for who in sorted(mine)]


def _line(who: str, answers: list[Event], said: dict[str, dict[tuple[int, int], int]], now: float) -> Json:
    signs = [SIGNS.get(event.answer or "", 0) for event in answers]
    told = [sign for sign in signs if sign]
    seconds = [event.seconds for event in answers if event.seconds is not None]
    hidden = [
        (SIGNS.get(event.answer or "", 0), int(event.payload["truth"]))
        for event in answers
        if event.question_kind == "hidden" and "truth" in event.payload
    ]
    return {
        "name": who,
        "answers": len(answers),
        "per_minute": answers_per_minute([event.at for event in answers], now),
        "median_seconds": float(np.median(seconds)) if seconds else None,
        "hidden": {"asked": len(hidden), "right": sum(answer == truth for answer, truth in hidden)},
        "agreement": _agreement(who, said),
        "match_rate": told.count(1) / len(told) if told else None,
    }


def _said(answers: list[Event]) -> dict[tuple[int, int], int]:
    """The last word of a person on each pair that they could tell."""
    said = {}
    for event in answers:
        sign = SIGNS.get(event.answer or "", 0)
        if sign and event.query is not None and event.candidate is not None:
            said[min(event.query, event.candidate), max(event.query, event.candidate)] = sign
    return said


def _agreement(who: str, said: dict[str, dict[tuple[int, int], int]]) -> Json | None:
    """Cohen's kappa with the person with whom most pairs are shared."""
    shared = {other: sorted(said[who].keys() & said[other].keys()) for other in sorted(said) if other != who}
    other = max(shared, key=lambda name: len(shared[name]), default=None)
    if other is None or len(shared[other]) < _COMMON:
        return None
    pairs = shared[other]
    kappa = cohen_kappa([said[who][pair] for pair in pairs], [said[other][pair] for pair in pairs])
    return {"with": other, "kappa": kappa, "pairs": len(pairs)}


def cohen_kappa(first: list[int], second: list[int]) -> float:
    """Agreement beyond chance of two people's answers +1 and −1 about the same pairs.

    ``κ = (p_o − p_e) / (1 − p_e)`` with the observed agreement p_o and that expected by chance p_e (Cohen,
    Educational and Psychological Measurement 1960), by scikit-learn. 1 where both say one and the same thing
    throughout, which leaves the quotient undefined.
    """
    from sklearn.metrics import cohen_kappa_score

    if len({*first, *second}) == 1:
        return 1.0
    return float(cohen_kappa_score(first, second))
