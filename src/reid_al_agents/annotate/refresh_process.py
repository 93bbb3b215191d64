"""One refresh in a process of its own, so that people go on answering meanwhile.

It reads what to do from a file, tells its progress as JSON lines, and stops with the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.data import ImageSet
from reid_al_agents.files import write_arrays, write_text
from reid_al_agents.training.image_pool import HeldGroups, ImagePool
from reid_al_agents.workspace.assembly import assemble
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import ConstraintGraph, InputError

_TOLD_EVERY = 0.2  # seconds between two lines on one thing


def main(spec: str) -> int:
    """Do what the file ``spec`` says; 0 if that went well."""
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        _tell(finished=refresh(json.loads(Path(spec).read_text(encoding="utf-8"))))
    except InputError as error:
        _tell(error=str(error))
        return 2
    return 0


def refresh(spec: dict[str, Any]) -> dict[str, Any]:
    """Adapt or refresh the model and embed the pool.

    Args:
        spec: ``config`` (of :class:`RunConfig`), ``out`` (folder for ``weights.safetensors`` and
            ``features.npz``), ``start`` (start weights, made where they are missing and the configuration
            adapts), ``last`` (weights of the last refresh, or ``None``), ``seen`` (``.npz`` with the features
            of the pool that were asked with), ``evidence`` (``.npz`` with ``pairs``, ``signs``, ``weights``
            and ``excluded``; ``None`` before the first answer), ``round`` and ``device``.

    Returns:
        Figures about the training and, where identities are known, the scores.
    """
    settings = dict(spec["config"])
    config = RunConfig(**{**settings, "size": tuple(settings["size"])})
    out, start = Path(spec["out"]), Path(spec["start"])
    subject = assemble(config, device=spec["device"], progress=_Bar())
    if not isinstance(subject, ImagePool):
        raise InputError(f"{config.data}: has no images to learn from; name a data set of images")
    figures: dict[str, Any] = {}
    if config.adapts:
        if start.is_file():
            subject.load_start(start)
        else:
            figures |= subject.adapt(config.seed * 1000)
            subject.save_start(start)
    if spec["evidence"] is not None:
        with np.load(spec["evidence"], allow_pickle=False) as kept:
            pairs = kept["pairs"].tolist()
            links = [
                (i, j, sign, weight)
                for (i, j), sign, weight in zip(
                    pairs, kept["signs"].tolist(), kept["weights"].tolist(), strict=True
                )
            ]
            if config.warm and spec["last"] is not None:
                subject.load(Path(spec["last"]))
            seed = config.seed * 1000 + spec["round"]
            held = held_by(Path(spec["seen"]), config)
            figures |= subject.refresh_without(kept["excluded"], links, seed, held)
    pool = subject.pool()
    scores = subject.scores()
    subject.save(out / "weights.safetensors")
    write_arrays(out / "features.npz", {"features": pool.features})
    figures = {**figures, **scores}
    write_text(out / "figures.json", json.dumps(figures) + "\n")
    return figures


def held_by(seen: Path, config: RunConfig) -> HeldGroups:
    """The groups of the asking, formed anew of the images that train."""
    grouping = config.grouping()
    with np.load(seen, allow_pickle=False) as kept:
        features = kept["features"]

    def held(images: ImageSet, places: NDArray[np.int64], known: ConstraintGraph) -> NDArray[np.int64]:
        sides = sides_of(images.sides)
        looks = compare_visually(features[places], images.cameras, grouping.k1, grouping.k2, sides)
        return form_groups(looks.similarities, known, grouping.micro_cluster_similarity).groups

    return held


class _Bar:
    def __init__(self) -> None:
        self._told = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - self._told >= _TOLD_EVERY:
            self._told = now
            _tell(what=what, done=done, total=total)


def _tell(**line: Any) -> None:
    print(json.dumps(line), flush=True)


def _stop_with_parent() -> None:
    """Standard input ends when the parent does, however it ends."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
