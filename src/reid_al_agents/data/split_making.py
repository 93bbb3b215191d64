"""Splits that are made: at random, or from the parts that a data set comes with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

from .images import ImageSet
from .protocol import Protocol
from .split import IDENTITY_SETS, Split, image_names

if TYPE_CHECKING:
    from reid_al_env.feature_set import FeatureSet


_VALIDATION_SHARE = 1 / 6


def make_split(data: ImageSet | FeatureSet, seed: int, *, pool_share: float = 2 / 3) -> Split:
    """Split by identity, at random, or as the data set comes.

    Of each validation and test identity, one random image per camera becomes a query (one image in all where
    cameras are unknown), as long as every query keeps an image of its identity from another camera (or just
    another image) in the gallery. Images of unknown identity are in no set.

    Where the data set has a protocol of its own, the test set is exactly its query and gallery, a sixth of
    the identities of its training part, drawn at random, are for validation, and the rest of that part is the
    pool, images of unknown identity included.

    Args:
        data: Images or features with at least three known identities.
        seed: Same seed, same data, same split.
        pool_share: Share of the identities that go to the pool; validation and test halve the rest.

    Returns:
        The split.

    Raises:
        InputError: There are too few identities, or no validation or test identity can have a query.
    """
    everything = np.arange(len(data))
    protocol = data.protocol if isinstance(data, ImageSet) else None
    if protocol is not None and protocol.gallery.any():
        return _follow(data, protocol, seed)
    if protocol is not None:
        everything = np.flatnonzero(protocol.train)
    people = _people(data, everything)
    _check_enough(data, people)
    rng = np.random.default_rng(seed)
    order = rng.permutation(people)
    pool = int(np.clip(round(pool_share * len(people)), 1, len(people) - 2))
    validation = pool + (len(people) - pool) // 2
    parts = (order[:pool], order[pool:validation], order[validation:])
    queries = [_choose_queries(data, part, everything, rng) for part in parts[1:]]
    for which, rows in zip(IDENTITY_SETS[1:], queries, strict=True):
        if not rows:
            raise InputError(
                f"split: no {which} have two images from different cameras; "
                "more images or identities are needed"
            )
    names = image_names(data)
    return Split(
        pool_identities=_sorted_ints(parts[0]),
        validation_identities=_sorted_ints(parts[1]),
        test_identities=_sorted_ints(parts[2]),
        query=tuple(names[row] for row in sorted([*queries[0], *queries[1]])),
    )


def whole_pool(data: ImageSet | FeatureSet) -> Split:
    """Make every image one to be annotated, whether its identity is known or not; nothing is scored."""
    return Split(_sorted_ints(np.unique(data.identities)), (), (), ())


def _check_enough(data: ImageSet | FeatureSet, people: NDArray[np.int64]) -> None:
    if len(people) == 0:
        raise InputError(
            f"{data.source}: no identity of its {len(data)} images is known; run, benchmark, train and "
            "evaluate compare with known identities, annotate and embed need none"
        )
    if len(people) < 3:
        raise InputError(
            f"split: {len(people)} known identities; a pool, a validation and a test set need 3 or more"
        )


def _follow(data: ImageSet | FeatureSet, protocol: Protocol, seed: int) -> Split:
    """The split that a data set comes with; its training part is divided into pool and validation set."""
    rng = np.random.default_rng(seed)
    train = np.flatnonzero(protocol.train)
    people = rng.permutation(_people(data, train))
    validation = people[: round(_VALIDATION_SHARE * len(people)) or int(len(people) > 1)]
    query = _choose_queries(data, validation, train, rng)
    if not query:
        validation = validation[:0]
    pool = train[~np.isin(data.identities[train], validation)]
    if len(pool) == 0:
        raise InputError(f"{data.source}: has no training images; a pool to be annotated comes from these")
    test_query, test_gallery = np.flatnonzero(protocol.query), np.flatnonzero(protocol.gallery)
    if len(test_query) == 0:
        test_query = np.array(
            _choose_queries(data, _people(data, test_gallery), test_gallery, rng), dtype=np.int64
        )
        test_gallery = np.setdiff1d(test_gallery, test_query)
    tested = np.setdiff1d(_people(data, np.union1d(test_query, test_gallery)), people)
    names = image_names(data)
    return Split(
        pool_identities=_sorted_ints(np.setdiff1d(people, validation)),
        validation_identities=_sorted_ints(validation),
        test_identities=_sorted_ints(tested),
        query=tuple(names[row] for row in sorted(query)),
        pool_images=tuple(names[row] for row in pool),
        test_queries=tuple(names[row] for row in test_query),
        test_gallery=tuple(names[row] for row in test_gallery),
        protocol=protocol.name,
    )


def _people(data: ImageSet | FeatureSet, rows: NDArray[np.intp]) -> NDArray[np.int64]:
    """Known identities of some images, ascending."""
    identities = np.unique(data.identities[rows])
    return identities[identities >= 0]


def _sorted_ints(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(int(value) for value in values))


def _choose_queries(
    data: ImageSet | FeatureSet,
    people: NDArray[np.int64],
    among: NDArray[np.intp],
    rng: np.random.Generator,
) -> list[int]:
    queries: list[int] = []
    for person in np.sort(people):
        rows = among[data.identities[among] == person]
        if data.cameras is None or (data.cameras[rows] < 0).all():
            queries += [int(rng.choice(rows))] if len(rows) > 1 else []
        else:
            queries += _choose_by_camera(rows, data.cameras[rows], rng)
    return queries


def _choose_by_camera(
    rows: NDArray[np.intp], cameras: NDArray[np.int64], rng: np.random.Generator
) -> list[int]:
    """Choose one of a person's images per camera, while each chosen one keeps a match from elsewhere.

    An unknown camera (-1) counts as elsewhere and gives no query.
    """
    in_gallery = np.ones(len(rows), dtype=bool)
    chosen: list[int] = []
    for camera in rng.permutation(np.unique(cameras[cameras >= 0])):
        candidate = int(rng.choice(np.flatnonzero(cameras == camera)))
        in_gallery[candidate] = False
        if all((in_gallery & (cameras != cameras[other])).any() for other in [*chosen, candidate]):
            chosen.append(candidate)
        else:
            in_gallery[candidate] = True
    return [int(rows[row]) for row in chosen]
