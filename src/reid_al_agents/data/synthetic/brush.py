"""Primitive shapes on a Pillow canvas."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from PIL.ImageDraw import ImageDraw

from .person import Colour
from .view import Point


def shade(colour: Colour, factor: float) -> Colour:
    """Darken (factor below 1) or lighten a colour."""
    red, green, blue = colour
    return min(int(red * factor), 255), min(int(green * factor), 255), min(int(blue * factor), 255)


def disc(draw: ImageDraw, centre: Point, across: float, down: float, colour: Colour) -> None:
    """Fill an ellipse with half-axes ``across`` and ``down``, pixels."""
    x, y = centre
    draw.ellipse((x - across, y - down, x + across, y + down), fill=colour)


def limb(draw: ImageDraw, start: Point, end: Point, widths: tuple[float, float], colour: Colour) -> None:
    """Fill a tapering stick with a round end; ``widths`` are half-widths at start and end, pixels."""
    (x0, y0), (x1, y1) = start, end
    length = hypot(x1 - x0, y1 - y0) or 1.0
    nx, ny = (y0 - y1) / length, (x1 - x0) / length
    w0, w1 = widths
    outline = (
        (x0 + nx * w0, y0 + ny * w0),
        (x1 + nx * w1, y1 + ny * w1),
        (x1 - nx * w1, y1 - ny * w1),
        (x0 - nx * w0, y0 - ny * w0),
    )
    draw.polygon(outline, fill=colour)
    disc(draw, end, w1, w1, colour)


def area(draw: ImageDraw, outline: Sequence[Point], colour: Colour) -> None:
    """Fill a polygon."""
    draw.polygon(outline, fill=colour)
