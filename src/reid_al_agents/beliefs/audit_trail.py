"""Pairs drawn by the audit, with all answers about them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.audit import AuditedPair
from reid_al_agents.beliefs.calibration import AUDIT_BINS, calibration_error

Pair = tuple[int, int]


class AuditTrail:
    """The audited pairs, with their first answers and the rechecks of these.

    Most audited pairs agree with the groups, so most wrong answers contradict them, and these bias the
    estimate. An answer that contradicts the groups of its design is therefore rechecked, and once more if
    the recheck differs. The majority of a pair's answers counts; in a tie, the first answer.
    """

    def __init__(self) -> None:
        self._drawn: list[AuditedPair] = []
        self._guesses: list[float] = []
        self._first: dict[Pair, int] = {}
        self._again: dict[Pair, list[int]] = {}

    def __len__(self) -> int:
        return len(self._drawn)

    def __contains__(self, pair: Pair) -> bool:
        """Whether a pair, in either order, has been answered, other than by "can't tell"."""
        return _key(*pair) in self._first

    def add_known(self, pair: AuditedPair) -> None:
        """A pair was drawn whose relation was known without asking."""
        self._drawn.append(pair)
        self._guesses.append(math.nan)

    def add(self, pair: AuditedPair, guess: float) -> None:
        """A pair was drawn and asked about.

        Args:
            pair: With its first answer.
            guess: Match probability predicted before the answer.
        """
        self._first[_key(pair.i, pair.j)] = len(self._drawn)
        self._drawn.append(pair)
        self._guesses.append(guess)

    def add_recheck(self, i: int, j: int, answer: int) -> None:
        """Add a further answer, +1, −1 or 0, about an answered pair, from a question of any kind."""
        if (i, j) in self:
            self._again.setdefault(_key(i, j), []).append(answer)

    def to_recheck(self) -> Iterator[AuditedPair]:
        """The pairs that need a recheck, with their first answers, the oldest first."""
        for key, place in self._first.items():
            pair, again = self._drawn[place], self._again.get(key, [])
            against = (pair.stratum == 0) == (pair.answer < 0)
            if against and (not again or again == [-pair.answer]):
                yield pair

    def pairs(self) -> list[AuditedPair]:
        """Every draw with what its answers say together, in order."""
        return [pair._replace(answer=self._majority(pair)) for pair in self._drawn]

    def drawn(self, strata: int) -> NDArray[np.int64]:
        """How many pairs were drawn of each stratum, whatever the design, (strata,)."""
        return np.bincount([pair.stratum for pair in self._drawn], minlength=strata)[:strata]

    def calibration_error(self) -> float | None:
        """:func:`~reid_al_agents.beliefs.calibration.calibration_error` over the audited pairs.

        No policy chooses these pairs. About half of them lie inside a delivered identity; two images of one
        group count with the fixed match probability that is assumed within groups.
        """
        answered = [
            (guess, self._majority(pair) > 0)
            for pair, guess in zip(self._drawn, self._guesses, strict=True)
            if not math.isnan(guess)
        ]
        return calibration_error([guess for guess, _ in answered], [same for _, same in answered], AUDIT_BINS)

    def _majority(self, pair: AuditedPair) -> int:
        total = pair.answer + sum(self._again.get(_key(pair.i, pair.j), ()))
        return pair.answer if total == 0 else int(np.sign(total))


def _key(i: int, j: int) -> Pair:
    return (i, j) if i < j else (j, i)
