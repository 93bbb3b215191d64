"""Pictures of questions with their answers, and of the identities that answers made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.report.theme import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_YES, _NO = "#1a9850", "#d73027"
_GAP = 0.12
"""Between tiles, by the width of a tile."""


@dataclass(frozen=True)
class Question:
    """A pair that was asked about.

    Attributes:
        left: (H, W, 3) uint8 pixels of one image.
        right: (H, W, 3) uint8 pixels of the other.
        match: Whether the answer was *match*.
    """

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    match: bool


@dataclass(frozen=True)
class Identity:
    """Images that were put together.

    Attributes:
        images: (M, H, W, 3) uint8 pixels.
        right: (M,) bool; whether an image shows the identity that most of them show.
        count: Images of the identity in all; `images` may be the first of them.
    """

    images: NDArray[np.uint8]
    right: NDArray[np.bool_]
    count: int


def draw_questions(axes: "Axes", questions: Sequence[Question], theme: Theme) -> None:
    """Draw pairs side by side, each with its answer.

    Args:
        axes: Where to draw.
        questions: What was asked, from left to right.
        theme: The colours.
    """
    height = _tile_height(questions[0].left)
    for place, question in enumerate(questions):
        left = place * (2 + 5 * _GAP)
        colour, said = (_YES, "same person") if question.match else (_NO, "different people")
        for x, pixels in ((left, question.left), (left + 1 + _GAP / 2, question.right)):
            _tile(axes, pixels, x, 0, height, colour)
        axes.text(left + 1 + _GAP / 4, -0.1, said, ha="center", va="top", color=theme.text, fontsize=10)
    _frame(axes, len(questions) * (2 + 5 * _GAP) - 4 * _GAP, height, below=0.45)


def draw_identities(axes: "Axes", identities: Sequence[Identity], theme: Theme) -> None:
    """Draw identities, one in a row; images that do not belong are framed in red.

    Args:
        axes: Where to draw.
        identities: What was put together, from the top.
        theme: The colours.
    """
    height = _tile_height(identities[0].images[0])
    rows, columns = len(identities), max(len(identity.images) for identity in identities)
    for row, identity in enumerate(identities):
        bottom = (rows - 1 - row) * (height + _GAP)
        for place, (pixels, right) in enumerate(zip(identity.images, identity.right, strict=True)):
            _tile(axes, pixels, place * (1 + _GAP), bottom, height, theme.muted if right else _NO)
        if (hidden := identity.count - len(identity.images)) > 0:
            x = len(identity.images) * (1 + _GAP)
            axes.text(x, bottom + height / 2, f"+ {hidden}", va="center", color=theme.muted, fontsize=10)
    _frame(axes, columns * (1 + _GAP) + 0.6, rows * (height + _GAP) - _GAP, below=0.1)


def _tile_height(pixels: NDArray[np.uint8]) -> float:
    return float(pixels.shape[0] / pixels.shape[1])


def _tile(axes: "Axes", pixels: NDArray[np.uint8], x: float, y: float, height: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.imshow(pixels, extent=(x, x + 1, y, y + height), interpolation="lanczos")
    axes.add_patch(Rectangle((x, y), 1, height, fill=False, edgecolor=colour, linewidth=2))


def _frame(axes: "Axes", width: float, height: float, below: float) -> None:
    axes.set_xlim(-0.05, width + 0.05)
    axes.set_ylim(-below, height + 0.05)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_anchor("W")
