"""What is worn on the trunk, and what is printed on it."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

from PIL.ImageDraw import ImageDraw

from .brush import area, disc, shade
from .person import Appearance
from .pose import HIP, SHOULDER
from .trunk import NECK, Trunk, half_width
from .view import View


def draw_top(draw: ImageDraw, view: View, person: Appearance) -> None:
    """Draw the top with its pattern and the shaded side of the trunk.

    Args:
        draw: The canvas.
        view: How the camera sees the person.
        person: The person.
    """
    trunk = Trunk(draw, view, person.girth)
    hem = HIP - 0.02 - person.coat
    trunk.ring((hem, NECK), person.top)
    _PATTERNS[person.pattern](trunk, person, hem)
    if person.jacket:
        trunk.panel((-0.42, 0.42), (hem, SHOULDER + 0.02), person.accent)
    shaded = (0.75, 1.0) if view.sine >= 0.0 else (-1.0, -0.75)
    trunk.strip(shaded, (hem, SHOULDER), shade(person.top, 0.72))


def draw_skirt(draw: ImageDraw, view: View, person: Appearance, swing: float) -> None:
    """Draw a skirt that widens to its hem.

    Args:
        draw: The canvas.
        view: How the camera sees the person.
        person: The person.
        swing: How far its hem moves forward, body heights.
    """
    upper = half_width(view, person.girth, HIP + 0.03)
    lower = half_width(view, person.girth, HIP) + 0.035
    drift = view.across(0.0, swing)
    corners = ((-upper, HIP + 0.03), (upper, HIP + 0.03), (lower + drift, 0.29), (-lower + drift, 0.29))
    area(draw, [view.place(across, z) for across, z in corners], person.bottom)


def _plain(trunk: Trunk, person: Appearance, hem: float) -> None:
    """Print nothing."""


def _bands(trunk: Trunk, person: Appearance, hem: float) -> None:
    step = (SHOULDER - hem) / (2 * person.repeats)
    for band in range(person.repeats):
        low = hem + (2 * band + 1) * step
        trunk.ring((low, low + step), person.accent)


def _stripes(trunk: Trunk, person: Appearance, hem: float) -> None:
    count = 2 * person.repeats
    for stripe in range(count):
        angle = 2 * pi * stripe / count
        trunk.panel((angle, angle + pi / count), (hem, SHOULDER), person.accent)


def _checks(trunk: Trunk, person: Appearance, hem: float) -> None:
    step = (SHOULDER - hem) / person.repeats
    for band in range(person.repeats):
        low = hem + (band + 0.35) * step
        trunk.ring((low, low + 0.3 * step), person.accent)
    _stripes(trunk, person, hem)


def _block(trunk: Trunk, person: Appearance, hem: float) -> None:
    trunk.ring((hem + (SHOULDER - hem) * (0.2 + 0.1 * person.repeats), NECK), person.accent)


def _logo(trunk: Trunk, person: Appearance, hem: float) -> None:
    if trunk.facing(0.0, 0.7) > 0.0:
        radius = 0.045 * trunk.view.scale
        disc(trunk.draw, trunk.spot(0.0, 0.7), radius * max(trunk.view.cosine, 0.25), radius, person.accent)


_PATTERNS: dict[str, Callable[[Trunk, Appearance, float], None]] = {
    "plain": _plain,
    "bands": _bands,
    "stripes": _stripes,
    "checks": _checks,
    "block": _block,
    "logo": _logo,
}
