"""Draws one episode as a picture with Pillow: crops where there are images, otherwise the graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_env.render.canvas import BLUE, COLOURS, FAINT, INK, PAPER, SOFT, Canvas, mixed, read_crop

if TYPE_CHECKING:
    from PIL import Image

WIDTH, HEIGHT = 880, 540
_TOP, _BOTTOM, _EDGE = 58, 46, 16
_ROWS = 30  # number of bars that fit beside the graph


@dataclass(frozen=True)
class Scene:
    """What a frame shows; n = pool size.

    Args:
        query: Dataset index.
        candidates: Dataset indices, (n,) int64, −1 for padding.
        similarity: Sparse graph, (n+1, n+1) float32.
        feedback: Answers, (n,) int8.
        action_mask: 1 where the item may be picked, (n,) int8.
        picks: Picks so far.
        budget: Picks of an episode.
        last: Pool position of the last pick, −1 before the first.
        total: Return so far.
        line: What happened last, in words.
        files: Image files of the query and its candidates, n+1 of them ("" where there is none), or ``None``.
    """

    query: int
    candidates: NDArray[np.int64]
    similarity: NDArray[np.float32]
    feedback: NDArray[np.int8]
    action_mask: NDArray[np.int8]
    picks: int
    budget: int
    last: int
    total: float
    line: str
    files: tuple[str, ...] | None = None

    def status(self, item: int) -> str:
        """``"match"``, ``"no match"``, ``"can't tell"`` (masked without an answer), ``"open"`` or ``""``."""
        if self.candidates[item] < 0:
            return ""
        if self.feedback[item] == 0:
            return "open" if self.action_mask[item] else "can't tell"
        return "match" if self.feedback[item] > 0 else "no match"


def draw(scene: Scene) -> NDArray[np.uint8]:
    """The scene as a picture, shape (HEIGHT, WIDTH, 3), uint8."""
    canvas = Canvas(WIDTH, HEIGHT)
    _draw_frame(canvas, scene)
    crops = None if scene.files is None else [read_crop(file) for file in scene.files]
    if crops is None or crops[0] is None:
        _draw_graph(canvas, scene)
        _draw_bars(canvas, scene)
    else:
        _draw_crops(canvas, scene, crops)
    return canvas.pixels()


def _draw_frame(canvas: Canvas, scene: Scene) -> None:
    """Draw the header and the footer."""
    end = canvas.text(_EDGE, 29, f"Query {scene.query}", 22)
    if scene.files is not None and scene.files[0]:
        canvas.text(end + 10, 31, _short(scene.files[0].replace("\\", "/").rsplit("/", 1)[-1], 44), 12, SOFT)
    words = f"step {scene.picks} of {scene.budget}    return {scene.total:.2f}"
    canvas.text(WIDTH - _EDGE, 22, words, 15, anchor="rm")
    share = min(scene.picks / scene.budget, 1.0)
    canvas.box(WIDTH - _EDGE - 190, 38, 190, 5, fill=FAINT, radius=2)
    if share:
        canvas.box(WIDTH - _EDGE - 190, 38, 190 * share, 5, fill=BLUE, radius=2)
    canvas.line([_EDGE, _TOP - 4, WIDTH - _EDGE, _TOP - 4], FAINT, 1)
    y = HEIGHT - _BOTTOM / 2
    canvas.line([_EDGE, HEIGHT - _BOTTOM, WIDTH - _EDGE, HEIGHT - _BOTTOM], FAINT, 1)
    canvas.text(_EDGE, y, _short(scene.line, 62), 13)
    statuses = [scene.status(item) for item in range(len(scene.candidates))]
    x = WIDTH - _EDGE - 372.0
    for status, words in zip(COLOURS, ("match", "no match", "can't tell", "not asked"), strict=True):
        canvas.mark(x + 8, y, status, 8)
        x = canvas.text(x + 20, y, f"{words} {statuses.count(status)}", 12, SOFT) + 12


def _draw_crops(canvas: Canvas, scene: Scene, crops: list[Image.Image | None]) -> None:
    """Draw the query on the left and its pool in rows, nearest first."""
    query = crops[0]
    assert query is not None
    height = HEIGHT - _TOP - _BOTTOM
    ratio = min(max(query.width / query.height, 0.4), 2.5)
    w = min(150.0, (height - 50) * ratio)
    canvas.paste(query, _EDGE + 4, _TOP + 10, w, w / ratio, faded=False)
    canvas.box(_EDGE + 2, _TOP + 8, w + 4, w / ratio + 4, outline=BLUE, width=3)
    canvas.text(_EDGE + 4 + w / 2, _TOP + w / ratio + 28, "query", 14, BLUE, anchor="mm")
    left, count = _EDGE + w + 30, len(scene.candidates)
    columns, tile = _grid(WIDTH - left - _EDGE, height - 8, count, ratio)
    high = tile / ratio
    for item in range(count):
        x = left + (item % columns) * (tile + 10)
        y = _TOP + 10 + (item // columns) * (high + 30)
        status = scene.status(item)
        if not status:
            canvas.box(x, y, tile, high, outline=FAINT, width=1)
            continue
        crop = crops[item + 1]
        if crop is None:
            canvas.box(x, y, tile, high, fill=FAINT)
            canvas.text(x + tile / 2, y + high / 2, str(scene.candidates[item]), 11, SOFT, anchor="mm")
        else:
            canvas.paste(crop, x, y, tile, high, faded=status != "open" and item != scene.last)
        if item == scene.last:
            canvas.box(x - 5, y - 5, tile + 10, high + 10, outline=INK, width=1.5, radius=5)
        wide = 1.5 if status == "open" else 3
        canvas.box(x - 2, y - 2, tile + 4, high + 4, outline=COLOURS[status], width=wide)
        if status != "open":
            canvas.mark(x + tile - 2, y + 2, status, min(10, tile / 4))
        canvas.text(x + tile / 2, y + high + 12, f"{scene.similarity[0, item + 1]:.2f}", 11, anchor="mm")


def _grid(width: float, height: float, count: int, ratio: float) -> tuple[int, float]:
    """Number of columns, and tile width, for the largest ``count`` tiles that fit."""

    def tile(columns: int) -> float:
        rows = math.ceil(count / columns)
        return max(min((width + 10) / columns - 10, ((height + 4) / rows - 30) * ratio, 120.0), 4.0)

    columns = max(range(1, count + 1), key=tile)
    return columns, tile(columns)


def _draw_graph(canvas: Canvas, scene: Scene) -> None:
    """Draw the pool as a circle around the query, nearest item on top, then clockwise."""
    count = len(scene.candidates)
    x, y = 250.0, _TOP + (HEIGHT - _TOP - _BOTTOM) / 2
    ring = (HEIGHT - _TOP - _BOTTOM) / 2 - 26
    node = min(13.0, math.pi * ring / max(count, 1) * 0.8)
    angle = 2 * np.pi * np.arange(count) / max(count, 1) - np.pi / 2
    around = np.stack([x + ring * np.cos(angle), y + ring * np.sin(angle)], axis=1)
    places = np.concatenate(([[x, y]], around))  # (n+1, 2)
    links = np.argwhere(np.triu(scene.similarity) > 0)
    weakest_first = np.argsort(scene.similarity[links[:, 0], links[:, 1]], kind="stable")
    for i, j in sorted(links[weakest_first].tolist(), key=lambda link: link[0] == 0):
        weight = float(scene.similarity[i, j])
        colour = mixed(BLUE if i == 0 else INK, 0.85 * weight if i == 0 else 0.3 * weight**2)
        canvas.line([*places[i], *places[j]], colour, 0.5 + 3 * weight if i == 0 else 0.5 + weight)
    canvas.disc(x, y, 22, fill=BLUE, outline=PAPER, width=2)
    canvas.text(x, y, "query", 12, PAPER, anchor="mm")
    for item in range(count):
        status = scene.status(item)
        px, py = places[item + 1]
        if item == scene.last:
            canvas.disc(px, py, node + 4, fill=PAPER, outline=INK, width=1.5)
        if status in ("", "open"):
            faint = status == ""
            canvas.disc(px, py, node, fill=PAPER, outline=FAINT if faint else COLOURS["open"], width=2)
            if node >= 7 and not faint:
                canvas.text(px, py, str(item), round(node * 0.9), SOFT, anchor="mm")
        else:
            canvas.mark(px, py, status, node)


def _draw_bars(canvas: Canvas, scene: Scene) -> None:
    """Draw the items in order as bars of similarity to the query."""
    left, count = 520, len(scene.candidates)
    if count > _ROWS:
        count = _ROWS - 1
        words = f"and {len(scene.candidates) - count} more"
        canvas.text(left, HEIGHT - _BOTTOM - 12, words, 11, SOFT)
    high = min((HEIGHT - _TOP - _BOTTOM - 30) / min(len(scene.candidates), _ROWS), 26)
    size = 11 if high < 18 else 12
    for x, words in ((left, "item"), (left + 50, "image"), (left + 122, "similarity to the query")):
        canvas.text(x, _TOP + 10, words, 11, SOFT)
    for item in range(count):
        y, status = _TOP + 24 + high * (item + 0.5), scene.status(item)
        if not status:
            continue
        if item == scene.last:
            canvas.box(left - 6, y - high / 2, WIDTH - _EDGE - left + 10, high, fill="#eef2f6")
        canvas.text(left, y, str(item), size, SOFT)
        canvas.mark(left + 30, y, status, min(high * 0.42, 8))
        canvas.text(left + 50, y, str(scene.candidates[item]), size)
        weight = float(scene.similarity[0, item + 1])
        canvas.text(left + 122, y, f"{weight:.2f}", size, INK if weight > 0 else COLOURS["open"])
        if weight > 0:
            wide, thick = 170 * weight, high * 0.56
            canvas.box(left + 158, y - thick / 2, wide, thick, fill=mixed(BLUE, 0.75), radius=1)


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
