"""Colours and markers of figures: distinct without colour vision, and the same for a selector everywhere."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours of a figure.

    Attributes:
        text: Titles and labels.
        muted: Ticks, reference lines and other things in the background.
        grid: Grid lines.
        background: Behind everything.
        series: Colours of series; Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), which people of
            every colour vision tell apart, yellow left out for want of contrast.
    """

    text: str
    muted: str
    grid: str
    background: str
    series: tuple[str, ...]


LIGHT = Theme(
    text="#1c2430",
    muted="#5f6b7a",
    grid="#e4e8ee",
    background="#ffffff",
    series=("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000"),
)
DARK = Theme(
    text="#e6eaf0",
    muted="#9aa5b4",
    grid="#2c3542",
    background="#171c24",
    series=("#4ea8e6", "#f0b429", "#27c093", "#ff8552", "#e59cc7", "#a5daf8", "#ffffff"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # one more than colours: a pair repeats after 56 series
_USUAL_SLOTS = {"dqn": 0, "random": 1, "entropy": 2, "greedy": 3, "nearest": 4, "farthest": 5}


@dataclass(frozen=True)
class SeriesStyle:
    """How one series is drawn.

    Attributes:
        colour: Its colour.
        marker: Its marker, by matplotlib's name.
    """

    colour: str
    marker: str


def series_styles(names: Iterable[str], theme: Theme) -> dict[str, SeriesStyle]:
    """Give each series a colour and a marker.

    Args:
        names: Names of the series; the usual selectors get the same style in every figure.
        theme: The colours.

    Returns:
        Style by name; no two of up to 56 names share one.
    """
    distinct = list(dict.fromkeys(names))
    slots = {name: _USUAL_SLOTS[name] for name in distinct if name in _USUAL_SLOTS}
    free = (slot for slot in range(len(distinct) + len(slots)) if slot not in slots.values())
    slots |= {name: next(free) for name in distinct if name not in slots}
    return {
        name: SeriesStyle(
            theme.series[slots[name] % len(theme.series)], _MARKERS[slots[name] % len(_MARKERS)]
        )
        for name in distinct
    }
