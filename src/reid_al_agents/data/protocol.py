"""The training, query and gallery images that a data set comes with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

TRAIN = frozenset({"train", "training", "trainval", "train_val"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
TEST = frozenset({"test", "testing"})
QUERY = frozenset({"query", "probe"})
GALLERY = frozenset({"gallery"})
DATABASE = frozenset({"database", "db", "reference"})


@dataclass(frozen=True)
class Count:
    """What the authors of a data set published of one of its parts.

    Attributes:
        images: Number of images, without junk.
        identities: Number of identities, without distractors.
    """

    images: int
    identities: int


Published = tuple[tuple[str, Count], ...]
"""Counts by part: ``train``, ``query`` and ``gallery``."""


@dataclass(frozen=True)
class Protocol:
    """Which images a data set trains on, and which it searches for among which.

    Attributes:
        name: What the data set calls this, for messages: ``Market-1501's own test set``.
        train: (N,) bool; the pool to be annotated and a validation set come from these alone.
        query: (N,) bool; none where the data set leaves that to its users.
        gallery: (N,) bool. Those of unknown identity are distractors: they match no query. Without queries,
            the images that they are to be drawn from.
        published: What the data set's authors counted.
    """

    name: str
    train: NDArray[np.bool_]
    query: NDArray[np.bool_]
    gallery: NDArray[np.bool_]
    published: Published = ()

    @property
    def scores(self) -> bool:
        """Whether the data set has its own query and gallery."""
        return bool(self.query.any() and self.gallery.any())

    def subset(self, indices: ArrayLike) -> Protocol:
        """The protocol of some of the images; -1 is an image that is gone, and in no part."""
        chosen = np.asarray(indices, dtype=np.int64)
        there = chosen >= 0
        train, query, gallery = (part[chosen] & there for part in (self.train, self.query, self.gallery))
        return replace(self, train=train, query=query, gallery=gallery)


def own_protocol(name: str, parts: Sequence[str], published: Published = ()) -> Protocol:
    """Make a protocol from the part of each image.

    Args:
        name: See :class:`Protocol`.
        parts: Per image ``train``, ``query``, ``gallery``, or empty text for none.
        published: See :class:`Protocol`.
    """
    of = np.asarray(parts, dtype=np.str_)
    return Protocol(name, of == "train", of == "query", of == "gallery", published)


def protocol_of_words(
    name: str, words: Sequence[str], identities: Sequence[int], published: Published = ()
) -> Protocol | None:
    """Read the column of a table, or the names of folders, that says which part an image belongs to.

    ``query`` and ``gallery`` mean themselves. ``database`` and ``query`` (AnimalCLEF) mean that queries are
    searched for in the database, which is labelled and therefore also the training part. ``train`` and
    ``test`` with identities in common (wildlife-datasets' closed and open sets) mean that test images are
    searched for among the training images; without, the test part has no queries of its own. Queries of which
    no identity is known cannot be scored and count as none.

    Args:
        name: See :class:`Protocol`.
        words: Per image, in any case; other words mean no part.
        identities: Per image, -1 where unknown.
        published: See :class:`Protocol`.

    Returns:
        The protocol; None where no image has a part.
    """
    of = [word.strip().casefold() for word in words]
    known = np.asarray(identities) >= 0
    train, validation, test, query, gallery, database = (
        np.array([word in meaning for word in of], dtype=bool)
        for meaning in (TRAIN, VALIDATION, TEST, QUERY, GALLERY, DATABASE)
    )
    train |= validation
    if query.any() and database.any():
        train, gallery = train | database, gallery | database
    if not (train.any() or query.any()):
        return None
    if query.any() and not (query & known).any():
        query, gallery = np.zeros_like(query), np.zeros_like(gallery)
    if test.any() and not query.any():
        shared = _shared(np.asarray(identities), train, test)
        query, gallery = (test, train) if shared else (query, test)
    return Protocol(name, train, query & known, gallery, published)


def _shared(identities: NDArray[np.int64], train: NDArray[np.bool_], test: NDArray[np.bool_]) -> bool:
    return bool((np.intersect1d(identities[train], identities[test]) >= 0).any())
