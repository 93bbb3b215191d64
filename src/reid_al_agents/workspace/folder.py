"""A run's folder: what is kept, in what order, so that a run can be killed at any moment and go on."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import make_folder, write_arrays, write_text
from reid_al_agents.log.pair_log import PairLog
from reid_al_agents.report.machine import Provenance
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

_NEEDED = {"round", "queries", "answers", "matches", "implied", "drawn", "returns"}


class Folder:
    """``config.json``, ``pool.json``, ``metrics.jsonl``, ``pairs.sqlite``, and what is made of them.

    A round is done once ``metrics.jsonl`` has its line; that line is written last, after the checkpoint that
    the next round starts from. What a killed round left behind is written again, except for its answers,
    which stand in ``pairs.sqlite`` and are read from there. A folder without answers has not begun.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pairs = path / "pairs.sqlite"
        self.weights = path / "weights.safetensors"
        self.policy = path / "policy.safetensors"
        self._groups = path / "groups.npz"
        self.report = path / "report.html"
        self._config = path / "config.json"
        self._pool = path / "pool.json"
        self._metrics = path / "metrics.jsonl"

    def open(
        self, config: RunConfig, *, resume: bool, fingerprint: str | None = None
    ) -> list[dict[str, Any]]:
        """Check that a run can start here, or go on; nothing is written but the folder itself.

        Args:
            config: The run's settings.
            resume: Go on with what is there.
            fingerprint: Digest of the images and the start weights; ``None`` leaves it unchecked.

        Returns:
            The metrics of the rounds that are done, in order; empty for a run that has not begun.

        Raises:
            InputError: If the folder cannot be written, holds answers and ``resume`` is off, holds no run and
                it is on, or was started with other settings, images or weights.
        """
        if resume:
            return self._reopen(config, fingerprint)
        if self._metrics.exists() or self._has_answers():
            raise InputError(f"{self.path}: holds a run already; go on with --resume or choose another --out")
        make_folder(self.path)
        return []

    def start(
        self, config: RunConfig, fingerprint: str, provenance: Provenance, names: NDArray[np.str_]
    ) -> None:
        """Keep what a new run is made of.

        Args:
            config: The run's settings.
            fingerprint: Digest of the images and the start weights.
            provenance: Command, commit and machine.
            names: Names of the pool's images, (N,), in the order that indices in the pair log mean.
        """
        write_text(self._pool, json.dumps(names.tolist()) + "\n")
        origin = {name: getattr(provenance, name) for name in ("command", "commit", "machine", "versions")}
        kept = {**config.as_dict(), "fingerprint": fingerprint, **origin}
        write_text(self._config, json.dumps(kept, indent=2) + "\n")

    def pool_names(self) -> NDArray[np.str_]:
        """Names of the pool's images, (N,), in the order that indices in the pair log mean.

        Raises:
            InputError: If the folder holds no run.
        """
        try:
            return np.array(json.loads(self._pool.read_text(encoding="utf-8")), dtype=np.str_).reshape(-1)
        except (OSError, ValueError) as error:
            raise InputError(f"{self._pool}: cannot be read ({error}); name the folder of a run") from error

    def save_groups(self, groups: NDArray[np.int64]) -> None:
        """Keep the identities formed, (N,), in the order of :meth:`pool_names`."""
        write_arrays(self._groups, {"groups": groups})

    def groups(self) -> NDArray[np.int64] | None:
        """The identities formed, (N,); ``None`` where the run has not ended.

        Raises:
            InputError: The file cannot be read.
        """
        if not self._groups.is_file():
            return None
        try:
            with np.load(self._groups, allow_pickle=False) as kept:
                return np.asarray(kept["groups"], dtype=np.int64)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{self._groups}: cannot be read ({error}); resume the run") from error

    def _has_answers(self) -> bool:
        if not self.pairs.is_file():
            return False
        with PairLog(self.pairs) as log:
            return log.count() > 0

    def checkpoint(self, done: int) -> Path:
        """The folder of the checkpoint that the round after ``done`` starts from."""
        return self.path / "checkpoint" / str(done)

    def finish(self, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Mark the last of ``metrics`` as done, and drop the checkpoint before it."""
        lines = "".join(json.dumps(line) + "\n" for line in metrics)
        write_text(self._metrics, lines)
        for folder in (self.path / "checkpoint").glob("*"):
            if folder.name != str(len(metrics)):
                shutil.rmtree(folder)

    def _reopen(self, config: RunConfig, fingerprint: str | None) -> list[dict[str, Any]]:
        if not self._config.is_file():
            raise InputError(f"{self.path}: holds no run to resume; start one without --resume")
        try:
            kept = json.loads(self._config.read_text(encoding="utf-8"))
            lines = self._metrics.read_text(encoding="utf-8").splitlines() if self._metrics.exists() else []
            metrics = [json.loads(line) for line in lines]
            if not isinstance(kept, dict) or not all(line.keys() >= _NEEDED for line in metrics):
                raise ValueError("they are not what a run writes")
        except (OSError, ValueError, AttributeError) as error:
            raise InputError(f"{self.path}: its config or metrics cannot be read ({error})") from error
        config.check_same(kept, str(self.path))
        if fingerprint is not None and kept.get("fingerprint") != fingerprint:
            raise InputError(
                f"{self.path}: was started with other images or start weights; "
                "resume with the same ones or choose another folder"
            )
        return metrics


def log_test_use(folder: Path, command: str) -> None:
    """Append to ``test_uses.jsonl`` that the test identities were looked at, when and by which command."""
    use = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "command": command}
    with (make_folder(folder) / "test_uses.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(use) + "\n")
