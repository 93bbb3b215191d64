"""What is in a data set: counts, cameras, sizes, duplicates and damage, beside what its authors published."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .content import DigestCache
from .damage import Damaged, find_damaged
from .images import ImageSet
from .pixels import in_threads
from .protocol import Count

Bar = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)``."""


@dataclass(frozen=True)
class Part:
    """A part of a data set.

    Attributes:
        name: ``all``, ``train``, ``query`` or ``gallery``.
        images: Number of images.
        identities: Number of known identities.
        unknown: Images of unknown identity; in a gallery, distractors.
        published: What the authors counted, where they did.
    """

    name: str
    images: int
    identities: int
    unknown: int
    published: Count | None = None

    @property
    def as_published(self) -> bool | None:
        """Whether the counts are those that were published; None where none were."""
        if self.published is None:
            return None
        return (self.images, self.identities) == (self.published.images, self.published.identities)


@dataclass(frozen=True)
class Summary:
    """What is in a data set.

    Attributes:
        source: DATA as typed.
        parts: Counts of all images, and of the parts that the data set comes with.
        per_identity: Least, median and greatest number of images of a known identity; None without any.
        cameras: Number of images by camera, by its name; empty where cameras are unknown.
        sides: Number of images by side.
        places: Number of images by place.
        times: First and last time, ISO 8601; None where times are unknown.
        sizes: Least, median and greatest (H, W) by area in pixels, of the images that can be read.
        duplicates: Names of images with equal content, two or more each.
        conflicts: Those of the duplicates whose images have different known identities.
        leaks: Those of the duplicates of which some are training and some query or gallery images.
        damaged: Images that do not decode.
        notes: What the loader left out or did not use.
    """

    source: str
    parts: tuple[Part, ...]
    per_identity: tuple[int, float, int] | None
    cameras: dict[str, int]
    sides: dict[str, int]
    places: dict[str, int]
    times: tuple[str, str] | None
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None
    duplicates: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]
    damaged: tuple[Damaged, ...]
    notes: tuple[str, ...]


def summarise(images: ImageSet, progress: Bar | None = None) -> Summary:
    """Read every image of a set, and count.

    Args:
        images: The images.
        progress: Called with stage, done and total during long work.
    """
    damaged = find_damaged(images, _bar(progress, "decode"))
    digests = images.content_hashes(DigestCache(), _bar(progress, "compare"))
    groups = _equal(digests)
    sound = np.setdiff1d(np.arange(len(images)), [image.index for image in damaged])
    return Summary(
        source=images.source,
        parts=_parts(images),
        per_identity=_per_identity(images),
        cameras=_count(images.cameras, images.camera_names),
        sides=_count(images.sides, images.side_names),
        places=_count(images.places, images.place_names),
        times=_times(images),
        sizes=_sizes(images, sound, _bar(progress, "measure")),
        duplicates=_named(images, groups),
        conflicts=_named(images, [rows for rows in groups if _conflict(images, rows)]),
        leaks=_named(images, [rows for rows in groups if _leak(images, rows)]),
        damaged=tuple(damaged),
        notes=images.notes,
    )


def _parts(images: ImageSet) -> tuple[Part, ...]:
    parts = [_part("all", images.identities, None)]
    if images.protocol is not None:
        published = dict(images.protocol.published)
        for name in ("train", "query", "gallery"):
            members = getattr(images.protocol, name)
            if members.any() or name in published:
                parts.append(_part(name, images.identities[members], published.get(name)))
    return tuple(parts)


def _part(name: str, identities: NDArray[np.int64], published: Count | None) -> Part:
    known = np.unique(identities[identities >= 0])
    return Part(name, len(identities), len(known), int((identities < 0).sum()), published)


def _per_identity(images: ImageSet) -> tuple[int, float, int] | None:
    counts = np.unique(images.identities[images.labelled], return_counts=True)[1]
    return (int(counts.min()), float(np.median(counts)), int(counts.max())) if len(counts) else None


def _count(column: NDArray[np.int64] | None, names: Sequence[str] | None) -> dict[str, int]:
    if column is None:
        return {}
    numbers, counts = np.unique(column, return_counts=True)
    return {
        "unknown" if number < 0 else (names[number] if names else str(number)): int(count)
        for number, count in zip(numbers.tolist(), counts, strict=True)
    }


def _times(images: ImageSet) -> tuple[str, str] | None:
    if images.times is None:
        return None
    known = images.times[~np.isnat(images.times)]
    return str(known.min()), str(known.max())


def _sizes(
    images: ImageSet, rows: NDArray[np.int64], progress: Callable[[int, int], None] | None
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]] | None:
    if len(rows) == 0:
        return None
    sizes: list[tuple[int, int]] = [(0, 0)] * len(rows)

    def measure(place: int) -> None:
        sizes[place] = images.size(int(rows[place]))

    in_threads(measure, len(rows), progress)
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]


def _equal(digests: Sequence[str]) -> list[list[int]]:
    """Groups of two or more images with equal digests; files that cannot be read are in none."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        if digest:
            rows_of[digest].append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def _named(images: ImageSet, groups: list[list[int]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(str(images.names[row]) for row in rows) for rows in groups)


def _conflict(images: ImageSet, rows: list[int]) -> bool:
    return len(Counter(who for who in images.identities[rows].tolist() if who >= 0)) > 1


def _leak(images: ImageSet, rows: list[int]) -> bool:
    if images.protocol is None:
        return False
    train, tested = images.protocol.train[rows], images.protocol.query[rows] | images.protocol.gallery[rows]
    return bool((train & ~tested).any() and (tested & ~train).any())


def _bar(progress: Bar | None, what: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(what, done, total)
