"""A run's folder: what is kept, in what order, so that a run can be killed at any moment and go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reid_al_agents.files import make_folder, write_text
from reid_al_agents.learner.config import RunConfig
from reid_al_agents.report.machine import Provenance
from reid_al_env import InputError


class RunFolder:
    """``config.json``, ``metrics.jsonl``, ``pairs.sqlite``, ``policy.safetensors``, ``weights.safetensors``.

    A round is done once ``metrics.jsonl`` has its line; that line is written last, after the checkpoint that
    the next round starts from. What a killed round left behind is written again, except for its answers,
    which stand in ``pairs.sqlite`` and are read from there.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pairs = path / "pairs.sqlite"
        self.weights = path / "weights.safetensors"
        self.policy = path / "policy.safetensors"
        self.report = path / "report.html"
        self._config = path / "config.json"
        self._metrics = path / "metrics.jsonl"

    def open(
        self, config: RunConfig, fingerprint: str, provenance: Provenance, *, resume: bool
    ) -> list[dict[str, Any]]:
        """Create the folder, or check that it can be resumed.

        Args:
            config: The run's settings.
            fingerprint: Digest of the images and the start weights.
            provenance: Command, commit and machine, kept beside the settings of a new run.
            resume: Go on with what is there.

        Returns:
            The metrics of the rounds that are done, in order; empty for a new run.

        Raises:
            InputError: If the folder cannot be written, holds a run and ``resume`` is off, holds none and it
                is on, or was started with other settings, images or weights.
        """
        if resume:
            return self._reopen(config, fingerprint)
        if self._config.exists():
            raise InputError(f"{self.path}: holds a run already; go on with --resume or choose another --out")
        make_folder(self.path)
        origin = {name: getattr(provenance, name) for name in ("command", "commit", "machine", "versions")}
        kept = {**config.as_dict(), "fingerprint": fingerprint, **origin}
        write_text(self._config, json.dumps(kept, indent=2) + "\n")
        return []

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

    def _reopen(self, config: RunConfig, fingerprint: str) -> list[dict[str, Any]]:
        if not self._config.is_file():
            raise InputError(f"{self.path}: holds no run to resume; start one without --resume")
        try:
            kept = json.loads(self._config.read_text(encoding="utf-8"))
            lines = self._metrics.read_text(encoding="utf-8").splitlines() if self._metrics.exists() else []
            metrics = [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: its config or metrics cannot be read ({error})") from error
        config.check_same(kept, str(self.path))
        if kept.get("fingerprint") != fingerprint:
            raise InputError(
                f"{self.path}: was started with other images or start weights; "
                "resume with the same ones or choose another folder"
            )
        return metrics
