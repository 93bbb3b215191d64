"""Several sets of images as one: images that are added later join those of the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

from .decoding import Box
from .images import ImageSet
from .names import UNKNOWN
from .protocol import Protocol

_LARGEST = 1_000_000  # number of an identity, a camera, ... up to which numbers get names

Parts: TypeAlias = Sequence[tuple[str, ImageSet]]
"""Sets of images, each with the prefix of its names."""

Key: TypeAlias = tuple[str, Box | None]
"""Where an image is: its file, and its box in it."""


def join_images(first: ImageSet, more: Parts) -> ImageSet:
    """Join sets of image files; what has one name in two sets (an individual, a camera) is one.

    The images of ``first`` keep their names, and its identities, cameras, sides and places their numbers.
    Others are called ``PREFIX/NAME``. A file, or a box in one, that is in several sets is taken from the
    first of them.

    Args:
        first: The set that the others join.
        more: The others.

    Returns:
        All images, in the order of the sets. Those of ``more`` are in no part of the protocol of ``first``.

    Raises:
        InputError: Images of a set are in no files of their own.
    """
    if not more:
        return first
    parts = _distinct([("", first), *((f"{prefix}/", images) for prefix, images in more)])
    if len(parts) == 1:
        return first
    sets = [images if first.max_speed is None else images.with_exposures() for _, images in parts]
    identities, identity_names = _numbers(sets, "identities", "identity_names")
    cameras, camera_names = _numbers(sets, "cameras", "camera_names")
    sides, side_names = _numbers(sets, "sides", "side_names")
    places, place_names = _numbers(sets, "places", "place_names")
    joined = ImageSet(
        names=unique_names([prefix + name for prefix, images in parts for name in images.names.tolist()]),
        identities=identities,
        cameras=cameras,
        source=first.source,
        paths=[file for images in sets for file, _ in image_keys(images)],
        boxes=[box for images in sets for _, box in image_keys(images)],
        identity_names=identity_names,
        camera_names=camera_names,
        tracklets=_tracklets(sets),
        sides=sides,
        side_names=side_names,
        places=places,
        place_names=place_names,
        times=_filled(sets, "times", np.datetime64("NaT", "s")),
        latitudes=_filled(sets, "latitudes", np.nan),
        longitudes=_filled(sets, "longitudes", np.nan),
        protocol=None if first.protocol is None else _extended(first.protocol, sum(map(len, sets))),
        notes=first.notes,
    )
    joined.max_speed = first.max_speed
    return joined


def image_keys(images: ImageSet) -> list[Key]:
    """Where each image is, (N,): its file, and its box in it.

    Raises:
        InputError: They are in no files of their own.
    """
    if images.files is None:
        raise InputError(
            f"{images.source}: its images are in no files of their own; none can join or be joined"
        )
    return list(zip(images.files.tolist(), images.boxes or [None] * len(images), strict=True))


def with_identities_of(images: ImageSet, names: Sequence[str]) -> ImageSet:
    """The same images, with their identities numbered as they were before names of others came in between.

    Args:
        images: Images whose identities have names.
        names: What identities 0, 1, ... were called before; names that are new are counted on.
    """
    own = images.identity_names
    if own is None or tuple(names) == own:
        return images
    number = {name: place for place, name in enumerate(names)}
    for name in own:
        number.setdefault(name, len(number))
    numbers = [UNKNOWN if identity < 0 else number[own[identity]] for identity in images.identities.tolist()]
    return images.identified(numbers, tuple(number))


def _distinct(parts: Parts) -> list[tuple[str, ImageSet]]:
    """The sets without the images that an earlier one has; sets of which nothing is left are dropped."""
    seen: set[Key] = set()
    distinct = []
    for prefix, images in parts:
        keys = image_keys(images)
        rows = [row for row, key in enumerate(keys) if key not in seen]
        seen.update(keys)
        if rows:
            distinct.append((prefix, images if len(rows) == len(images) else images.subset(rows)))
    return distinct


def unique_names(names: Sequence[str]) -> list[str]:
    """The names; one that comes again gets a number behind it."""
    taken: set[str] = set()
    unique = []
    for name in names:
        again, number = name, 1
        while again in taken:
            number += 1
            again = f"{name} ({number})"
        taken.add(again)
        unique.append(again)
    return unique


def _numbers(
    sets: Sequence[ImageSet], column: str, names: str
) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    """One column of all sets, by name: the first set's numbers stay, names that are new are counted on."""
    columns = [getattr(images, column) for images in sets]
    filled = [
        np.full(len(images), UNKNOWN) if each is None else each
        for images, each in zip(sets, columns, strict=True)
    ]
    named = [getattr(images, names) for images in sets]
    if all(each is None for each in named):  # the numbers are the data's own
        return np.concatenate(filled), None
    words = list(named[0] if named[0] is not None else map(str, range(_end(filled[0], sets[0].source))))
    number = {word: place for place, word in enumerate(words)}
    joined = [filled[0]]
    for values, own in zip(filled[1:], named[1:], strict=True):
        meaning = {
            int(value): str(value) if own is None else own[value] for value in np.unique(values) if value >= 0
        }
        for word in meaning.values():
            number.setdefault(word, len(number))
        joined.append(np.array([number.get(meaning.get(value, ""), UNKNOWN) for value in values.tolist()]))
    return np.concatenate(joined), tuple(number)


def _end(numbers: NDArray[np.int64], source: str) -> int:
    end = int(numbers.max(initial=UNKNOWN)) + 1
    if end > _LARGEST:
        raise InputError(
            f"{source}: has a number as large as {end - 1} where new images have names; use one or the other"
        )
    return end


def _tracklets(sets: Sequence[ImageSet]) -> NDArray[np.int64] | None:
    """Tracklets of all sets; none reaches from one set into another."""
    if all(images.tracklets is None for images in sets):
        return None
    joined, end = [], 0
    for images in sets:
        own = np.full(len(images), UNKNOWN) if images.tracklets is None else images.tracklets
        joined.append(np.where(own < 0, UNKNOWN, own + end))
        end += int(own.max()) + 1
    return np.concatenate(joined)


def _filled(sets: Sequence[ImageSet], column: str, unknown: Any) -> NDArray[Any] | None:
    """A column of all sets, with ``unknown`` for a set that lacks it; None where all lack it."""
    found = [getattr(images, column) for images in sets]
    if all(values is None for values in found):
        return None
    return np.concatenate(
        [
            np.full(len(images), unknown) if values is None else values
            for images, values in zip(sets, found, strict=True)
        ]
    )


def _extended(protocol: Protocol, count: int) -> Protocol:
    """The protocol with more images behind, which are in none of its parts."""

    def more(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.concatenate([part, np.zeros(count - len(part), dtype=bool)])

    return replace(
        protocol, train=more(protocol.train), query=more(protocol.query), gallery=more(protocol.gallery)
    )
