"""Encode the pool's images for browsers and terminals; images are requested by index, never by path."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.picture_cache import PictureCache
from reid_al_agents.data import ImageSet
from reid_al_agents.data.decoding import DAMAGE
from reid_al_env import InputError
from reid_al_env.image_formats import formats

if TYPE_CHECKING:
    from PIL.Image import Exif, Image

Reduction: TypeAlias = Literal["small", "large"]

LONGEST_SIDE: dict[Reduction, int] = {"small": 320, "large": 1600}
"""Pixels of a picture's longest side: ``small`` in lists and strips, ``large`` in a question."""

_SHOWN_BY_BROWSERS = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
_QUALITY = 85
_GROUND = (128, 128, 128)  # behind transparent pictures
_REMEMBERED = 100_000
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height


class Pictures:
    """Encoded images of a set, in their own size or reduced.

    Args:
        images: The images.
        size: Height and width in pixels of images that exist only in memory.
        cache: Folder in which reduced pictures are cached; ``None`` for no cache.

    Attributes:
        images: The images.
    """

    def __init__(self, images: ImageSet, size: tuple[int, int], cache: Path | None = None) -> None:
        self.images, self._memory_size = images, size
        self._cache = None if cache is None else PictureCache(cache)
        self._header = lru_cache(_REMEMBERED)(self._read_header)
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    def __len__(self) -> int:
        return len(self.images)

    def encoded(self, image: int, reduction: Reduction | None = None) -> tuple[bytes, str]:
        """Bytes and media type of an image.

        Args:
            image: Its index.
            reduction: Size to reduce larger images to; ``None`` for the original size.

        Raises:
            InputError: If the file is missing or is not an image.
        """
        path = self._path(image)
        if path is None:
            return self._from_memory(image)
        try:
            if reduction is not None and self.is_reduced(image, reduction):
                return self._reduced(path, reduction), "image/jpeg"
            return _browser_readable(path)
        except DAMAGE as error:
            raise InputError(f"{path}: cannot be shown ({error}); restore the file") from error

    def prepare(self, images: Iterable[int], reduction: Reduction) -> list[Future[None]]:
        """Reduce pictures in the background before they are requested.

        Returns:
            One future for each picture that needs reduction; done at once if the picture is cached.
        """
        if self._cache is None:
            return []
        large = [image for image in images if self.is_reduced(image, reduction)]
        return [self._ahead.submit(self._prepare, image, reduction) for image in large]

    def is_reduced(self, image: int, reduction: Reduction) -> bool:
        """Whether an image is larger than the reduction allows."""
        return self._path(image) is not None and max(self.size(image)) > LONGEST_SIDE[reduction]

    def thumbnail(self, image: int, width: int) -> NDArray[np.uint8]:
        """An image for terminals: uint8 (H, W, 3) with W = ``width`` and even H."""
        wide, high = self.size(image)
        height = max(2, 2 * round(high * width / wide / 2))
        pixels: NDArray[np.uint8] = self.images.read([image], (height, width))[0]
        return pixels

    def size(self, image: int) -> tuple[int, int]:
        """Width and height in pixels, as shown (turned as EXIF says).

        Raises:
            InputError: If the file is missing or is not an image.
        """
        return self._header(image)[0]

    def taken(self, image: int) -> str | None:
        """Time of exposure by EXIF, as ISO 8601 without a zone; ``None`` if unknown.

        Raises:
            InputError: If the file is missing or is not an image.
        """
        return self._header(image)[1]

    def close(self) -> None:
        """Stop preparing pictures."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, image: int, reduction: Reduction) -> None:
        path = self._path(image)
        assert path is not None  # images in memory are never reduced
        try:
            if self._cache is not None and not self._cache.has(_cache_name(path, reduction)):
                self._reduced(path, reduction)
        except DAMAGE:  # reported when the picture is requested
            return

    def _reduced(self, path: Path, reduction: Reduction) -> bytes:
        name = _cache_name(path, reduction)
        content = None if self._cache is None else self._cache.get(name)
        if content is None:
            content = _reduce(path, LONGEST_SIDE[reduction])
            if self._cache is not None:
                self._cache.put(name, content)
        return content

    def _from_memory(self, image: int) -> tuple[bytes, str]:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(self.images.read([image], self._memory_size)[0]).save(buffer, "PNG")
        return buffer.getvalue(), "image/png"

    def _read_header(self, image: int) -> tuple[tuple[int, int], str | None]:
        from PIL import ExifTags, Image

        path = self._path(image)
        if path is None:
            return (self._memory_size[1], self._memory_size[0]), None
        try:
            with Image.open(path, formats=formats()) as opened:
                width, height = opened.size
                exif = _exif(opened)
                turned = exif is not None and exif.get(ExifTags.Base.Orientation) in _TURNED
                return (height, width) if turned else (width, height), _time_taken(exif)
        except DAMAGE as error:
            raise InputError(f"{path}: cannot be shown ({error}); restore the file") from error

    def _path(self, image: int) -> Path | None:
        return None if self.images.paths is None else Path(str(self.images.paths[image]))


def _browser_readable(path: Path) -> tuple[bytes, str]:
    """The file unchanged, or converted to PNG if browsers cannot show its format."""
    from PIL import Image, ImageOps

    content = path.read_bytes()
    with Image.open(io.BytesIO(content), formats=formats()) as opened:
        if opened.format in _SHOWN_BY_BROWSERS:
            return content, _SHOWN_BY_BROWSERS[opened.format]
        buffer = io.BytesIO()
        ImageOps.exif_transpose(opened).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue(), "image/png"


def _reduce(path: Path, longest: int) -> bytes:
    """A file as JPEG whose longest side is at most ``longest`` pixels."""
    from PIL import Image, ImageOps

    with Image.open(path, formats=formats()) as opened:
        opened.thumbnail(
            (longest, longest), reducing_gap=2.0
        )  # JPEG decodes straight to a fraction of its size
        picture = ImageOps.exif_transpose(opened)
        if picture.has_transparency_data:
            ground = Image.new("RGBA", picture.size, _GROUND)
            picture = Image.alpha_composite(ground, picture.convert("RGBA"))
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _cache_name(path: Path, reduction: Reduction) -> str:
    """Name of a reduced picture in the cache; a changed image file gets another name."""
    status = path.stat()
    version = f"{path}\0{status.st_mtime_ns}\0{status.st_size}\0{LONGEST_SIDE[reduction]}"
    return hashlib.sha256(version.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".jpg"


def _exif(picture: Image) -> Exif | None:
    try:
        return picture.getexif()
    except (ValueError, SyntaxError):
        return None  # broken EXIF is a SyntaxError


def _time_taken(exif: Exif | None) -> str | None:
    """EXIF's time of exposure, else EXIF's time of change, as ISO 8601; ``None`` if it is no valid time."""
    from PIL import ExifTags

    if exif is None:
        return None
    try:
        exposed = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal)
        written = exposed or exif.get(ExifTags.Base.DateTime)
        return datetime.strptime(str(written), "%Y:%m:%d %H:%M:%S").isoformat()
    except (ValueError, SyntaxError):
        return None  # cameras without a clock write zeros
