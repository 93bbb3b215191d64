"""What follows from the events so far: the same whether they came one by one or are replayed."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.match_model import PAIR_FEATURES, MatchModel
from reid_al_agents.beliefs.weights import DECIDED_WEIGHT, AskedBefore, weigh
from reid_al_agents.log.events import Event
from reid_al_env import ConstraintGraph

SIGNS = {"same": 1, "different": -1, "cannot_tell": 0, "incomparable": 0}
"""The oracle's answers by the words of the page."""

_EDITS = ("merge", "split")

_SHOWN_WEIGHT = 1.0
"""Weight of images having been shown as one identity to somebody who merged it with another."""

Evidence = tuple[int, int, int, float]
"""Two images, the answer (+1, -1 or 0), and its weight."""


class Beliefs:
    """The state that answers, edits and names add up to.

    Args:
        known: What is known before the first event; it is taken over.
        error_rate: Rate of wrong answers by which they are weighed.

    Attributes:
        constraints: What is known of the images.
        heard: The same without the answers about the audit's pairs: what questions are chosen by.
        model: Match probabilities, learned from the answers.
        excluded: Images that left the pool.
        names: Name given to the identity of an image, the latest last.
        edited: When the identity of an image was last merged, split or named, the latest last.
        unsure: Who could not tell, by pair.
        people: Everyone who answered.
    """

    def __init__(self, known: ConstraintGraph, error_rate: float) -> None:
        self.constraints, self.heard = known, copy.deepcopy(known)
        self.model = MatchModel()
        self.excluded: set[int] = set()
        self.names: dict[int, str] = {}
        self.edited: dict[int, float] = {}
        self.unsure: dict[tuple[int, int], set[str]] = {}
        self.people: set[str] = set()
        self._error_rate = error_rate
        self._withheld: set[tuple[int, int]] = set()

    @classmethod
    def replay(
        cls,
        known: ConstraintGraph,
        events: Iterable[Event],
        error_rate: float,
        seen: NDArray[np.float64] | None = None,
    ) -> Beliefs:
        """The ledger after the effective ``events``, in order; excluded images are passed over.

        ``seen`` are the pairs that the match model before it knew of.
        """
        ledger = cls(known, error_rate)
        events = list(events)
        ledger.excluded = excluded_images(events)
        for event in events:
            ledger.apply(event)
        ledger.model.fit(seen)
        return ledger

    def apply(self, event: Event) -> int | None:
        """Take one event in.

        Args:
            event: An effective one.

        Returns:
            The answer that closes the pair, +1, −1 or 0; ``None`` where it stays open for another person.
        """
        for image in _edited(event):
            self.edited.pop(image, None)
            self.edited[image] = event.at
        if event.kind == "name":
            self.names.pop(image := int(event.payload["image"]), None)
            self.names[image] = str(event.payload["name"])
            return None
        if event.kind == "answer":
            self.people.add(event.annotator)
        if event.question_kind == "audit":
            self._withheld.add(_pair(event))
        for i, j, sign, weight in self.evidence(event):
            self.constraints.add(i, j, sign, weight)
            # An edit is of what people saw in the identities: asking again what it says would be a waste.
            if event.kind in _EDITS or (min(i, j), max(i, j)) not in self._withheld:
                self.heard.add(i, j, sign, weight)
        if event.kind not in ("answer", "import") or event.answer not in SIGNS:
            return None
        sign = SIGNS[event.answer]
        described = event.payload.get("described")
        if described is not None and len(described) == len(PAIR_FEATURES):
            self.model.add(np.array(described, dtype=np.float64), event.probability or 0.5, sign)
        return None if event.answer == "cannot_tell" and not self._given_up(event) else sign

    def evidence(self, event: Event, before: AskedBefore | None = None) -> Iterator[Evidence]:
        """What an event says of pairs, without what concerns excluded images.

        The weight of an answer depends on those before it, so each is to be added to ``before``.

        Args:
            event: An effective one.
            before: What was asked before it; ``None`` is :attr:`constraints`.
        """
        for i, j, sign, weight in self._said(event, before or self.constraints):
            if i not in self.excluded and j not in self.excluded and i != j:
                yield i, j, sign, weight

    def _said(self, event: Event, before: AskedBefore) -> Iterator[Evidence]:
        if event.kind == "merge":
            a, b = int(event.payload["a"]), int(event.payload["b"])
            yield a, b, 1, DECIDED_WEIGHT
            # What was merged as it was shown stays together, until answers say otherwise.
            yield from ((a, int(image), 1, _SHOWN_WEIGHT) for image in event.payload.get("images", ()))
        elif event.kind == "split":
            images = [int(image) for image in event.payload["images"]]
            rest, kept = int(event.payload["rest"]), [int(image) for image in event.payload.get("kept", ())]
            # All the images were looked at, so this outweighs a merge of them, of which each was one edge.
            firm = 2 * DECIDED_WEIGHT + len(images) + len(kept)
            yield from ((image, rest, -1, firm) for image in images)
            yield from ((images[0], image, 1, firm) for image in images[1:])
            yield from ((rest, image, 1, firm) for image in kept)
        elif event.answer in SIGNS:
            assert event.query is not None
            assert event.candidate is not None
            sign = SIGNS[event.answer]
            if event.answer == "cannot_tell" and not self._note_unsure(event):
                return
            pair, rate = (event.query, event.candidate), self._error_rate
            settles = event.payload.get("settles")
            weight = DECIDED_WEIGHT if settles else weigh(before, *pair, sign, event.probability, rate)
            yield *pair, sign, weight

    def _note_unsure(self, event: Event) -> bool:
        """Remember who cannot tell; whether the pair is given up."""
        self.unsure.setdefault(_pair(event), set()).add(event.annotator)
        return self._given_up(event)

    def _given_up(self, event: Event) -> bool:
        """A pair is given up once two people cannot tell, or one where nobody else has answered anything."""
        return len(self.unsure.get(_pair(event), ())) >= min(2, len(self.people))


def excluded_image(event: Event) -> int | None:
    """The image that an event takes out of the pool, if any."""
    if event.answer == "bad_query":
        return event.query
    return event.candidate if event.answer == "bad_candidate" else None


def excluded_images(events: Iterable[Event]) -> set[int]:
    """The images that events take out of the pool."""
    return {image for event in events if (image := excluded_image(event)) is not None}


def _edited(event: Event) -> tuple[int, ...]:
    """An image of each identity that an edit is about."""
    payload = event.payload
    if event.kind == "merge":
        return (int(payload["a"]),)
    if event.kind == "split":
        return int(payload["rest"]), int(payload["images"][0])
    return (int(payload["image"]),) if event.kind == "name" else ()


def given_names(names: dict[int, str], groups: NDArray[np.int64]) -> dict[int, str]:
    """Name of each group of images, (N,), by the latest name that one of its images was given."""
    return {int(groups[image]): name for image, name in names.items()}


def _pair(event: Event) -> tuple[int, int]:
    assert event.query is not None
    assert event.candidate is not None
    return min(event.query, event.candidate), max(event.query, event.candidate)
