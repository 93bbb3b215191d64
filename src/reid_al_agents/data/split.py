"""A split by identity: a pool to be annotated, a validation and a test set with no person in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

from .images import ImageSet

if TYPE_CHECKING:
    from reid_al_env.feature_set import FeatureSet

IDENTITY_SETS = ("pool_identities", "validation_identities", "test_identities")


@dataclass(frozen=True)
class QueryGallery:
    """The two sides of a ranking.

    Attributes:
        query: (Q,) int64 indices of the query images, ascending.
        gallery: (G,) int64 indices of the images they are to be found among, ascending.
    """

    query: NDArray[np.int64]
    gallery: NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Who is in which set.

    Attributes:
        pool_identities: People whose images are to be annotated.
        validation_identities: People on whom everything is chosen; may be empty.
        test_identities: People on whom the result is measured.
        query: Names of the query images of the validation and test sets (of a feature set: its paths, or the
            indices as text where it has none). The other images of a set are its gallery.

    Raises:
        InputError: An identity is in two sets.
    """

    pool_identities: tuple[int, ...]
    validation_identities: tuple[int, ...]
    test_identities: tuple[int, ...]
    query: tuple[str, ...]

    def __post_init__(self) -> None:
        for a, b in ((0, 1), (0, 2), (1, 2)):
            first, second = IDENTITY_SETS[a], IDENTITY_SETS[b]
            shared = set(getattr(self, first)) & set(getattr(self, second))
            if shared:
                raise InputError(
                    f"split: identity {min(shared)} is in both {first} and {second}; keep it in one of them"
                )

    def pool(self, data: ImageSet | FeatureSet) -> NDArray[np.int64]:
        """Find the images to be annotated.

        Args:
            data: Images or features.

        Returns:
            Their indices, int64, ascending.

        Raises:
            InputError: None of the pool's identities is in the data.
        """
        return self._members(data, "pool_identities")

    def validation(self, data: ImageSet | FeatureSet) -> QueryGallery:
        """Find the validation set.

        Args:
            data: Images or features.

        Returns:
            Indices of its query and gallery images.

        Raises:
            InputError: The set is empty, has no query or no gallery, or the query names do not fit the data.
        """
        return self._query_gallery(data, "validation_identities")

    def test(self, data: ImageSet | FeatureSet) -> QueryGallery:
        """Find the test set.

        Args:
            data: Images or features.

        Returns:
            Indices of its query and gallery images.

        Raises:
            InputError: The set is empty, has no query or no gallery, or the query names do not fit the data.
        """
        return self._query_gallery(data, "test_identities")

    def _members(self, data: ImageSet | FeatureSet, which: str) -> NDArray[np.int64]:
        members = np.flatnonzero(np.isin(data.identities, getattr(self, which)))
        if not getattr(self, which):
            raise InputError(
                f"split: has no {which}; add them to the file, or use the other set (--final, --on)"
            )
        if len(members) == 0:
            raise InputError(
                f"split: none of the {which} is in the data ({len(data)} images); use a split made for it"
            )
        return members.astype(np.int64)

    def _query_gallery(self, data: ImageSet | FeatureSet, which: str) -> QueryGallery:
        members = self._members(data, which)
        is_query = np.isin(members, self._query_rows(data))
        if is_query.all() or not is_query.any():
            lacking = "gallery" if is_query.all() else "query"
            raise InputError(
                f"split: the {which} have no {lacking} image; list one query per identity and camera"
            )
        return QueryGallery(query=members[is_query], gallery=members[~is_query])

    def _query_rows(self, data: ImageSet | FeatureSet) -> list[int]:
        names = image_names(data)
        row_of = {name: row for row, name in enumerate(names)}
        searchable = {*self.validation_identities, *self.test_identities}
        rows = []
        for name in self.query:
            row = row_of.get(name)
            if row is None:
                raise InputError(
                    f"split: query {name} is not in the data, where names are like {names[0]}; "
                    "use a split made for this data"
                )
            if int(data.identities[row]) not in searchable:
                raise InputError(
                    f"split: query {name} shows identity {data.identities[row]}, which is in neither "
                    "validation_identities nor test_identities; remove it from 'query'"
                )
            rows.append(row)
        return rows


def image_names(data: ImageSet | FeatureSet) -> list[str]:
    """Name the images of a set as splits do.

    Args:
        data: Images or features.

    Returns:
        Names of images, or paths of features, or indices as text for features without paths.
    """
    if isinstance(data, ImageSet):
        return [str(name) for name in data.names]
    return [str(path) for path in (range(len(data)) if data.paths is None else data.paths)]
