"""Results as lines over the number of answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.summary import estimate

START = "start"
NO_ANSWERS = "no answers"


@dataclass(frozen=True)
class Series:
    """One line of a figure.

    Attributes:
        name: The selector, with the refresh where it has several.
        answers: Numbers of answers, ascending.
        mean: Mean over seeds at each.
        half_width: Half the width of the 95 % t interval at each; NaN for one seed.
        values: The seeds' values at each.
    """

    name: str
    answers: tuple[int, ...]
    mean: tuple[float, ...]
    half_width: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]


def series_of(rows: Sequence[ResultRow], measure: str) -> list[Series]:
    """Take the selectors with answers, each line beginning at the model without answers.

    Args:
        rows: The results.
        measure: Name of the measure, as in files.

    Returns:
        A line for each, in order of first appearance. Where there is a row trained without answers, lines
        begin there, so that what the images alone teach is not counted for the answers.
    """
    starts = [row for row in rows if row.selector == NO_ANSWERS] or [
        row for row in rows if row.selector == START
    ]
    lines = []
    for name, own in _by_name(rows, measure).items():
        if any(row.answers > 0 for row in own):
            # Selectors are compared from one start: rows of their own at 0 answers go before it.
            begin = [] if any(row.answers == 0 for row in own) else _matching(starts, own, measure)
            lines.append(_series(name, [*begin, *own], measure))
    return lines


def reference_levels(rows: Sequence[ResultRow], measure: str) -> list[Series]:
    """Take the results without answers (`start`, `all labels`): levels to compare the lines with.

    Args:
        rows: The results.
        measure: Name of the measure, as in files.

    Returns:
        A line of one point for each, in order of first appearance.
    """
    named = _by_name(rows, measure)
    return [
        _series(name, own, measure) for name, own in named.items() if all(row.answers == 0 for row in own)
    ]


def _by_name(rows: Sequence[ResultRow], measure: str) -> dict[str, list[ResultRow]]:
    measured = [row for row in rows if row.as_dict()[measure] is not None]
    refreshes: dict[str, set[str]] = {}
    for row in measured:
        refreshes.setdefault(row.selector, set()).add(row.refresh)
    named: dict[str, list[ResultRow]] = {}
    for row in measured:
        several = len(refreshes[row.selector]) > 1
        name = f"{row.selector}, {row.refresh}" if several and row.answers > 0 else row.selector
        named.setdefault(name, []).append(row)
    return named


def _matching(starts: Sequence[ResultRow], own: Sequence[ResultRow], measure: str) -> list[ResultRow]:
    seeds = {row.seed for row in own}
    measured = [row for row in starts if row.as_dict()[measure] is not None]
    one_per_seed = {row.seed: row for row in measured if row.seed in seeds}
    return list(one_per_seed.values()) or measured[:1]


def _series(name: str, rows: Sequence[ResultRow], measure: str) -> Series:
    answers = tuple(sorted({row.answers for row in rows}))
    values = tuple(
        tuple(row.as_dict()[measure] for row in rows if row.answers == number) for number in answers
    )
    estimates = [found for found in map(estimate, values) if found is not None]
    widths = (found.half_width for found in estimates)
    return Series(
        name=name,
        answers=answers,
        mean=tuple(found.mean for found in estimates),
        half_width=tuple(math.nan if width is None else width for width in widths),
        values=values,
    )
