"""The pool's images as a browser takes them, by number and never by path."""

from __future__ import annotations

import io
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_env import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_KINDS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_REMEMBERED = 100_000


class Pictures:
    """Images of a set as encoded files.

    Args:
        images: The images; those that are files are handed out as they are.
        size: Height and width in pixels that images in memory are shown at.

    Attributes:
        images: The images.
    """

    def __init__(self, images: ImageSet, size: tuple[int, int]) -> None:
        self.images, self._memory_size = images, size
        self._header = lru_cache(_REMEMBERED)(self._read_header)

    def __len__(self) -> int:
        return len(self.images)

    def encoded(self, image: int) -> tuple[bytes, str]:
        """An image's bytes and media type.

        Raises:
            InputError: If the file is missing or is no image that browsers show.
        """
        from PIL import Image

        path = self._path(image)
        if path is None:
            buffer = io.BytesIO()
            Image.fromarray(self.images.read([image], self._memory_size)[0]).save(buffer, "PNG")
            return buffer.getvalue(), "image/png"
        try:
            content = path.read_bytes()
            with Image.open(io.BytesIO(content)) as opened:
                kind = opened.format or ""
                if kind not in _KINDS:
                    buffer = io.BytesIO()
                    opened.convert("RGB").save(buffer, "PNG")
                    return buffer.getvalue(), "image/png"
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be shown ({error}); restore the file") from error
        return content, _KINDS[kind]

    def thumbnail(self, image: int, width: int) -> NDArray[np.uint8]:
        """An image (H, W, 3) of that width and an even height, for terminals."""
        wide, high = self.size(image)
        height = max(2, 2 * round(high * width / wide / 2))
        pixels: NDArray[np.uint8] = self.images.read([image], (height, width))[0]
        return pixels

    def size(self, image: int) -> tuple[int, int]:
        """Width and height, pixels.

        Raises:
            InputError: If the file is missing or is no image.
        """
        return self._header(image)[0]

    def taken(self, image: int) -> str | None:
        """When an image was taken, as ISO 8601 without a zone, where its EXIF tells; else ``None``.

        Raises:
            InputError: If the file is missing or is no image.
        """
        return self._header(image)[1]

    def _read_header(self, image: int) -> tuple[tuple[int, int], str | None]:
        from PIL import Image

        path = self._path(image)
        if path is None:
            return (self._memory_size[1], self._memory_size[0]), None
        try:
            with Image.open(path) as opened:
                return opened.size, _time_of(opened)
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be shown ({error}); restore the file") from error

    def _path(self, image: int) -> Path | None:
        return None if self.images.paths is None else Path(str(self.images.paths[image]))


def _time_of(picture: Image) -> str | None:
    """EXIF's time of exposure, or else of the file, if it is a time at all."""
    from PIL import ExifTags

    try:
        exif = picture.getexif()
        exposed = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
        told = exposed or exif.get(ExifTags.Base.DateTime)
        return datetime.strptime(str(told), "%Y:%m:%d %H:%M:%S").isoformat()
    except (ValueError, SyntaxError):
        return None  # cameras without a clock write zeros; broken EXIF is a SyntaxError
