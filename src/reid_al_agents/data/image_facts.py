"""What is known of a set of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .columns import COLUMNS, Columns, frozen
from .known_pairs import pairs_in_photographs
from .travel import pairs_by_travel

if TYPE_CHECKING:
    from .decoding import Box
    from .protocol import Protocol


class ImageFacts:
    """What the data say of N images; immutable.

    Attributes:
        names: (N,) str, unique; relative to the data root (Market-1501: the file name; boxes in one
            photograph: its name with ``#1``, ``#2``, ...).
        identities: (N,) int64; -1 where unknown.
        cameras: (N,) int64, -1 where unknown; None where no camera is known.
        tracklets: (N,) int64, images of equal number from 0 are known to show one identity; -1 where nothing
            is known. None where there are no tracklets.
        sides: (N,) int64, which side of an animal or a vehicle an image shows, from 0; -1 where unknown.
            Images of different sides cannot be compared. None where there are no sides.
        places: (N,) int64, where an image was taken; -1 where unknown. None where no place is known.
        times: (N,) datetime64[s], when an image was taken; NaT where unknown. None where no time is known.
        latitudes: (N,) float64 degrees, where an image was taken; NaN where unknown. None where
            no coordinates are known.
        longitudes: (N,) float64 degrees; likewise.
        max_speed: Highest speed of travel in kilometres an hour; images further apart are known to differ.
            None where no speed excludes a pair.
        files: (N,) str, absolute files that hold the images, photographs of boxes included; None for images
            that are in no file of their own.
        paths: (N,) str, ``files`` where each file is one whole image; None otherwise.
        boxes: The part of its photograph that each image is, None for a whole file; None where all are whole.
        source: Where the images come from, as written on the command line, for messages and configurations.
        identity_names: What the data calls identity i, where it names individuals other than by number; else
            None. So for ``camera_names``, ``side_names`` and ``place_names``.
        protocol: Training, query and gallery images that the data comes with, or None.
        notes: What a user should know of how the data was read: files that were left out, columns that were
            not used. One line each.
    """

    identities: NDArray[np.int64]
    cameras: NDArray[np.int64] | None
    tracklets: NDArray[np.int64] | None
    sides: NDArray[np.int64] | None
    places: NDArray[np.int64] | None
    times: NDArray[np.datetime64] | None
    latitudes: NDArray[np.float64] | None
    longitudes: NDArray[np.float64] | None
    names: NDArray[np.str_]
    files: NDArray[np.str_] | None
    paths: NDArray[np.str_] | None
    boxes: tuple[Box | None, ...] | None
    source: str
    max_speed: float | None
    identity_names: tuple[str, ...] | None
    camera_names: tuple[str, ...] | None
    side_names: tuple[str, ...] | None
    place_names: tuple[str, ...] | None
    protocol: Protocol | None
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """(N,) bool; whether an image's identity is known."""
        return self.identities >= 0

    @property
    def known_different(self) -> NDArray[np.int64]:
        """Pairs of images known to show different identities.

        Returns:
            (P, 2) int64 indices, those of :attr:`in_one_photograph` and :attr:`too_far_apart`, each once.
        """
        return np.unique(np.concatenate([self.in_one_photograph, self.too_far_apart]), axis=0)

    @property
    def in_one_photograph(self) -> NDArray[np.int64]:
        """Pairs of boxes in one photograph.

        Boxes that cover each other by half or more (intersection over union ≥ 0.5) may be one animal found
        twice, and say nothing; nor do boxes that the data gives one identity.

        Returns:
            (P, 2) int64 indices, ascending in each row and by rows.
        """
        return pairs_in_photographs(self.files, self.boxes, self.identities)

    @property
    def too_far_apart(self) -> NDArray[np.int64]:
        """Pairs of images further apart than ``max_speed`` allows, but for those that follow from others.

        Images that the data give one identity or one tracklet say nothing. Two tracklets have one pair.

        Returns:
            (P, 2) int64 indices, ascending in each row and by rows.

        Raises:
            InputError: There are more such pairs than can be kept.
        """
        return pairs_by_travel(self)

    @property
    def gone(self) -> NDArray[np.bool_]:
        """(N,) bool; images whose file is no longer there: blank, and nothing is known of them."""
        return np.zeros(len(self), dtype=bool) if self.files is None else np.asarray(self.files == "")

    def _set_columns(self, **columns: ArrayLike | None) -> None:
        for name, column in columns.items():
            setattr(self, name, None if column is None else frozen(column, COLUMNS[name]))

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in COLUMNS}
