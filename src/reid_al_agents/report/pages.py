"""The two pages there are: a comparison of selectors, and one run."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from reid_al_agents.files import write_text
from reid_al_agents.report.drawing import Returns
from reid_al_agents.report.html import KeyFigure, PageFigure, render_page
from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.measures import MEASURES
from reid_al_agents.report.plots import headline, plot_by_answers, plot_return_by_query, plot_run
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.series import START
from reid_al_agents.report.summary import Summary, summarise
from reid_al_agents.report.table import results_table, rounds_table

_SURE = "Bands and ± are 95 % t intervals over seeds; differences smaller than their interval count as equal."
_UNSURE = "One seed only: differences may be chance; run more seeds to find out."


def write_comparison_page(
    path: str | os.PathLike[str],
    rows: Sequence[ResultRow],
    provenance: Provenance,
    *,
    title: str,
    returns: Returns | None = None,
) -> None:
    """Write the page of a benchmark or of the demo.

    Args:
        path: The HTML file to write, replaced if it is there.
        rows: The results.
        provenance: Where they are from.
        title: Heading of the page.
        returns: By selector, for each seed the return of each query in the order they were asked.

    Raises:
        InputError: There is nothing to compare, a row is there twice, or the file cannot be written.
    """
    measure = headline(rows)
    shown = MEASURES[measure]
    summaries = [summary for summary in summarise(rows) if measure in summary.estimates]
    figures = [
        PageFigure(
            f"{shown.heading} by answers",
            lambda theme: plot_by_answers(rows, measure, theme=theme),
            "; ".join(f"{s.selector}, {s.answers} answers: {_value(s, measure)}" for s in summaries),
        )
    ]
    if returns:
        figures.append(
            PageFigure(
                "Return by query",
                lambda theme: plot_return_by_query(returns, theme=theme),
                "Moving average of the return of an episode, one line per selector",
            )
        )
    lead = "Every selector starts from the same model and gets the same number of answers. "
    lead += _SURE if max(summary.seeds for summary in summaries) > 1 else _UNSURE
    key_figures = _comparison_key_figures(rows, summaries, measure)
    table = results_table(rows, "Results")
    write_text(path, render_page(title, lead, key_figures, figures, [table], provenance))


def write_run_page(
    path: str | os.PathLike[str],
    rounds: Sequence[Mapping[str, Any]],
    provenance: Provenance,
    *,
    title: str,
    returns: ArrayLike = (),
) -> None:
    """Write the page of one run.

    Args:
        path: The HTML file to write, replaced if it is there.
        rounds: Metrics of each round, in order, as in `metrics.jsonl`; the first is the start. `answers` and
            `implied` add up over the rounds, `seconds` are those of the round; `ending` of the last says why
            there are fewer answers than were wanted.
        provenance: Where they are from.
        title: Heading of the page.
        returns: (Q,) return of each query in the order they were asked.

    Raises:
        InputError: No round has been measured, or the file cannot be written.
    """
    scored = any(metrics.get("map") is not None for metrics in rounds)
    measure = "map" if scored else "pairwise_f1"
    shown = MEASURES[measure]
    figure = PageFigure(
        "Rank-1, mAP and return" if scored else "Identities formed, and return",
        lambda theme: plot_run(rounds, returns, theme=theme),
        "; ".join(
            f"{metrics['answers']} answers: {shown.heading} {metrics[measure]:.{shown.decimals}f}"
            for metrics in rounds
            if metrics.get(measure) is not None
        ),
        wide=np.size(returns) > 0,
    )
    lead = "The model before the first answer and after each round of answers."
    if rounds and (ending := rounds[-1].get("ending")) is not None:
        lead += f" The run {ending}."
    page = render_page(title, lead, _run_key_figures(rounds), [figure], [rounds_table(rounds)], provenance)
    write_text(path, page)


def _comparison_key_figures(
    rows: Sequence[ResultRow], summaries: Sequence[Summary], measure: str
) -> list[KeyFigure]:
    heading = MEASURES[measure].heading
    most = max((summary.answers for summary in summaries), default=0)
    at_most = [summary for summary in summaries if summary.answers == most > 0]
    figures = [KeyFigure(f"{most:,}", "answers at most")]
    figures += [
        KeyFigure(_value(s, measure, interval=False), f"{heading} before any answer")
        for s in summaries
        if s.selector == START
    ]
    by_value = sorted(at_most, key=lambda summary: summary.estimates[measure].mean, reverse=True)
    figures += [
        KeyFigure(_value(s, measure, interval=False), f"{heading} with {s.selector}") for s in by_value[:3]
    ]
    seeds = len({row.seed for row in rows})
    return [*figures, KeyFigure(str(seeds), "seeds" if seeds > 1 else "seed: no intervals")]


def _run_key_figures(rounds: Sequence[Mapping[str, Any]]) -> list[KeyFigure]:
    figures = [KeyFigure(f"{rounds[-1]['answers']:,}", "answers")] if rounds else []
    for name in ("rank1", "map"):
        values = [metrics[name] for metrics in rounds if metrics.get(name) is not None]
        if values:
            change = f"{values[0]:.1f} → {values[-1]:.1f}" if len(values) > 1 else f"{values[0]:.1f}"
            figures.append(KeyFigure(change, f"{MEASURES[name].heading} in percent"))
    last = rounds[-1] if rounds else {}
    if last.get("implied") is not None:
        figures.append(KeyFigure(f"{last['implied']:,}", "pairs known without asking"))
    seconds = sum(metrics.get("seconds") or 0.0 for metrics in rounds)
    if seconds > 0:
        figures.append(KeyFigure(f"{seconds / 60:.1f} min", "time"))
    return figures


def _value(summary: Summary, measure: str, *, interval: bool = True) -> str:
    found, decimals = summary.estimates[measure], MEASURES[measure].decimals
    if found.half_width is None or not interval:
        return f"{found.mean:.{decimals}f}"
    return f"{found.mean:.{decimals}f} ± {found.half_width:.{decimals}f}"
