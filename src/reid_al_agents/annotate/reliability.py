"""Speed, reliability and agreement of annotators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

import numpy as np

from reid_al_agents.annotate.messages import Json
from reid_al_agents.beliefs.reliability import Reliability
from reid_al_agents.log.events import SIGNS, Event

_RECENT = 20  # answers over which speed is measured
_PAUSE = 60.0  # seconds between two answers; longer pauses count as this
_COMMON = 5  # pairs that two annotators must both have answered before kappa is reported


def answers_per_minute(times: list[float], now: float) -> float | None:
    """Speed over the latest answers, pauses capped at a minute; ``None`` after ten idle minutes."""
    recent = [*times[-_RECENT:], now]
    if len(times) < 2 or now - times[-1] > 10 * _PAUSE:
        return None
    worked = float(np.minimum(np.diff(recent[:-1]), _PAUSE).sum())
    return 60.0 * (len(recent) - 2) / worked if worked > 0 else None


def times_of_single(answers: Iterable[Event]) -> list[float]:
    """Times of answers to single questions: the many of one screen are given at once."""
    return [event.at for event in answers if event.question_kind != "screen"]


def answered_today(events: Iterable[Event], now: float) -> int:
    """Answers since midnight, local time."""
    start = datetime.fromtimestamp(now).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    return sum(event.kind == "answer" and event.at >= start.timestamp() for event in events)


def table(events: Iterable[Event], now: float, reliability: Reliability) -> list[Json]:
    """One row for each annotator, sorted by name.

    Args:
        events: Events that count.
        now: The time.
        reliability: The rate of wrong answers of each annotator.
    """
    mine: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind == "answer":
            mine[event.annotator].append(event)
    by_annotator = {annotator: _decided(answers) for annotator, answers in mine.items()}
    return [
        {**_line(annotator, mine[annotator], by_annotator, now), **_reliability(annotator, reliability)}
        for annotator in sorted(mine)
    ]


def _line(
    annotator: str, answers: list[Event], by_annotator: dict[str, dict[tuple[int, int], int]], now: float
) -> Json:
    signs = [SIGNS.get(event.answer or "", 0) for event in answers]
    decided = [sign for sign in signs if sign]
    seconds = [event.seconds for event in answers if event.seconds is not None]
    return {
        "name": annotator,
        "answers": len(answers),
        "per_minute": answers_per_minute(times_of_single(answers), now),
        "median_seconds": float(np.median(seconds)) if seconds else None,
        "agreement": _agreement(annotator, by_annotator),
        "match_rate": decided.count(1) / len(decided) if decided else None,
    }


def _reliability(annotator: str, found: Reliability) -> Json:
    """Estimated rate of wrong answers, ``None`` before the first estimate, and what an answer weighs."""
    rate = found.rates.get(annotator)
    return {
        "error_rate": None if rate is None else round(rate, 4),
        "weight": round(found.weight(annotator), 4),
    }


def _decided(answers: list[Event]) -> dict[tuple[int, int], int]:
    """The latest answer of an annotator, +1 or −1, for each pair that they did not answer "can't tell"."""
    decided = {}
    for event in answers:
        sign = SIGNS.get(event.answer or "", 0)
        if sign and event.query is not None and event.candidate is not None:
            decided[min(event.query, event.candidate), max(event.query, event.candidate)] = sign
    return decided


def _agreement(annotator: str, by_annotator: dict[str, dict[tuple[int, int], int]]) -> Json | None:
    """Cohen's kappa with the annotator who answered most of the same pairs."""
    shared = {
        other: sorted(by_annotator[annotator].keys() & by_annotator[other].keys())
        for other in sorted(by_annotator)
        if other != annotator
    }
    other = max(shared, key=lambda name: len(shared[name]), default=None)
    if other is None or len(shared[other]) < _COMMON:
        return None
    pairs = shared[other]
    kappa = cohen_kappa(
        [by_annotator[annotator][pair] for pair in pairs], [by_annotator[other][pair] for pair in pairs]
    )
    return {"with": other, "kappa": kappa, "pairs": len(pairs)}


def cohen_kappa(first: list[int], second: list[int]) -> float:
    """Cohen's kappa of two annotators' answers, +1 or −1, to the same pairs.

    ``κ = (p_o − p_e) / (1 − p_e)`` with the observed agreement p_o and that expected by chance p_e (Cohen,
    Educational and Psychological Measurement 1960), by scikit-learn. If all answers
    are equal, the quotient is undefined and 1 is returned.
    """
    from sklearn.metrics import cohen_kappa_score

    if len({*first, *second}) == 1:
        return 1.0
    return float(cohen_kappa_score(first, second))
