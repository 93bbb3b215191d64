"""What the audit has heard: the pairs it drew, and every answer about them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.audit import AuditedPair
from reid_al_agents.beliefs.calibration import AUDIT_BINS, calibration_error

Pair = tuple[int, int]


class AuditTrail:
    """The audit's pairs, and further answers about those that people were asked about.

    Of wrong answers, those against the groups do the harm: most pairs agree with the groups, so that few are
    taken wrongly for agreeing, but many for not agreeing. So an answer against what the pair's design held is
    asked for again, and once more if the two differ; what most of a pair's answers say counts, and of as many
    each way the first.
    """

    def __init__(self) -> None:
        self._drawn: list[AuditedPair] = []
        self._guesses: list[float] = []
        self._first: dict[Pair, int] = {}
        self._again: dict[Pair, list[int]] = {}

    def __len__(self) -> int:
        return len(self._drawn)

    def __contains__(self, pair: Pair) -> bool:
        """Whether somebody was asked about a pair, in either order, and could tell."""
        return _key(*pair) in self._first

    def know(self, pair: AuditedPair) -> None:
        """A pair was drawn whose relation was known without asking."""
        self._drawn.append(pair)
        self._guesses.append(math.nan)

    def hear(self, pair: AuditedPair, guess: float) -> None:
        """A pair was drawn and asked about.

        Args:
            pair: With its first answer.
            guess: How likely a match was held before.
        """
        self._first[_key(pair.i, pair.j)] = len(self._drawn)
        self._drawn.append(pair)
        self._guesses.append(guess)

    def hear_again(self, i: int, j: int, answer: int) -> None:
        """Another answer, +1, −1 or 0, about a pair that was asked about; whoever asked for it."""
        if (i, j) in self:
            self._again.setdefault(_key(i, j), []).append(answer)

    def doubtful(self) -> Iterator[AuditedPair]:
        """The pairs that are to be asked about again, with their first answers, the oldest first."""
        for key, place in self._first.items():
            pair, again = self._drawn[place], self._again.get(key, [])
            against = (pair.stratum == 0) == (pair.answer < 0)
            if against and (not again or again == [-pair.answer]):
                yield pair

    def pairs(self) -> list[AuditedPair]:
        """Every draw with what its answers say together, in order."""
        return [pair._replace(answer=self._told(pair)) for pair in self._drawn]

    def drawn(self, strata: int) -> NDArray[np.int64]:
        """How many pairs were drawn of each stratum, whatever the design, (strata,)."""
        return np.bincount([pair.stratum for pair in self._drawn], minlength=strata)[:strata]

    def calibration_error(self) -> float | None:
        """:func:`~reid_al_agents.beliefs.calibration.calibration_error` of what was asked.

        No policy chose the pairs, so it is that of the pairs which the audit draws: about half lie inside a
        group, and two images of one asking group count with the fixed probability that they are held together
        with.
        """
        told = [
            (guess, self._told(pair) > 0)
            for pair, guess in zip(self._drawn, self._guesses, strict=True)
            if not math.isnan(guess)
        ]
        return calibration_error([guess for guess, _ in told], [same for _, same in told], AUDIT_BINS)

    def _told(self, pair: AuditedPair) -> int:
        total = pair.answer + sum(self._again.get(_key(pair.i, pair.j), ()))
        return pair.answer if total == 0 else int(np.sign(total))


def _key(i: int, j: int) -> Pair:
    return (i, j) if i < j else (j, i)
