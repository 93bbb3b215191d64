"""One question: two images to compare, and the data stored with the answer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.audit_events import AuditNote


class Alternative(NamedTuple):
    """Two other images that show the same two groups, for a recheck.

    Args:
        first: Another image of the query group, or the same.
        second: Another image of the other group, or the same.
        reach: √(|A| |B|), the number of images that the answer affects.
    """

    first: int
    second: int
    reach: float


class Suspicion(NamedTuple):
    """An answer that a recheck asks about.

    Args:
        first: Image that was compared.
        second: With this one.
        answer: +1 or −1.
        chance: Estimated probability that it is wrong, by the assumed rate of errors.
    """

    first: int
    second: int
    answer: int
    chance: float


@dataclass(frozen=True, eq=False)
class Question:
    """Two images to be compared.

    Attributes:
        first: Image of the query group.
        second: Image of the other group.
        probability: Match probability estimated now.
        kind: ``policy`` where a selector chose it, else ``audit``, ``repeat`` (a recheck) or ``dispute``.
        described: Features of the two groups for the match model, (F,); ``None`` if it is not to learn.
        audit: The audit's note; ``None`` for other questions.
        again: Images for a recheck; ``None`` if the answer is not to be rechecked.
        suspicion: The suspected error that this question rechecks; ``None`` for other questions.
        joined: Whether both images are delivered as one identity unless the answer forbids it.
    """

    first: int
    second: int
    probability: float
    kind: str
    described: NDArray[np.float64] | None = None
    audit: AuditNote | None = None
    again: Alternative | None = None
    suspicion: Suspicion | None = None
    joined: bool = False

    @property
    def pair(self) -> tuple[int, int]:
        """The two images, the lower first."""
        return min(self.first, self.second), max(self.first, self.second)

    def payload(self) -> dict[str, Any]:
        """Data stored with the answer's event, for JSON; the beliefs read them from there."""
        kept: dict[str, Any] = {}
        if self.described is not None:
            kept["described"] = self.described.tolist()
        if self.audit is not None:
            kept["audit"] = self.audit.as_dict()
        if self.again is not None:
            kept["again"] = list(self.again)
        if self.joined:
            kept["joined"] = True
        if self.suspicion is not None:
            kept["doubted"] = list(self.suspicion)
        return kept


Steps = Generator[Question, int, None]
"""A generator of one or more questions; it yields each and is sent the answer: 1, -1 or 0."""

MayAsk = Callable[[], bool]
"""Whether another question may be asked."""

Announce = Callable[[dict[str, Any], float | None], None]
"""Logs and applies an event of kind ``audit`` with this payload and match probability."""
