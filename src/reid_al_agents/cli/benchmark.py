"""``reid-al benchmark``: selectors compared at the same start, training and number of answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Report, emit_json, messages, print_line, progress
from reid_al_agents.cli.results import ResultsFolder
from reid_al_agents.workspace.settings import RunConfig

if TYPE_CHECKING:
    from reid_al_agents.experiment.benchmark import Plan
    from reid_al_agents.training.pool import Pool

_NOT_COMPARED = ("seed", "evaluate_on", "selector", "answers", "rounds", "until_stable", "warm")


@opt.takes(typed=opt.options(RunConfig, without=_NOT_COMPARED))
def benchmark(
    typed: opt.Typed,
    out: Annotated[
        Path, opt.option("--out", "Folder for results.json, .csv, .png and report.html", "Output", "FOLDER")
    ],
    selectors: Annotated[
        str,
        opt.option(
            "--selectors",
            "Selectors, named as in run --selector, separated by commas",
            "Asking",
            "NAMES",
            "gain,entropy,random",
        ),
    ] = "gain,entropy,random",
    answers: Annotated[
        str,
        opt.option(
            "--answers",
            "Numbers of answers at which a model is refreshed and scored, separated by commas",
            "Asking",
            "NUMBERS",
            "1250,5000",
        ),
    ] = "1250,5000",
    seeds: Annotated[
        str, opt.option("--seeds", "Seeds, separated by commas", "Data", "NUMBERS", "0,1,2")
    ] = "0,1,2",
    seed: Annotated[
        int | None, opt.option("--seed", "One seed, in place of --seeds", "Data", "N", min=0)
    ] = None,
    quick_every: Annotated[
        int | None,
        opt.option(
            "--quick-every",
            "Answers between quick refreshes, which only serve to choose the next questions; 0 for none",
            "Training",
            "N",
            "a 14th of the images",
            min=0,
        ),
    ] = None,
    all_labels: Annotated[
        bool,
        opt.flag(
            "--all-labels",
            "Add reference rows: training on all labels and, with the cluster refresh, on none",
            "Training",
        ),
    ] = False,
    keep_weights: Annotated[
        bool, opt.flag("--keep-weights", "Save the model of every row in OUT/weights", "Output")
    ] = False,
    final: opt.Final = False,
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Compare selectors on images (rank-1, mAP) or on bare features (return, identities formed)."""
    base = RunConfig(**typed, evaluate_on="test" if final else "validation")
    numbers = opt.parse_numbers(answers, "--answers")
    chosen = (seed,) if seed is not None else opt.parse_numbers(seeds, "--seeds")
    names = opt.parse_names(selectors)
    from reid_al_agents.asking.policy import check_selector
    from reid_al_agents.experiment.benchmark import Plan, compare
    from reid_al_agents.files import make_folder
    from reid_al_agents.report.rows import results_object
    from reid_al_agents.report.table import as_rich, results_table

    for name in names:
        check_selector(name)
    kept = make_folder(out / "weights") if keep_weights else None
    plan = Plan(base, names, numbers, chosen, all_labels, kept, quick_every)
    results = ResultsFolder(out, plan)
    with progress() as report:
        comparison = compare(
            plan, lambda s: _subject(plan, s, device, out, report), report, on_row=results.write_rows
        )
    results.write_all(comparison, title=f"Selectors on {base.data}")
    if json:
        rows = results_object(comparison.rows, results.provenance)
        emit_json({"out": str(out), **rows, "endings": comparison.endings})
    else:
        messages.print(as_rich(results_table(comparison.rows, "Results"), messages.width))
        for ending in comparison.endings:
            print_line(ending)
        messages.print(f"results.json, results.csv, results.png and report.html: {out}")


def _subject(plan: Plan, seed: int, device: str, out: Path, report: Report) -> Pool:
    from reid_al_agents.workspace.assembly import assemble

    return assemble(
        replace(plan.base, seed=seed),
        device=device,
        keep_split=out / "split.json",
        split_seed=plan.seeds[0],  # the same people for every seed, so that rows can be paired
        progress=report,
    )
