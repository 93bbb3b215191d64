"""What figures are made of: lines over answers or queries, drawn into axes and named at their ends."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_agents.report.series import START, Series
from reid_al_agents.report.theme import SeriesStyle, Theme, series_styles
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 300  # of a smooth curve; more would swell a figure without being seen
Returns = Mapping[str, Sequence[ArrayLike]]


def draw_by_answers(
    axes: "Axes",
    curves: Sequence[Series],
    levels: Sequence[Series],
    y_label: str,
    *,
    decimals: int,
    theme: Theme,
) -> None:
    """Draw lines over the number of answers.

    Args:
        axes: Where to draw.
        curves: Lines, with their intervals as bands and their seeds as faint dots.
        levels: Results without answers, drawn as grey level lines.
        y_label: What is measured.
        decimals: Digits after the point of the values named at the lines' ends.
        theme: The colours.

    Raises:
        InputError: There is nothing to draw.
    """
    if not curves and not levels:
        raise InputError(f"no result has {y_label}; there is nothing to draw")
    styles = series_styles([curve.name for curve in curves], theme)
    span = max([1, *(curve.answers[-1] for curve in curves)])
    for position, curve in enumerate(curves):
        dodge = 0.006 * span * (position - (len(curves) - 1) / 2)  # so that the seeds' dots do not overlap
        _draw_curve(axes, curve, styles[curve.name], dodge, theme)
    for number, level in enumerate(levels):
        dashes = (0, (5, 3)) if number == 0 else (0, (1, 2 + number))
        axes.axhline(level.mean[0], color=theme.muted, linewidth=1.2, linestyle=dashes, zorder=1.5)
        if level.name == START:  # every line begins at this point, so it has none of their colours
            axes.plot(
                [0], level.mean, color=theme.muted, marker="o", markersize=7.5, zorder=4, **_edge(theme)
            )
    _limit(axes, [*curves, *levels])
    axes.set_xlim(-0.02 * span, 1.02 * span)
    _decorate(axes, "answers", y_label, theme)
    ends = [
        (curve.mean[-1], f"{curve.name}  {curve.mean[-1]:.{decimals}f}", styles[curve.name])
        for curve in curves
    ]
    plain = SeriesStyle(theme.muted, "_")
    ends += [(level.mean[0], f"{level.name}  {level.mean[0]:.{decimals}f}", plain) for level in levels]
    _label_ends(axes, ends, theme)


def draw_return_by_query(axes: "Axes", returns: Returns, *, window: int | None, theme: Theme) -> None:
    """Draw the moving average of the return by query.

    Args:
        axes: Where to draw.
        returns: By name, for each seed the return of each query in the order they were asked, (Q,).
        window: Queries averaged over; a tenth of the shortest run where None.
        theme: The colours.

    Raises:
        InputError: There are no returns.
    """
    seeds = {name: [np.asarray(one, dtype=float) for one in runs] for name, runs in returns.items()}
    lengths = [len(one) for runs in seeds.values() for one in runs]
    if not lengths or min(lengths) == 0:
        raise InputError("no episode was played; there are no returns to draw")
    window = max(1, min(lengths) // 10) if window is None else min(window, *lengths)
    styles = series_styles(seeds, theme)
    ends = []
    for name, runs in seeds.items():
        smooth = np.stack([moving_average(one[: min(lengths)], window) for one in runs])  # (seeds, queries)
        kept = np.unique(np.linspace(0, smooth.shape[1] - 1, _POINTS).round().astype(int))
        smooth, queries = smooth[:, kept], window + kept
        if len(runs) > 1:
            axes.plot(queries, smooth.T, color=styles[name].colour, linewidth=0.8, alpha=0.3)
        mean = smooth.mean(axis=0)
        axes.plot(queries, mean, color=styles[name].colour, linewidth=2.2)
        ends.append((float(mean[-1]), f"{name}  {mean[-1]:.2f}", styles[name]))
    axes.set_xlim(0, None)
    each = f" (mean of the last {window})" if window > 1 else ""
    _decorate(axes, "query", f"return{each}", theme)
    _label_ends(axes, ends, theme)


def moving_average(values: ArrayLike, window: int) -> NDArray[np.float64]:
    """Average over the last `window` values, for every position that has as many.

    Args:
        values: (Q,) values.
        window: How many are averaged, 1 to Q.

    Returns:
        (Q - window + 1,) float64 means.
    """
    sums = np.cumsum(np.concatenate([[0.0], np.asarray(values, dtype=np.float64)]))
    return np.asarray((sums[window:] - sums[:-window]) / window, dtype=np.float64)


def _draw_curve(axes: "Axes", curve: Series, style: SeriesStyle, dodge: float, theme: Theme) -> None:
    answers, mean = np.array(curve.answers), np.array(curve.mean)
    half = np.array(curve.half_width)  # NaN where there is one seed
    axes.fill_between(answers, mean - half, mean + half, color=style.colour, alpha=0.1, linewidth=0)
    dots = [
        (position + dodge, value)
        for position, values in zip(curve.answers, curve.values, strict=True)
        for value in values
        if len(values) > 1
    ]
    if dots:
        axes.scatter(
            [x for x, _ in dots],
            [y for _, y in dots],
            s=11,
            color=style.colour,
            alpha=0.4,
            linewidth=0,
            zorder=2,
        )
    axes.plot(
        answers,
        mean,
        color=style.colour,
        marker=style.marker,
        markersize=7.5,
        linewidth=2.2,
        zorder=3,
        **_edge(theme),
    )


def _edge(theme: Theme) -> dict[str, Any]:
    return {"markeredgecolor": theme.background, "markeredgewidth": 1.2}


def _limit(axes: "Axes", curves: Sequence[Series]) -> None:
    """Fit the axis to the values; an interval over two seeds can be far wider than all that was measured."""
    values = [value for curve in curves for seeds in curve.values for value in seeds]
    low, high = min(values), max(values)
    room = max(0.3 * (high - low), 0.01 * abs(high), 1e-3)
    edges = [
        mean + sign * half
        for curve in curves
        for mean, half in zip(curve.mean, curve.half_width, strict=True)
        for sign in (-1, 1)
        if np.isfinite(half)
    ]
    low, high = max(min([low, *edges]), low - room), min(max([high, *edges]), high + room)
    margin = 0.06 * (high - low) or room
    axes.set_ylim(low - margin, high + margin)


def _decorate(axes: "Axes", x_label: str, y_label: str, theme: Theme) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_facecolor(theme.background)
    axes.grid(axis="y", color=theme.grid, linewidth=1)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(theme.muted)
    axes.tick_params(colors=theme.muted, length=0, labelsize=9.5, pad=6)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel(x_label, color=theme.text, fontsize=10.5)
    axes.set_ylabel(y_label, color=theme.text, fontsize=10.5)


def _label_ends(axes: "Axes", ends: Sequence[tuple[float, str, SeriesStyle]], theme: Theme) -> None:
    """Name each line at its right end, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    ordered = sorted(ends, key=lambda end: end[0])
    heights = spread([(value - low) / (high - low) for value, _, _ in ordered], 0.062)
    for (value, label, style), height in zip(ordered, heights, strict=True):
        ends_at = (value - low) / (high - low)
        frame: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        axes.plot([1.0, 1.03], [ends_at, height], color=theme.muted, linewidth=0.6, alpha=0.6, **frame)
        axes.plot([1.045], [height], color=style.colour, marker=style.marker, markersize=7, **frame)
        axes.text(1.07, height, label, color=theme.text, fontsize=9.5, va="center", transform=axes.transAxes)


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Move ascending positions apart, as little as may be, until neighbours are at least `gap` apart.

    Overlapping neighbours are merged into blocks, each centred on the mean of where its members want to be.

    Args:
        positions: Where each would like to be, ascending.
        gap: The least distance between neighbours.

    Returns:
        Where each goes, in the same order.
    """
    blocks: list[list[float]] = []  # per member, where it wants its block to begin
    for position in positions:
        blocks.append([position])
        while len(blocks) > 1 and np.mean(blocks[-1]) < np.mean(blocks[-2]) + gap * len(blocks[-2]):
            upper = blocks.pop()
            offset = gap * len(blocks[-1])
            blocks[-1] += [begin - offset for begin in upper]
    return [float(np.mean(block)) + gap * rank for block in blocks for rank in range(len(block))]
