"""The folder of a run or of an annotation session: what is in it, and how it is begun and reopened."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import (
    OWN_BACK,
    make_folder,
    put_back,
    state_before,
    write_arrays,
)
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.kept import Kept, read_content
from reid_al_agents.workspace.metrics_file import count_metrics
from reid_al_agents.workspace.pool_files import PoolFiles
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

CONFIG = "config.json"
FEATURES = "features.npz"


class Folder:
    """Paths and small files of a run's or session's folder; both have the same.

    The log (``events.sqlite``) is the truth. What follows from it is replayed, and the rest is settings or a
    cache: ``rounds/NNN`` holds the model after the NNN-th refresh and the features it gives the pool. A
    refresh is done once the log has its event, which is written after these files.

    Args:
        path: The folder.

    Attributes:
        pool: The files about its images.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / CONFIG
        self.pool = PoolFiles(path)
        self.split = path / "split.json"
        self.events = path / "events.sqlite"
        self.metrics = path / "metrics.jsonl"
        self.weights = path / "weights.safetensors"
        self.start = path / "start.safetensors"
        self.policy = path / "policy.safetensors"
        self.groups = path / "groups.npz"
        self.report = path / "report.html"

    @staticmethod
    def holds(path: str | os.PathLike[str]) -> bool:
        """Whether a run or a session was begun in a folder, by this version or an earlier one."""
        folder = Path(path)
        files = (folder / CONFIG, state_before(folder / CONFIG), folder / "annotate.json")
        return any(file.is_file() for file in files)

    def round(self, number: int) -> Path:
        """The folder of the model after ``number`` refreshes; before the first, the folder itself."""
        return self.path if number == 0 else self.path / "rounds" / f"{number:03d}"

    def check_whole(self) -> None:
        """Refuse a folder whose answers cannot be found again because its settings are gone.

        Raises:
            InputError: There is a log with events but no ``config.json``.
        """
        if not self.events.is_file() or self.holds(self.path):
            return
        with EventStore(self.events) as log:
            runs = log.runs()
        if runs:
            raise InputError(
                f"{self.config}: is missing, but {self.events.name} holds the answers of {', '.join(runs)}; "
                "put the folder's own back or choose another --out"
            )

    def make_log(self) -> None:
        """Make the log's file; before the settings are written, so that a folder with settings has one."""
        make_folder(self.path)
        EventStore(self.events).close()

    def check_there(self) -> None:
        """Refuse to write to a folder that was deleted or moved away meanwhile, rather than make it again.

        Raises:
            InputError: Its ``config.json`` is gone.
        """
        if not self.config.is_file():
            raise InputError(
                f"{self.path}: was deleted or moved away while it was in use; put it back and go on with "
                "--resume"
            )

    def begin(
        self,
        kept: Kept,
        names: Sequence[str] | NDArray[np.str_],
        hashes: Sequence[str] | None = None,
        identities: Sequence[str] | None = None,
    ) -> None:
        """Keep the settings and the order of the images, which the events' numbers mean.

        What an earlier start left that never came to an answer is deleted.

        Args:
            kept: The settings.
            names: See :meth:`.PoolFiles.begin`; so for ``hashes`` and ``identities``.
            hashes: See above.
            identities: See above.
        """
        make_folder(self.path)
        self._delete_caches()
        state_before(self.config).unlink(missing_ok=True)
        self.pool.begin(names, hashes, identities)
        self.keep(kept)

    def is_unused(self, kept: Kept) -> bool:
        """Whether nothing was answered, learned or edited: its own log plans an audit at most."""
        if kept.store is not None:
            return False
        with EventStore(self.events) as log:
            return all(event.kind == "audit" for event in log.events(kept.run))

    def forget(self) -> None:
        """Delete what a start left in a folder that :meth:`is_unused`, so that another can be made."""
        self._delete_caches()
        for made in (self.config, self.pool.file, self.split, *self.path.glob(f"{self.events.name}*")):
            made.unlink(missing_ok=True)

    def _delete_caches(self) -> None:
        shutil.rmtree(self.path / "rounds", ignore_errors=True)
        self.pool.delete_details()
        for made in (self.start, self.path / FEATURES):
            made.unlink(missing_ok=True)

    def keep(self, kept: Kept) -> None:
        """Write ``config.json``."""
        kept.write(self.config)

    def kept(self) -> Kept:
        """What :meth:`keep` wrote; a folder of version 0.1 is brought up to date first.

        Raises:
            InputError: The folder holds neither a run nor a session, or its settings cannot be read.
        """
        content = self._read()
        if "format" not in content:
            from reid_al_agents.workspace.upgrade import upgrade

            upgrade(self, content)
            content = self._read()
        if content.get("store") is None:
            self._check_log_file()
        return Kept.read(self.config, content)

    def _check_log_file(self) -> None:
        """The log's file is there before the settings are, with its tables in it."""
        if not self.events.is_file() or self.events.stat().st_size == 0:
            state = "is empty" if self.events.is_file() else "is missing"
            raise InputError(f"{self.events}: {state}; it holds the answers, so {OWN_BACK}")

    def read_log(self, log: EventStore, kept: Kept) -> list[Event]:
        """The events of the folder's run, in order.

        Raises:
            InputError: The log is that of another folder, or has lost refreshes that ``metrics.jsonl``, which
                is made from it, knows of.
        """
        events = log.events(kept.run)
        if not events and kept.store is None and (others := log.runs()):
            raise InputError(f"{self.events}: holds {', '.join(others)}, not {kept.run}; {OWN_BACK}")
        refreshes = sum(event.kind == "refresh" for event in events)
        lines, damaged = count_metrics(self.metrics)
        if damaged:
            _log.warning("%s is damaged; it is written again from the log", self.metrics)
        if lines > refreshes:
            raise InputError(
                f"{self.events}: holds {refreshes} refreshes, but {self.metrics.name} counts {lines}; "
                "put the folder's own log back"
            )
        return events

    def read_round(self, number: int, read: Callable[[Path], _T]) -> _T:
        """Read of a round's model, or where that is damaged, of the model before it, which is said.

        Args:
            number: Number of refreshes that led to the model.
            read: Reads from the folder of a round; raises :class:`InputError` where it cannot.

        Raises:
            InputError: Both are damaged.
        """
        try:
            return read(self.round(number))
        except InputError as error:
            if number == 0:
                raise
            try:
                found = read(self.round(number - 1))
            except InputError:
                raise error from None
            _log.warning(
                "%s; the model before it is used until the next refresh", str(error).partition("; ")[0]
            )
            return found

    def settings(self) -> RunConfig:
        """The settings that the run or session was begun with.

        Raises:
            InputError: See :meth:`kept`.
        """
        return self.kept().settings

    def save_groups(self, groups: NDArray[np.int64]) -> None:
        """Keep the predicted identities, (N,), in the order of the pool's names."""
        write_arrays(self.groups, {"groups": groups})

    def drop_rounds_before(self, number: int) -> None:
        """Delete the models of earlier rounds than this one."""
        for folder in (self.path / "rounds").glob("*"):
            if folder.name.isdecimal() and int(folder.name) < number:
                shutil.rmtree(folder)

    def _read(self) -> dict[str, Any]:
        self.pool.put_back()
        for state in (self.config, self.split):
            put_back(state)
        path = self.config if self.config.exists() else self.path / "annotate.json"
        if not path.exists():
            self.check_whole()
            raise InputError(f"{self.path}: holds no run and no session; name the folder of one")
        return read_content(path)


def new_run() -> str:
    """A name for a run in the log that no other has."""
    return f"run-{secrets.token_hex(4)}"
