"""Evidence: statements of events about pairs of images."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from reid_al_agents.beliefs.weights import DECIDED_WEIGHT, trust_weight
from reid_al_agents.data.corrections import Corrections
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


def edit_evidence(event: Event, against: float = 0.0) -> Iterator[Evidence]:
    """What a ``merge`` or ``split`` says of pairs.

    A split says that the chosen images are not those that stay, and nothing else: neither the chosen ones nor
    those that stay are thereby one identity.

    Args:
        event: The edit.
        against: Weight of the matches among the images that a split is about; the split outweighs them.
    """
    payload = event.payload
    if event.kind == "merge":
        a, b = int(payload["a"]), int(payload["b"])
        yield Evidence(event, a, b, 1, DECIDED_WEIGHT)
        # The images shown as one identity stay together until answers contradict it.
        for image in payload.get("images", ()):
            yield Evidence(event, a, int(image), 1, _SHOWN_WEIGHT)
    elif event.kind == "split":
        chosen, staying = split_parts(event)
        for image in chosen:
            for other in staying:
                yield Evidence(event, image, other, -1, DECIDED_WEIGHT + against)


def identity_evidence(event: Event, excluded: Collection[int], others: Sequence[int]) -> Iterator[Evidence]:
    """What an ``identity``, which was known from elsewhere, says of pairs.

    Its images are one individual, each linked to the first, and the first is none of the other individuals
    that the same source knows.

    Args:
        event: The event.
        excluded: Images that left the pool.
        others: The first image of each individual that the source named before.
    """
    images = known_images(event, excluded)
    weight = trust_weight(float(event.payload["trust"]))
    for image in images[1:]:
        yield Evidence(event, images[0], image, 1, weight)
    for other in others if images else ():
        yield Evidence(event, other, images[0], -1, weight)


def known_images(event: Event, excluded: Collection[int]) -> list[int]:
    """The images of an ``identity`` that are in the pool."""
    return [int(image) for image in event.payload["images"] if int(image) not in excluded]


def split_parts(event: Event) -> tuple[list[int], list[int]]:
    """The images that a ``split`` takes out of an identity, and those that stay."""
    payload = event.payload
    staying = [int(payload["rest"]), *(int(image) for image in payload.get("kept", ()))]
    return [int(image) for image in payload["images"]], staying


def edited_images(event: Event) -> tuple[int, ...]:
    """One image of each identity that an edit changes."""
    payload = event.payload
    if event.kind == "merge":
        return (int(payload["a"]),)
    if event.kind == "split":
        return int(payload["rest"]), int(payload["images"][0])
    return (int(payload["image"]),) if event.kind in ("name", "hide") else ()


def corrects(event: Event) -> bool:
    """Whether an event corrects what is known of single images, and so what was known beforehand."""
    return event.kind == "describe" or excluded_image(event) is not None


def corrections_of(events: Iterable[Event]) -> Corrections:
    """What events correct about single images; of two about one image the later counts."""
    unusable: set[int] = set()
    sides: dict[int, str] = {}
    times: dict[int, str] = {}
    for event in events:
        if (image := excluded_image(event)) is not None:
            unusable.add(image)
        if event.kind == "describe":
            for name, column in (("side", sides), ("time", times)):
                if name in event.payload:
                    column |= {int(image): str(event.payload[name]) for image in event.payload["images"]}
    return Corrections(frozenset(unusable), sides, times)


def excluded_image(event: Event) -> int | None:
    """The image that an event takes out of the pool, if any."""
    if event.answer == "bad_query":
        return event.query
    return event.candidate if event.answer == "bad_candidate" else None
