"""``reid-al demo``: the whole loop on rendered pedestrians, nothing downloaded, in under three minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.benchmark import ResultsFolder
from reid_al_agents.cli.console import Bars, emit_json, messages
from reid_al_agents.experiment.benchmark import compare
from reid_al_agents.experiment.demo import demo_plan, pretrained_weights, target_subject
from reid_al_agents.report.rows import results_object
from reid_al_agents.report.table import as_rich, results_table


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")] = Path("demo"),
    seed: opt.Seed = 0,
    json: opt.Json = False,
) -> None:
    """Pretrain a small CNN on rendered people, move to new cameras, and compare who asks best."""
    started = time.perf_counter()
    plan = demo_plan(seed)
    results = ResultsFolder(out, plan)
    with Bars() as bars:
        messages.print("A small CNN learns from labelled people at the source cameras ...")
        start = pretrained_weights(seed, out, bars)
        messages.print(
            "... and meets unlabelled people at other cameras. Three ways to choose who is asked about:"
        )
        comparison = compare(
            plan, lambda s: target_subject(plan, start, s, bars), bars, on_row=results.write_rows
        )
    results.write_all(comparison, title="Demo: rendered pedestrians at new cameras")
    seconds = time.perf_counter() - started
    if json:
        emit_json(
            {
                "out": str(out),
                "seconds_in_all": round(seconds, 1),
                **results_object(comparison.rows, results.provenance),
            }
        )
        return
    messages.print(
        as_rich(results_table(comparison.rows, "Rendered pedestrians at new cameras"), messages.width)
    )
    messages.print(f"{seconds:.0f} s. Plot: {out / 'results.png'}. Page: {out / 'report.html'}.")
