"""The empty place in front of a camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .brush import shade
from .person import Colour

_WIDTHS = 6  # how many images wide a scene is


def draw_scene(
    intensity: float, tilt: float, canvas: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw a wall with windows, doors and posts above a floor with seams.

    Args:
        intensity: Of the wall, in shares of full intensity.
        tilt: How far the camera looks down; the floor takes more of the image then.
        canvas: (H, W) of one image's drawing, pixels.
        rng: Source of randomness.

    Returns:
        uint8 RGB of shape (1.25·H, 6·W, 3).
    """
    height, width = int(1.25 * canvas[0]), _WIDTHS * canvas[1]
    wall, floor = _paint(intensity, rng), _paint(float(rng.uniform(0.2, 0.75)), rng)
    image = Image.new("RGB", (width, height), wall)
    draw = ImageDraw.Draw(image)
    edge = int(height * (0.72 - 0.5 * tilt))
    for _ in range(int(rng.integers(8, 18))):
        _draw_block(draw, (width, edge), wall, rng)
    draw.rectangle((0, edge, width, height), fill=floor)
    _draw_seams(draw, (width, height), edge, floor, rng)
    fall = np.linspace(0.8, 1.15, height, dtype=np.float32)[:, None, None]  # the floor is better lit
    grain = 1.0 + 0.05 * rng.standard_normal((height, width, 1), dtype=np.float32)
    return np.clip(np.asarray(image) * fall * grain, 0, 255).astype(np.uint8)


def _paint(intensity: float, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(255.0 * intensity * rng.uniform(0.8, 1.2, size=3), 0, 255).astype(int).tolist()
    return red, green, blue


def _draw_block(
    draw: ImageDraw.ImageDraw, room: tuple[int, int], wall: Colour, rng: np.random.Generator
) -> None:
    """Draw a window, a door, a poster or a post."""
    width, edge = room
    left, across = int(rng.integers(0, width)), int(rng.integers(width // 60, width // 8))
    top = int(rng.uniform(0.0, 0.7) * edge)
    bottom = edge if rng.random() < 0.5 else int(rng.uniform(top, edge))
    colour = (
        shade(wall, float(rng.uniform(0.35, 1.5)))
        if rng.random() < 0.65
        else _paint(float(rng.uniform(0.1, 0.8)), rng)
    )
    draw.rectangle((left, top, left + across, bottom), fill=colour)


def _draw_seams(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], edge: int, floor: Colour, rng: np.random.Generator
) -> None:
    width, height = size
    seam = shade(floor, float(rng.uniform(0.6, 1.3)))
    slant, step = float(rng.uniform(-1.5, 1.5)), int(rng.integers(width // 30, width // 10))
    for left in range(-width // 2, width + width // 2, step):
        draw.line((left, edge, left + slant * (height - edge), height), fill=seam, width=1)
    for row in range(edge, height, max(4, int(0.12 * height))):
        draw.line((0, row, width, row), fill=seam, width=1)
