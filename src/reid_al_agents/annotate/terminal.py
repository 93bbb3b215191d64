"""Answering in a terminal, where there is no browser."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.columns import Columns
from rich.console import Console
from rich.panel import Panel
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from reid_al_agents.annotate.begin import OpenSession
from reid_al_agents.annotate.messages import Conflict
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.log.events import SIGNS, StoredQuestion
from reid_al_env import InputError

KEYS = {
    "y": "same",
    "a": "same",
    "n": "different",
    "x": "different",
    " ": "cannot_tell",
    "c": "incomparable",
    "b": "bad_candidate",
    "B": "bad_query",
}
_BACK = ("\x7f", "\x08", "u")
_WIDTH = 32  # characters of a picture
_POLL = 0.2  # seconds between two checks for new questions


def answer_here(
    opened: OpenSession,
    annotator: str,
    *,
    console: Console | None = None,
    key: Callable[[], str] | None = None,
) -> None:
    """Show pairs one after the other and take answers from the keyboard, until ``q`` or nothing is left.

    Args:
        opened: The session.
        annotator: Name of the annotator.
        console: Where to show; ``None`` is standard output.
        key: Returns the next key; ``None`` reads the keyboard.
    """
    console = console or Console()
    key = key or _pressed
    session = opened.session
    while True:
        served = session.questions(annotator, 1)
        if not served.questions:
            if served.waiting == "finished":
                console.print("Nothing is left to ask.")
                return
            time.sleep(_POLL)  # a batch is being planned
            continue
        shown_at = time.monotonic()
        show(console, opened.pictures, served.questions[0], session.state.beliefs.answers)
        pressed = _known_key(key)
        if pressed == "q":
            return
        if pressed in _BACK:
            try:
                undone = session.history.undo(annotator, uuid.uuid4().hex)
                console.print(f"[yellow]taken back: {undone.event.answer or undone.event.kind}[/]")
            except Conflict as error:
                console.print(f"[yellow]{error}[/]")
            continue
        seconds = time.monotonic() - shown_at
        answer = KEYS[pressed]
        session.answer(annotator, served.questions[0].id, answer, uuid.uuid4().hex, seconds)
        console.print(f"[bold]{answer.replace('_', ' ')}[/]")
        opened.refreshing.start_if_due()


class TerminalOracle:
    """A person at this terminal, as an :class:`~reid_al_env.Oracle` for an environment or a loop.

    Wrapped in :class:`.LoggedOracle`, every answer is on disk before the next pair is shown. There is no
    undo, since the environment has already taken its step; :func:`answer_here` has one.

    Args:
        pictures: The images, by the dataset indices that are asked about.
        console: Where to show; ``None`` is standard output.
        key: Gives the next key; ``None`` reads the keyboard.
    """

    def __init__(
        self, pictures: Pictures, console: Console | None = None, key: Callable[[], str] | None = None
    ) -> None:
        self._pictures, self._console = pictures, console or Console()
        self._key = key or _pressed

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """Show one pair after the other; see :meth:`reid_al_env.evidence.oracles.Oracle.answer`.

        Raises:
            KeyboardInterrupt: The person wants to stop (``q``).
        """
        pairs = zip(queries.tolist(), galleries.tolist(), strict=True)
        return np.array([self._ask(query, gallery) for query, gallery in pairs], dtype=np.int8)

    def _ask(self, query: int, gallery: int) -> int:
        _show_pair(self._console, self._pictures, query, gallery)
        self._console.print(
            "Same one?  [b]y[/] same  [b]n[/] different  [b]space[/] can't tell  [b]q[/] stop"
        )
        while (pressed := _known_key(self._key)) != "q":
            if (sign := SIGNS.get(KEYS.get(pressed, ""))) is not None:
                return sign
        raise KeyboardInterrupt


def _show_pair(console: Console, pictures: Pictures, query: int, candidate: int) -> None:
    console.print(Columns([_panel(pictures, query), _panel(pictures, candidate)]))


def show(console: Console, pictures: Pictures, question: StoredQuestion, answers: int) -> None:
    """Print the two images side by side with the keys under them."""
    _show_pair(console, pictures, question.query, question.candidate)
    console.print(
        f"[dim]{answers} answers[/]  Same one?  [b]y[/] same  [b]n[/] different  [b]space[/] can't tell  "
        "[b]c[/] can't be compared  [b]b[/]/[b]B[/] right/left unusable  [b]backspace[/] undo  [b]q[/] quit"
    )


def _panel(pictures: Pictures, image: int) -> Panel:
    name = Text(str(pictures.images.names[image]))
    return Panel(_blocks(pictures.thumbnail(image, _WIDTH)), title=name, expand=False)


def _blocks(pixels: NDArray[np.uint8]) -> Segments:
    """A picture (H, W, 3) of half blocks: each character shows two pixels, one above the other."""
    segments = []
    for top, bottom in zip(pixels[::2], pixels[1::2], strict=True):
        for upper, lower in zip(top.tolist(), bottom.tolist(), strict=True):
            style = Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
            segments.append(Segment("▀", style))
        segments.append(Segment.line())
    return Segments(segments)


def _pressed() -> str:
    """The next key of the terminal.

    Raises:
        InputError: There is no terminal.
    """
    import click

    try:
        return str(click.getchar())
    except OSError as error:
        raise InputError(
            f"--terminal: there is no terminal to read keys from ({error.strerror}); leave it out to "
            "answer in a browser"
        ) from error


def _known_key(key: Callable[[], str]) -> str:
    """The next key that means something."""
    arrows = {"\x1b[C": "y", "\x1b[D": "n"}
    while True:
        try:
            pressed = key()
        except EOFError:  # Ctrl-D
            return "q"
        pressed = arrows.get(pressed, pressed)
        if pressed in KEYS or pressed in _BACK or pressed == "q":
            return pressed
        if pressed.lower() in KEYS or pressed.lower() == "q":
            return pressed.lower()
        if pressed == "\x04":
            return "q"
        if pressed == "\x03":
            raise KeyboardInterrupt
