"""Where answers disagree: chains of evidence, side by side."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.fold import Beliefs
from reid_al_agents.beliefs.weights import is_decided
from reid_al_agents.log.events import Event
from reid_al_env import Dispute


@dataclass(frozen=True)
class Link:
    """Something that was said of two images; ``event`` is ``None`` for what was known beforehand."""

    event: Event | None
    query: int
    candidate: int
    sign: int
    weight: float


@dataclass(frozen=True)
class Contradiction:
    """Two sides that cannot both hold.

    Attributes:
        kind: ``evidence`` where a chain of matches joins two images that were told apart; ``people`` where
            two people answered differently about one pair.
        ask: The pair that would settle it.
        same: What says that the two are the same, in the order of the chain.
        different: What says that they differ.
    """

    kind: str
    ask: tuple[int, int]
    same: list[Link]
    different: list[Link]


class _Heard:
    """The pairs that were asked about so far, which is all that weighing the next answer takes."""

    def __init__(self) -> None:
        self.pairs: set[tuple[int, int]] = set()

    def asked(self, i: int, others: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of ``others`` were compared with ``i``."""
        return np.array([(min(i, int(j)), max(i, int(j))) in self.pairs for j in others], dtype=bool)


def find_contradictions(events: Iterable[Event], ledger: Beliefs) -> list[Contradiction]:
    """All that is contradicted and that nobody has settled.

    Args:
        events: The effective events, in order.
        ledger: What they add up to.
    """
    said: dict[tuple[int, int], list[Link]] = defaultdict(list)
    heard = _Heard()
    for event in events:
        for i, j, sign, weight in ledger.evidence(event, heard):
            heard.pairs.add((min(i, j), max(i, j)))
            if sign:
                said[min(i, j), max(i, j)].append(Link(event, i, j, sign, weight))
    for i, j in ledger.constraints.assumed_links.tolist():
        said[min(i, j), max(i, j)].append(Link(None, i, j, 1, 1.0))
    near = _matches(said)
    found = [_of_evidence(dispute, said, near) for dispute in unsettled(ledger)]
    taken = {(min(item.ask), max(item.ask)) for item in found}
    for pair, links in said.items():
        if pair not in taken and _people_disagree(links):
            same = [link for link in links if link.sign > 0]
            found.append(Contradiction("people", pair, same, [link for link in links if link.sign < 0]))
    return found


def unsettled(ledger: Beliefs) -> list[Dispute]:
    """Disputes on which nobody has decided."""
    return [
        dispute
        for dispute in ledger.constraints.disputes()
        if not is_decided(dispute.weight, dispute.cut_weight)
    ]


def _of_evidence(
    dispute: Dispute, said: dict[tuple[int, int], list[Link]], near: dict[int, list[int]]
) -> Contradiction:
    same = [link for pair in _chain(dispute.i, dispute.j, near) for link in said[pair] if link.sign > 0]
    different = [link for link in said[dispute.i, dispute.j] if link.sign < 0]
    return Contradiction("evidence", dispute.ask, same, different)


def _matches(said: dict[tuple[int, int], list[Link]]) -> dict[int, list[int]]:
    """By image, those of which more weight says that they are the same than that they differ."""
    near: dict[int, list[int]] = defaultdict(list)
    for (i, j), links in said.items():
        if sum(link.sign * link.weight for link in links) > 0:
            near[i].append(j)
            near[j].append(i)
    return near


def _chain(start: int, end: int, near: dict[int, list[int]]) -> list[tuple[int, int]]:
    """The shortest chain of matching pairs from one image to the other."""
    came_from = {start: start}
    front = deque([start])
    while front and end not in came_from:
        here = front.popleft()
        for there in near.get(here, ()):
            if there not in came_from:
                came_from[there] = here
                front.append(there)
    chain, here = [], end
    while here != start and here in came_from:
        there = came_from[here]
        chain.append((min(here, there), max(here, there)))
        here = there
    return chain[::-1]


def _people_disagree(links: list[Link]) -> bool:
    """Whether two people said different things and neither side was decided on."""
    sides = [
        {link.event.annotator for link in links if link.event is not None and link.sign == sign}
        for sign in (1, -1)
    ]
    if not (sides[0] and sides[1] and len(sides[0] | sides[1]) > 1):
        return False
    weights = [sum(link.weight for link in links if link.sign == sign) for sign in (1, -1)]
    return not is_decided(*weights)
