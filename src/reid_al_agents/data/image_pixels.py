"""The pixels of a set of images, and what its images are by their content."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from .columns import frozen
from .content import DigestCache, digest_box, digest_pixels
from .image_facts import ImageFacts
from .pixels import MemoryPixels, PixelSource, Progress

_CACHE_BATCH = 512

Images = TypeVar("Images", bound="ImagePixels")


class ImagePixels(ImageFacts):
    """Decodes, measures and digests images."""

    _source: PixelSource
    _rows: NDArray[np.int64]  # row of each image in the source

    @property
    def memory_size(self) -> tuple[int, int] | None:
        """(H, W) of images that are held in memory; None where they are decoded from files of any size."""
        return self._source.size(0) if isinstance(self._source, MemoryPixels) else None

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

    def cached(self: Images, size: tuple[int, int], progress: Progress | None = None) -> Images:
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
