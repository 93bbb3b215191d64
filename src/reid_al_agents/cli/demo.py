"""``reid-al demo``: the default way and the paper's on rendered people; nothing is downloaded."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, print_line, progress
from reid_al_agents.workspace.settings import RunConfig


@opt.takes(typed=opt.options(RunConfig, "seed"))
def demo(
    typed: opt.Typed,
    out: Annotated[Path, opt.option("--out", "Folder for the results", "Output", "FOLDER", "demo")] = Path(
        "demo"
    ),
    json: opt.Json = False,
) -> None:
    """Run the default way and the paper's way on rendered people, with one answer per image."""
    from reid_al_agents.experiment.demo import DEFAULT, WAYS, DemoSettings, run_demo
    from reid_al_agents.experiment.demo_page import gained, write_demo_page
    from reid_al_agents.report.machine import Provenance
    from reid_al_agents.report.rows import results_object, write_csv, write_json
    from reid_al_agents.report.table import as_rich, results_table

    started = time.perf_counter()
    seed = RunConfig(data="", **typed).seed
    settings, command = DemoSettings(seed), opt.typed_command()
    with progress() as bars:
        rows = run_demo(out, settings, command=command, progress=bars, on_step=print_line)
    ways = {way.name: {"nodes": way.nodes, "refresh": way.refresh, "rounds": way.rounds} for way in WAYS}
    provenance = Provenance.of_this_process(command, (seed,), {**asdict(settings), "ways": ways})
    write_json(out / "results.json", rows, provenance)
    write_csv(out / "results.csv", rows)
    write_demo_page(out, rows, settings, provenance)
    seconds = time.perf_counter() - started
    if json:
        found = {"out": str(out), "seconds_in_all": round(seconds, 1), "gained": gained(rows)}
        emit_json({**found, **results_object(rows, provenance)})
        return
    messages.print(as_rich(results_table(rows, "Rendered people at new cameras"), messages.width))
    print_line(gained(rows))
    print_line(f"{seconds:.0f} s. Page: {out / 'report.html'}.")
    print_line(f"Identities as files: reid-al export {out / DEFAULT.folder}")
