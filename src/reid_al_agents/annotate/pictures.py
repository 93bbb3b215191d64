"""Encode the pool's images for browsers and terminals; images are requested by index, never by path."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.picture_cache import PictureCache
from reid_al_agents.data import ImageSet
from reid_al_agents.data.decoding import DAMAGE, browser_type
from reid_al_agents.data.exif import read_exposure
from reid_al_env import InputError
from reid_al_env.messages import Message

if TYPE_CHECKING:
    from PIL.Image import Image

Reduction: TypeAlias = Literal["small", "large"]

LONGEST_SIDE: dict[Reduction, int] = {"small": 320, "large": 1600}
"""Pixels of a picture's longest side: ``small`` in lists and strips, ``large`` in a question."""

_QUALITY = 85
_REMEMBERED = 100_000


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
        self._cache_folder = cache
        self._cache = None if cache is None else PictureCache(cache)
        self._header = lru_cache(_REMEMBERED)(self._read_header)
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="pictures")

    def __len__(self) -> int:
        return len(self.images)

    def encoded(self, image: int, reduction: Reduction | None = None) -> tuple[bytes, str]:
        """Bytes and media type of an image, which show just what the model sees.

        Args:
            image: Its index.
            reduction: Size to reduce larger images to; ``None`` for the original size.

        Raises:
            InputError: If the file is missing or is not an image.
        """
        if self.images.memory_size is not None:
            return self._from_memory(image)
        if reduction is not None and self.is_reduced(image, reduction):
            return self._reduced(image, reduction), "image/jpeg"
        file = self._whole_file(image)
        kind = None if file is None else browser_type(file)
        if file is None or kind is None:
            return _encode(self.images.open(image), "PNG"), "image/png"
        try:
            return Path(file).read_bytes(), kind
        except OSError as error:
            raise InputError(
                Message("{file}: cannot be shown ({reason}); restore the file", file=file, reason=error)
            ) from error

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
        return self.images.memory_size is None and max(self.size(image)) > LONGEST_SIDE[reduction]

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

    @property
    def may_know_times(self) -> bool:
        """Whether images may have a time of exposure: the data give them, or files may."""
        return self.images.times is not None or self.images.files is not None

    def taken(self, image: int) -> str | None:
        """Time of exposure, of the data or by EXIF, as ISO 8601 without a zone; ``None`` if unknown.

        Raises:
            InputError: If the file is missing or is not an image.
        """
        return self._header(image)[1]

    def of(self, images: ImageSet) -> Pictures:
        """Pictures of other images, in the same sizes and the same cache."""
        return Pictures(images, self._memory_size, self._cache_folder)

    def grow(self, images: ImageSet) -> None:
        """Show more images behind those there were."""
        self.images = images

    def close(self) -> None:
        """Stop preparing pictures."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    def _prepare(self, image: int, reduction: Reduction) -> None:
        with suppress(InputError, *DAMAGE):  # reported when the picture is asked for
            name = self._cache_name(image, reduction)
            if self._cache is not None and not (name and self._cache.has(name)):
                self._reduced(image, reduction)

    def _reduced(self, image: int, reduction: Reduction) -> bytes:
        name = self._cache_name(image, reduction)
        content = None if self._cache is None or not name else self._cache.get(name)
        if content is None:
            content = _encode(self.images.open(image, LONGEST_SIDE[reduction]), "JPEG", quality=_QUALITY)
            if self._cache is not None and name:
                self._cache.put(name, content)
        return content

    def _cache_name(self, image: int, reduction: Reduction) -> str:
        """Name of a reduced picture, which changes with the file; empty where there is no file."""
        if self.images.files is None:
            return ""
        path = str(self.images.files[image])
        try:
            status = os.stat(path)
        except OSError as error:
            raise InputError(
                Message(
                    "{file}: cannot be shown ({reason}); restore the file", file=path, reason=error.strerror
                )
            ) from error
        box = None if self.images.boxes is None else self.images.boxes[image]
        version = f"{path}\0{status.st_mtime_ns}\0{status.st_size}\0{LONGEST_SIDE[reduction]}\0{box}"
        return hashlib.sha256(version.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".jpg"

    def _from_memory(self, image: int) -> tuple[bytes, str]:
        from PIL import Image

        pixels = self.images.read([image], self._memory_size)[0]
        return _encode(Image.fromarray(pixels), "PNG"), "image/png"

    def _read_header(self, image: int) -> tuple[tuple[int, int], str | None]:
        if self.images.memory_size is not None:
            return (self._memory_size[1], self._memory_size[0]), None
        height, width = self.images.size(image)
        times = self.images.times
        if times is not None and not np.isnat(times[image]):
            return (width, height), str(times[image])
        if self.images.files is None or self.images.gone[image]:
            return (width, height), None
        taken = read_exposure(str(self.images.files[image])).shown
        return (width, height), None if taken is None else taken.isoformat()

    def _whole_file(self, image: int) -> str | None:
        return None if self.images.paths is None else str(self.images.paths[image]) or None


def _encode(picture: Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
