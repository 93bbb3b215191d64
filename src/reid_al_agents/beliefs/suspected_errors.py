"""Suspected errors: answers that may be wrong, with all that a recheck needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.match_model import PAIR_FEATURES
from reid_al_agents.log.events import SIGNS, Event

Pair = tuple[int, int]

MAX_ERROR_RATE = 0.4
"""Largest estimate of the rate of wrong answers: from 0.5 on, answers carry no information."""


@dataclass(frozen=True)
class SuspectedError:
    """An answer about two groups that may be wrong.

    Attributes:
        first: The images that were compared.
        second: Two other images of the same groups, to be compared in a recheck.
        answer: +1 or −1.
        reach: √(|A| |B|), the number of images that the answer affects.
        described: What the match model saw of the two groups, (F,).
        probability: Match probability estimated before the answer.
    """

    first: Pair
    second: Pair
    answer: int
    reach: float
    described: NDArray[np.float64]
    probability: float


class Rechecked(NamedTuple):
    """The answer that a recheck asks about, as it is kept with the recheck's answer.

    Args:
        pair: The images of the suspected answer, the lower first.
        answer: +1 or −1.
        chance: Estimated probability that it is wrong.
    """

    pair: Pair
    answer: int
    chance: float


def suspected_error(event: Event) -> SuspectedError | None:
    """The suspected error of an answer; ``None`` unless the answer is ±1 and can be rechecked."""
    sign = SIGNS.get(event.answer or "", 0)
    again, described = event.payload.get("again"), event.payload.get("described")
    if sign == 0 or again is None or described is None or len(described) != len(PAIR_FEATURES):
        return None
    if event.query is None or event.candidate is None:
        return None
    first, second, reach = again
    probability = 0.5 if event.probability is None else event.probability
    return SuspectedError(
        (event.query, event.candidate),
        (int(first), int(second)),
        sign,
        float(reach),
        np.array(described, dtype=np.float64),
        probability,
    )


def rechecked(event: Event) -> Rechecked | None:
    """The answer that an event rechecks, if any."""
    if "doubted" not in event.payload:
        return None
    first, second, answer, chance = event.payload["doubted"]
    return Rechecked(unordered(int(first), int(second)), int(answer), float(chance))


def unordered(i: int, j: int) -> Pair:
    """The pair with the lower image first."""
    return (i, j) if i < j else (j, i)
