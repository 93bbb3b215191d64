"""``reid-al train``: a policy that can be used on data it has never seen."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Report, emit_json, messages, progress
from reid_al_agents.dqn.settings import ALGORITHMS, DQNSettings
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from reid_al_agents.dqn.selector import DQNSelector
    from reid_al_env import Inquiry

_REGISTERED = re.compile(r"(\w+:)?\w+-v\d+")
"""Names of environments."""

_TAKEN = ("data", "split", *opt.READING, "seed", "weights", "backbone", "size", "pool_size", "k",
          "budget", "margin", "metric", "empty_negatives", "cross_camera", "parallel")  # fmt: skip


@opt.takes(typed=opt.options(RunConfig, *_TAKEN), learning=opt.options(DQNSettings, "policy"))
def train(
    typed: opt.Typed,
    learning: opt.Typed,
    out: Annotated[Path, opt.option("--out", "Policy file to write, .safetensors", "Output", "FILE")],
    algo: Annotated[
        str,
        opt.option(
            "--algo",
            "dqn: masked deep Q-learning; ppo: MaskablePPO, for catalogues",
            "Training",
            "NAME",
            "dqn",
        ),
    ] = "dqn",
    steps: Annotated[
        int, opt.option("--steps", "Answers to learn from", "Training", "N", "20000", min=0)
    ] = 20_000,
    imitate: Annotated[
        int | None,
        opt.option(
            "--imitate",
            "States whose labels are imitated first, in a catalogue",
            "Training",
            "N",
            "as in the settings, 80000",
            min=0,
        ),
    ] = None,
    settings: Annotated[
        Path | None,
        opt.option("--settings", "YAML of settings by id, for catalogues", "Training", "FILE"),
    ] = None,
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Train a policy on labelled images or features (the pool identities of the split).

    DATA can also be registered catalogues, such as ReIDCatalogue-v0,ReIDCatalogueSmall-v0: a policy imitates
    the labels in all of them and then learns in the first, with the settings of the first. Score it with
    reid-al score.
    """
    if algo not in ALGORITHMS:
        raise InputError(
            f"--algo: {algo!r} is unknown; choose one of {', '.join(ALGORITHMS)} (for others see examples/)"
        )
    ids = str(typed["data"]).split(",")
    if all(_REGISTERED.fullmatch(name) for name in ids):
        if device not in ("auto", "cpu"):
            raise InputError(f"--device: {device}; in catalogues the small network learns on the CPU only")
        _train_in_catalogues(ids, typed, learning, out, algo, steps, imitate, settings, json)
        return
    if algo != "dqn":
        raise InputError(f"--algo: {algo} learns in catalogues; of images, choose dqn")
    if imitate is not None:
        raise InputError("--imitate: is for catalogues, whose questions have labels; leave it out")
    if settings is not None:
        raise InputError("--settings: is for catalogues; settings for images are options")
    if steps < 1:
        raise InputError("--steps: 0; expected at least 1, as nothing else is learned from images")
    config = RunConfig(**typed, refresh="none", nodes="images", evaluate_on="none")
    tuned = DQNSettings(**learning)
    opt.writable_file(out)
    import numpy as np

    from reid_al_agents.dqn.selector import DQNSelector
    from reid_al_agents.experiment.run import label_oracle
    from reid_al_agents.report.plots import plot_return_by_query, save_figure
    from reid_al_agents.workspace.assembly import assemble
    from reid_al_agents.workspace.policy_origin import model_of, policy_origin
    from reid_al_env import Inquiry

    selector = DQNSelector(config.pool_size, tuned, seed=config.seed)
    started = time.perf_counter()
    with progress() as report:
        made = out.with_suffix(".split.json")
        subject = assemble(config, device=device, keep_split=made, progress=report)
        inquiry = Inquiry(
            subject.features(), config.episode(), label_oracle(subject, config), size=config.parallel
        )
        returns = _learn(inquiry, selector, steps, config.seed, report)
    selector.save(out, policy_origin(config, steps, model_of(subject)))
    if returns:
        save_figure(
            plot_return_by_query({f"dqn, {tuned.policy}": [np.asarray(returns)]}), out.with_suffix(".png")
        )
    tenth = max(len(returns) // 10, 1)
    result = {
        "out": str(out),
        "answers": steps,
        "queries": len(returns),
        "return_first_tenth": float(np.mean(returns[:tenth])) if returns else None,
        "return_last_tenth": float(np.mean(returns[-tenth:])) if returns else None,
        "seconds": round(time.perf_counter() - started, 3),
    }
    if json:
        emit_json(result)
    else:
        messages.print(", ".join(f"{name} {value}" for name, value in result.items()))


def _train_in_catalogues(
    ids: list[str],
    typed: opt.Typed,
    learning: opt.Typed,
    out: Path,
    algo: str,
    steps: int,
    imitate: int | None,
    file: Path | None,
    json: bool,
) -> None:
    """Train a policy that chooses the questions of a whole pool, and write it."""
    refused = {*typed, *learning} - {"data", "seed"}
    if refused:
        raise InputError(
            f"{', '.join(sorted(refused))}: are settings for images; a catalogue has none of them"
        )
    opt.writable_file(out)
    from reid_al_agents.dqn.catalogue_settings import catalogue_settings
    from reid_al_agents.dqn.catalogue_training import train_catalogue
    from reid_al_agents.dqn.policy_file import save_network

    started = time.perf_counter()
    seed = typed.get("seed", RunConfig.seed)
    settings = catalogue_settings(algo, ids[0], file)
    if imitate is not None:
        settings = replace(settings, imitation=replace(settings.imitation, states=imitate))
    states = settings.imitation.states
    with progress() as report:
        network = train_catalogue(ids, settings, steps, seed, report)
    about = {"trained_on": ids, "seed": seed, "imitated_states": states, "algo": algo, "answers": steps}
    save_network(network, out, about)
    result = {"out": str(out), **about, "seconds": round(time.perf_counter() - started, 3)}
    if json:
        emit_json(result)
    else:
        messages.print(f"{out}: written; reid-al score {out} compares it with the rules")


def _learn(inquiry: Inquiry, selector: DQNSelector, steps: int, seed: int, show: Report) -> list[float]:
    """Train for the given number of answers; return the return of each query, in order."""
    import numpy as np

    from reid_al_agents.asking.browsing import AskingLimits, ask
    from reid_al_env.mdp.browsing import QueryBrowser

    rng = np.random.default_rng([seed, 1])
    count = len(inquiry.features)
    returns: list[float] = []
    done = passes = 0
    while done < steps:
        browser = QueryBrowser(count, np.random.default_rng([seed, 0, passes]))
        already = done
        report = ask(
            inquiry,
            selector,
            browser,
            rng,
            AskingLimits(answers=steps - done),
            lambda answers, _, already=already: show("learn", already + answers, steps),  # type: ignore[misc]
        )
        returns += report.returns
        if report.answers == 0:
            raise InputError(
                "train: nothing can be asked of this pool; give more images (or drop --cross-camera)"
            )
        done += report.answers
        passes += 1
    return returns
