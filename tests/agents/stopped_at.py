"""Commands that send themselves a signal at a chosen moment: when so many functions have been called.

The same number always hits the same place, since only calls in the main thread count.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from killing import PRELOADED

from reid_al_agents.annotate.begin import OpenSession
from reid_al_agents.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Its exit code.
        told: What it wrote to standard error.
        calls: Functions that were called; 0 where it was stopped.
    """

    code: int | None
    told: str
    calls: int


def reid_al(
    *arguments: object,
    log: Path,
    stop_at: int | None = None,
    number: signal.Signals = signal.SIGTERM,
    counts: bool = False,
    refreshes: bool = False,
) -> Ended:
    """Run a command in a process of its own, which is forked from one that has everything imported.

    Args:
        arguments: Those of ``reid-al``; with ``--terminal``, twenty answers are given, all "different".
        log: File for what the command prints.
        stop_at: Number of calls after which the process sends itself a signal; ``None`` lets it end.
        number: The signal.
        counts: Whether to count the calls.
        refreshes: With ``--terminal``, send it in the middle of a refresh after the answers.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_run, args=([*map(str, arguments)], log, -1 if counts else stop_at, number, refreshes, theirs)
    )
    process.start()
    theirs.close()
    calls = 0
    with contextlib.suppress(EOFError):
        calls = ours.recv()
    process.join()
    return Ended(process.exitcode, log.read_text(), calls)


def _run(
    arguments: list[str],
    log: Path,
    stop_at: int | None,
    number: signal.Signals,
    refreshes: bool,
    parent: Connection,
) -> None:
    from reid_al_agents.annotate import terminal

    def answer(opened: OpenSession, annotator: str) -> None:
        _answer(opened, annotator)
        if refreshes:
            opened.refreshing.start()
            while (opened.refreshing.state or {}).get("state") != "running":
                pass
            os.kill(os.getpid(), number)

    terminal.answer_here = answer  # type: ignore[assignment]
    with log.open("wb") as told, Path(os.devnull).open("wb") as nowhere:
        os.dup2(told.fileno(), 2)
        os.dup2(nowhere.fileno(), 1)
    sys.argv = ["reid-al", *arguments]
    counting = _count_calls(stop_at, lambda: os.kill(os.getpid(), number))
    try:
        main()
    finally:
        sys.setprofile(None)
        parent.send(counting())


def _count_calls(stop_at: int | None, stop: Callable[[], None]) -> Callable[[], int]:
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        if event == "call":
            calls += 1
            if calls == stop_at:
                stop()

    if stop_at is not None:
        sys.setprofile(count)
    return lambda: calls


def _answer(opened: OpenSession, annotator: str) -> None:
    session = opened.session
    while (given := session.state.beliefs.answers) < 20:
        for question in session.questions(annotator, 1).questions:
            session.answer(annotator, question.id, "different", f"key-{given}")
