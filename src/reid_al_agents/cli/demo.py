"""``reid-al demo``: the whole loop on rendered pedestrians, nothing downloaded, in under three minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, progress
from reid_al_agents.cli.results import ResultsFolder
from reid_al_agents.workspace.settings import RunConfig


@opt.takes(typed=opt.options(RunConfig, "seed"))
def demo(
    typed: opt.Typed,
    out: Annotated[Path, opt.option("--out", "Folder for the results", "Output", "FOLDER", "demo")] = Path(
        "demo"
    ),
    json: opt.Json = False,
) -> None:
    """Pretrain a small CNN on rendered people, move to new cameras, and compare ways to choose questions."""
    started = time.perf_counter()
    seed = RunConfig(data="", **typed).seed
    from reid_al_agents.experiment.benchmark import compare
    from reid_al_agents.experiment.demo import demo_plan, pretrained_weights, target_subject
    from reid_al_agents.report.rows import results_object
    from reid_al_agents.report.table import as_rich, results_table

    plan = demo_plan(seed)
    results = ResultsFolder(out, plan)
    with progress() as report:
        messages.print("A small CNN learns from labelled people at the source cameras ...")
        start = pretrained_weights(seed, out, report)
        messages.print("... and meets unlabelled people at other cameras. Three ways to choose questions:")
        comparison = compare(
            plan, lambda s: target_subject(plan, start, s, report), report, on_row=results.write_rows
        )
    results.write_all(comparison, title="Demo: rendered pedestrians at new cameras")
    seconds = time.perf_counter() - started
    if json:
        rows = results_object(comparison.rows, results.provenance)
        emit_json({"out": str(out), "seconds_in_all": round(seconds, 1), **rows})
        return
    table = results_table(comparison.rows, "Rendered pedestrians at new cameras")
    messages.print(as_rich(table, messages.width))
    messages.print(f"{seconds:.0f} s. Plot: {out / 'results.png'}. Page: {out / 'report.html'}.")
