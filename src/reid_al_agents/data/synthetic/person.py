"""Appearance of a person, independent of the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Colour = tuple[int, int, int]  # sRGB, 0 to 255
_Choice = TypeVar("_Choice")

# Few colours, most of them dark: as in a street, many people share theirs.
_CLOTHES: tuple[tuple[Colour, float], ...] = (
    ((28, 28, 32), 0.20),  # black
    ((70, 72, 78), 0.12),  # dark grey
    ((36, 44, 84), 0.13),  # navy
    ((222, 222, 218), 0.13),  # white
    ((150, 152, 156), 0.10),  # light grey
    ((158, 42, 46), 0.08),  # red
    ((66, 106, 164), 0.08),  # blue
    ((64, 96, 64), 0.05),  # green
    ((190, 170, 132), 0.05),  # beige
    ((98, 70, 50), 0.03),  # brown
    ((206, 178, 60), 0.02),  # yellow
    ((206, 130, 150), 0.01),  # pink
)
_SKIN: tuple[tuple[Colour, float], ...] = (
    ((226, 184, 156), 0.4),
    ((196, 146, 112), 0.35),
    ((124, 84, 60), 0.25),
)
_HAIR: tuple[tuple[Colour, float], ...] = (
    ((30, 24, 22), 0.55),
    ((84, 56, 38), 0.25),
    ((172, 134, 84), 0.12),
    ((160, 160, 160), 0.08),
)
_PATTERNS = (
    ("plain", 0.4),
    ("bands", 0.14),
    ("stripes", 0.08),
    ("checks", 0.1),
    ("block", 0.13),
    ("logo", 0.15),
)
_LEGWEAR = (("trousers", 0.62), ("shorts", 0.2), ("skirt", 0.18))
_HAIRCUTS = (("short", 0.5), ("long", 0.28), ("cap", 0.14), ("hood", 0.08))
_CARRIED = (("nothing", 0.42), ("backpack", 0.23), ("handbag", 0.13), ("sling", 0.12), ("suitcase", 0.1))


@dataclass(frozen=True)
class Appearance:
    """One identity's body, clothes and things.

    Attributes:
        skin: Colour of face, hands and bare legs.
        hair: Colour of the hair.
        haircut: ``short``, ``long``, ``cap`` or ``hood``.
        headwear: Colour of a cap; a hood has the top's colour.
        top: Colour of the top.
        accent: Second colour of the top: of the pattern, or of the shirt below an open jacket.
        pattern: ``plain``, ``bands``, ``stripes``, ``checks``, ``block`` or ``logo`` (front only).
        repeats: How many bands or stripes.
        jacket: Whether the top is an open jacket that shows the accent colour in front.
        coat: Length of the top below the hips as a share of body height.
        sleeves: Whether they are long.
        legwear: ``trousers``, ``shorts`` or ``skirt``.
        bottom: Colour of the legwear.
        shoes: Colour of the shoes.
        carried: ``nothing``, ``backpack``, ``handbag``, ``sling`` or ``suitcase``.
        bag: Colour of what is carried.
        left_handed: Whether it is carried on the left.
        height: Body height relative to the mean.
        girth: Breadth relative to the mean.
    """

    skin: Colour
    hair: Colour
    haircut: str
    headwear: Colour
    top: Colour
    accent: Colour
    pattern: str
    repeats: int
    jacket: bool
    coat: float
    sleeves: bool
    legwear: str
    bottom: Colour
    shoes: Colour
    carried: str
    bag: Colour
    left_handed: bool
    height: float
    girth: float


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a person.

    Args:
        rng: Source of randomness.

    Returns:
        The person; two draws may look much alike, as people do.
    """
    top = _dye(rng)
    return Appearance(
        skin=_choose(rng, _SKIN),
        hair=_choose(rng, _HAIR),
        haircut=_choose(rng, _HAIRCUTS),
        headwear=_dye(rng),
        top=top,
        accent=_contrasting(rng, top),
        pattern=_choose(rng, _PATTERNS),
        repeats=int(rng.integers(3, 6)),
        jacket=bool(rng.random() < 0.25),
        coat=0.13 if rng.random() < 0.15 else 0.0,
        sleeves=bool(rng.random() < 0.65),
        legwear=_choose(rng, _LEGWEAR),
        bottom=_dye(rng),
        shoes=_dye(rng),
        carried=_choose(rng, _CARRIED),
        bag=_dye(rng),
        left_handed=bool(rng.random() < 0.5),
        height=float(rng.normal(1.0, 0.035)),
        girth=float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3)),
    )


def _choose(rng: np.random.Generator, weighted: Sequence[tuple[_Choice, float]]) -> _Choice:
    return weighted[int(rng.choice(len(weighted), p=[weight for _, weight in weighted]))][0]


def _dye(rng: np.random.Generator) -> Colour:
    """One of the palette's colours, a little off, as no two garments match exactly."""
    red, green, blue = _choose(rng, _CLOTHES)
    offset = rng.normal(0.0, 7.0, size=3)
    return _clip(red + offset[0]), _clip(green + offset[1]), _clip(blue + offset[2])


def _contrasting(rng: np.random.Generator, colour: Colour) -> Colour:
    """A colour that differs enough from the given one for a pattern to be visible."""
    while True:
        other = _dye(rng)
        if sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > 120:
            return other


def _clip(value: float) -> int:
    return int(min(max(value, 0.0), 255.0))
