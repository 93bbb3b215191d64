"""``reid-al train``: a policy that can be used on data it has never seen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from reid_al_agents.asking.browsing import AskingLimits, ask
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Bars, emit_json, messages
from reid_al_agents.dqn.selector import DQNSelector
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.experiment.run import label_oracle, policy_origin
from reid_al_agents.report.plots import plot_return_by_query, save_figure
from reid_al_agents.workspace.assembly import assemble
from reid_al_env import InputError, Inquiry
from reid_al_env.mdp.browsing import QueryBrowser


def train(
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="Policy file to write, .safetensors.")],
    algo: Annotated[str, typer.Option("--algo", help="dqn: masked deep Q-learning.")] = "dqn",
    policy: Annotated[
        str, typer.Option("--policy", help="graph (serves any pool size) or mlp (the paper's).")
    ] = "graph",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Answers to learn from.")] = 20_000,
    split: opt.SplitFile = None,
    weights: opt.Weights = None,
    backbone: opt.Backbone = "osnet_x0_25",
    size: opt.Size = "128x64",
    parallel: opt.Parallel = 5,
    budget: opt.Budget = None,
    pool_size: opt.PoolSize = 30,
    k: opt.Neighbours = 15,
    metric: opt.Metric = "cosine",
    empty_negatives: opt.EmptyNegatives = "neutral",
    cross_camera: opt.CrossCamera = False,
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    json: opt.Json = False,
) -> None:
    """Train a policy on labelled images or features (the pool identities of the split)."""
    if algo != "dqn":
        raise InputError(
            f"--algo: {algo!r} is unknown; choose dqn (for others see examples/ and any RL library)"
        )
    if not out.parent.is_dir():
        raise InputError(f"--out: folder {out.parent} does not exist; create it first")
    config = opt.run_config(
        data,
        split,
        weights,
        size,
        backbone=backbone,
        refresh="none",
        parallel=parallel,
        budget=budget,
        nodes="images",
        pool_size=pool_size,
        k=k,
        metric=metric,
        empty_negatives=empty_negatives,
        cross_camera=cross_camera,
        evaluate_on="none",
        seed=seed,
    )
    selector = DQNSelector(pool_size, DQNSettings(policy=policy), seed=seed)
    started = time.perf_counter()
    with Bars() as bars:
        made = out.with_suffix(".split.json")
        subject = assemble(config, device=device, keep_split=made, progress=bars)
        inquiry = Inquiry(
            subject.features(), config.episode(), label_oracle(subject, config), size=config.parallel
        )
        returns = _learn(inquiry, selector, steps, seed, bars)
    selector.save(out, policy_origin(config, steps))
    curve = out.with_suffix(".png")
    if returns:
        save_figure(plot_return_by_query({f"dqn, {policy}": [np.asarray(returns)]}), curve)
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


def _learn(inquiry: Inquiry, selector: DQNSelector, steps: int, seed: int, bars: Bars) -> list[float]:
    """Browse the pool as often as it takes; the return of each query, in order."""
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
            lambda answers, _, already=already: bars("learn", already + answers, steps),  # type: ignore[misc]
        )
        returns += report.returns
        if report.answers == 0:
            raise InputError(
                "train: nothing can be asked of this pool; give more images (or drop --cross-camera)"
            )
        done += report.answers
        passes += 1
    return returns
