"""Run one refresh in a separate process, so that annotators can keep answering.

The process reads its task (:class:`.Work`) from the first line of standard input, writes its progress as JSON
lines to standard output, and ends when its parent process ends. A line :data:`.PAUSE` on standard input halts
it at its next report of progress, a line :data:`.GO_ON` lets it go on. It has a low priority.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from reid_al_agents.annotate.refresh_work import GO_ON, PAUSE, Work
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.files import write_arrays
from reid_al_agents.log.store import EventStore
from reid_al_agents.training.image_pool import ImagePool
from reid_al_agents.training.pool import known_of, load_or_make_start
from reid_al_agents.training.refresh import refresh_model
from reid_al_agents.workspace.assembly import assemble
from reid_al_agents.workspace.features import read_features
from reid_al_agents.workspace.folder import Folder
from reid_al_env import FeatureSet, InputError

_NICE = 10
_REPORT_EVERY = 0.2  # seconds between two progress lines of one stage


def main() -> int:
    """Run the task on standard input; return 0, or 2 for unusable input."""
    if hasattr(os, "nice"):  # Windows gives it its priority when it is started
        os.nice(_NICE)
    work = Work(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_obey_parent, daemon=True).start()
    try:
        _report(finished=refresh(work))
    except InputError as error:
        _report(error=str(error))
        return 2
    return 0


def refresh(work: Work) -> dict[str, Any]:
    """Adapt or refresh the model and embed the pool.

    The label-free start is trained first if the settings ask for one and it does not exist yet. Then the
    model is trained on the answers, if there are any. ``weights.safetensors`` and ``features.npz`` are
    written to the round's folder.

    Returns:
        Training metrics and, if labels are known, the scores.
    """
    folder = Folder(Path(work.folder))
    kept = folder.kept()
    config = kept.settings
    pool = assemble(config, device=work.device, settle=folder, progress=_Progress())
    if not isinstance(pool, ImagePool):
        raise InputError(f"{config.data}: has no images to learn from; name a data set of images")
    beliefs = _beliefs(pool, work, folder)
    pool.correct(beliefs.corrections)
    figures: dict[str, Any] = {}
    if config.adapts:
        figures |= load_or_make_start(pool, folder.start, config.seed)
    if work.last_event:
        last = folder.round(work.number - 1)
        if config.warm and (last / "weights.safetensors").is_file() and work.number > 1:
            folder.read_round(work.number - 1, lambda place: pool.load(place / "weights.safetensors"))
        figures |= _learn(pool, beliefs, work, folder)
    features, scores = pool.features(), pool.scores()
    out = folder.round(work.number)
    pool.save(out / "weights.safetensors")
    write_arrays(out / "features.npz", {"features": features.features})
    return {**figures, **scores}


def _beliefs(pool: ImagePool, work: Work, folder: Folder) -> Beliefs:
    """What is known; a label-free start learns from no answer, but sides and times count for it, too."""
    kept = folder.kept()
    with EventStore(work.store) as log:
        events = [event for event in log.events(kept.run) if event.id <= (work.last_event or event.id)]
    return Beliefs.replay(
        known_of(pool.images, len(pool)),
        events,
        kept.settings.grouping().error_rate,
        pool.gone.nonzero()[0].tolist(),
    )


def _learn(pool: ImagePool, beliefs: Beliefs, work: Work, folder: Folder) -> dict[str, Any]:
    settings = folder.settings()
    asking = settings.grouping()
    features = folder.read_round(work.number - 1, lambda place: read_features(place, len(pool)))
    seen = FeatureSet(features, pool.identities, pool.cameras, pool.names, source=settings.data)
    return refresh_model(
        pool,
        beliefs,
        settings.seed * 1000 + work.number,
        assume=asking.thresholds(),
        seen=seen,
        neighbours=(asking.k1, asking.k2),
    )


class _Progress:
    def __init__(self) -> None:
        self._reported = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        _may_run.wait()
        now = time.monotonic()
        if done >= total or now - self._reported >= _REPORT_EVERY:
            self._reported = now
            _report(what=what, done=done, total=total)


def _report(**line: Any) -> None:
    print(json.dumps(line), flush=True)


_may_run = threading.Event()
_may_run.set()


def _obey_parent() -> None:
    """Halt and go on as told; exit once standard input is closed, however the parent process ends."""
    for line in sys.stdin:
        if line.strip() == PAUSE:
            _may_run.clear()
        elif line.strip() == GO_ON:
            _may_run.set()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
