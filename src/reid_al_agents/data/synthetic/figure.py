"""A whole person: parts drawn from far to near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL.ImageDraw import ImageDraw

from .brush import area, disc, limb, shade
from .carried import carried_nearness, draw_carried, draw_straps
from .clothes import draw_skirt, draw_top
from .person import Appearance
from .pose import SHOULDER, Gait, arm_joints, leg_joints
from .view import View

_FAR = 0.78  # the leg and the arm behind the body lie in its shadow
_HEAD = 0.925  # height of the head's centre


def draw_person(draw: ImageDraw, view: View, person: Appearance, gait: Gait) -> None:
    """Draw a person.

    Args:
        draw: The canvas.
        view: How the camera sees the person.
        person: The person.
        gait: The moment of walking.
    """
    figure = _Figure(draw, view, person, gait)
    parts: list[tuple[float, Callable[[], None]]] = [(0.0, figure.body)]
    parts += [(view.towards(0.1 * side, 0.0), partial(figure.arm, side)) for side in (-1, 1)]
    if person.carried != "nothing":
        parts.append((carried_nearness(view, person), partial(draw_carried, draw, view, person)))
    for _, draw_part in sorted(parts, key=lambda part: part[0]):
        draw_part()


@dataclass(frozen=True)
class _Figure:
    """One person on the canvas."""

    draw: ImageDraw
    view: View
    person: Appearance
    gait: Gait

    def body(self) -> None:
        """Draw all but arms and bag."""
        for side in (-1, 1) if self.view.towards(1.0, 0.0) >= 0.0 else (1, -1):
            self.leg(side)
        if self.person.legwear == "skirt":
            draw_skirt(self.draw, self.view, self.person, 0.03 * self.gait.stride)
        draw_top(self.draw, self.view, self.person)
        draw_straps(self.draw, self.view, self.person)
        self.head()

    def leg(self, side: int) -> None:
        """Draw the left (+1) or the right (-1) leg with its shoe."""
        person, view = self.person, self.view
        light = _FAR if view.towards(side, 0.0) < 0.0 else 1.0
        hip, knee, ankle = leg_joints(self.gait, side, person.girth)
        thick = 0.052 * person.girth * view.scale * view.stretch
        upper = shade(person.skin if person.legwear == "skirt" else person.bottom, light)
        lower = shade(person.bottom if person.legwear == "trousers" else person.skin, light)
        limb(self.draw, view.point(*hip), view.point(*knee), (thick * 1.15, thick * 0.8), upper)
        limb(self.draw, view.point(*knee), view.point(*ankle), (thick * 0.8, thick * 0.62), lower)
        heel = view.point(ankle[0], ankle[1] - 0.015, ankle[2] - 0.015)
        toe = view.point(ankle[0], ankle[1] + 0.065, ankle[2] - 0.02)
        limb(self.draw, heel, toe, (thick * 0.6, thick * 0.5), shade(person.shoes, light))

    def arm(self, side: int) -> None:
        """Draw the left (+1) or the right (-1) arm with its hand."""
        person, view = self.person, self.view
        light = _FAR if view.towards(side, 0.0) < 0.0 else 0.92
        start, middle, end = (view.point(*joint) for joint in arm_joints(self.gait, side, person.girth))
        thick = 0.033 * person.girth * view.scale * view.stretch
        sleeve, skin = shade(person.top, light), shade(person.skin, light)
        disc(self.draw, start, thick * 1.15, thick * 1.15, sleeve)
        limb(self.draw, start, middle, (thick * 1.15, thick * 0.9), sleeve)
        limb(self.draw, middle, end, (thick * 0.9, thick * 0.75), sleeve if person.sleeves else skin)
        disc(self.draw, end, thick * 0.8, thick * 0.8, skin)

    def head(self) -> None:
        """Draw neck, hair or headwear, and the face unless it looks away."""
        person, view = self.person, self.view
        across, down = 0.047 * view.scale * view.stretch, 0.064 * view.scale
        neck, crown = view.place(0.0, SHOULDER + 0.02), view.place(0.0, _HEAD)
        limb(self.draw, neck, crown, (across * 0.6, across * 0.5), person.skin)
        if person.haircut == "long":
            self.long_hair()
        covering = {"cap": person.headwear, "hood": person.top}.get(person.haircut, person.hair)
        disc(self.draw, crown, across * 1.1, down * 1.08, covering)
        if view.cosine > -0.35:
            self.face(across, down)

    def face(self, across: float, down: float) -> None:
        """Draw the face; ``across`` and ``down`` are the head's half-axes, pixels."""
        column, row = self.view.point(0.0, 0.016, _HEAD - 0.012)
        breadth, shift = 0.9 * across, 0.0
        if self.view.cosine <= 0.5:  # in profile, hair covers the back of the head
            breadth, shift = 0.68 * across, 0.35 * across * (1.0 if self.view.sine > 0.0 else -1.0)
        disc(self.draw, (column + shift, row + 0.12 * down), breadth, down * 0.8, self.person.skin)

    def long_hair(self) -> None:
        """Draw hair that falls on the shoulders."""
        from_behind = self.view.cosine < 0.4
        back, breadth = self.view.across(0.0, -0.03), 0.05 if from_behind else 0.058
        low = SHOULDER - 0.05 if from_behind else SHOULDER + 0.01
        corners = ((-breadth, 0.93), (breadth, 0.93), (breadth, low), (-breadth, low))
        area(self.draw, [self.view.place(back + across, z) for across, z in corners], self.person.hair)
