"""Bags: drawn where they hang, so that a backpack is hidden from the front."""

from __future__ import annotations

from PIL.ImageDraw import ImageDraw

from .brush import area, limb, shade
from .person import Appearance
from .pose import HIP, SHOULDER
from .trunk import half_width
from .view import Point, View

_METAL = (70, 70, 74)


def carried_nearness(view: View, person: Appearance) -> float:
    """Find how much nearer to the camera than the body the carried thing is.

    Args:
        view: How the camera sees the person.
        person: The person, carrying something.

    Returns:
        Body heights, more than the arm's on the same side.
    """
    x, y = _PLACES[person.carried]
    return view.towards(x * _side(person), y)


def draw_carried(draw: ImageDraw, view: View, person: Appearance) -> None:
    """Draw the bag, without the straps that lie on the trunk.

    Args:
        draw: The canvas.
        view: How the camera sees the person.
        person: The person, carrying something.
    """
    _BAGS[person.carried](draw, view, person)


def draw_straps(draw: ImageDraw, view: View, person: Appearance) -> None:
    """Draw the straps of a backpack (in front only) or of a sling; nothing for other bags.

    Args:
        draw: The canvas.
        view: How the camera sees the person.
        person: The person.
    """
    thin = 0.013 * view.scale
    if person.carried == "backpack" and view.cosine > 0.0:
        for side in (-1, 1):
            top, low = view.point(0.055 * side, 0.06, SHOULDER + 0.02), view.point(0.075 * side, 0.05, 0.62)
            limb(draw, top, low, (thin, thin), person.bag)
    elif person.carried == "sling":
        breadth = half_width(view, person.girth, 0.6) * _side(person) * (1.0 if view.cosine > 0.0 else -1.0)
        top, low = view.place(-0.7 * breadth, SHOULDER + 0.02), view.place(breadth, HIP + 0.04)
        limb(draw, top, low, (1.2 * thin, 1.2 * thin), person.bag)


def _backpack(draw: ImageDraw, view: View, person: Appearance) -> None:
    area(draw, _box(view, (0.0, -0.095, 0.685), (0.078, 0.042, 0.115)), person.bag)
    area(draw, _box(view, (0.0, -0.125, 0.63), (0.055, 0.025, 0.045)), shade(person.bag, 0.7))


def _handbag(draw: ImageDraw, view: View, person: Appearance) -> None:
    side, thin = _side(person), 0.009 * view.scale
    x = 0.145 * person.girth * side
    limb(draw, view.point(0.1 * side, 0.0, SHOULDER), view.point(x, 0.0, 0.5), (thin, thin), person.bag)
    area(draw, _box(view, (x, 0.0, 0.445), (0.028, 0.075, 0.06)), person.bag)


def _sling(draw: ImageDraw, view: View, person: Appearance) -> None:
    area(draw, _box(view, (0.11 * person.girth * _side(person), 0.0, HIP), (0.03, 0.06, 0.045)), person.bag)


def _suitcase(draw: ImageDraw, view: View, person: Appearance) -> None:
    side, thin = _side(person), 0.008 * view.scale
    x = 0.15 * side
    limb(draw, view.point(0.13 * side, -0.05, 0.47), view.point(x, -0.14, 0.3), (thin, thin), _METAL)
    area(draw, _box(view, (x, -0.16, 0.16), (0.08, 0.045, 0.15)), person.bag)
    area(draw, _box(view, (x, -0.16, 0.16), (0.08, 0.045, 0.02)), shade(person.bag, 0.65))


_BAGS = {"backpack": _backpack, "handbag": _handbag, "sling": _sling, "suitcase": _suitcase}
_PLACES = {"backpack": (0.0, -0.09), "handbag": (0.19, 0.0), "sling": (0.15, 0.0), "suitcase": (0.2, -0.16)}


def _side(person: Appearance) -> float:
    return 1.0 if person.left_handed else -1.0


def _box(view: View, at: tuple[float, float, float], half: tuple[float, float, float]) -> list[Point]:
    """Outline of an upright box, given its centre and half-sizes in body coordinates."""
    x, y, z = at
    reach = abs(half[0] * view.cosine) + abs(half[1] * view.sine)
    across, towards = view.across(x, y), view.towards(x, y)
    corners = ((-reach, half[2]), (reach, half[2]), (reach, -half[2]), (-reach, -half[2]))
    return [view.place(across + right, z + up, towards) for right, up in corners]
