"""Splits made at random where a data set comes without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

from .images import ImageSet
from .split import IDENTITY_SETS, Split, image_names

if TYPE_CHECKING:
    from reid_al_env.feature_set import FeatureSet


def make_split(data: ImageSet | FeatureSet, seed: int, *, pool_share: float = 2 / 3) -> Split:
    """Split by identity, at random.

    Of each validation and test identity, one random image per camera becomes a query (one image in all where
    cameras are unknown), as long as every query keeps an image of its identity from another camera (or just
    another image) in the gallery. Images of unknown identity are in no set.

    Args:
        data: Images or features with at least three known identities.
        seed: Same seed, same data, same split.
        pool_share: Share of the identities that go to the pool; validation and test halve the rest.

    Returns:
        The split.

    Raises:
        InputError: There are too few identities, or no validation or test identity can have a query.
    """
    people = np.unique(data.identities[data.identities >= 0])
    if len(people) < 3:
        raise InputError(
            f"split: {len(people)} known identities; a pool, a validation and a test set need 3 or more"
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(people)
    pool = int(np.clip(round(pool_share * len(people)), 1, len(people) - 2))
    validation = pool + (len(people) - pool) // 2
    parts = (order[:pool], order[pool:validation], order[validation:])
    queries = [_choose_queries(data, part, rng) for part in parts[1:]]
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


def _sorted_ints(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(int(value) for value in values))


def _choose_queries(
    data: ImageSet | FeatureSet, people: NDArray[np.int64], rng: np.random.Generator
) -> list[int]:
    queries = []
    for person in np.sort(people):
        rows = np.flatnonzero(data.identities == person)
        if data.cameras is None:
            queries += [int(rng.choice(rows))] if len(rows) > 1 else []
        else:
            queries += _choose_by_camera(rows, data.cameras[rows], rng)
    return queries


def _choose_by_camera(
    rows: NDArray[np.intp], cameras: NDArray[np.int64], rng: np.random.Generator
) -> list[int]:
    """Choose one of a person's images per camera, while each chosen one keeps a match from elsewhere."""
    in_gallery = np.ones(len(rows), dtype=bool)
    chosen: list[int] = []
    for camera in rng.permutation(np.unique(cameras)):
        candidate = int(rng.choice(np.flatnonzero(cameras == camera)))
        in_gallery[candidate] = False
        if all((in_gallery & (cameras != cameras[other])).any() for other in [*chosen, candidate]):
            chosen.append(candidate)
        else:
            in_gallery[candidate] = True
    return [int(rows[row]) for row in chosen]
