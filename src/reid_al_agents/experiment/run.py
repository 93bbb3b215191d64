"""One run with a folder: start or resume, every round kept before the next, a report at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reid_al_agents.asking.policy import LearnedSelector
from reid_al_agents.experiment.loop import Loop, Metrics
from reid_al_agents.log.logged_oracle import LoggedOracle
from reid_al_agents.log.pair_log import PairLog
from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.pages import write_run_page
from reid_al_agents.training.pool import Pool, Progress
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError, LabelOracle, NoisyOracle, Oracle

RUN_ID = "run"


@dataclass(frozen=True)
class RunResult:
    """What a run left.

    Args:
        folder: The run's folder.
        rounds: Metrics of each round, in order; the first is the start.
    """

    folder: Folder
    rounds: list[Metrics]


def run(
    config: RunConfig,
    subject: Pool,
    out: Path,
    *,
    resume: bool = False,
    command: str = "",
    progress: Progress | None = None,
    on_round: Callable[[Metrics], None] | None = None,
) -> RunResult:
    """Run the whole loop in a folder.

    Args:
        config: The settings.
        subject: What is asked about, at its start weights.
        out: The run's folder.
        resume: Go on where a run with the same settings stopped; no answer is asked for twice.
        command: The command line, for the report.
        progress: Told of long work.
        on_round: Told the metrics of each round as it ends, round 0 being the start.

    Raises:
        InputError: If the folder or the settings do not fit; see :class:`Folder`.
    """
    folder = Folder(out)
    provenance = Provenance.of_this_process(command, (config.seed,), config.as_dict())
    rounds = folder.open(config, resume=resume, fingerprint=subject.fingerprint())
    with PairLog(folder.pairs) as log:
        oracle = LoggedOracle(
            label_oracle(subject, config, log.count()),
            log,
            subject.names,
            run=RUN_ID,
            selector=config.selector,
        )
        loop = Loop(subject, config, oracle, progress=progress)
        if rounds:
            done = [a for a in log.answers(run=RUN_ID) if a.round <= rounds[-1]["round"]]
            if len(done) != rounds[-1]["answers"]:
                raise InputError(
                    f"{folder.pairs}: holds {len(done)} answers of the rounds that are done, but "
                    f"metrics.jsonl counts {rounds[-1]['answers']}; put the run's own file back to resume"
                )
            loop.resume(
                folder.checkpoint(len(rounds)),
                rounds,
                ((a.query, a.candidate, a.answer, a.probability) for a in done),
            )
        else:
            folder.start(config, subject.fingerprint(), provenance, subject.names)
            _finish(folder, loop, rounds, loop.begin(), on_round)
        while rounds[-1]["round"] < loop.rounds and not loop.exhausted:
            oracle.begin_round(len(rounds))
            _finish(folder, loop, rounds, loop.play_round(len(rounds)), on_round)
    _write_results(folder, loop, rounds, config, provenance)
    return RunResult(folder, rounds)


def label_oracle(subject: Pool, config: RunConfig, answered: int = 0) -> Oracle:
    """Answers from the subject's identities, with ``config.noise`` wrong answers.

    Args:
        subject: Whose pool is asked about.
        config: The settings.
        answered: Answers that were given before a stop, so that the noise goes on after them.

    Raises:
        InputError: If no identity of the pool is known.
    """
    if (subject.identities < 0).all():
        raise InputError("pool: no identity is known, so nobody can answer; name a data set with identities")
    truth = LabelOracle(subject.identities)
    if config.noise == 0.0:
        return truth
    rates = {"false_match": config.noise, "false_non_match": config.noise}
    return NoisyOracle(truth, **rates, seed=config.seed, answered=answered)


def policy_origin(config: RunConfig, answers: int) -> dict[str, object]:
    """What a policy file says of where it learned: data, episode settings and labels used."""
    episode = ("pool_size", "budget", "k", "margin", "metric", "empty_negatives", "cross_camera")
    return {
        "data": config.data,
        "labels": answers,
        "seed": config.seed,
        **{name: getattr(config, name) for name in episode},
    }


def _finish(
    folder: Folder,
    loop: Loop,
    rounds: list[Metrics],
    metrics: Metrics,
    on_round: Callable[[Metrics], None] | None,
) -> None:
    """Keep what the next round starts from, then mark the round as done."""
    rounds.append(metrics)
    loop.keep(folder.checkpoint(len(rounds)))
    folder.finish(rounds)
    if on_round is not None:
        on_round(metrics)


def _write_results(
    folder: Folder, loop: Loop, rounds: list[Metrics], config: RunConfig, provenance: Provenance
) -> None:
    loop.subject.save(folder.weights)
    folder.save_groups(loop.mode.groups())
    if isinstance(loop.selector, LearnedSelector):
        learned = loop.selector.learning
        loop.selector.save(folder.policy, policy_origin(config, loop.totals.answers) if learned else None)
    write_run_page(
        folder.report,
        rounds,
        provenance,
        title=f"Run of {config.selector} on {config.data}",
        returns=[value for line in rounds for value in line["returns"]],
    )
