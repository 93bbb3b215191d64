"""Output: progress and messages on standard error, results for programs on standard output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console

from reid_al_agents.cli.progress_lines import ProgressLines

messages = Console(stderr=True)
"""Messages for users, on standard error."""


class Report(Protocol):
    """The ``progress(what, done, total)`` that every long function calls."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` parts of ``what`` are done."""
        ...


class Progress(Report, AbstractContextManager["Progress"], Protocol):
    """A display of progress, shown while it is entered."""


def emit_json(result: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output."""
    print(json.dumps(result, default=str))


def progress() -> Progress:
    """Bars on a terminal; lines where standard error goes to a file or a scheduler."""
    return Bars() if messages.is_terminal else ProgressLines(print_line)


def print_line(line: str) -> None:
    """Print a line for people as it is, without colours or breaks."""
    messages.print(line, markup=False, highlight=False, soft_wrap=True)


class Bars:
    """Progress bars by name.

    A bar appears when its work is first reported and goes when it is done, so that only what runs is shown.
    """

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TaskID,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=messages,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` parts of ``what`` are done."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)
        if done >= total:
            self._progress.remove_task(self._tasks.pop(what))
