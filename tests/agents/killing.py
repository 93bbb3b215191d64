"""Runs of ``reid-al`` that kill themselves (SIGKILL) at a chosen step of their way to the disk.

A step is a file opened for writing, renamed or deleted, a folder made, the moments before and after an event
is appended to the log, and a step of an optimizer. So kills fall between any two neighbouring operations, in
a round, in a refresh or while results are written, and the same number always hits the same place.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from reid_al_agents.cli import main
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore

PRELOADED = [
    *(
        "reid_al_agents.cli",
        "reid_al_agents.experiment.run",
        "reid_al_agents.dqn",
        "reid_al_agents.annotate.begin",
    ),
    *("reid_al_agents.report.plots", "reid_al_agents.log.database", "matplotlib.backends.backend_agg"),
    *("sklearn.linear_model", "sqlalchemy.dialects.sqlite", "filelock", "typer", "rich.progress"),
]
"""What a command imports when it is its turn; imported once for all processes."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
FILES = {"open": 2, "os.rename": None, "os.remove": None, "os.mkdir": None, "os.rmdir": None}
"""Audit events about files; of "open", the flags are the third argument."""

TIMES = ("at", "shown_at", "seconds")
"""With all that ends in ``_seconds``, the run's name and the ids, what differs from run to run."""


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        killed: Whether it killed itself.
        steps: Steps that it took; 0 where it was killed.
        appended: Events whose append had returned.
        output: What it printed; empty where it was killed.
    """

    killed: bool
    steps: int
    appended: int
    output: str = ""


def reid_al(*arguments: object, folder: Path, kill_at: int | None = None) -> Ended:
    """Run a command in a process of its own, which is forked from one that has everything imported.

    Args:
        arguments: Those of ``reid-al``.
        folder: Where files are watched.
        kill_at: The step at which the process kills itself; ``None`` lets it live.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=([*map(str, arguments)], folder, kill_at, theirs))
    process.start()
    theirs.close()
    said: list[Any] = []
    with contextlib.suppress(EOFError):
        while True:
            said.append(ours.recv())
    process.join()
    appended = sum(each == "appended" for each in said)
    if process.exitcode == -signal.SIGKILL:
        return Ended(True, 0, appended)
    code, steps, output = said[-1]
    assert code in (0, None), output
    return Ended(False, steps, appended, output)


def _run(arguments: list[str], folder: Path, kill_at: int | None, parent: Connection) -> None:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    _watch_files(folder, step)
    _watch_log(step, parent)
    from torch.optim.optimizer import register_optimizer_step_post_hook

    register_optimizer_step_post_hook(lambda *_: step())
    sys.argv = ["reid-al", *arguments]
    code: object = 0
    with io.StringIO() as told:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            try:
                main()
            except SystemExit as end:
                code = end.code
        parent.send((code, steps, told.getvalue()))


def _watch_files(folder: Path, step: Callable[[], None]) -> None:
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in FILES or not str(arguments[0]).startswith(str(folder)):
            return
        flags = FILES[event]
        if flags is None or (arguments[flags] or 0) & WRITES:
            step()

    sys.addaudithook(hook)


def _watch_log(step: Callable[[], None], parent: Connection) -> None:
    append, append_many = EventStore.append, EventStore.append_many

    def one(self: EventStore, event: Event, *, wait: bool = True) -> tuple[Event, bool]:
        step()
        stored, new = append(self, event, wait=wait)
        parent.send("appended")
        step()
        return stored, new

    def many(self: EventStore, events: Iterable[Event]) -> int:
        step()
        new = append_many(self, events)
        for _ in range(new):
            parent.send("appended")
        step()
        return new

    EventStore.append, EventStore.append_many = one, many  # type: ignore[method-assign]


def events_of(folder: Path) -> list[dict[str, Any]]:
    """All events of a run, without what differs from run to run."""
    name = json.loads((folder / "config.json").read_text())["run"]
    with EventStore(folder / "events.sqlite") as log:
        return [_timeless(asdict(event)) for event in log.events(name)]


def _timeless(values: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in values.items()
        if name not in (*TIMES, "run", "id") and not name.endswith("_seconds")
    }
    return {name: _timeless(value) if isinstance(value, dict) else value for name, value in kept.items()}


def remains_of(folder: Path) -> dict[str, Any]:
    """All that a finished run leaves: the bytes of each file, and of those that hold times the rest."""
    left: dict[str, Any] = {"events": events_of(folder)}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name == "metrics.jsonl":
            left[name] = [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.is_file() and not name.startswith(
            ("events.sqlite", "config.json", "report", "folder.lock")
        ):
            left[name] = path.read_bytes()
    return left
