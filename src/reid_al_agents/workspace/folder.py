"""The folder of a run or of an annotation session: what is in it, and how it is begun and reopened."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import (
    OWN_BACK,
    make_folder,
    put_back,
    read_json,
    read_state,
    state_before,
    write_arrays,
    write_state,
    write_text,
)
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.pool_changes import PoolChanges, read_changes, write_changes
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

FORMAT = 2
"""Version of the layout; folders of version 0.1 of the program have none."""

CONFIG = "config.json"
FEATURES = "features.npz"


@dataclass(frozen=True)
class Kept:
    """What ``config.json`` holds.

    Attributes:
        settings: The settings of data, model, asking and training.
        run: Name of the run in the log.
        store: Address of the log's database, without a password; ``None`` is a file in the folder.
        fingerprint: Digest of the images and the start weights; ``None`` where it was not taken.
        annotation: Settings of an annotation session, by name; empty before there was one.
        origin: Command, commit, machine and versions of the start.
    """

    settings: RunConfig
    run: str
    store: str | None = None
    fingerprint: str | None = None
    annotation: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)


class Folder:
    """Paths and small files of a run's or session's folder; both have the same.

    The log (``events.sqlite``) is the truth. What follows from it is replayed, and the rest is settings or a
    cache: ``rounds/NNN`` holds the model after the NNN-th refresh and the features it gives the pool. A
    refresh is done once the log has its event, which is written after these files.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / CONFIG
        self.pool = path / "pool.json"
        self.hashes = path / "hashes.json"
        self.identities = path / "identities.json"
        self.changes = path / "changes.json"
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
            names: (N,) names of the images.
            hashes: (N,) what each image is, see :meth:`.ImageSet.content_hashes`; ``None`` keeps none.
            identities: What the data call identities 0, 1, ...; ``None`` where these are numbers.
        """
        make_folder(self.path)
        self._delete_caches()
        for path in (self.hashes, self.identities, self.pool, self.config):
            state_before(path).unlink(missing_ok=True)
        self.keep_hashes(hashes)
        if identities is not None:
            write_state(self.identities, {"identities": list(identities)}, indent=None)
        write_state(self.pool, {"names": [str(name) for name in names]}, indent=None)
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
        for made in (self.config, self.pool, self.split, *self.path.glob(f"{self.events.name}*")):
            made.unlink(missing_ok=True)

    def _delete_caches(self) -> None:
        shutil.rmtree(self.path / "rounds", ignore_errors=True)
        for made in (self.start, self.hashes, self.identities, self.changes, self.path / FEATURES):
            made.unlink(missing_ok=True)

    def keep(self, kept: Kept) -> None:
        """Write ``config.json``."""
        content = {
            "format": FORMAT,
            "run": kept.run,
            "store": kept.store,
            "fingerprint": kept.fingerprint,
            "settings": kept.settings.as_dict(),
            "annotation": dict(kept.annotation),
            **kept.origin,
        }
        write_state(self.config, content)

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
        if content["format"] != FORMAT:
            raise InputError(
                f"{self.config}: is of format {content['format']!r}, this program reads {FORMAT}; "
                "upgrade reid-active-learning"
            )
        try:
            known = {"format", "run", "store", "fingerprint", "settings", "annotation"}
            if not isinstance(content["store"], str | None):
                raise ValueError("store is no text")
            return Kept(
                RunConfig.from_dict(content["settings"]),
                str(content["run"]),
                content["store"],
                content["fingerprint"],
                dict(content["annotation"]),
                {name: value for name, value in content.items() if name not in known},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.config}: cannot be read ({error}); put the folder's own back") from error

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
        lines, damaged = self._count_metrics()
        if damaged:
            _log.warning("%s is damaged; it is written again from the log", self.metrics)
        if lines > refreshes:
            raise InputError(
                f"{self.events}: holds {refreshes} refreshes, but {self.metrics.name} counts {lines}; "
                "put the folder's own log back"
            )
        return events

    def _count_metrics(self) -> tuple[int, bool]:
        """Whole lines of ``metrics.jsonl``, and whether there are others."""
        if not self.metrics.is_file():
            return 0, self.metrics.exists()
        content = self.metrics.read_bytes()
        whole = [_is_metrics(line) for line in content.splitlines()]
        return sum(whole), not all(whole) or not content.endswith(b"\n")

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

    def names(self) -> NDArray[np.str_]:
        """Names of the pool's images, (N,), in the order that the events' numbers mean.

        Those of the start come first, then those that were added, so that no number ever changes.

        Raises:
            InputError: They cannot be read.
        """
        names = [*self._first_names(), *self.pool_changes().names]
        return np.array(names, dtype=np.str_).reshape(-1)

    def _first_names(self) -> list[str]:
        return read_state(self.pool, lambda path: _read_texts(path, "names"))

    def keep_hashes(self, hashes: Sequence[str] | None) -> None:
        """Keep what each image of the start is, (n,); ``None`` keeps nothing."""
        if hashes is not None:
            write_state(self.hashes, {"hashes": list(hashes)}, indent=None)

    def complete_hashes(self, hashes: Sequence[str] | None) -> None:
        """Keep what each of the pool's images is, (N,), if an earlier version did not; ``None``: nothing."""
        if hashes is not None and not self.hashes.is_file():
            self.keep_hashes(hashes[: len(self._first_names())])

    def content_hashes(self) -> list[str]:
        """What each of the pool's images was when it came, (N,); empty text where that was not kept.

        Raises:
            InputError: They were kept and cannot be read.
        """
        first = self._first_names()
        hashes = [""] * len(first)
        if self.hashes.is_file():  # not in folders of earlier versions
            hashes = read_state(self.hashes, lambda path: _read_texts(path, "hashes"))
        if len(hashes) != len(first):
            raise InputError(f"{self.hashes}: is no list of {len(first)} texts; {OWN_BACK}")
        return [*hashes, *self.pool_changes().hashes]

    def identity_names(self) -> list[str] | None:
        """What the data called identities 0, 1, ... at the start; ``None`` where that was not kept.

        Raises:
            InputError: They were kept and cannot be read.
        """
        if not self.identities.is_file():
            return None
        return read_state(self.identities, lambda path: _read_texts(path, "identities"))

    def pool_changes(self) -> PoolChanges:
        """The images that came and went since the start.

        Raises:
            InputError: They cannot be read.
        """
        return read_changes(self.changes) if self.changes.is_file() else PoolChanges()

    def keep_changes(self, changes: PoolChanges) -> None:
        """Write ``changes.json``, by which images come and go: all at once, or none."""
        write_changes(self.changes, changes)

    def check_names(self, names: NDArray[np.str_]) -> None:
        """See that the folder is about images of these names, in this order.

        Raises:
            InputError: It is not.
        """
        before = self.names()
        if not np.array_equal(before, names):
            raise InputError(
                f"{self.path}: was started with other images ({_first_difference(before, names)}); "
                "go on with the same ones or choose another --out"
            )

    def check_images(
        self, names: NDArray[np.str_], fingerprint: str | None, kept: Kept, events: Sequence[Event]
    ) -> None:
        """See that the folder is about these images.

        Raises:
            InputError: It was begun with other images or start weights, or its log is about other images.
        """
        self.check_names(names)
        if fingerprint is not None and kept.fingerprint not in (None, fingerprint):
            raise InputError(
                f"{self.path}: was started with other images or start weights; "
                "go on with the same ones or choose another --out"
            )
        for event in events:
            for index, name in ((event.query, event.query_name), (event.candidate, event.candidate_name)):
                present = str(names[index]) if index is not None and index < len(names) else ""
                if name and name != present:
                    raise InputError(
                        f"{self.path}: its log has image {index} as '{name}', which is now '{present}'; "
                        "go on with the data and the order of the first start"
                    )

    def write_metrics(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write ``metrics.jsonl`` from the refreshes in the log."""
        write_text(self.metrics, "".join(json.dumps(line) + "\n" for line in lines))

    def save_groups(self, groups: NDArray[np.int64]) -> None:
        """Keep the predicted identities, (N,), in the order of :meth:`names`."""
        write_arrays(self.groups, {"groups": groups})

    def drop_rounds_before(self, number: int) -> None:
        """Delete the models of earlier rounds than this one."""
        for folder in (self.path / "rounds").glob("*"):
            if folder.name.isdecimal() and int(folder.name) < number:
                shutil.rmtree(folder)

    def _read(self) -> dict[str, Any]:
        for state in (self.config, self.pool, self.hashes, self.split):
            put_back(state)
        path = self.config if self.config.exists() else self.path / "annotate.json"
        if not path.exists():
            self.check_whole()
            raise InputError(f"{self.path}: holds no run and no session; name the folder of one")
        return read_state(path, _read_settings)


def _read_settings(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not content.keys() & {"format", "data"}:  # that of version 0.1
        raise InputError(f"{path}: holds no settings of this program; {OWN_BACK} or begin a new one")
    return content


def _read_texts(path: Path, name: str) -> list[str]:
    """A list of texts, which earlier versions kept without a name and a digest."""
    content = read_json(path)
    texts = content.get(name) if isinstance(content, dict) else content
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{path}: is no list of {name}; {OWN_BACK}")
    return texts


def _is_metrics(line: bytes) -> bool:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "round" in content


def _first_difference(before: NDArray[np.str_], now: NDArray[np.str_]) -> str:
    """Where two lists of images differ, in words."""
    if len(before) != len(now):
        return f"pool.json lists {len(before)}, the data {len(now)}"
    place = int(np.argmax(before != now))
    return f"pool.json lists '{before[place]}' as image {place}, the data '{now[place]}'"


def new_run() -> str:
    """A name for a run in the log that no other has."""
    return f"run-{secrets.token_hex(4)}"


def log_test_use(folder: Path, command: str) -> None:
    """Append to ``test_uses.jsonl`` that the test identities were used, when and by which command."""
    use = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": command}
    with (make_folder(folder) / "test_uses.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(use) + "\n")
