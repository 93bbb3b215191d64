"""Evidence: statements of events about pairs of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reid_al_agents.beliefs.weights import DECIDED_WEIGHT
from reid_al_agents.log.events import Event

EDITS = ("merge", "split")

_SHOWN_WEIGHT = 1.0
"""Weight of the links between images that were shown as one identity when it was merged."""


@dataclass(frozen=True)
class Evidence:
    """One statement about two images.

    Attributes:
        event: The event it comes from; ``None`` for what was known before the first one.
        i: One image.
        j: The other.
        sign: +1 the same identity, −1 different ones, 0 can't tell.
        weight: Its weight, log-odds.
    """

    event: Event | None
    i: int
    j: int
    sign: int
    weight: float


def edit_evidence(event: Event) -> Iterator[Evidence]:
    """Yield the statements of a ``merge`` or ``split`` about pairs."""
    payload = event.payload
    if event.kind == "merge":
        a, b = int(payload["a"]), int(payload["b"])
        yield Evidence(event, a, b, 1, DECIDED_WEIGHT)
        # The images shown as one identity stay together until answers contradict it.
        for image in payload.get("images", ()):
            yield Evidence(event, a, int(image), 1, _SHOWN_WEIGHT)
    elif event.kind == "split":
        images, rest = [int(image) for image in payload["images"]], int(payload["rest"])
        kept = [int(image) for image in payload.get("kept", ())]
        # The annotator saw all images, so a split outweighs earlier merges, each of which is a single edge.
        firm = 2 * DECIDED_WEIGHT + len(images) + len(kept)
        yield from (Evidence(event, image, rest, -1, firm) for image in images)
        yield from (Evidence(event, images[0], image, 1, firm) for image in images[1:])
        yield from (Evidence(event, rest, image, 1, firm) for image in kept)


def edited_images(event: Event) -> tuple[int, ...]:
    """One image of each identity that an edit changes."""
    payload = event.payload
    if event.kind == "merge":
        return (int(payload["a"]),)
    if event.kind == "split":
        return int(payload["rest"]), int(payload["images"][0])
    return (int(payload["image"]),) if event.kind == "name" else ()


def excluded_image(event: Event) -> int | None:
    """The image that an event takes out of the pool, if any."""
    if event.answer == "bad_query":
        return event.query
    return event.candidate if event.answer == "bad_candidate" else None


def excluded_images(events: Iterable[Event]) -> set[int]:
    """The images that events take out of the pool."""
    return {image for event in events if (image := excluded_image(event)) is not None}
