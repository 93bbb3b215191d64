"""Drawing one walk of a person past a camera."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .brush import shade
from .camera import Camera
from .figure import draw_person
from .person import Appearance
from .pose import Gait
from .view import View

OVERSAMPLING = 2  # drawn larger and reduced, which smooths edges

_PASSER_BY = 0.2  # share of images with another person behind
_OTHER_PERSON = 0.4  # share of the occlusions that are people


@dataclass(frozen=True)
class Walk:
    """What the images of one walk have in common.

    Attributes:
        person: The walking person.
        camera: The camera.
        yaw: Direction, radians; 0 is towards the camera.
        stride: Largest angle of the thigh, radians.
        x: How far right of the box's middle, in shares of its width.
        ground: Where in the scene, pixels from its left edge.
    """

    person: Appearance
    camera: Camera
    yaw: float
    stride: float
    x: float
    ground: int


@dataclass(frozen=True)
class Street:
    """What is the same in all images of a data set.

    Attributes:
        people: All people who may appear in an image.
        occlusion: Share of images with something in front of the person.
        canvas: (H, W) of a drawing before it is reduced, pixels.
    """

    people: tuple[Appearance, ...]
    occlusion: float
    canvas: tuple[int, int]


def sample_walk(person: Appearance, camera: Camera, street: Street, rng: np.random.Generator) -> Walk:
    """Have a person walk past a camera.

    Args:
        person: The walking person.
        camera: The camera.
        street: The data set's surroundings.
        rng: Source of randomness.

    Returns:
        The walk.
    """
    return Walk(
        person=person,
        camera=camera,
        yaw=_heading(camera, rng) + float(rng.normal(0.0, 0.5)),
        stride=float(rng.uniform(0.2, 0.5)),
        x=float(rng.normal(0.0, 0.04)),
        ground=int(rng.integers(0, camera.scene.shape[1] - 2 * street.canvas[1])),
    )


def draw_moment(walk: Walk, street: Street, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one image of a walk, as it is before the camera's optics and electronics.

    Args:
        walk: Whose.
        street: The data set's surroundings.
        rng: Source of randomness.

    Returns:
        uint8 RGB of shape (H, W, 3), the canvas's size divided by :data:`OVERSAMPLING`.
    """
    camera, (height, width) = walk.camera, street.canvas
    left = walk.ground + int(rng.integers(0, width))
    top = int(rng.integers(0, camera.scene.shape[0] - height))
    image = Image.fromarray(camera.scene[top : top + height, left : left + width])
    draw = ImageDraw.Draw(image)
    behind, before = rng.random(2).tolist()
    if behind < _PASSER_BY:
        _draw_stranger(draw, walk, street, 0.8, rng)
    _draw_walker(draw, walk, street, rng)
    if before < _OTHER_PERSON * street.occlusion:
        _draw_stranger(draw, walk, street, 1.05, rng)
    elif before < street.occlusion:
        _draw_obstacle(draw, camera, street.canvas, rng)
    return np.asarray(image.reduce(OVERSAMPLING))


def _heading(camera: Camera, rng: np.random.Generator) -> float:
    """Coming or going."""
    return camera.heading + (pi if rng.random() < 0.5 else 0.0)


def _draw_walker(draw: ImageDraw.ImageDraw, walk: Walk, street: Street, rng: np.random.Generator) -> None:
    gait = Gait(phase=float(rng.uniform(0.0, 2 * pi)), stride=walk.stride)
    yaw = walk.yaw + float(rng.normal(0.0, 0.15))
    view = _sample_view(walk.camera, street.canvas, rng, yaw=yaw, x=walk.x, size=walk.person.height)
    _draw_shadow(draw, view, walk.camera)
    draw_person(draw, view, walk.person, gait)


def _draw_stranger(
    draw: ImageDraw.ImageDraw, walk: Walk, street: Street, size: float, rng: np.random.Generator
) -> None:
    """Draw another person at one side, in front or behind by the order of drawing and the size."""
    stranger = street.people[int(rng.integers(len(street.people)))]
    aside = float(rng.uniform(0.3, 0.5)) * (1 if rng.random() < 0.5 else -1)
    yaw = _heading(walk.camera, rng)
    view = _sample_view(walk.camera, street.canvas, rng, yaw=yaw, x=aside, size=size * stranger.height)
    draw_person(draw, view, stranger, Gait(phase=float(rng.uniform(0.0, 2 * pi)), stride=0.35))


def _sample_view(
    camera: Camera, canvas: tuple[int, int], rng: np.random.Generator, *, yaw: float, x: float, size: float
) -> View:
    """Place a person in the box; boxes are cut by a detector that is a little off."""
    height, width = canvas
    growth, right, down = rng.normal(0.0, (0.06, 0.07, 0.03)).tolist()
    return View(
        cosine=cos(yaw),
        sine=sin(yaw),
        scale=0.88 * height * size * (1.0 + growth),
        x=width * (0.5 + x + right) - 0.5 * camera.shear * height,
        y=height * (0.95 + down),
        tilt=0.5 * camera.tilt,
        perspective=camera.perspective,
        shear=camera.shear,
        stretch=camera.stretch,
    )


def _draw_shadow(draw: ImageDraw.ImageDraw, view: View, camera: Camera) -> None:
    across, down = 0.13 * view.scale, 0.02 * view.scale * (1.0 + 2.0 * camera.tilt)
    box = (view.x - across, view.y - down, view.x + across, view.y + down)
    draw.ellipse(box, fill=shade(camera.pillar, 0.35))


def _draw_obstacle(
    draw: ImageDraw.ImageDraw, camera: Camera, canvas: tuple[int, int], rng: np.random.Generator
) -> None:
    """Draw a pillar at one side or something low in front of the legs."""
    height, width = canvas
    if rng.random() < 0.5:
        edge = float(rng.uniform(0.15, 0.4)) * width
        left = 0.0 if rng.random() < 0.5 else width - edge
        draw.rectangle((left, 0, left + edge, height), fill=camera.pillar)
    else:
        draw.rectangle((0, float(rng.uniform(0.62, 0.82)) * height, width, height), fill=camera.pillar)
