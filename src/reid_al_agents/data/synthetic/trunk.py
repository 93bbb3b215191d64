"""The trunk's surface: an elliptic cylinder that can be coloured in parts."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, sin, sqrt

from PIL.ImageDraw import ImageDraw

from .brush import area
from .person import Colour
from .pose import HIP, SHOULDER
from .view import Point, View

Span = tuple[float, float]

NECK = SHOULDER + 0.035
_SHOULDERS, _HIPS, _DEPTH = 0.112, 0.085, 0.062  # half-axes of the cross-section
_SLOPE = 0.45  # share of the breadth lost from the shoulders up to the neck


def half_width(view: View, girth: float, z: float) -> float:
    """Half of the trunk's breadth as the camera sees it.

    Args:
        view: How the camera sees the person.
        girth: Breadth relative to the mean.
        z: Height above the ground, body heights.

    Returns:
        Half-width of the ellipse's projection, body heights.
    """
    lateral, depth = _axes(girth, z)
    return sqrt((lateral * view.cosine) ** 2 + (depth * view.sine) ** 2)


@dataclass(frozen=True)
class Trunk:
    """A person's trunk on a canvas.

    Attributes:
        draw: The canvas.
        view: How the camera sees the person.
        girth: Breadth relative to the mean.
    """

    draw: ImageDraw
    view: View
    girth: float

    def ring(self, span: Span, colour: Colour) -> None:
        """Colour it all around between two heights."""
        self.strip((-1.0, 1.0), span, colour)

    def strip(self, shares: Span, span: Span, colour: Colour) -> None:
        """Colour what lies between two shares of its picture's half-width (-1 left edge, 1 right edge)."""
        heights = [span[0], *(z for z in (HIP, SHOULDER) if span[0] < z < span[1]), span[1]]
        widths = [half_width(self.view, self.girth, z) for z in heights]
        edges = [
            [self.view.place(share * width, z) for width, z in zip(widths, heights, strict=True)]
            for share in shares
        ]
        area(self.draw, [*edges[1], *reversed(edges[0])], colour)

    def panel(self, angles: Span, span: Span, colour: Colour) -> None:
        """Colour a part of the surface between two angles (0 in front), where it faces the camera."""
        if self.facing(sum(angles) / 2, sum(span) / 2) <= 0.0:
            return
        corners = ((angles[0], span[0]), (angles[1], span[0]), (angles[1], span[1]), (angles[0], span[1]))
        area(self.draw, [self.spot(angle, z) for angle, z in corners], colour)

    def spot(self, angle: float, z: float) -> Point:
        """Canvas position of the surface at an angle (0 in front) and a height, pixels."""
        lateral, depth = _axes(self.girth, z)
        return self.view.place(self.view.across(lateral * sin(angle), depth * cos(angle)), z)

    def facing(self, angle: float, z: float) -> float:
        """Component towards the camera of the surface's normal (not of unit length)."""
        lateral, depth = _axes(self.girth, z)
        return self.view.towards(sin(angle) / lateral, cos(angle) / depth)


def _axes(girth: float, z: float) -> tuple[float, float]:
    """Half-axes of the cross-section, to the side and to the front, body heights."""
    share = min(max((z - HIP) / (SHOULDER - HIP), 0.0), 1.0)
    slope = 1.0 - _SLOPE * max(0.0, (z - SHOULDER) / (NECK - SHOULDER))
    return girth * (_HIPS + share * (_SHOULDERS - _HIPS)) * slope, girth * _DEPTH
