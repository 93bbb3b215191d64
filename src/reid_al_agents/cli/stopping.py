"""SIGINT and SIGTERM: one line and the usual exit code, at any moment."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

RESUMABLE = ("run", "annotate")
"""Commands that can be continued after a stop."""

_continued_by: list[str] = []


def continue_by(command: str) -> None:
    """Let the line about a stop name the command that goes on."""
    _continued_by[:] = [command]


class Stopped(BaseException):
    """A signal asked the program to stop.

    It is no ``KeyboardInterrupt``, which Typer and other libraries turn into something else.
    """


class Stops:
    """Turns the first SIGINT or SIGTERM into :class:`Stopped`, and ends the process at once at the second.

    Before a command begins there is nothing to clean up, so the first one ends the process, too: an exception
    in the middle of an import may be swallowed there.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._cleans_up = False

    def install(self) -> None:
        """Listen from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def clean_up_from_now_on(self) -> None:
        """From now on, a stop lets the command close what it has open."""
        self._cleans_up = True

    def leave(self) -> NoReturn:
        """Print the line and exit: 130 for SIGINT, 143 for SIGTERM."""
        print(_line(), file=sys.stderr, flush=True)
        sys.exit(128 + (self.signal or signal.SIGINT))

    def _stop(self, number: int, frame: FrameType | None) -> None:
        first, self.signal = self.signal is None, self.signal or number
        if first and self._cleans_up:
            raise Stopped
        if first:
            os.write(2, f"{_line()}\n".encode())
        os._exit(128 + self.signal)


def _line() -> str:
    """What is said when the program was stopped."""
    if not sys.argv[1:2] or sys.argv[1] not in RESUMABLE:
        return "reid-al: stopped"
    return (
        f"reid-al: stopped; {_continued_by[0]} goes on"
        if _continued_by
        else "reid-al: stopped; go on with --resume"
    )
