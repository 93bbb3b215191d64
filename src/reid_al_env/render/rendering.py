"""Render modes of the environments: a line of text, a frame, or a window."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.error import DependencyNotInstalled
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.render import frame

if TYPE_CHECKING:
    from reid_al_env.mdp.inquiry import Inquiry, Outcome

RENDER_MODES = ("human", "rgb_array", "ansi")
RENDER_FPS = 2


class Renderer:
    """Keeps the last event of each of B episodes and draws it.

    Args:
        mode: ``"ansi"``, ``"rgb_array"`` or ``"human"``.
        size: B, number of episodes.
        budget: Number of picks in an episode.

    Raises:
        DependencyNotInstalled: If Pillow, or pygame for ``"human"``, is not installed.
    """

    STATE = ("_lines", "_queries", "_last", "_total")

    def __init__(self, mode: str, size: int, budget: int) -> None:
        _check_installed(mode)
        self._mode = mode
        self._budget = budget
        self._lines = [""] * size
        self._queries = np.full(size, -1)
        self._last = np.full(size, -1)
        self._total = np.zeros(size)
        self._window = _Window() if mode == "human" else None

    def begin(self, rows: NDArray[np.int64], queries: NDArray[np.int64]) -> None:
        """Record that episodes began in ``rows`` (M,) with ``queries`` (M,)."""
        self._last[rows] = -1
        self._total[rows] = 0.0
        self._queries[rows] = queries
        for row, query in zip(rows.tolist(), queries.tolist(), strict=True):
            self._lines[row] = f"query {query}"

    def picked(self, rows: NDArray[np.int64], actions: NDArray[np.int64], outcome: Outcome) -> None:
        """Record a pick in the episodes ``rows`` (M,); ``actions`` and ``outcome`` cover all episodes."""
        self._last[rows] = actions[rows]
        self._total[rows] += outcome.rewards[rows]
        for row in rows.tolist():
            self._lines[row] = f"query {self._queries[row]}  {_describe(outcome, row)}"

    def render(self, inquiry: Inquiry, row: int = 0) -> str | NDArray[np.uint8] | None:
        """The line or the frame of one episode; ``"human"`` mode shows it in the window instead."""
        if self._mode == "ansi":
            return self._lines[row]
        pixels = frame.draw(self._scene(inquiry, row))
        if self._window is None:
            return pixels
        self._window.show(pixels)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()

    def _scene(self, inquiry: Inquiry, row: int) -> frame.Scene:
        batch, paths = inquiry.batch, inquiry.features.paths
        query, candidates = int(batch.query[row]), batch.candidates[row]
        files = None
        if paths is not None:
            files = (str(paths[query]), *(str(paths[image]) if image >= 0 else "" for image in candidates))
        return frame.Scene(
            query,
            candidates,
            batch.similarity[row],
            batch.feedback[row],
            batch.action_mask[row],
            int(batch.picks[row]),
            self._budget,
            int(self._last[row]),
            float(self._total[row]),
            self._lines[row],
            files,
        )


class _Window:
    """A pygame window, opened at the first frame; copies and pickles have no window."""

    def __init__(self) -> None:
        self._screen: Any = None
        self._clock: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_screen": None, "_clock": None}

    def show(self, pixels: NDArray[np.uint8]) -> None:
        import pygame

        if self._screen is None:
            # Frames come ready-made, so SDL needs no graphics driver. Mesa's driver loads its own LLVM into
            # the process, after which triton (imported by torch's optimisers) crashes.
            os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
            pygame.display.init()
            pygame.display.set_caption("ReIDActiveLearning")
            self._screen = pygame.display.set_mode((frame.WIDTH, frame.HEIGHT))
            self._clock = pygame.time.Clock()
        self._screen.blit(pygame.surfarray.make_surface(pixels.swapaxes(0, 1)), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(RENDER_FPS)

    def close(self) -> None:
        if self._screen is not None:
            import pygame

            pygame.display.quit()
            self._screen = self._clock = None


def make_renderer(mode: str | None, size: int, budget: int) -> Renderer | None:
    """A renderer for that mode; ``None`` for ``None``.

    Raises:
        InputError: If the mode is unknown.
        DependencyNotInstalled: As :class:`Renderer`.
    """
    if mode is None:
        return None
    if mode not in RENDER_MODES:
        raise InputError(
            f"render_mode: {mode!r} is unknown; choose one of {', '.join(RENDER_MODES)}, or None"
        )
    return Renderer(mode, size, budget)


def _check_installed(mode: str) -> None:
    needed: tuple[str, ...] = {"ansi": (), "rgb_array": ("PIL",), "human": ("PIL", "pygame")}[mode]
    for module in needed:
        if importlib.util.find_spec(module) is None:
            name = "pillow" if module == "PIL" else module
            raise DependencyNotInstalled(
                f'render_mode={mode!r} needs {name}: pip install "reid-active-learning[render]"'
            )


def _describe(outcome: Outcome, row: int) -> str:
    """One line about the pick of one episode."""
    said = {1: "match", -1: "no match", 0: "can't tell"}[int(outcome.answers[row])]
    if outcome.invalid[row]:
        said = "already masked, not asked"
    elif not outcome.asked[row]:
        said += " (already known)"
    return f"picked {int(outcome.picked[row])}: {said}  reward {outcome.rewards[row]:.3f}"
