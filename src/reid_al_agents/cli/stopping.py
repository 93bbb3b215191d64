"""SIGINT and SIGTERM: one line and the usual exit code, at any moment."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

RESUMABLE = ("run", "annotate")
"""Commands that can be continued after a stop."""

PATIENCE = 10.0
"""Seconds that a command has for closing what it has open."""

_continued_by: list[tuple[str, str]] = []


def continue_by(command: str, folder: str | os.PathLike[str]) -> None:
    """Let the line about a stop name the command that goes on, once there is something to go on from."""
    _continued_by[:] = [(command, str(folder))]


_SHOW_CURSOR = b"\x1b[?25h"  # progress bars hide it


class Stopped(SystemExit):
    """A signal asked the program to stop.

    It is no ``KeyboardInterrupt``, which Typer and other libraries turn into something else. Event loops,
    which report other exceptions and go on, let a ``SystemExit`` through.
    """


class Stops:
    """Turns the first SIGINT or SIGTERM into :class:`Stopped`, and ends the process at once at the second.

    What is on disk is whole at any moment, so the process may also end where it is. It does so where an
    exception might be swallowed: during imports and in finalizers; where closing takes longer than
    :data:`PATIENCE`; and before and after a command, when there is nothing to close.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._process = os.getpid()
        self._said = False
        self._left = threading.Event()

    def install(self) -> None:
        """Listen from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def call(self, command: Callable[[], object]) -> None:
        """Call a command, which may close what it has open when it is stopped."""
        command()

    def leave(self) -> NoReturn:
        """Print the line and exit: 130 for SIGINT, 143 for SIGTERM."""
        self._left.set()
        if not self._said:
            self._said = True
            print(_line(), file=sys.stderr, flush=True)
        sys.exit(self._code())

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # forked from it, which says it
            os._exit(128 + number)
        first, self.signal = self.signal is None, self.signal or number
        if not first or not _can_raise(frame):
            self._end()
        sys.unraisablehook = self._unraisable
        _thread.start_new_thread(self._lose_patience, ())  # takes no lock that may be held here
        raise Stopped(self._code())

    def _lose_patience(self) -> None:
        if not self._left.wait(PATIENCE):
            self._end()

    def _unraisable(self, error: Any) -> None:
        """Called for what a finalizer or a callback raised, which Python prints and forgets."""
        if issubclass(error.exc_type, Stopped):
            self._end()
        sys.__unraisablehook__(error)

    def _end(self) -> NoReturn:
        if not self._said:
            self._said = True
            os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + f"{_line()}\n".encode())
        os._exit(self._code())

    def _code(self) -> int:
        return 128 + (self.signal or signal.SIGINT)


def _can_raise(frame: FrameType | None) -> bool:
    """Whether a command runs, and imports nothing: modules catch all errors while they try others."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        if frame.f_code is Stops.call.__code__:
            return True
        frame = frame.f_back
    return False


def _line() -> str:
    """What is said when the program was stopped, with what goes on from there."""
    if not sys.argv[1:2] or sys.argv[1] not in RESUMABLE:
        return "reid-al: stopped"
    for command, folder in _continued_by:
        if os.path.isfile(os.path.join(folder, "config.json")):
            return f"reid-al: stopped; reid-al {command} {folder} goes on"
    places = (argument.removeprefix("--out=") for argument in sys.argv[2:])
    begun = any(os.path.isfile(os.path.join(place, "config.json")) for place in places)
    return f"reid-al: stopped; go on with {'--resume' if begun else 'the same command'}"
