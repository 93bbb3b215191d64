"""Images that come from the page: what the model proposes for them, and their joining the open session."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.known_data import believe_data
from reid_al_agents.annotate.messages import Conflict, Json, Unknown, as_json
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes, available_cores
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.data import DataSettings
from reid_al_agents.files import make_folder
from reid_al_agents.log.events import Event
from reid_al_agents.workspace.adding import Addition, Offered
from reid_al_agents.workspace.pool_changes import UPLOADED
from reid_al_env import FeatureSet, InputError
from reid_al_env.messages import Message, message_of

_log = logging.getLogger(__name__)
_NICE = 10
_PENDING = ".pending"


class _StoppedError(Exception):
    """The session is closed."""


class Additions:
    """Adds images to an open session as ``reid-al add`` does to a closed one; one set of images at a time.

    The images lie in a folder in that of the session. What is proposed for them is computed in the
    background; nothing counts until it is accepted.

    Args:
        session: The session.
        refreshing: Its refreshes; none runs while images join.
        pictures: Its images.

    Attributes:
        state: ``state`` is ``reading``, ``proposed``, ``adding`` or ``failed``, with the progress of the
            first and third and the message of the last; ``None`` where there are no new images.
        others: Number of files sent that are no images.
        version: Changes with each set of images, so that browsers do not show those of an earlier one.
        found: What is proposed; ``None`` before it is known.
        pictures: The pool with the new images behind, to be shown with the proposals; likewise.
    """

    def __init__(self, session: AnnotationSession, refreshing: Refreshes, pictures: Pictures) -> None:
        self._session, self._refreshing, self._shown = session, refreshing, pictures
        self._place = refreshing.folder.path / UPLOADED
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._name, self.version, self.others = "", "", 0
        self._joined = False  # from here on the images are the session's
        self._offered: Offered | None = None
        self.state: Json | None = None
        self.found: Addition | None = None
        self.pictures: Pictures | None = None
        self._delete_leftovers()

    def begin(self, files: Path) -> None:
        """Look at new images, in the background.

        Args:
            files: Folder that holds them; it is moved into the session's.

        Raises:
            Conflict: Others are being added, or this session takes none in.
        """
        with self._lock:
            if self.state is not None and self.state["state"] != "failed":
                raise Conflict("add: other pictures are being added; finish or discard those first")
            if self._refreshing.folder.settings().features is not None:
                raise Conflict("add: the features were made elsewhere; close the session and use reid-al add")
            self._name, self.version, self._joined = self._move(files), secrets.token_hex(4), False
            self._start("reading", self._prepare)

    def accept(self, annotator: str) -> None:
        """Let the images join the session, in the background.

        Args:
            annotator: Who says so, for the log.

        Raises:
            Conflict: Nothing is proposed, or the model is learning.
        """
        with self._lock:
            if self.state is not None and self.state["state"] == "adding":
                return  # it was accepted before
            if self.state is None or self.state["state"] != "proposed":
                raise Conflict("add: nothing is proposed (any more); load the page again")
            with self._refreshing.held_off():
                pass
            self._start("adding", lambda: self._join(annotator))

    def discard(self) -> None:
        """Delete the new images.

        Raises:
            Conflict: They are being looked at, or are joining.
        """
        with self._lock:
            if self.state is None:
                return
            if self.state["state"] in ("reading", "adding"):
                raise Conflict("add: the pictures are being looked at; wait until that is done")
            self._forget()

    def shown(self) -> Pictures:
        """The pool with the new images behind.

        Raises:
            Unknown: There are none.
        """
        if self.pictures is None:
            raise Unknown("add: there are no new pictures (any more); load the page again")
        return self.pictures

    def wait(self) -> None:
        """Wait for what runs in the background."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop what runs in the background."""
        self._closed = True
        self.wait()

    # -- in the background ---------------------------------------------------------------------------------

    def _start(self, state: str, work: Callable[[], None]) -> None:
        self.state = {"state": state, "what": "start", "done": 0, "total": 0, "message": None}
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _StoppedError:
            return
        except Conflict as error:  # the model learns again: the proposals stay
            self._say("proposed", message_of(error))
        except Exception as error:
            # No caller awaits this thread: what it does not say itself would be lost.
            if not isinstance(error, InputError):
                _log.exception("pictures could not be added")
            if not self._joined:
                self._forget()
            self._say("failed", message_of(error).replaced(str(self._place / self._name), self._name))

    def _say(self, state: str, message: Message | None = None) -> None:
        self.state = {"state": state, "what": "", "done": 0, "total": 0, **as_json(message)}

    def _prepare(self) -> None:
        _lower_priority()  # not while images join: annotators wait for that
        folder = self._refreshing.folder
        self._offered = Offered(
            folder,
            folder.kept(),
            f"{UPLOADED}:{self._name}",
            DataSettings(skip_damaged=True),
            device=self._refreshing.device,
            progress=self._report,
        )
        found = self._offered.propose(self._events())
        images = (found.new, found.known, found.removed, found.scored, found.damaged)
        files = sum(path.is_file() for path in (self._place / self._name).rglob("*"))
        self.others = files - sum(map(len, images))
        self.found = found
        self.pictures = self._shown.of(self._offered.pool)
        self._say("proposed")

    def _join(self, annotator: str) -> None:
        offered = self._offered
        assert offered is not None  # it was proposed
        while not self._joined:
            events = self._events()
            features = offered.features(events)  # before refreshes are held off: it may take long
            with self._refreshing.held_off():
                if self._session.state.round == sum(event.kind == "refresh" for event in events):
                    self._grow(offered, features, annotator)
        believe_data(self._session, offered.pool, self._refreshing.folder.settings().data)
        self._offered = self.found = self.pictures = None
        self.state = None

    def _grow(self, offered: Offered, features: NDArray[np.float32], annotator: str) -> None:
        pool, events = offered.pool, self._events()
        offered.take_in(events)
        self._joined = True
        self._mark(self._name).unlink(missing_ok=True)
        self._shown.grow(pool)
        made = FeatureSet(features, pool.identities, pool.cameras, pool.names, source=pool.source)
        now = self._session.state.clock()
        self._session.grow(made, pool, offered.event(events, annotator, now) if offered.new else None)

    def _report(self, what: str, done: int, total: int) -> None:
        if self._closed:
            raise _StoppedError
        if self.state is not None:
            self.state = {**self.state, "what": what, "done": done, "total": total}

    def _events(self) -> list[Event]:
        state = self._session.state
        return state.store.events(state.run)  # those of refreshes are in the store alone

    # -- files ---------------------------------------------------------------------------------------------

    def _move(self, files: Path) -> str:
        """Move a folder into the session's under a free name: that of a folder that is all it holds."""
        inside = list(files.iterdir())
        source = inside[0] if len(inside) == 1 and inside[0].is_dir() else files
        word = "added" if source is files else re.sub(r"[^\w .-]", "_", source.name).strip(". ") or "added"
        number, name = 1, word
        while (self._place / name).exists() or self._mark(name).exists():
            number += 1
            name = f"{word}-{number}"
        try:
            make_folder(self._place)
            self._mark(name).touch()
            shutil.move(source, self._place / name)
        except OSError as error:
            raise InputError(
                Message(
                    "{file}: cannot be written ({reason}); make room on the disk",
                    file=self._place,
                    reason=error.strerror,
                )
            ) from error
        return name

    def _forget(self) -> None:
        if self._name and not self._joined:
            self._delete(self._name)
        self._offered = self.found = self.pictures = None
        self.state = None

    def _delete_leftovers(self) -> None:
        """Delete images that an earlier process left and that never joined, and no others."""
        marks = list(self._place.glob(f"*{_PENDING}"))
        kept = {source.data for source in self._refreshing.folder.pool.changes().sources} if marks else set()
        for mark in marks:
            name = mark.name.removesuffix(_PENDING)
            if f"{UPLOADED}:{name}" in kept:
                mark.unlink(missing_ok=True)
            else:
                self._delete(name)

    def _delete(self, name: str) -> None:
        shutil.rmtree(self._place / name, ignore_errors=True)
        self._mark(name).unlink(missing_ok=True)

    def _mark(self, name: str) -> Path:
        """The file beside a folder of images that says that they have not joined."""
        return self._place / f"{name}{_PENDING}"


def _lower_priority() -> None:
    """Let the page go first: leave it a core, and on Linux, where threads have priorities, take a low one."""
    import torch

    torch.set_num_threads(max(1, available_cores() - 1))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
