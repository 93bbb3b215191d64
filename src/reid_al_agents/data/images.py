"""The set of images that everything else works on."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from reid_al_env.errors import InputError

from .columns import (
    COLUMNS,
    Columns,
    as_names,
    check_columns,
    check_unrepeated,
    frozen,
    known_or_none,
    some_rows,
)
from .content import DigestCache, digest_box, digest_pixels
from .corrections import Corrections, correct_sides, correct_times
from .decoding import Box
from .exif import fill_from_exif
from .known_pairs import pairs_in_photographs
from .pixels import FilePixels, MemoryPixels, PixelSource, Progress, WithBlanks
from .protocol import Protocol
from .travel import note_of_travel, pairs_by_travel

_CACHE_BATCH = 512


class ImageSet:
    """Images with their identities, cameras, places, times and sides, as far as known; immutable.

    Pixels are decoded when asked for, unless the set was made with ``pixels`` (rendered images) or by
    :meth:`cached`. An image is a whole file, a box in a photograph, or an array. Subsets share the pixels.

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

    Args:
        names: See attributes.
        identities: See attributes.
        cameras: See attributes.
        source: See attributes.
        paths: Files that hold the images; needed where neither ``pixels`` nor ``reader`` is given.
        pixels: (N, h, w, 3) uint8 RGB, for images in memory.
        reader: Another source of the pixels.

    Raises:
        InputError: The set is empty, columns differ in length, names repeat, or there is nothing to read.
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
    _source: PixelSource

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

    def _set_columns(self, **columns: ArrayLike | None) -> None:
        for name, column in columns.items():
            setattr(self, name, None if column is None else frozen(column, COLUMNS[name]))

    def _columns(self) -> Columns:
        return {name: getattr(self, name) for name in COLUMNS}

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"ImageSet({self.source!r}, {len(self)} images)"

    @property
    def memory_size(self) -> tuple[int, int] | None:
        """(H, W) of images that are held in memory; None where they are decoded from files of any size."""
        return self._source.size(0) if isinstance(self._source, MemoryPixels) else None

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

    @property
    def gone(self) -> NDArray[np.bool_]:
        """(N,) bool; images whose file is no longer there: blank, and nothing is known of them."""
        return np.zeros(len(self), dtype=bool) if self.files is None else np.asarray(self.files == "")

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

    def open(self, index: int, longest: int | None = None) -> Image.Image:
        """Decode one image whole, in its own size: what a person is to be shown.

        Args:
            index: In [0, N).
            longest: Reduces an image whose longest side has more pixels; None leaves it as it is.

        Returns:
            An image of mode RGB, upright, cropped to its box.

        Raises:
            InputError: Its file is missing or does not decode.
        """
        return self._source.open(int(self._rows[index]), longest)

    def size(self, index: int) -> tuple[int, int]:
        """Measure one image as :meth:`open` gives it, without decoding it.

        Args:
            index: In [0, N).

        Returns:
            (H, W) in pixels.

        Raises:
            InputError: Its file is missing or is no image.
        """
        return self._source.size(int(self._rows[index]))

    def read(self, indices: ArrayLike, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Decode some of the images.

        Args:
            indices: (n,) integers in [0, N).
            size: (H, W) in pixels. Images of another size are resized bilinearly.

        Returns:
            uint8 RGB of shape (n, H, W, 3), the caller's own copy.

        Raises:
            InputError: A file is missing or does not decode.
        """
        return self._source.read(self._rows[np.asarray(indices, dtype=np.int64)], size)

    def cached(self, size: tuple[int, int], progress: Progress | None = None) -> ImageSet:
        """Decode all images once, for training that reads them again and again.

        Args:
            size: (H, W) in pixels; reading at this size later costs a copy only. Other sizes are then
                resized from it. Takes N·H·W·3 bytes of memory.
            progress: Called with (images done, N).

        Returns:
            The same images, held in memory.

        Raises:
            InputError: A file is missing or does not decode.
        """
        pixels = np.empty((len(self), *size, 3), dtype=np.uint8)
        if progress is not None:
            progress(0, len(self))
        for start in range(0, len(self), _CACHE_BATCH):
            stop = min(start + _CACHE_BATCH, len(self))
            pixels[start:stop] = self.read(np.arange(start, stop), size)
            if progress is not None:
                progress(stop, len(self))
        decoded = copy(self)
        decoded._source, decoded._rows = MemoryPixels(pixels), frozen(np.arange(len(self)), "i8")
        return decoded

    def content_hashes(
        self, cache: DigestCache | None = None, progress: Progress | None = None
    ) -> tuple[str, ...]:
        """What each image is, whatever it is called: SHA-256 of its file's bytes.

        The digest of a box is that of its photograph and its corners; of an image in no file of its own, that
        of its pixels.

        Args:
            cache: Digests computed before; None computes all.
            progress: Called with (files done, files).

        Returns:
            Hexadecimal digits per image; empty text for a file that cannot be read.
        """
        if self.files is None:
            return tuple(digest_pixels(self.open(index)) for index in range(len(self)))
        files = [str(file) for file in self.files]
        of_file = (cache or DigestCache()).digests(files, progress)
        boxes = self.boxes or [None] * len(self)
        return tuple(digest_box(of_file[file], box) for file, box in zip(files, boxes, strict=True))

    def _check(self, pixels: NDArray[np.uint8] | None, reader: PixelSource | None) -> None:
        check_columns(self._columns(), self.source)
        if self.files is None and pixels is None and reader is None:
            raise InputError(f"{self.source}: neither files nor pixels; give paths= or pixels=")
        if pixels is not None and (pixels.ndim != 4 or len(pixels) != len(self)):
            raise InputError(
                f"{self.source}: pixels of shape {pixels.shape}; expected ({len(self)}, H, W, 3)"
            )
