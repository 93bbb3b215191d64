"""The set of images that everything else works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError

from .decoding import read_images, resize_pixels

_CACHE_BATCH = 512
_Scalar = TypeVar("_Scalar", bound=np.generic)


class ImageSet:
    """Images with who is on them and which camera took them; immutable.

    Pixels are decoded from files when asked for, unless the set was made with ``pixels`` (rendered images)
    or by :meth:`cached`. Subsets share the pixels.

    Attributes:
        names: (N,) str, unique; relative to the data root (Market-1501: the file name).
        identities: (N,) int64; -1 where unknown.
        cameras: (N,) int64, or None where cameras are unknown.
        tracklets: (N,) int64, images of equal number from 0 are known to show one identity; -1 where
            nothing is known. None where there are no tracklets.
        sides: (N,) int64, which side of an animal or a vehicle an image shows, from 0; -1 where unknown.
            Images of different sides cannot be compared. None where there are no sides.
        paths: (N,) str, absolute files, or None for images that exist in memory only.
        source: Where the images come from, as written on the command line, for messages and configurations.
        identity_names: What the data calls identity i, where it names people other than by number; else None.

    Args:
        names: See attributes.
        identities: See attributes.
        cameras: See attributes.
        source: See attributes.
        paths: See attributes; needed where ``pixels`` is not given.
        pixels: (N, h, w, 3) uint8 RGB, for images in memory.
        identity_names: See attributes.

    Raises:
        InputError: The set is empty, arrays differ in length, names repeat, or there is nothing to read.
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
        identity_names: Sequence[str] | None = None,
        tracklets: ArrayLike | None = None,
        sides: ArrayLike | None = None,
    ) -> None:
        self.names: NDArray[np.str_] = _frozen(names, np.str_)
        self.identities: NDArray[np.int64] = _frozen(identities, np.int64)
        self.cameras: NDArray[np.int64] | None = None if cameras is None else _frozen(cameras, np.int64)
        self.tracklets: NDArray[np.int64] | None = None if tracklets is None else _frozen(tracklets, np.int64)
        self.sides: NDArray[np.int64] | None = None if sides is None else _frozen(sides, np.int64)
        self.paths: NDArray[np.str_] | None = None if paths is None else _frozen(paths, np.str_)
        self.source = source
        self.identity_names = None if identity_names is None else tuple(identity_names)
        self._pixels = pixels
        self._rows: NDArray[np.int64] = _frozen(
            np.arange(len(self.names)), np.int64
        )  # row of each in _pixels
        self._check()
        if pixels is not None and (pixels.ndim != 4 or len(pixels) != len(self)):
            raise InputError(f"{source}: pixels of shape {pixels.shape}; expected ({len(self)}, H, W, 3)")

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"ImageSet({self.source!r}, {len(self)} images)"

    @property
    def memory_size(self) -> tuple[int, int] | None:
        """(H, W) of images that are held in memory; None where they are decoded from files of any size."""
        return None if self._pixels is None else (self._pixels.shape[1], self._pixels.shape[2])

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
        part = copy(self)
        part.names = _frozen(self.names[chosen], np.str_)
        part.identities = _frozen(self.identities[chosen], np.int64)
        part.cameras = None if self.cameras is None else _frozen(self.cameras[chosen], np.int64)
        part.tracklets = None if self.tracklets is None else _frozen(self.tracklets[chosen], np.int64)
        part.sides = None if self.sides is None else _frozen(self.sides[chosen], np.int64)
        part.paths = None if self.paths is None else _frozen(self.paths[chosen], np.str_)
        part._rows = _frozen(self._rows[chosen], np.int64)
        part._check()
        return part

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
        chosen = np.asarray(indices, dtype=np.int64)
        if self._pixels is not None:
            return resize_pixels(self._pixels[self._rows[chosen]], size)
        assert self.paths is not None  # _check saw to it
        return read_images([str(path) for path in self.paths[chosen]], size)

    def cached(self, size: tuple[int, int], progress: Callable[[int, int], None] | None = None) -> ImageSet:
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
        for start in range(0, len(self), _CACHE_BATCH):
            stop = min(start + _CACHE_BATCH, len(self))
            pixels[start:stop] = self.read(np.arange(start, stop), size)
            if progress is not None:
                progress(stop, len(self))
        decoded = copy(self)
        decoded._pixels, decoded._rows = pixels, _frozen(np.arange(len(self)), np.int64)
        return decoded

    def _check(self) -> None:
        if len(self.names) == 0:
            raise InputError(f"{self.source}: no images; expected at least one")
        for what, column in (
            ("identities", self.identities),
            ("cameras", self.cameras),
            ("tracklets", self.tracklets),
            ("sides", self.sides),
            ("paths", self.paths),
        ):
            if column is not None and column.shape != self.names.shape:
                raise InputError(
                    f"{self.source}: {len(column)} {what} for {len(self.names)} images; give one each"
                )
        names, counts = np.unique(self.names, return_counts=True)
        if len(names) != len(self.names):
            raise InputError(
                f"{self.source}: image {names[counts.argmax()]} is listed twice; list every image once"
            )
        if self.paths is None and self._pixels is None:
            raise InputError(f"{self.source}: neither files nor pixels; give paths= or pixels=")


def _frozen(values: ArrayLike, dtype: type[_Scalar]) -> NDArray[_Scalar]:
    array: NDArray[_Scalar] = np.array(values, dtype=dtype, ndmin=1)
    array.setflags(write=False)
    return array
