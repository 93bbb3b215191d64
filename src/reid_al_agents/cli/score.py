"""``reid-al score``: the score of a policy on the fixed tasks of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reid_al_agents.cli import options as opt
from reid_al_agents.cli.console import emit_json, messages, progress

if TYPE_CHECKING:
    from rich.table import Table

    from reid_al_agents.evaluation.catalogue_play import Played

_OPPONENT = "expected-change"


def score(
    policies: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="POLICY...",
            help="Policy files, rules (nearest, random, one-check-in-four, expected-change), references that "
            "see the labels (label-seeing; label-seeing-beam, a search of minutes), or learned, the policy "
            f"that comes with the package [dim](default learned {_OPPONENT})[/dim]",
            show_default=False,
        ),
    ] = None,
    on: Annotated[
        str,
        opt.option("--on", "A registered catalogue with scores", "Data", "ID", "ReIDCatalogueSmallTest-v0"),
    ] = "ReIDCatalogueSmallTest-v0",
    curves: Annotated[
        Path | None,
        opt.option("--curves", "CSV (and PNG) of F1 and score after every answer", "Output", "FILE"),
    ] = None,
    seed: Annotated[int, opt.option("--seed", "Seed of random questions", "Research", "N", "0", min=0)] = 0,
    json: opt.Json = False,
) -> None:
    """Score policies on 20 fixed tasks: 0 is asking the most similar first, 1 sees the labels."""
    from reid_al_agents.evaluation.catalogue_play import catalogue, play, rows
    from reid_al_agents.report.plots import plot_mean_by_answers, save_figure

    if curves is not None:
        opt.writable_file(curves)
    env = catalogue(on)
    names = tuple(policies or ("learned", _OPPONENT))
    with progress() as report:
        played = {name: play(env, name, seed, report) for name in names}
    if curves is not None:
        _write(curves, [row for name in names for row in rows(name, on, played[name])])
        short = {name: Path(name).name for name in names}  # a path would leave no room for the lines
        distinct = len(set(short.values())) == len(short)
        f1 = {
            short[name] if distinct else name: [task.f1 for task in tasks] for name, tasks in played.items()
        }
        figure = plot_mean_by_answers(f1, "B-cubed F1", title=f"{on}: mean of 20 tasks")
        save_figure(figure, curves.with_suffix(".png"))
    results = [_result(name, played) for name in names]
    if json:
        emit_json({"on": on, "seed": seed, "policies": results})
    else:
        _show(on, results)


def _result(name: str, played: dict[str, list[Played]]) -> dict[str, Any]:
    """Return and score of a policy with their 95 % intervals over tasks."""
    from reid_al_agents.evaluation.catalogue_play import by_family, rounded
    from reid_al_agents.report.summary import estimate

    tasks = played[name]
    found: dict[str, Any] = {"policy": name}
    measures = {
        "return": [each.f1[-1] - each.f1[0] for each in tasks],
        "score": [each.score[-1] for each in tasks],
    }
    if _OPPONENT in played and name != _OPPONENT:
        others = {each.task: each.score[-1] for each in played[_OPPONENT]}
        measures[f"above {_OPPONENT}"] = [each.score[-1] - others[each.task] for each in tasks]
    for measure, values in measures.items():
        over = estimate(values)
        assert over is not None
        found[measure] = {"mean": round(over.mean, 4), "half_width": round(over.half_width or 0.0, 4)}
    families = {family: round(value, 3) for family, value in by_family(tasks).items()}
    return {
        **found,
        "families": families,
        "tasks": {each.task: rounded(each.score[-1]) for each in tasks},
    }


def _show(on: str, results: list[dict[str, Any]]) -> None:
    """Print the measures, and the score of each family of tasks."""
    measures = ("return", "score", f"above {_OPPONENT}")
    families = list(results[0]["families"])
    totals = _table(f"{on}: mean of 20 tasks ± 95 % interval", measures)
    parts = _table("Score by family of tasks", families)
    for result in results:
        figures = (
            f"{found['mean']:.3f} ± {found['half_width']:.3f}" if (found := result.get(measure)) else ""
            for measure in measures
        )
        totals.add_row(result["policy"], *figures)
        parts.add_row(result["policy"], *(f"{result['families'][name]:.2f}" for name in families))
    messages.print(totals, parts, sep="\n")


def _table(title: str, numbers: Iterable[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("policy", no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    import csv
    import io

    from reid_al_agents.files import atomic_write

    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
