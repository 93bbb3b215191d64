"""Begin or resume a run in a folder; store every round before the next, and write a report at the end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reid_al_agents.asking.policy import LearnedSelector
from reid_al_agents.experiment.loop import Loop
from reid_al_agents.experiment.past import Metrics
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.pages import write_run_page
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.training.pool import Pool, Progress
from reid_al_agents.vision.quality import warnings_about_features, warnings_about_images
from reid_al_agents.workspace.folder import Folder, new_run
from reid_al_agents.workspace.kept import Kept
from reid_al_agents.workspace.lock import FolderLock
from reid_al_agents.workspace.metrics_file import write_metrics
from reid_al_agents.workspace.policy_origin import model_of, policy_contradictions, policy_origin
from reid_al_agents.workspace.settings import RunConfig
from reid_al_agents.workspace.settled_images import file_hashes
from reid_al_env import InputError, LabelOracle, NoisyOracle, Oracle

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """Result of a run.

    Args:
        folder: The run's folder.
        rounds: Metrics of each round, in order; the first is the start.
        ending: Why it ended before all its answers, in words; ``None`` where it did not.
    """

    folder: Folder
    rounds: list[Metrics]
    ending: str | None = None


def run(
    config: RunConfig,
    pool: Pool,
    out: Path,
    *,
    resume: bool = False,
    command: str = "",
    progress: Progress | None = None,
    on_round: Callable[[Metrics], None] | None = None,
) -> RunResult:
    """Let labels answer, and refresh the model, until all answers are given.

    Args:
        config: The settings.
        pool: The images with their model, at the start weights.
        out: The folder of the run, or of an annotation session to continue.
        resume: Continue the run in the folder; no question is asked twice.
        command: The command line, for the report.
        progress: Called with stage, done and total during long work.
        on_round: Called with the metrics of each round as it ends; the first is the start.

    Raises:
        InputError: If the folder or the settings do not fit, or another process has the folder open.
    """
    folder = Folder(out)
    with FolderLock(out):
        origin = Provenance.of_this_process(command, (config.seed,), config.as_dict())
        kept = _open(folder, config, pool, origin, resume)
        with EventStore(kept.store or folder.events) as log:
            events = folder.read_log(log, kept)
            folder.pool.check_images(pool.names, events)
            kept.check_fingerprint(pool.fingerprint(), out)
            answered = sum(event.kind == "answer" for event in events)
            oracle = label_oracle(pool, config, answered)
            altered = folder.pool.changes().event
            loop = Loop(pool, config, oracle, log, kept.run, events, progress=progress, altered=altered)
            keeper = _Keeper(folder, loop, log, kept.run, on_round)
            if not loop.rounds:
                _warn(pool, config)
            if loop.rounds:
                loop.resume(folder)
                write_metrics(folder.metrics, loop.rounds)
                folder.drop_rounds_before(len(loop.rounds) - 1)
            else:
                keeper.keep(loop.begin())
            while not loop.over:
                keeper.keep(loop.play_round())
        _write_results(folder, loop, config, origin)
    return RunResult(folder, loop.rounds, loop.ending)


def label_oracle(pool: Pool, config: RunConfig, answered: int = 0) -> Oracle:
    """Answers from the pool's labels, with ``config.noise`` wrong answers.

    Args:
        pool: The pool.
        config: The settings.
        answered: Number of answers given before, so that the noise continues its random sequence.

    Raises:
        InputError: If no identity of the pool is known.
    """
    if (pool.identities < 0).all():
        raise InputError(
            "pool: no identity is known, so labels cannot answer; name a data set with identities, "
            "or let people answer (reid-al annotate)"
        )
    truth = LabelOracle(pool.identities)
    if config.noise == 0.0:
        return truth
    rates = {"false_match": config.noise, "false_non_match": config.noise}
    return NoisyOracle(truth, **rates, seed=config.seed, answered=answered)


def check_folder(out: Path, config: RunConfig, *, resume: bool) -> Kept | None:
    """See that a run can begin in a folder, or go on; nothing is written but an upgrade from version 0.1.

    Args:
        out: The folder.
        config: The settings.
        resume: Whether to go on with what is there.

    Returns:
        What the folder keeps; ``None`` where a run is to begin.

    Raises:
        InputError: The folder holds a run and ``resume`` is off, holds none and it is on, or was begun with
            other settings.
    """
    folder = Folder(out)
    folder.check_whole()
    if not Folder.holds(out):
        if resume:
            raise InputError(f"{out}: holds no run to resume; start one without --resume")
        return None
    kept = folder.kept()
    if not resume and _has_events(folder, kept):
        raise InputError(f"{out}: holds a run already; go on with --resume or choose another --out")
    if not resume:
        return None
    config.check_same(kept.settings.as_dict(), str(out))
    return kept


def _open(folder: Folder, config: RunConfig, pool: Pool, origin: Provenance, resume: bool) -> Kept:
    """What the folder keeps: as it was begun, or begun now."""
    kept = check_folder(folder.path, config, resume=resume)
    if kept is None:
        named = {name: getattr(origin, name) for name in ("command", "commit", "machine", "versions")}
        folder.make_log()
        kept = Kept(config, new_run(), fingerprint=pool.fingerprint(), origin=named)
        hashes, names = _known_of(folder, pool)
        folder.begin(kept, pool.names, hashes, names)
    elif kept.settings != config:
        kept = replace(kept, settings=config)
        folder.keep(kept)
    if kept.fingerprint is None:  # a session's, or that of a pool to which images were added
        kept = replace(kept, fingerprint=pool.fingerprint())
        folder.keep(kept)
    folder.pool.complete_hashes(_known_of(folder, pool)[0])
    return kept


def _known_of(folder: Folder, pool: Pool) -> tuple[Sequence[str] | None, Sequence[str] | None]:
    """What each image is by its content, and what the data call its identities; ``None`` where unknown."""
    images = pool.images
    if images is None:
        return None, None
    return file_hashes(folder, images), images.identity_names


def _warn(pool: Pool, config: RunConfig) -> None:
    """Say what speaks against starting like this, before hours are lost."""
    for warning in policy_contradictions(config, model_of(pool)):
        _log.warning(warning)
    if isinstance(pool, FeaturePool):
        return
    for warning in warnings_about_images(len(pool.names), pool.cameras, config.weights is not None):
        _log.warning(warning)
    for warning in warnings_about_features(pool.features().features, pool.cameras):
        _log.warning(warning)


def _has_events(folder: Folder, kept: Kept) -> bool:
    with EventStore(kept.store or folder.events) as log:
        return bool(log.events(kept.run))


@dataclass
class _Keeper:
    """Stores the state that the next round starts from, then marks the round as done by an event."""

    folder: Folder
    loop: Loop
    log: EventStore
    run: str
    on_round: Callable[[Metrics], None] | None

    def keep(self, metrics: Metrics) -> None:
        number = len(self.loop.rounds)
        self.folder.check_there()
        self.loop.keep(self.folder)
        place = str(self.folder.round(number).relative_to(self.folder.path))
        metrics["folder"] = place
        done = Event(f"refresh/{number}", self.run, "refresh", "", time.time(), round=number, payload=metrics)
        self.log.append(done)
        write_metrics(self.folder.metrics, self.loop.rounds)
        self.folder.drop_rounds_before(number - 1)  # the one before is used where the last is damaged
        if self.on_round is not None:
            self.on_round(metrics)


def _write_results(folder: Folder, loop: Loop, config: RunConfig, origin: Provenance) -> None:
    loop.pool.save(folder.weights)
    folder.save_groups(loop.questions.identities())
    if isinstance(loop.selector, LearnedSelector):
        learned = loop.selector.learning
        seen = policy_origin(config, loop.totals.answers, model_of(loop.pool)) if learned else None
        loop.selector.save(folder.policy, seen)
    write_run_page(
        folder.report,
        loop.rounds,
        origin,
        title=f"Run of {config.selector} on {config.data}",
        returns=[value for line in loop.rounds for value in line.get("returns", ())],
    )
