"""Contradictions between answers, with the evidence on both sides."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass

from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.evidence import Evidence
from reid_al_agents.beliefs.suspected_errors import Pair, unordered
from reid_al_agents.beliefs.weights import is_decided
from reid_al_env import Dispute


@dataclass(frozen=True)
class Contradiction:
    """Evidence that cannot all be right.

    Attributes:
        kind: ``evidence`` if a chain of matches joins two images answered "different"; ``people`` if two
            annotators answered the same pair differently.
        ask: The pair whose answer would settle it.
        same: Evidence of a match, in the order of the chain.
        different: Evidence against a match.
    """

    kind: str
    ask: Pair
    same: list[Evidence]
    different: list[Evidence]


def find_contradictions(beliefs: Beliefs) -> list[Contradiction]:
    """Find the contradictions that no annotator has settled."""
    said: dict[Pair, list[Evidence]] = defaultdict(list)
    for item in beliefs.evidence:
        if item.sign:
            said[unordered(item.i, item.j)].append(item)
    for i, j in beliefs.constraints.assumed_links.tolist():
        said[unordered(i, j)].append(Evidence(None, i, j, 1, 1.0))
    near = _matches(said)
    found = [_of_evidence(dispute, said, near) for dispute in unsettled(beliefs)]
    taken = {unordered(*item.ask) for item in found}
    for pair, items in said.items():
        if pair not in taken and _annotators_disagree(items):
            same = [item for item in items if item.sign > 0]
            found.append(Contradiction("people", pair, same, [item for item in items if item.sign < 0]))
    return found


def unsettled(beliefs: Beliefs) -> list[Dispute]:
    """Find the disputes that no annotator has settled."""
    return [
        dispute
        for dispute in beliefs.constraints.disputes()
        if not is_decided(dispute.weight, dispute.cut_weight)
    ]


def _of_evidence(
    dispute: Dispute, said: dict[Pair, list[Evidence]], near: dict[int, list[int]]
) -> Contradiction:
    same = [item for pair in _chain(dispute.i, dispute.j, near) for item in said[pair] if item.sign > 0]
    different = [item for item in said[unordered(dispute.i, dispute.j)] if item.sign < 0]
    return Contradiction("evidence", dispute.ask, same, different)


def _matches(said: dict[Pair, list[Evidence]]) -> dict[int, list[int]]:
    """For each image, the images with more evidence for a match than against it."""
    near: dict[int, list[int]] = defaultdict(list)
    for (i, j), items in said.items():
        if sum(item.sign * item.weight for item in items) > 0:
            near[i].append(j)
            near[j].append(i)
    return near


def _chain(start: int, end: int, near: dict[int, list[int]]) -> list[Pair]:
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
        chain.append(unordered(here, there))
        here = there
    return chain[::-1]


def _annotators_disagree(items: list[Evidence]) -> bool:
    """Whether two annotators answered differently and neither answer has been settled."""
    sides = [
        {item.event.annotator for item in items if item.event is not None and item.sign == sign}
        for sign in (1, -1)
    ]
    if not (sides[0] and sides[1] and len(sides[0] | sides[1]) > 1):
        return False
    weights = [sum(item.weight for item in items if item.sign == sign) for sign in (1, -1)]
    return not is_decided(*weights)
