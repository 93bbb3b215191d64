"""Image files to RGB pixels: the one place where files are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from reid_al_env.errors import InputError
from reid_al_env.image_formats import formats

from .colour import to_rgb

DAMAGE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow raises on damage, by format: SyntaxError for chunks of PNG, for example; or on a file that says
it is so large that its pixels would fill the memory."""

_CHECK_SIZE = (32, 32)
_ORIENTATION = 0x0112  # of EXIF
_REDUCING_GAP = 2.0


class Box(NamedTuple):
    """A part of a photograph, in its upright position.

    Attributes:
        x: Left edge; pixels, or a share of the width where ``relative``.
        y: Top edge; pixels, or a share of the height where ``relative``.
        width: Of the box, in the same unit.
        height: Of the box, in the same unit.
        relative: Whether the numbers are shares of the photograph's sides.
    """

    x: float
    y: float
    width: float
    height: float
    relative: bool = False

    def corners(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in whole pixels within a photograph, at least one pixel each way.

        Args:
            size: (H, W) of the upright photograph.

        Raises:
            InputError: The box lies outside.
        """
        height, width = size
        across, down = (width, height) if self.relative else (1, 1)
        left, right = round(self.x * across), round((self.x + self.width) * across)
        top, bottom = round(self.y * down), round((self.y + self.height) * down)
        left, top = max(left, 0), max(top, 0)
        right, bottom = min(max(right, left + 1), width), min(max(bottom, top + 1), height)
        if left >= right or top >= bottom:
            raise InputError(
                f"box {self.x:g}, {self.y:g}, {self.width:g}, {self.height:g} lies outside the photograph of "
                f"{width} x {height} pixels; correct it"
            )
        return left, top, right, bottom


@lru_cache(1)
def suffixes() -> frozenset[str]:
    """Endings of the names of files that are read, in small letters with the dot."""
    read = formats()
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in read)


def open_image(
    file: str | Path | BinaryIO, box: Box | None = None, longest: int | None = None
) -> Image.Image:
    """Decode an image as a person sees it (see :func:`~.colour.to_rgb`); of animations the first frame.

    Args:
        file: A path, or an open binary file.
        box: The part that is wanted; None is all of it.
        longest: Reduce an image whose longest side has more pixels than this to that many; None leaves all as
            they are. Large JPEG files decode straight to a fraction of their size then.

    Returns:
        An image of mode RGB.

    Raises:
        InputError: The file is missing or does not decode, or the box lies outside.
    """
    try:
        with Image.open(file, formats=formats()) as opened:
            if opened.info.get("default_image"):
                opened.seek(1)  # of an animated PNG: a picture for programs that do not animate
            if longest is not None and box is None:
                opened.draft(None, (longest, longest))
            image = to_rgb(opened)
            image.load()
    except FileNotFoundError:
        raise InputError(
            f"{file}: no such image; it was there when the data was listed, or the table names it wrongly"
        ) from None
    except DAMAGE as error:
        raise InputError(
            f"{file}: not an image that decodes ({_reason(error)}); replace or remove the file"
        ) from error
    if box is not None:
        image = _crop(image, box, file)
    return reduce_image(image, longest)


def reduce_image(image: Image.Image, longest: int | None) -> Image.Image:
    """Reduce an image, in place, so that its longest side has at most ``longest`` pixels; None leaves it."""
    if longest is not None and max(image.size) > longest:
        image.thumbnail((longest, longest), reducing_gap=_REDUCING_GAP)
    return image


def browser_type(file: str | Path | BinaryIO) -> str | None:
    """Whether browsers show a file just as :func:`open_image` decodes it.

    They show films of animations, lay transparency on whatever is behind, and do not turn WebP.

    Args:
        file: A path, or an open binary file.

    Returns:
        The file's media type; None where the image must be encoded again for browsers.

    Raises:
        InputError: The file is missing or is no image.
    """
    with _opened(file) as opened:
        if opened.format in ("JPEG", "MPO"):
            return "image/jpeg"
        if opened.format not in ("PNG", "WEBP", "GIF") or getattr(opened, "is_animated", False):
            return None
        turned = opened.format == "WEBP" and opened.getexif().get(_ORIENTATION, 1) != 1
        return None if turned or opened.has_transparency_data else f"image/{opened.format.lower()}"


def image_size(file: str | Path | BinaryIO, box: Box | None = None) -> tuple[int, int]:
    """Measure an image as :func:`open_image` would give it, from the file's header alone.

    Args:
        file: A path, or an open binary file.
        box: As in :func:`open_image`.

    Returns:
        (H, W) in pixels.

    Raises:
        InputError: The file is missing or is no image, or the box lies outside.
    """
    with _opened(file) as opened:
        width, height = opened.size
        if opened.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
            width, height = height, width
    if box is not None:
        left, top, right, bottom = box.corners((height, width))
        return bottom - top, right - left
    return height, width


@contextmanager
def _opened(file: str | Path | BinaryIO) -> Iterator[Image.Image]:
    """Open a file to look at its header."""
    try:
        with Image.open(file, formats=formats()) as opened:
            yield opened
    except FileNotFoundError:
        raise InputError(f"{file}: no such image; restore the file") from None
    except DAMAGE as error:
        raise InputError(f"{file}: not an image ({_reason(error)}); replace or remove the file") from error


def find_damage(file: str | Path) -> str | None:
    """Read an image file to its end, to see whether it decodes.

    Args:
        file: The path.

    Returns:
        What is wrong with it, in words; None where nothing is.
    """
    try:
        with Image.open(file, formats=formats()) as opened:
            opened.draft("RGB", _CHECK_SIZE)  # JPEG: every byte is read, few pixels are computed
            opened.load()
    except FileNotFoundError:
        return "missing"
    except DAMAGE as error:
        return _reason(error)
    return None


def fit(image: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize bilinearly to (H, W) pixels, unless it has that size; (H, W, 3) uint8."""
    height, width = size
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


def resize_pixels(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize decoded images bilinearly, exactly as :func:`fit` does.

    Args:
        pixels: uint8 RGB of shape (n, h, w, 3).
        size: (H, W) in pixels.

    Returns:
        uint8 RGB of shape (n, H, W, 3); the input itself where the size already fits.
    """
    if pixels.shape[1:3] == size:
        return pixels
    resized = np.empty((len(pixels), *size, 3), dtype=np.uint8)
    for row, image in enumerate(pixels):
        resized[row] = fit(Image.fromarray(image), size)
    return resized


def _crop(image: Image.Image, box: Box, file: object) -> Image.Image:
    try:
        return image.crop(box.corners((image.height, image.width)))
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _reason(error: Exception) -> str:
    """Say in one line why a file does not decode; Pillow's words for unknown content name the file again."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is of no image format that is read"
    return " ".join(str(error).split()) or type(error).__name__
