"""Image files to RGB pixels, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reid_al_env.errors import InputError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm"})

_THREADS = 4  # Pillow decodes outside the interpreter lock; more threads than this only wait for memory
_WORTH_THREADS = 8


def list_images(folder: Path) -> list[Path]:
    """List the image files that lie directly in a folder.

    Args:
        folder: An existing folder.

    Returns:
        Paths sorted by name; files that are no images (``Thumbs.db``) and hidden files are left out.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def read_images(paths: Sequence[str], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode image files.

    Args:
        paths: Files, n of them.
        size: (H, W) in pixels; an image of another size is resized bilinearly, one of this size is not.

    Returns:
        uint8 RGB of shape (n, H, W, 3).

    Raises:
        InputError: A file is missing or does not decode.
    """
    pixels = np.empty((len(paths), *size, 3), dtype=np.uint8)

    def fill(row: int) -> None:
        pixels[row] = _read_image(paths[row], size)

    if len(paths) < _WORTH_THREADS:
        for row in range(len(paths)):
            fill(row)
        return pixels
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fill, range(len(paths))))
    return pixels


def resize_pixels(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize decoded images bilinearly, exactly as :func:`read_images` does.

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
        resized[row] = np.asarray(_fit(Image.fromarray(image), size))
    return resized


def _read_image(path: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return np.asarray(_fit(image.convert("RGB"), size))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such image; it was there when the data was listed, or the table names it wrongly"
        ) from None
    # Pillow reports damage as OSError, SyntaxError (PNG chunks), ValueError or a bomb error, by format.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: not an image that decodes ({reason}); replace or remove the file"
        ) from error


def _fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    height, width = size
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR)
