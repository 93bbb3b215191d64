"""Figures: mAP by answers, return by query, both side by side; drawn without a display or global state."""

import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from reid_al_agents.files import atomic_write
from reid_al_agents.report.drawing import Returns, draw_by_answers, draw_return_by_query
from reid_al_agents.report.measures import HEADLINES, MEASURES
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.series import Series, reference_levels, series_of
from reid_al_agents.report.theme import LIGHT, Theme
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES = (6.4, 4.1)


def plot_by_answers(
    rows: Sequence[ResultRow], measure: str = "map", *, title: str = "", theme: Theme = LIGHT
) -> "Figure":
    """Draw a measure by number of answers: a line per selector, its 95 % t interval as a band.

    Args:
        rows: The results. A selector whose rows all have 0 answers (`start`, `all labels`) is drawn as a
            level line; every other line begins at `start`.
        measure: Name of the measure, as in files (`map`, `rank1`, `pairwise_f1`, ...).
        title: Heading of the figure.
        theme: The colours.

    Returns:
        The figure.

    Raises:
        InputError: No row has the measure, or matplotlib is not installed.
    """
    figure, (axes,) = _figure(1, theme)
    _draw_rows(axes, rows, measure, theme)
    _set_title(axes, title, theme)
    return figure


def plot_mean_by_answers(
    values: Mapping[str, Sequence[ArrayLike]], y_label: str, *, title: str = "", theme: Theme = LIGHT
) -> "Figure":
    """Draw the mean over tasks of a measure that is known after every answer: a line per policy.

    Args:
        values: By policy, for each task the measure before the first and after every answer; a task that
            ended early keeps its last value.
        y_label: What is measured.
        title: Heading of the figure.
        theme: The colours.

    Returns:
        The figure; only nine points of each line are marked.

    Raises:
        InputError: There is nothing to draw, or matplotlib is not installed.
    """
    curves = []
    for name, tasks in values.items():
        longest = max(len(np.asarray(task)) for task in tasks)
        held = np.stack([np.pad(task, (0, longest - len(np.asarray(task))), mode="edge") for task in tasks])
        at = np.unique(np.linspace(0, longest - 1, 9).round().astype(int))
        mean = tuple(held.mean(axis=0)[at].tolist())
        unknown = (math.nan,) * len(at)
        curves.append(Series(name, tuple(at.tolist()), mean, unknown, tuple((value,) for value in mean)))
    figure, (axes,) = _figure(1, theme)
    draw_by_answers(axes, curves, [], y_label, decimals=3, theme=theme)
    _set_title(axes, title, theme)
    return figure


def plot_return_by_query(
    returns: Returns, *, window: int | None = None, title: str = "", theme: Theme = LIGHT
) -> "Figure":
    """Draw the moving average of the episodes' return by query, a line per selector.

    Args:
        returns: By selector, for each seed the return of each query in the order they were asked, (Q,).
        window: Queries averaged over; a tenth of the shortest run where None.
        title: Heading of the figure.
        theme: The colours.

    Returns:
        The figure.

    Raises:
        InputError: There are no returns, or matplotlib is not installed.
    """
    figure, (axes,) = _figure(1, theme)
    draw_return_by_query(axes, returns, window=window, theme=theme)
    _set_title(axes, title, theme)
    return figure


def plot_run(
    rounds: Sequence[Mapping[str, Any]], returns: ArrayLike, *, title: str = "", theme: Theme = LIGHT
) -> "Figure":
    """Draw one run: rank-1 and mAP by answers on the left, return by query on the right.

    Without a model to score, as on bare features, the identities formed (pairwise and B-cubed F1) take the
    place of rank-1 and mAP.

    Args:
        rounds: Metrics of each round, with `answers` and, where measured, `rank1` and `map`, or
            `pairwise_f1` and `bcubed_f1`.
        returns: (Q,) return of each query in the order they were asked; the right panel is left out for
            none.
        title: Heading over both.
        theme: The colours.

    Returns:
        The figure.

    Raises:
        InputError: No round has any of these, or matplotlib is not installed.
    """
    played = np.asarray(returns, dtype=float)
    figure, panels = _figure(1 + (len(played) > 0), theme)
    model = _run_curves(rounds, ("rank1", "map"))
    curves = model or _run_curves(rounds, ("pairwise_f1", "bcubed_f1"))
    draw_by_answers(
        panels[0], curves, [], "percent" if model else "F1", decimals=1 if model else 3, theme=theme
    )
    _set_title(panels[0], "Model by answers" if model else "Identities formed by answers", theme)
    if len(played):
        draw_return_by_query(panels[1], {"return": [played]}, window=None, theme=theme)
        _set_title(panels[1], "Return by query", theme)
    _set_heading(figure, title, theme)
    return figure


def new_figure(inches: tuple[float, float], theme: Theme) -> tuple["Figure", "Axes"]:
    """Make a figure with one empty panel, without a display or global state.

    Args:
        inches: Width and height.
        theme: The colours.

    Returns:
        The figure and its panel.

    Raises:
        InputError: matplotlib is not installed.
    """
    figure = _blank(inches, theme)
    return figure, figure.subplots()


def headline(rows: Sequence[ResultRow]) -> str:
    """Find what a comparison of these rows is about.

    Args:
        rows: The results.

    Returns:
        `map`, `pairwise_f1` or `return`: the first that any row has.

    Raises:
        InputError: No row has any of them.
    """
    named = [row.as_dict() for row in rows]
    for measure in HEADLINES:
        if any(row[measure] is not None for row in named):
            return measure
    raise InputError("no result has mAP, pairwise F1 or a return; there is nothing to compare")


def save_figure(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG or SVG, by the file's suffix; the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: The file to write, replaced if it is there.

    Raises:
        InputError: The suffix is another one, or the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in {".png", ".svg"}:
        raise InputError(f"{path}: figures are written as .png or .svg; rename the file")
    content = figure_bytes(figure, suffix[1:])
    with atomic_write(path) as file:
        file.write(content)


def figure_bytes(figure: "Figure", kind: str) -> bytes:
    """Render a figure in memory.

    Args:
        figure: The figure.
        kind: `png` or `svg`.

    Returns:
        The file's content, without the date and with fixed identifiers.
    """
    import matplotlib as mpl

    content = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with mpl.rc_context({"svg.hashsalt": "reid-al"}):
        figure.savefig(content, format=kind, dpi=160, metadata=metadata)
    return content.getvalue()


def _draw_rows(axes: "Axes", rows: Sequence[ResultRow], measure: str, theme: Theme) -> None:
    curves, levels = series_of(rows, measure), reference_levels(rows, measure)
    shown = MEASURES[measure]
    draw_by_answers(axes, curves, levels, shown.axis, decimals=shown.decimals, theme=theme)


def _run_curves(rounds: Sequence[Mapping[str, Any]], measures: Sequence[str]) -> list[Series]:
    lines = (_run_series(rounds, measure) for measure in measures)
    return [line for line in lines if line is not None]


def _run_series(rounds: Sequence[Mapping[str, Any]], measure: str) -> Series | None:
    points = {
        metrics["answers"]: float(metrics[measure]) for metrics in rounds if metrics.get(measure) is not None
    }
    if not points:
        return None
    name = MEASURES[measure].heading
    values = tuple(points.values())
    return Series(name, tuple(points), values, (math.nan,) * len(points), tuple((value,) for value in values))


def _figure(panels: int, theme: Theme) -> tuple["Figure", list["Axes"]]:
    figure = _blank((_PANEL_INCHES[0] * panels, _PANEL_INCHES[1]), theme)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _blank(inches: tuple[float, float], theme: Theme) -> "Figure":
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError('figures need matplotlib; pip install "reid-active-learning[agents]"') from error
    figure = Figure(figsize=inches, layout="constrained", facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def _set_title(axes: "Axes", title: str, theme: Theme) -> None:
    if title:
        axes.set_title(title, loc="left", color=theme.text, fontsize=12, fontweight="bold", pad=12)


def _set_heading(figure: "Figure", title: str, theme: Theme) -> None:
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=theme.text)
