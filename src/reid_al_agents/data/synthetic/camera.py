"""A camera: its place, and what it makes of the light that reaches it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .domain import CameraRanges, Range
from .person import Colour
from .scene import draw_scene

_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_ROWS = 64  # blur is given in pixels of images with this many rows


@dataclass(frozen=True)
class Camera:
    """One camera; for the ranges' meaning see :class:`~.domain.CameraRanges`.

    Attributes:
        gains: (3,) float32 factors of red, green and blue.
        saturation: 1 leaves colours as they are.
        gamma: Exponent on intensities.
        contrast: Factor about mid-grey.
        brightness: Offset, shares of full intensity.
        blur: Standard deviation of the blur, pixels at 64 rows.
        noise: Standard deviation of the noise, shares of full intensity.
        light: Relative change of intensity from the image's left to its right edge.
        tilt: How far it looks down.
        perspective: How much broader the head's end is than the feet's.
        shear: How far it is from level.
        stretch: Breadth relative to true proportions.
        heading: Yaw of most walking people, radians, towards or away from the camera.
        pillar: Colour of objects that occlude people.
        scene: (h, w, 3) uint8 empty background, wider than an image.
    """

    gains: NDArray[np.float32]
    saturation: float
    gamma: float
    contrast: float
    brightness: float
    blur: float
    noise: float
    light: float
    tilt: float
    perspective: float
    shear: float
    stretch: float
    heading: float
    pillar: Colour
    scene: NDArray[np.uint8]


def sample_camera(look: CameraRanges, canvas: tuple[int, int], rng: np.random.Generator) -> Camera:
    """Set up a camera.

    Args:
        look: Between which values to choose.
        canvas: (H, W) on which images are drawn before they are reduced, pixels.
        rng: Source of randomness.

    Returns:
        The camera.
    """

    def pick(span: Range) -> float:
        return float(rng.uniform(*span))

    warmth, tint, tilt = pick(look.warmth), pick(look.tint), pick(look.tilt)
    grey = int(rng.integers(40, 200))
    return Camera(
        gains=np.exp(np.array([warmth, tint, -warmth], dtype=np.float32)),
        saturation=pick(look.saturation),
        gamma=pick(look.gamma),
        contrast=pick(look.contrast),
        brightness=pick(look.brightness),
        blur=pick(look.blur),
        noise=pick(look.noise),
        light=pick((-0.4, 0.4)),
        tilt=tilt,
        perspective=0.45 * tilt,
        shear=pick(look.shear),
        stretch=pick(look.stretch),
        heading=pick((0.0, float(np.pi))),
        pillar=(grey, grey, int(0.9 * grey)),
        scene=draw_scene(pick(look.wall), tilt, canvas, rng),
    )


def expose(camera: Camera, drawn: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn drawings into what the camera records.

    In this order: light falling from one side, white balance, saturation, exposure that varies from image to
    image, gamma, contrast, blur, noise.

    Args:
        camera: The camera.
        drawn: uint8 RGB of shape (n, H, W, 3).
        rng: Source of the noise and of the exposures.

    Returns:
        uint8 RGB of shape (n, H, W, 3).
    """
    count, height, width, _ = drawn.shape
    pixels = drawn.astype(np.float32) / 255.0
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[:, None]
    exposures = np.exp(rng.normal(0.0, 0.12, size=(count, 1, 1, 1))).astype(np.float32)
    pixels *= (1.0 + camera.light * across) * camera.gains * exposures
    grey = (pixels @ _LUMINANCE)[..., None]
    pixels = grey + camera.saturation * (pixels - grey)
    pixels = np.power(np.clip(pixels, 0.0, 1.0), np.float32(camera.gamma), dtype=np.float32)
    pixels = camera.contrast * (pixels - 0.5) + (0.5 + camera.brightness)
    pixels = _blur(pixels, camera.blur * height / _ROWS)
    pixels += camera.noise * rng.standard_normal(pixels.shape, dtype=np.float32)
    return (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _blur(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur along rows and columns, edges repeated."""
    radius = max(1, int(np.ceil(2.5 * sigma)))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / max(sigma, 1e-3)) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (radius, radius)
        padded = np.pad(pixels, pad, mode="edge")
        length = pixels.shape[axis]
        shifted = (
            weight * np.take(padded, range(start, start + length), axis=axis)
            for start, weight in enumerate(kernel)
        )
        pixels = sum(shifted, np.zeros_like(pixels))
    return pixels
