"""Answers that may be wrong, and what else the checks remember from one model to the next."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.audit import Design
from reid_al_agents.beliefs.audit_trail import AuditTrail
from reid_al_agents.beliefs.match_model import PAIR_FEATURES
from reid_al_agents.beliefs.weights import chance_of_error

Arrays = dict[str, NDArray[np.generic]]

MOST_WRONG = 0.4
"""Share of wrong answers that is held likely at most: from a half on answers say nothing, or the reverse."""


@dataclass(frozen=True)
class SuspectedError:
    """An answer about two groups that may be wrong.

    Attributes:
        first: The images that were compared.
        second: Two others of the same groups, to be compared if the answer is asked for again.
        answer: +1 or −1.
        reach: √(|A| |B|), what the answer is about.
        described: What the match model saw of the two groups, (F,).
    """

    first: tuple[int, int]
    second: tuple[int, int]
    answer: int
    reach: float
    described: NDArray[np.float64]


class SuspectedErrors:
    """Suspected errors, ranked by the expected gain of a recheck: chance of error times reach."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, SuspectedError]] = []  # best first, ties by age
        self._number = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, doubt: SuspectedError, probability: float, error_rate: float) -> None:
        """Remember a doubt.

        Args:
            doubt: The answer.
            probability: Of a match, as it was held likely before the answer.
            error_rate: Rate of wrong answers.
        """
        worth = chance_of_error(doubt.answer, probability, error_rate) * doubt.reach
        heapq.heappush(self._heap, (-worth, next(self._number), doubt))

    def weigh(
        self, probabilities: Callable[[NDArray[np.float64]], NDArray[np.float64]], error_rate: float
    ) -> None:
        """Work out anew what all are worth.

        Args:
            probabilities: Gives the probability of a match, (M,), from what is seen of the groups, (M, F).
            error_rate: Rate of wrong answers.
        """
        kept = sorted(self._heap, key=lambda entry: entry[1])
        if not kept:
            return
        likely = probabilities(np.stack([doubt.described for *_, doubt in kept]))
        self._heap = []
        for (_, _, doubt), probability in zip(kept, likely, strict=True):
            self.add(doubt, float(probability), error_rate)

    def pop(self, least: float) -> SuspectedError | None:
        """Take out the most worthy one; ``None`` if it is worth less than ``least`` or there is none."""
        if not self._heap or -self._heap[0][0] < least:
            return None
        return heapq.heappop(self._heap)[2]

    def all(self) -> list[SuspectedError]:
        """All of them, the oldest first."""
        return [doubt for _, _, doubt in sorted(self._heap, key=lambda entry: entry[1])]


@dataclass
class Checked:
    """What the checks remember.

    Attributes:
        audited: The audit's pairs and the answers about them.
        designs: What these were drawn from, by number.
        present: Number of the one that is drawn from, made when it is needed.
        doubts: Answers that may be wrong.
        expected: Wrong answers to be expected among those that were asked for again, by the rate assumed.
        disagreed: Answers that were asked for again and came out otherwise.
        withheld: Pairs that the audit asked about, whatever the answer, the lower image first; asking does
            not hear of them.
        owed: Questions of the audit that askings before left unasked, negative where they asked too many; of
            a live session, where some are always planned ahead.
    """

    audited: AuditTrail = field(default_factory=AuditTrail)
    designs: dict[int, Design] = field(default_factory=dict)
    present: int = 0
    doubts: SuspectedErrors = field(default_factory=SuspectedErrors)
    expected: float = 0.0
    disagreed: int = 0
    withheld: set[tuple[int, int]] = field(default_factory=set)
    owed: float = 0.0

    def error_rate(self, assumed: float) -> float:
        """Share of wrong answers: the one assumed, times those found by those expected, each as if one more.

        Where nothing was asked again nothing was found, and that says nothing: the share is the one assumed.
        """
        return min(assumed * (1 + self.disagreed) / (1 + self.expected), MOST_WRONG)

    def withheld_pairs(self) -> NDArray[np.int64]:
        """:attr:`withheld`, sorted, (M, 2)."""
        return np.array(sorted(self.withheld), dtype=np.int64).reshape(-1, 2)

    def state(self) -> Arrays:
        """What :meth:`restore` goes on from."""
        doubts = self.doubts.all()
        designs = [design for _, design in sorted(self.designs.items())]
        return {
            **self.audited.state(),
            "withheld": self.withheld_pairs(),
            "designs": np.array(sorted(self.designs), dtype=np.int64),
            "designs_groups": np.array([design.groups for design in designs]),
            "designs_sizes": np.array([design.sizes for design in designs]),
            "doubts": np.array([(*each.first, *each.second, each.answer) for each in doubts]).reshape(-1, 5),
            "doubts_reach": np.array([each.reach for each in doubts], dtype=np.float64),
            "doubts_described": np.array([each.described for each in doubts]).reshape(-1, len(PAIR_FEATURES)),
            "checked": np.array([self.expected, self.disagreed, self.present], dtype=np.float64),
        }

    def restore(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from :meth:`state`; doubts are worth nothing until they are weighed."""
        self.audited = AuditTrail.restore(state)
        if "withheld" in state:
            self.withheld = {(int(i), int(j)) for i, j in state["withheld"].tolist()}
        groups, sizes = np.asarray(state["designs_groups"]), np.asarray(state["designs_sizes"])
        numbered = enumerate(state["designs"].tolist())
        self.designs = {number: Design(groups[place], sizes[place]) for place, number in numbered}
        self.doubts = SuspectedErrors()
        described = np.asarray(state["doubts_described"], dtype=np.float64)
        told = zip(state["doubts"].tolist(), state["doubts_reach"].tolist(), described, strict=True)
        for (a, b, c, d, answer), reach, seen in told:
            self.doubts.add(
                SuspectedError((int(a), int(b)), (int(c), int(d)), int(answer), float(reach), seen), 0.5, 0.0
            )
        expected, disagreed, present = state["checked"].tolist()
        self.expected, self.disagreed, self.present = float(expected), int(disagreed), int(present)
