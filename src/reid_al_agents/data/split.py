"""Splits: a pool to be annotated, a validation and a test set, by identity or as a data set comes."""

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
    """Which images are annotated, and which are searched for among which.

    Images are called by name (of a feature set: by its paths, or the indices as text where it has none).
    Without the last four fields a split is by identity alone, and the gallery of the validation and of the
    test set are the set's images that are no query. With them, the pool and the test set are those that the
    data set comes with (see :class:`~.protocol.Protocol`), image by image.

    Attributes:
        pool_identities: Identities whose images are to be annotated; -1 stands for all images of unknown
            identity.
        validation_identities: Identities on which everything is chosen; may be empty.
        test_identities: Identities on which the result is measured.
        query: Names of the query images of the validation and test sets.
        pool_images: Names of the images to be annotated.
        test_queries: Names of the test set's query images.
        test_gallery: Names of the images that these are searched for among, distractors included.
        protocol: What the data set calls this test set, for messages.

    Raises:
        InputError: An identity is in two sets.
    """

    pool_identities: tuple[int, ...]
    validation_identities: tuple[int, ...]
    test_identities: tuple[int, ...]
    query: tuple[str, ...]
    pool_images: tuple[str, ...] = ()
    test_queries: tuple[str, ...] = ()
    test_gallery: tuple[str, ...] = ()
    protocol: str = ""

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
        if self.pool_images:
            return np.sort(self._rows_of(data, self.pool_images, "pool image"))
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

        Distractors that the data set comes with (images in its gallery whose identity is unknown) are in the
        gallery, whatever the split says.

        Args:
            data: Images or features.

        Returns:
            Indices of its query and gallery images.

        Raises:
            InputError: The set is empty, has no query or no gallery, or the query names do not fit the data.
        """
        if not self.test_queries:
            return self._query_gallery(data, "test_identities")
        query = self._rows_of(data, self.test_queries, "test query")
        gallery = self._rows_of(data, self.test_gallery, "test gallery image")
        return QueryGallery(np.sort(query), np.sort(gallery))

    def describe(self, data: ImageSet | FeatureSet, which: str) -> str:
        """Say in one line what is scored.

        Args:
            data: Images or features.
            which: ``validation`` or ``test``.

        Returns:
            For example ``Market-1501's own test set: 3368 queries among 15913 images, 2793 distractors``.
        """
        sides = self.test(data) if which == "test" else self.validation(data)
        own = which == "test" and self.test_queries
        name = self.protocol if own else f"{which} identities of the split"
        distractors = int((data.identities[sides.gallery] < 0).sum())
        more = f", {distractors} of them distractors" if distractors else ""
        rule = (
            "" if data.cameras is not None else "; cameras are unknown, so only the query itself is left out"
        )
        return f"{name}: {len(sides.query)} queries among {len(sides.gallery)} images{more}{rule}"

    def _members(self, data: ImageSet | FeatureSet, which: str) -> NDArray[np.int64]:
        wanted = getattr(self, which)
        if not wanted:
            raise InputError(
                f"split: has no {which}; add them to the file, or use the other set (--final, --on)"
            )
        members = np.flatnonzero(np.isin(data.identities, wanted)).astype(np.int64)
        if len(members) == 0:
            raise InputError(
                f"split: none of the {which} is in the data ({len(data)} images); use a split made for it"
            )
        if self.test_queries:
            # A data set may search for images of individuals that it also trains on: not for these images.
            members = np.setdiff1d(members, self._rows_of(data, self.test_queries, "test query"))
        return members

    def _query_gallery(self, data: ImageSet | FeatureSet, which: str) -> QueryGallery:
        members = self._members(data, which)
        is_query = np.isin(members, self._query_rows(data))
        if is_query.all() or not is_query.any():
            lacking = "gallery" if is_query.all() else "query"
            raise InputError(
                f"split: the {which} have no {lacking} image; list one query per identity and camera"
            )
        gallery = members[~is_query]
        if which == "test_identities":
            gallery = np.union1d(gallery, _distractors(data))
        return QueryGallery(query=members[is_query], gallery=gallery)

    def _query_rows(self, data: ImageSet | FeatureSet) -> NDArray[np.int64]:
        rows = self._rows_of(data, self.query, "query")
        searchable = [*self.validation_identities, *self.test_identities]
        for row, name in zip(rows, self.query, strict=True):
            if int(data.identities[row]) not in searchable:
                raise InputError(
                    f"split: query {name} shows identity {data.identities[row]}, which is in neither "
                    "validation_identities nor test_identities; remove it from 'query'"
                )
        return rows

    @staticmethod
    def _rows_of(data: ImageSet | FeatureSet, wanted: tuple[str, ...], what: str) -> NDArray[np.int64]:
        names = image_names(data)
        row_of = {name: row for row, name in enumerate(names)}
        missing = next((name for name in wanted if name not in row_of), None)
        if missing is not None:
            raise InputError(
                f"split: {what} {missing} is not in the data, where names are like {names[0]}; "
                "use a split made for this data"
            )
        return np.array([row_of[name] for name in wanted], dtype=np.int64)


def _distractors(data: ImageSet | FeatureSet) -> NDArray[np.int64]:
    """Images that the data set itself puts into its gallery as matching no query."""
    protocol = data.protocol if isinstance(data, ImageSet) else None
    if protocol is None:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(protocol.gallery & (data.identities < 0)).astype(np.int64)


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
