"""``reid-al benchmark``: selectors compared at the same start, training and number of answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from reid_al_agents.asking.policy import check_selector
from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import Bars, emit_json, messages
from reid_al_agents.experiment.benchmark import Comparison, Plan, compare
from reid_al_agents.files import make_folder
from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.pages import write_comparison_page
from reid_al_agents.report.plots import headline, plot_by_answers, save_figure
from reid_al_agents.report.rows import results_object, write_csv, write_json
from reid_al_agents.report.table import as_rich, results_table
from reid_al_agents.training.pool import Pool
from reid_al_agents.workspace.assembly import assemble
from reid_al_agents.workspace.folder import log_test_use


def benchmark(
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="Folder for results.json, .csv, .png and report.html.")],
    split: opt.SplitFile = None,
    weights: opt.Weights = None,
    backbone: opt.Backbone = "osnet_x0_25",
    size: opt.Size = "128x64",
    selectors: Annotated[
        str, typer.Option("--selectors", help="Names as of run --selector, with commas between.")
    ] = "gain,entropy,random",
    nodes: opt.Nodes = "groups",
    answers: Annotated[
        str, typer.Option("--answers", help="Numbers of answers at which a model is refreshed and scored.")
    ] = "1250,5000",
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds, with commas between.")] = "0,1,2",
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="One seed, in place of --seeds.")] = None,
    refresh: opt.Refresh = "cluster",
    adapt: opt.Adapt = True,
    refresh_steps: opt.RefreshSteps = None,
    quick_every: Annotated[
        int | None,
        typer.Option(
            "--quick-every",
            min=0,
            help="Answers between quick refreshes, which only choose what is asked next (cluster); "
            "0 for none. Default a 14th of the images.",
            show_default=False,
        ),
    ] = None,
    all_labels: Annotated[
        bool,
        typer.Option(
            "--all-labels", help="Add reference rows: training on every label, and (cluster) on none."
        ),
    ] = False,
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep the model behind every row in OUT/weights.")
    ] = False,
    parallel: opt.Parallel = 5,
    budget: opt.Budget = None,
    audit: opt.Audit = 0.05,
    pool_size: opt.PoolSize = 30,
    k: opt.Neighbours = 15,
    metric: opt.Metric = "cosine",
    empty_negatives: opt.EmptyNegatives = "neutral",
    cross_camera: opt.CrossCamera = False,
    closure: opt.Closure = True,
    noise: opt.Noise = 0.0,
    final: opt.Final = False,
    device: opt.Device = "auto",
    json: opt.Json = False,
) -> None:
    """Compare selectors on images (rank-1, mAP) or on bare features (return, identities formed)."""
    names = tuple(selectors.split(","))
    for name in names:
        check_selector(name)
    base = opt.run_config(
        data,
        split,
        weights,
        size,
        backbone=backbone,
        nodes=nodes,
        adapt=adapt,
        audit=audit,
        refresh=refresh,
        refresh_steps=refresh_steps,
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
    )
    plan = Plan(
        base,
        names,
        opt.parse_numbers(answers, "--answers"),
        (seed,) if seed is not None else opt.parse_numbers(seeds, "--seeds"),
        all_labels,
        make_folder(out / "weights") if keep_weights else None,
        quick_every,
    )
    results = ResultsFolder(out, plan)
    with Bars() as bars:
        comparison = compare(
            plan, lambda s: _subject(plan, s, device, out, bars), bars, on_row=results.write_rows
        )
    results.write_all(comparison, title=f"Selectors on {data}")
    if json:
        emit_json({"out": str(out), **results_object(comparison.rows, results.provenance)})
    else:
        messages.print(as_rich(results_table(comparison.rows, "Results"), messages.width))
        messages.print(f"results.json, results.csv, results.png and report.html: {out}")


class ResultsFolder:
    """Where a comparison's results go; rows are written as they come, so that a long one loses nothing."""

    def __init__(self, path: Path, plan: Plan) -> None:
        settings = {**plan.base.as_dict(), "selectors": plan.selectors, "budgets": plan.budgets}
        settings["quick_every"] = plan.quick_every
        self.path = make_folder(path)
        self.provenance = Provenance.of_this_process(opt.typed_command(), plan.seeds, settings)
        if plan.base.evaluate_on == "test":
            log_test_use(path, self.provenance.command)

    def write_rows(self, comparison: Comparison) -> None:
        """Write the rows so far."""
        write_json(self.path / "results.json", comparison.rows, self.provenance)
        write_csv(self.path / "results.csv", comparison.rows)

    def write_all(self, comparison: Comparison, title: str) -> None:
        """Write rows, plot and page."""
        self.write_rows(comparison)
        save_figure(plot_by_answers(comparison.rows, headline(comparison.rows)), self.path / "results.png")
        write_comparison_page(
            self.path / "report.html",
            comparison.rows,
            self.provenance,
            title=title,
            returns=comparison.returns,
        )


def _subject(plan: Plan, seed: int, device: str, out: Path, bars: Bars) -> Pool:
    return assemble(
        replace(plan.base, seed=seed),
        device=device,
        keep_split=out / "split.json",
        split_seed=plan.seeds[0],  # the same people for every seed, so that rows can be paired
        progress=bars,
    )
