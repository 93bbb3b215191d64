"""The set of images that everything else works on: how it is made, and other sets of its images."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError

from .columns import as_names, check_columns, check_unrepeated, frozen, known_or_none, some_rows
from .corrections import Corrections, correct_sides, correct_times
from .decoding import Box
from .exif import fill_from_exif
from .image_pixels import ImagePixels
from .pixels import FilePixels, MemoryPixels, PixelSource, WithBlanks
from .protocol import Protocol
from .travel import note_of_travel


class ImageSet(ImagePixels):
    """Images with their identities, cameras, places, times and sides, as far as known; immutable.

    Pixels are decoded when asked for, unless the set was made with ``pixels`` (rendered images) or by
    :meth:`cached`. An image is a whole file, a box in a photograph, or an array. Subsets share the pixels.

    What is known of the images is in the attributes of :class:`.ImageFacts`, and how they are decoded in the
    methods of :class:`.ImagePixels`.

    Args:
        names: See :class:`.ImageFacts`, as for all that are not named here.
        identities: See there.
        cameras: See there.
        source: See there.
        paths: Files that hold the images; needed where neither ``pixels`` nor ``reader`` is given.
        pixels: (N, h, w, 3) uint8 RGB, for images in memory.
        reader: Another source of the pixels.

    Raises:
        InputError: The set is empty, columns differ in length, names repeat, or there is nothing to read.
    """

    def __init__(
        self,
        names: ArrayLike,
        identities: ArrayLike,
        cameras: ArrayLike | None = None,
        *,
        source: str,
        paths: ArrayLike | None = None,
        pixels: NDArray[np.uint8] | None = None,
        reader: PixelSource | None = None,
        boxes: Sequence[Box | None] | None = None,
        identity_names: Sequence[str] | None = None,
        camera_names: Sequence[str] | None = None,
        tracklets: ArrayLike | None = None,
        sides: ArrayLike | None = None,
        side_names: Sequence[str] | None = None,
        places: ArrayLike | None = None,
        place_names: Sequence[str] | None = None,
        times: ArrayLike | None = None,
        latitudes: ArrayLike | None = None,
        longitudes: ArrayLike | None = None,
        protocol: Protocol | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        cameras, sides, places = (known_or_none(column) for column in (cameras, sides, places))
        self._set_columns(
            names=names,
            identities=identities,
            cameras=cameras,
            tracklets=tracklets,
            sides=sides,
            places=places,
            times=times,
            latitudes=latitudes,
            longitudes=longitudes,
            files=paths,
            paths=paths if boxes is None or not any(boxes) else None,
        )
        self.boxes = tuple(boxes) if boxes is not None and any(boxes) else None
        self.source, self.protocol, self.notes = source, protocol, tuple(notes)
        self.max_speed: float | None = None
        self.identity_names = as_names(identity_names)
        self.camera_names = as_names(camera_names)
        self.side_names = as_names(side_names)
        self.place_names = as_names(place_names)
        self._rows = frozen(np.arange(len(self.names)), "i8")  # row of each image in _source
        self._check(pixels, reader)
        if pixels is not None:
            reader = MemoryPixels(pixels)
        self._source = reader or FilePixels(np.asarray(self.files).tolist(), self.boxes)

    def __repr__(self) -> str:
        return f"ImageSet({self.source!r}, {len(self)} images)"

    def subset(self, indices: ArrayLike) -> ImageSet:
        """Choose some of the images.

        Args:
            indices: (n,) integers in [0, N), no repetition, n ≥ 1.

        Returns:
            A set of n images in the order given.

        Raises:
            InputError: ``indices`` is empty or repeats.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        check_unrepeated(chosen, self.names, self.source)
        part = copy(self)
        part._set_columns(**some_rows(self._columns(), chosen))
        part.cameras, part.sides, part.places = (
            known_or_none(column) for column in (part.cameras, part.sides, part.places)
        )
        part.boxes = None if self.boxes is None else tuple(self.boxes[row] for row in chosen)
        part.protocol = None if self.protocol is None else self.protocol.subset(chosen)
        part._rows = frozen(self._rows[chosen], "i8")
        part._check(None, self._source)
        return part

    def arranged(self, names: Sequence[str], places: ArrayLike) -> ImageSet:
        """The images as they were called and ordered before some of them changed.

        Args:
            names: (n,) names, unique.
            places: (n,) index of each image in this set, no repetition; -1 for one that is gone.

        Returns:
            A set of n images.

        Raises:
            InputError: All are gone.
        """
        rows = np.asarray(places, dtype=np.int64)
        there = rows >= 0
        if not there.any():
            raise InputError(f"{self.source}: none of the {len(rows)} images is there any more")
        before = copy(self)
        before._set_columns(**{**some_rows(self._columns(), rows), "names": np.asarray(names)})
        if self.boxes is not None:
            before.boxes = tuple(self.boxes[row] if row >= 0 else None for row in rows.tolist())
        before.protocol = None if self.protocol is None else self.protocol.subset(rows)
        before._source = WithBlanks(self._source)
        before._rows = frozen(np.where(there, self._rows[rows], -1), "i8")
        before._check(None, before._source)
        return before

    def identified(self, identities: ArrayLike, names: Sequence[str]) -> ImageSet:
        """The same images with other numbers of their identities.

        Args:
            identities: (N,) int64; -1 where unknown.
            names: Name of each number.
        """
        numbered = copy(self)
        numbered._set_columns(identities=identities)
        numbered.identity_names = as_names(names)
        return numbered

    def corrected(self, corrections: Corrections) -> ImageSet:
        """The same images with the sides and times that annotators corrected.

        A side that no image has so far gets the next number.

        Args:
            corrections: Of images in [0, N).
        """
        other = copy(self)
        if corrections.sides:
            sides, other.side_names = correct_sides(self.sides, self.side_names, len(self), corrections.sides)
            other._set_columns(sides=known_or_none(sides))
        if corrections.times:
            other._set_columns(times=correct_times(self.times, len(self), corrections.times))
        return other

    def with_max_speed(self, speed: float) -> ImageSet:
        """The same images, of which those further apart than a speed allows are known to differ; with a note.

        What the data do not say of when and where an image was taken, its photograph may: see
        :meth:`with_exposures`.

        Args:
            speed: See ``max_speed``.

        Raises:
            InputError: As :attr:`too_far_apart`.
        """
        limited = self.with_exposures()
        limited.max_speed = speed
        return limited.with_notes(note_of_travel(limited, speed))

    def with_exposures(self) -> ImageSet:
        """The same images, with times and coordinates of EXIF where the data give none; with a note."""
        found = fill_from_exif(self.files, self.times, self.latitudes, self.longitudes)
        if found is None:
            return copy(self)
        exposed = copy(self)
        exposed._set_columns(times=found.times, latitudes=found.latitudes, longitudes=found.longitudes)
        return exposed.with_notes(found.note)

    def with_notes(self, *notes: str) -> ImageSet:
        """The same images with more notes."""
        noted = copy(self)
        noted.notes = (*self.notes, *notes)
        return noted

    def _check(self, pixels: NDArray[np.uint8] | None, reader: PixelSource | None) -> None:
        check_columns(self._columns(), self.source)
        if self.files is None and pixels is None and reader is None:
            raise InputError(f"{self.source}: neither files nor pixels; give paths= or pixels=")
        if pixels is not None and (pixels.ndim != 4 or len(pixels) != len(self)):
            raise InputError(
                f"{self.source}: pixels of shape {pixels.shape}; expected ({len(self)}, H, W, 3)"
            )
