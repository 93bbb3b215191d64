"""Refreshes beside the asking: one process at a time, whose model is taken up when it is done."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from reid_al_agents.annotate.memory import release_memory
from reid_al_agents.annotate.messages import Conflict, Json, as_json
from reid_al_agents.annotate.refresh_work import GO_ON, PAUSE, Work
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.files import make_folder
from reid_al_agents.log.events import Event
from reid_al_agents.training.pool import Progress
from reid_al_agents.workspace.features import read_features
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError
from reid_al_env.messages import Message, message_of

_log = logging.getLogger(__name__)

REFRESH_PROCESS = (sys.executable, "-m", "reid_al_agents.annotate.refresh_process")
"""Command that does a refresh."""


class Refreshes:
    """Starts refreshes when they are due and gives their models to the session.

    Args:
        session: The session.
        config: Settings of data and training.
        folder: The session's folder; each refresh has one inside it.
        store: Address of the log's database.
        device: Where to train.
        process: Command that does a refresh; it reads a :class:`.Work` from standard input.

    Attributes:
        state: State of a refresh that is running, paused or failed, for the page; ``None`` otherwise.
        rounds: Metrics of each finished refresh.
        display: Makes the display of progress on the console; by default there is none.
    """

    def __init__(
        self,
        session: AnnotationSession,
        config: RunConfig,
        folder: Folder,
        store: str,
        *,
        device: str = "auto",
        process: tuple[str, ...] = REFRESH_PROCESS,
    ) -> None:
        self._session, self._config, self._folder = session, config, folder
        self._store, self._device, self._command = store, device, process
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._closed = self._paused = False
        self.state: Json | None = None
        self.display: Callable[[], AbstractContextManager[Progress]] = _no_display
        self.rounds: list[Json] = [
            dict(event.payload) for event in session.state.store.events(session.state.run, kind="refresh")
        ]

    @property
    def folder(self) -> Folder:
        """The session's folder."""
        return self._folder

    @property
    def device(self) -> str:
        """Where models run."""
        return self._device

    @property
    def running(self) -> bool:
        """Whether a refresh is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def learns(self) -> bool:
        """Whether the session's settings let a model learn at all."""
        return self._config.refresh != "none" and self._config.features is None

    @property
    def learned_from(self) -> int:
        """Number of answers that the current model has learned from."""
        return int(self.rounds[-1]["answers"]) if self.rounds else 0

    def start_if_due(self) -> None:
        """Start a refresh if the label-free start is missing, or enough answers are new."""
        session = self._session
        every = session.state.settings.refresh_every
        if not self.learns or self.running or self._closed:
            return
        if (self.state or {}).get("state") == "failed":
            return
        if (self._config.adapts and not self._folder.start.is_file()) or (
            every is not None and session.state.beliefs.answers - self.learned_from >= every
        ):
            with contextlib.suppress(Conflict):  # another request was quicker
                self.start()

    def start(self) -> None:
        """Start a refresh.

        Raises:
            Conflict: One runs already, or nothing trains.
        """
        with self._lock:
            if self.running:
                raise Conflict("refresh: one runs already; wait for it")
            if self._config.features is not None:
                raise Conflict(
                    Message(
                        "refresh: the features are those of {file}; nothing learns",
                        file=self._config.features,
                    )
                )
            if self._config.refresh == "none":
                raise Conflict("refresh: this session was started with --refresh none")
            state = self._session.state
            with state.lock:
                answers = state.beliefs.answers
                last = max((event.id for event in state.keys.values()), default=0)
                learns = last if state.beliefs.evidence or answers else 0
            number = len(self.rounds) + 1
            self._paused = False
            self.state = {"state": "waiting", "what": "train", "done": 0, "total": 1, "message": None}
            self._thread = threading.Thread(target=self._run, args=(number, learns, answers), daemon=True)
            self._thread.start()

    @contextlib.contextmanager
    def held_off(self) -> Iterator[None]:
        """A context in which no refresh begins.

        Raises:
            Conflict: One runs already.
        """
        with self._lock:
            if self.running:
                raise Conflict("the model is learning; wait until it is done, then try again")
            yield

    def pause(self, paused: bool) -> None:
        """Halt the refresh that runs, or let it go on.

        Raises:
            Conflict: None runs, or it has not begun yet.
        """
        with self._lock:
            state, process = self.state, self._process
            if not self.running or state is None or state["state"] == "waiting" or process is None:
                raise Conflict("refresh: none runs that could be paused")
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it has just ended
                process.stdin.write(f"{PAUSE if paused else GO_ON}\n")
                process.stdin.flush()
            self._paused = paused
            self.state = {**state, "state": "paused" if paused else "running"}

    def wait(self) -> None:
        """Wait for the refresh that runs."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop the refresh that runs; its answers are all in the log."""
        self._closed = True
        if self._process is not None:
            self._process.terminate()
        self.wait()

    def _run(self, number: int, last_event: int, answers: int) -> None:
        started = time.perf_counter()
        try:
            out = make_folder(self._folder.round(number))
            with self.display() as progress:
                figures = self._work(number, out, last_event, progress)
            self._take_up(out, number, answers, figures, time.perf_counter() - started)
            release_memory()  # of the engine before
        except Exception as error:
            # Nothing else catches it: unless it is reported, the page shows a refresh that never ends.
            if self._closed:
                return
            if not isinstance(error, InputError):
                _log.exception("refresh %d failed", number)
            message = Message(
                "{reason}; the answers are kept, and asking goes on with the last model",
                reason=message_of(error),
            )
            self.state = {"state": "failed", "what": "train", "done": 0, "total": 1, **as_json(message)}
        else:
            self.state = None

    def _work(self, number: int, out: Path, last_event: int, progress: Progress) -> dict[str, Any]:
        work = Work(str(self._folder.path), self._store, number, last_event, self._device)
        with (out / "worker.log").open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                env=_environment(),
                creationflags=getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0),  # of Windows
            )
            if self._closed:  # closed while it started: close() did not see it
                self._process.terminate()
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # it ended at once: its log says why
                self._process.stdin.write(work.line())
                self._process.stdin.flush()
            return self._listen(self._process, out, progress)

    def _listen(self, process: subprocess.Popen[str], out: Path, progress: Progress) -> dict[str, Any]:
        """Show the progress of the process until it ends; return its metrics."""
        assert process.stdout is not None
        figures: dict[str, Any] | None = None
        complaint = Message("refresh: the worker stopped; see {file}", file=out / "worker.log")
        for line in process.stdout:
            if not line.startswith("{"):
                continue  # a library's own words
            report = json.loads(line)
            if "finished" in report:
                figures = report["finished"]
            elif "error" in report:
                complaint = Message(report["error"])
            else:
                with self._lock:
                    state = "paused" if self._paused else "running"
                    self.state = {"state": state, "message": None, **report}
                progress(f"refresh: {report['what']}", report["done"], report["total"])
        process.wait()
        if figures is None:
            raise InputError(complaint)
        return figures

    def _take_up(self, out: Path, number: int, answers: int, figures: dict[str, Any], seconds: float) -> None:
        session = self._session
        before = session.state.features
        features = FeatureSet(
            read_features(out, len(before)),
            before.identities,
            before.cameras,
            before.names,
            source=before.source,
        )
        session.adopt(features, number)
        with session.state.lock:
            changed, asked = self._since_last()
        line = {
            "round": number,
            "answers": answers,
            "groups": session.identities().identities,
            "changed": changed,
            "asked": asked,
            "match_rate": changed / asked if asked else None,
            "map": figures.get("map"),
            "rank1": figures.get("rank1"),
            "seconds": round(seconds, 1),
            "folder": str(out.relative_to(self._folder.path)),
        }
        event = Event(
            f"refresh/{number}",
            session.state.run,
            "refresh",
            "",
            session.state.clock(),
            round=number,
            payload=line,
        )
        session.state.store.append(event)
        self.rounds.append(line)

    def _since_last(self) -> tuple[int, int]:
        """Of the policy's answers in the round that ends: those that joined two groups, and all."""
        state = self._session.state
        said = [
            event.answer
            for event in state.beliefs.events.values()
            if event.question_kind == "policy" and event.round == state.round - 1
        ]
        return said.count("same"), len(said)


def _no_display() -> AbstractContextManager[Progress]:
    return nullcontext(lambda what, done, total: None)


def _environment() -> dict[str, str]:
    """One thread fewer than there are cores, so that the page answers at once beside it."""
    return {"OMP_NUM_THREADS": str(max(1, available_cores() - 1)), **os.environ}


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
