"""Where the pixels of a set of images come from: files, parts of files, or memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .decoding import Box, fit, image_size, open_image, reduce_image, resize_pixels

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``."""

_THREADS = 4  # Pillow decodes outside the interpreter lock; more threads than this only wait for memory
_WORTH_THREADS = 8
_BLANK_SIZE, _GREY = (64, 128), 128  # (W, H) and colour of an image whose file is gone
_STEP = 64  # images between two calls of a progress function


class PixelSource(Protocol):
    """Numbered images, whole and in their own size; rows are those of the set that was loaded."""

    def open(self, row: int, longest: int | None = None) -> Image.Image:
        """Decode an image, mode RGB; see :func:`~.decoding.open_image` for ``longest``.

        Raises:
            InputError: It is missing or does not decode.
        """
        ...

    def size(self, row: int) -> tuple[int, int]:
        """Measure an image, (H, W) in pixels.

        Raises:
            InputError: It is missing or is no image.
        """
        ...

    def read(self, rows: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
        """Decode n images at (H, W) pixels, resized bilinearly; uint8 RGB (n, H, W, 3), the caller's own."""
        ...


class FilePixels:
    """Image files, or boxes in photographs.

    Args:
        files: One per image; a photograph may come several times.
        boxes: The part that each image is; None where all are whole files.
    """

    def __init__(self, files: Sequence[str], boxes: Sequence[Box | None] | None = None) -> None:
        self._files, self._boxes = files, boxes

    def open(self, row: int, longest: int | None = None) -> Image.Image:
        """See :class:`PixelSource`."""
        return open_image(self._files[row], self._box(row), longest)

    def size(self, row: int) -> tuple[int, int]:
        """See :class:`PixelSource`."""
        return image_size(self._files[row], self._box(row))

    def read(self, rows: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
        """See :class:`PixelSource`."""
        return read_each(self.open, rows, size)

    def _box(self, row: int) -> Box | None:
        return None if self._boxes is None else self._boxes[row]


class MemoryPixels:
    """Decoded images of one size.

    Args:
        pixels: (N, h, w, 3) uint8 RGB.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def open(self, row: int, longest: int | None = None) -> Image.Image:
        """See :class:`PixelSource`."""
        return reduce_image(Image.fromarray(self.pixels[row]), longest)

    def size(self, row: int) -> tuple[int, int]:
        """See :class:`PixelSource`."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def read(self, rows: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
        """See :class:`PixelSource`."""
        return resize_pixels(self.pixels[rows], size)


class WithBlanks:
    """Images of another source, and grey ones, of which the file is gone, at row −1.

    Args:
        source: The other source.
    """

    def __init__(self, source: PixelSource) -> None:
        self._source = source

    def open(self, row: int, longest: int | None = None) -> Image.Image:
        """See :class:`PixelSource`."""
        if row >= 0:
            return self._source.open(row, longest)
        return Image.new("RGB", _BLANK_SIZE, (_GREY, _GREY, _GREY))

    def size(self, row: int) -> tuple[int, int]:
        """See :class:`PixelSource`."""
        return self._source.size(row) if row >= 0 else _BLANK_SIZE[::-1]

    def read(self, rows: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
        """See :class:`PixelSource`."""
        pixels = np.full((len(rows), *size, 3), _GREY, dtype=np.uint8)
        there = rows >= 0
        if there.any():
            pixels[there] = self._source.read(rows[there], size)
        return pixels


def read_each(
    opened: Callable[[int], Image.Image], rows: NDArray[np.int64], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Decode images one by one, several at a time where it pays; see :meth:`PixelSource.read`."""
    pixels = np.empty((len(rows), *size, 3), dtype=np.uint8)

    def fill(place: int) -> None:
        pixels[place] = fit(opened(int(rows[place])), size)

    in_threads(fill, len(rows))
    return pixels


def in_threads(work: Callable[[int], None], count: int, progress: Progress | None = None) -> None:
    """Call ``work(0)``, … ``work(count - 1)``, several at a time where it pays; the first error is raised."""
    if count < _WORTH_THREADS:
        for place in range(count):
            work(place)
        return
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, _ in enumerate(pool.map(work, range(count)), start=1):
            if progress is not None and (done % _STEP == 0 or done == count):
                progress(done, count)
