"""``reid-al run``: the main job, from crops and weights to a better model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from reid_al_agents.asking.policy import check_selector
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Bars, emit_json, messages
from reid_al_agents.experiment.run import check_folder
from reid_al_agents.experiment.run import run as run_loop
from reid_al_agents.report.table import as_rich, rounds_table
from reid_al_agents.workspace.assembly import assemble
from reid_al_agents.workspace.folder import log_test_use


def run(
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")],
    split: opt.SplitFile = None,
    weights: opt.Weights = None,
    backbone: opt.Backbone = "osnet_x0_25",
    size: opt.Size = "128x64",
    selector: Annotated[
        str | None,
        typer.Option(
            "--selector",
            help="gain (default; groups), dqn (default; images), random, nearest, farthest, entropy, greedy, "
            "dqn-mlp or policy:FILE.",
        ),
    ] = None,
    nodes: opt.Nodes = "groups",
    refresh: opt.Refresh = "cluster",
    adapt: opt.Adapt = True,
    refresh_steps: opt.RefreshSteps = None,
    warm: Annotated[
        bool,
        typer.Option(
            "--warm",
            help="Let the last refresh go on from the model before, as the others do (cluster), not from the "
            "start weights.",
        ),
    ] = False,
    answers: Annotated[
        int | None,
        typer.Option(
            "--answers",
            help="Answers in all. Default one per image; between images, until each was the query once.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            "--rounds",
            min=1,
            help="Parts of the asking, each with a refresh: quick ones, then a full one (cluster). "
            "Default 6, images 1.",
        ),
    ] = None,
    until_stable: Annotated[
        bool,
        typer.Option(
            "--until-stable",
            help="Stop once answers hardly change any group; without --answers, after ten per image at most.",
        ),
    ] = False,
    audit: opt.Audit = 0.05,
    parallel: opt.Parallel = 5,
    budget: opt.Budget = None,
    pool_size: opt.PoolSize = 30,
    k: opt.Neighbours = 15,
    metric: opt.Metric = "cosine",
    empty_negatives: opt.EmptyNegatives = "neutral",
    cross_camera: opt.CrossCamera = False,
    closure: opt.Closure = True,
    noise: opt.Noise = 0.0,
    final: opt.Final = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: opt.Device = "auto",
    seed: opt.Seed = 0,
    json: opt.Json = False,
) -> None:
    """Embed, ask, learn, refresh and repeat; the folder holds the better model and all answers."""
    if selector is not None:
        check_selector(selector)
    config = opt.run_config(
        data,
        split,
        weights,
        size,
        backbone=backbone,
        selector=selector,
        nodes=nodes,
        adapt=adapt,
        until_stable=until_stable,
        audit=audit,
        refresh=refresh,
        refresh_steps=refresh_steps,
        warm=warm,
        answers=answers,
        rounds=rounds,
        parallel=parallel,
        budget=budget,
        pool_size=pool_size,
        k=k,
        metric=metric,
        empty_negatives=empty_negatives,
        cross_camera=cross_camera,
        closure=closure,
        noise=noise,
        evaluate_on="test" if final else "validation",
        seed=seed,
    )
    check_folder(out, config, resume=resume)  # before the data are read, and before anything is written
    made = out / "split.json"
    described = replace(config, split=str(made)) if resume and made.is_file() else config
    if final:
        log_test_use(out, opt.typed_command())
    with Bars() as bars:
        subject = assemble(described, device=device, keep_split=made, progress=bars)
        result = run_loop(
            config,
            subject,
            out,
            resume=resume,
            command=opt.typed_command(),
            progress=bars,
            on_round=lambda metrics: messages.print(_line(metrics)),
        )
    summary = [{name: value for name, value in line.items() if name != "returns"} for line in result.rounds]
    if json:
        emit_json({"out": str(out), "rounds": summary})
    else:
        messages.print(as_rich(rounds_table(summary, title=f"{config.selector} on {data}"), messages.width))
        messages.print(f"weights, pairs, metrics and report.html: {out}")


def _line(metrics: dict[str, Any]) -> str:
    if metrics["round"] == 0:
        start = "start"
    else:
        start = f"round {metrics['round']}: {metrics['answers']} answers, {metrics['groups']} groups"
    if "changed_groups" in metrics:  # whether it is worth going on
        start += f", {metrics['changed_groups']} of {metrics['changes_watched']} answers changed one"
    for name in ("precision", "recall"):
        if (audited := metrics.get(f"audit_{name}")) is not None:
            middle, low, high = (100 * value for value in audited)
            start += f", {name} {middle:.0f} % ({low:.0f} to {high:.0f})"
    if (error := metrics.get("audit_calibration_error")) is not None:
        start += f", calibration error {100 * error:.0f} %"
    scores = f", rank-1 {metrics['rank1']:.1f}, mAP {metrics['map']:.1f}" if "map" in metrics else ""
    return f"{start}{scores} ({metrics['seconds']:.0f} s)"
