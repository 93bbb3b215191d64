"""Progress where there is no terminal: a plain line now and then, for log files and schedulers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

SILENCE = 30.0
"""Seconds after which a line is due."""

SHORT = 5.0
"""Shortest duration of a stage, in seconds, whose end is reported."""


@dataclass
class _Stage:
    """Work that was reported and is not done."""

    what: str
    began: float  # time of the first report
    first: int  # parts that were done then
    done: int
    total: int


class ProgressLines:
    """Print what is being done at least every 30 seconds, and once at the end of each longer stage.

    A line says what, how many parts of how many, the percentage and the time left. It comes from a thread of
    its own, so that a step that reports nothing for minutes is not silent.

    Args:
        write: Takes each line.
        clock: Seconds that only grow.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._stages: dict[str, _Stage] = {}  # the one that was reported last comes last
        self._last_line = self._last_end = clock()
        self._last_stage = ""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def __enter__(self) -> ProgressLines:
        self._last_line = self._last_end = self._clock()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` parts of ``what`` are done."""
        with self._lock:
            now = self._clock()
            stage = self._stages.pop(what, None) or _Stage(what, now, done, done, total)
            stage.done, stage.total = done, total
            if done < total:
                self._stages[what] = stage
                self._line_if_due(now)
            else:
                self._end(stage, now)

    def tick(self) -> None:
        """Print a line if none was printed for 30 seconds; the thread calls it once a second."""
        with self._lock:
            self._line_if_due(self._clock())

    def _watch(self) -> None:
        while not self._stopped.wait(1.0):
            self.tick()

    def _end(self, stage: _Stage, now: float) -> None:
        self._last_end, self._last_stage = now, stage.what
        if now - stage.began > SHORT:
            self._print(f"{stage.what}: {stage.total}/{stage.total}, done in {_span(now - stage.began)}", now)

    def _line_if_due(self, now: float) -> None:
        if now - self._last_line < SILENCE:
            return
        if self._stages:
            self._print(_words(next(reversed(self._stages.values())), now), now)
        else:
            after = f" after {self._last_stage}" if self._last_stage else ""
            self._print(f"working{after}, {_span(now - self._last_end)} so far", now)

    def _print(self, line: str, now: float) -> None:
        self._last_line = now
        self._write(line)


def _words(stage: _Stage, now: float) -> str:
    percent = 100 * stage.done // max(stage.total, 1)
    progressed = stage.done - stage.first
    if progressed > 0:
        left = (now - stage.began) / progressed * (stage.total - stage.done)
        time_left = f"about {_span(left)} left"
    else:
        time_left = f"{_span(now - stage.began)} so far"
    return f"{stage.what}: {stage.done}/{stage.total} ({percent} %), {time_left}"


def _span(seconds: float) -> str:
    """A length of time as a person says it: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
