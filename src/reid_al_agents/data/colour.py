"""Any picture as a person sees it: upright, opaque, 8 bits a channel, in sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

BACKGROUND = (255, 255, 255)
"""Colour that transparent pictures are laid on: white, as browsers do."""

_PROFILES = 64
_TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


def to_rgb(image: Image.Image) -> Image.Image:
    """Turn a picture into 8-bit RGB as browsers show it.

    Its EXIF orientation is applied, transparency is laid on :data:`BACKGROUND`, an embedded colour profile is
    converted to sRGB, and greys of more than 8 bits are scaled by their range (:func:`scale_greys`).

    Args:
        image: An opened picture; of an animated one its present frame. It may be changed.

    Returns:
        An image of mode RGB.

    Raises:
        OSError: The file is cut short; Pillow also raises SyntaxError and ValueError on damage.
    """
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "RGB" and "icc_profile" not in image.info and "transparency" not in image.info:
        return image
    if image.mode in _DEEP:
        return Image.fromarray(scale_greys(np.asarray(image))).convert("RGB")
    profile = image.info.get("icc_profile")
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        return _opaque(image.convert("RGBA"), profile)
    if image.mode not in ("RGB", "CMYK", "L"):
        image = image.convert("RGB")
    return _in_srgb(image, profile).convert("RGB")


def scale_greys(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale greys of more than 8 bits by their range.

    Whole numbers from 0 to 65,535 are divided by 257, as browsers do with 16-bit PNG. Other whole numbers are
    spread from their least to their greatest. Fractions are taken as shares of white where all lie in
    [0, 1], and are spread from their least to their greatest otherwise; NaN and infinities are black.

    Args:
        values: (H, W) whole or fractional numbers.

    Returns:
        (H, W) uint8.
    """
    finite = np.isfinite(values)
    numbers = values.astype(np.float64)
    low, high = (float(numbers[finite].min()), float(numbers[finite].max())) if finite.any() else (0.0, 0.0)
    top = 65_535.0 if values.dtype.kind in "iu" else 1.0
    if low >= 0 and high <= top:
        low, high = 0.0, top
    shares = (np.where(finite, numbers, low) - low) / (high - low or 1.0)
    scaled: NDArray[np.uint8] = np.rint(255 * np.clip(shares, 0, 1)).astype(np.uint8)
    return scaled


def _opaque(image: Image.Image, profile: bytes | None) -> Image.Image:
    colours = _in_srgb(image.convert("RGB"), profile)
    canvas = Image.new("RGB", image.size, BACKGROUND)
    canvas.paste(colours, mask=image.getchannel("A"))
    return canvas


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to sRGB; a profile that is damaged or of other channels is passed over, as browsers do."""
    if not profile:
        return image
    transform = _transform(profile, image.mode)
    if transform is None:
        return image
    converted = transform.apply(image)
    assert isinstance(converted, Image.Image)
    return converted


@lru_cache(_PROFILES)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(opened).lower():
            return None
        return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
