"""``reid-al train``: a policy that can be used on data it has never seen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Report, emit_json, messages, progress
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from reid_al_agents.dqn.selector import DQNSelector
    from reid_al_env import Inquiry

_TAKEN = ("data", "split", *opt.READING, "seed", "weights", "backbone", "size", "pool_size", "k",
          "budget", "margin", "metric", "empty_negatives", "cross_camera", "parallel")  # fmt: skip


@opt.takes(typed=opt.options(RunConfig, *_TAKEN), learning=opt.options(DQNSettings, "policy"))
def train(
    typed: opt.Typed,
    learning: opt.Typed,
    out: Annotated[Path, opt.option("--out", "Policy file to write, .safetensors", "Output", "FILE")],
    algo: Annotated[
        str, opt.option("--algo", "dqn: masked deep Q-learning", "Training", "NAME", "dqn")
    ] = "dqn",
    steps: Annotated[
        int, opt.option("--steps", "Answers to learn from", "Training", "N", "20000", min=1)
    ] = 20_000,
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Train a policy on labelled images or features (the pool identities of the split)."""
    if algo != "dqn":
        raise InputError(
            f"--algo: {algo!r} is unknown; choose dqn (for others see examples/ and any RL library)"
        )
    config = RunConfig(**typed, refresh="none", nodes="images", evaluate_on="none")
    settings = DQNSettings(**learning)
    opt.writable_file(out)
    import numpy as np

    from reid_al_agents.dqn.selector import DQNSelector
    from reid_al_agents.experiment.run import label_oracle, policy_origin
    from reid_al_agents.report.plots import plot_return_by_query, save_figure
    from reid_al_agents.workspace.assembly import assemble
    from reid_al_env import Inquiry

    selector = DQNSelector(config.pool_size, settings, seed=config.seed)
    started = time.perf_counter()
    with progress() as report:
        made = out.with_suffix(".split.json")
        subject = assemble(config, device=device, keep_split=made, progress=report)
        inquiry = Inquiry(
            subject.features(), config.episode(), label_oracle(subject, config), size=config.parallel
        )
        returns = _learn(inquiry, selector, steps, config.seed, report)
    selector.save(out, policy_origin(config, steps))
    if returns:
        save_figure(
            plot_return_by_query({f"dqn, {settings.policy}": [np.asarray(returns)]}), out.with_suffix(".png")
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
