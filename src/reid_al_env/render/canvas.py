"""A Pillow canvas with smooth edges, and the marks and colours of answers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.image_formats import formats

if TYPE_CHECKING:
    from PIL import Image

INK, SOFT, FAINT, PAPER, BLUE = "#1d2430", "#5b6472", "#dfe3e8", "#ffffff", "#0072b2"
# Okabe and Ito's colours, which are distinguishable with any colour vision; marks repeat the meaning.
COLOURS = {"match": "#009e73", "no match": "#d55e00", "can't tell": "#8a6fb0", "open": "#b4bcc7"}
_FINE = 2  # drawn this many times larger and reduced, because Pillow does not smooth edges


class Canvas:
    """Draws with Pillow in the final picture's coordinates; styles are those of ``ImageDraw``.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.new("RGB", (width * _FINE, height * _FINE), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def box(self, x: float, y: float, w: float, h: float, **style: Any) -> None:
        """A rectangle with rounded corners."""
        style["width"] = round(style.pop("width", 1) * _FINE)
        style["radius"] = style.pop("radius", 3) * _FINE
        self._draw.rounded_rectangle(_fine(x, y, x + w, y + h), **style)

    def disc(self, x: float, y: float, radius: float, **style: Any) -> None:
        """A disc or a ring."""
        style["width"] = round(style.pop("width", 1) * _FINE)
        self._draw.ellipse(_fine(x - radius, y - radius, x + radius, y + radius), **style)

    def line(self, points: list[float], colour: str, width: float) -> None:
        """A line through points, given as x, y, x, y and so on."""
        self._draw.line(_fine(*points), fill=colour, width=max(round(width * _FINE), 1), joint="curve")

    def text(
        self, x: float, y: float, words: str, size: int = 13, colour: str = INK, anchor: str = "lm"
    ) -> float:
        """Write text; returns the x at which it ends."""
        font = _font(size * _FINE)
        self._draw.text((x * _FINE, y * _FINE), words, fill=colour, font=font, anchor=anchor)
        return x + float(font.getlength(words)) / _FINE

    def mark(self, x: float, y: float, status: str, size: float = 9) -> None:
        """✓, ✗ or ? on a disc, drawn as lines because fonts may lack them; a ring for an open item."""
        if status == "open":
            self.disc(x, y, size * 0.7, fill=PAPER, outline=COLOURS["open"], width=1.5)
            return
        self.disc(x, y, size, fill=COLOURS[status], outline=PAPER, width=1.5)
        r, thick = size * 0.45, max(size / 4.5, 1.2)
        if status == "match":
            self.line([x - r, y, x - r * 0.25, y + r * 0.8, x + r, y - r * 0.8], PAPER, thick)
        elif status == "no match":
            self.line([x - r * 0.8, y - r * 0.8, x + r * 0.8, y + r * 0.8], PAPER, thick)
            self.line([x - r * 0.8, y + r * 0.8, x + r * 0.8, y - r * 0.8], PAPER, thick)
        else:
            self.text(x, y, "?", round(size * 1.5), PAPER, anchor="mm")

    def paste(self, crop: Image.Image, x: float, y: float, w: float, h: float, *, faded: bool) -> None:
        """Draw an image, stretched to w × h; ``faded`` mixes it with white."""
        from PIL import Image

        shown = crop.resize((round(w * _FINE), round(h * _FINE)))
        if faded:
            shown = Image.blend(shown, Image.new("RGB", shown.size, PAPER), 0.45)
        self._image.paste(shown, (round(x * _FINE), round(y * _FINE)))

    def pixels(self) -> NDArray[np.uint8]:
        """The picture, shape (height, width, 3), uint8."""
        return np.array(self._image.reduce(_FINE), dtype=np.uint8)


@functools.lru_cache(maxsize=1024)
def read_crop(file: str) -> Image.Image | None:
    """The image, reduced to the size shown in a frame; ``None`` if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(file, formats=formats()) as found:
            image = found.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    image.thumbnail((320, 640))
    return image


@functools.lru_cache(maxsize=64)
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _fine(*values: float) -> list[int]:
    return [round(value * _FINE) for value in values]


def mixed(colour: str, share: float) -> str:
    """``colour`` mixed with white; ``share`` is the part of the colour."""
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)
