"""The pool's images as a browser takes them, by number and never by path."""

from __future__ import annotations

import io
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.datasets import ImageSet
from reid_al_env import InputError

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
        self.size = lru_cache(_REMEMBERED)(self._size)
        self.taken = lru_cache(_REMEMBERED)(self._taken)

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

    def _size(self, image: int) -> tuple[int, int]:
        """Width and height, pixels."""
        from PIL import Image

        path = self._path(image)
        if path is None:
            return self._memory_size[1], self._memory_size[0]
        try:
            with Image.open(path) as opened:
                return opened.size
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be shown ({error}); restore the file") from error

    def _taken(self, image: int) -> str | None:
        """When an image was taken, as ISO 8601 without a zone, where its EXIF tells; else ``None``."""
        from PIL import ExifTags, Image

        path = self._path(image)
        if path is None:
            return None
        try:
            with Image.open(path) as opened:
                exif = opened.getexif()
                told = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal) or exif.get(
                    ExifTags.Base.DateTime
                )
            return datetime.strptime(str(told), "%Y:%m:%d %H:%M:%S").isoformat()
        except (OSError, ValueError, SyntaxError):
            return None  # no time, or one that no clock shows

    def _path(self, image: int) -> Path | None:
        return None if self.images.paths is None else Path(str(self.images.paths[image]))
