"""Tables of results: laid out once as text, shown in the terminal by rich and in a page as HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from reid_al_agents.report.measures import MEASURES, Measure
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.summary import Estimate, Summary, estimate, summarise
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class TextTable:
    """A table whose cells are text.

    Attributes:
        title: What the table shows.
        columns: Names of the columns.
        rows: Cells by row; an empty text where nothing was measured.
        text_columns: How many columns, from the left, hold words; the others hold numbers.
        note: How to read the table.
        row_groups: Number of the group each row belongs to; groups are set apart.
        optional: Columns a narrow terminal can do without, the first to go first.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int
    note: str
    row_groups: tuple[int, ...]
    optional: tuple[str, ...]


_GAP = 2  # characters between columns: one of padding, one where the line would be


_OPTIONAL = (
    "mINP",
    "groups",
    "implied",
    "queries",
    "seconds",
    "pairwise F1",
    "match %",
    "ARI",
    "B-cubed F1",
)


def results_table(rows: Sequence[ResultRow], title: str = "Results") -> TextTable:
    """Lay out results: one line per selector and number of answers, means over seeds with intervals.

    Args:
        rows: The results.
        title: What the table shows.

    Returns:
        The table; measures that no row has get no column.

    Raises:
        InputError: A row is there twice.
    """
    summaries = summarise(rows)
    # The refresh of a row without answers is not of interest.
    refreshes = list(dict.fromkeys(summary.refresh for summary in summaries if summary.answers > 0))
    names = [name for name in MEASURES if any(name in summary.estimates for summary in summaries)]
    words = ("selector", "refresh")[: 1 + (len(refreshes) > 1)]
    columns = (*words, "answers", "seeds", *(MEASURES[name].heading for name in names))
    lines = [_line(summary, names, with_refresh=len(refreshes) > 1) for summary in summaries]
    groups = {(s.selector, s.refresh): 0 for s in summaries}
    groups = {key: number for number, key in enumerate(groups)}
    return TextTable(
        title=title,
        columns=columns,
        rows=tuple(lines),
        text_columns=len(words),
        note=_note(summaries, refreshes),
        row_groups=tuple(groups[s.selector, s.refresh] for s in summaries),
        optional=_OPTIONAL,
    )


def rounds_table(rounds: Sequence[Mapping[str, Any]], title: str = "Rounds") -> TextTable:
    """Lay out the rounds of one run, one line each.

    Args:
        rounds: Metrics of each round, as in `metrics.jsonl`; only what they hold gets a column.
        title: What the table shows.

    Returns:
        The table.
    """
    measures = {"round": Measure("round", 0), "answers": Measure("answers", 0)}
    measures |= {"queries": Measure("queries", 0)} | MEASURES | {"groups": Measure("groups", 0)}
    names = [name for name in measures if any(metrics.get(name) is not None for metrics in rounds)]
    lines = [
        tuple(_cell(estimate([metrics.get(name)]), measures[name]) for name in names) for metrics in rounds
    ]
    return TextTable(
        title=title,
        columns=tuple(measures[name].heading for name in names),
        rows=tuple(lines),
        text_columns=0,
        note="rank-1, mAP and mINP in percent; answers add up over the rounds",
        row_groups=(0,) * len(lines),
        optional=_OPTIONAL,
    )


def as_rich(table: TextTable, width: int | None = None) -> "Table":
    """Make a table for the terminal.

    Args:
        table: The table.
        width: Characters there is room for; optional columns that do not fit are left out, which a note
            says. None for no limit.

    Returns:
        The same as a `rich.table.Table`.

    Raises:
        InputError: rich is not installed.
    """
    try:
        from rich import box
        from rich.table import Table
        from rich.text import Text
    except ImportError as error:
        raise InputError('tables need rich; pip install "reid-active-learning[agents]"') from error
    kept, note = _fitting(table, width)
    shown = Table(
        title=Text(table.title, style="bold"),
        caption=Text(note, style="dim"),
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
        header_style="bold",
        title_justify="left",
        caption_justify="left",
    )
    for position in kept:
        justify: Literal["left", "right"] = "left" if position < table.text_columns else "right"
        shown.add_column(Text(table.columns[position]), justify=justify, no_wrap=True)
    for cells, ends in zip(table.rows, _ends_of_groups(table.row_groups), strict=True):
        shown.add_row(*(_styled(cells[position]) for position in kept), end_section=ends)
    return shown


def _fitting(table: TextTable, width: int | None) -> tuple[list[int], str]:
    """Positions of the columns there is room for, and the note with what was left out."""
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    kept, gone = list(range(len(widths))), list[str]()
    for name in table.optional:
        if width is None or sum(widths[position] + _GAP for position in kept) - _GAP <= width:
            break
        if name in table.columns:
            kept.remove(table.columns.index(name))
            gone.append(name)
    note = f"{table.note}; not shown for want of room: {', '.join(gone)}" if gone else table.note
    return kept, note


def _ends_of_groups(groups: Sequence[int]) -> list[bool]:
    if len(set(groups)) == len(groups):  # one row each: nothing to set apart
        return [False] * len(groups)
    return [group != following for group, following in zip(groups, (*groups[1:], None), strict=True)]


def _styled(cell: str) -> Any:
    from rich.text import Text

    mean, separator, interval = cell.partition(" ± ")
    return Text.assemble(mean, (f"{separator}{interval}", "dim"))


def _line(summary: Summary, names: Sequence[str], *, with_refresh: bool) -> tuple[str, ...]:
    words = (summary.selector, summary.refresh)[: 1 + with_refresh]
    cells = (_cell(summary.estimates.get(name), MEASURES[name]) for name in names)
    return (*words, f"{summary.answers:,}", str(summary.seeds), *cells)


def _cell(value: Estimate | None, measure: Measure) -> str:
    if value is None:
        return ""
    mean = f"{value.mean * measure.scale:,.{measure.decimals}f}"
    if value.half_width is None or not measure.with_interval:
        return mean
    return f"{mean} ± {value.half_width * measure.scale:,.{measure.decimals}f}"


def _note(summaries: Sequence[Summary], refreshes: Sequence[str]) -> str:
    parts = [f"refresh: {refreshes[0]}"] if len(refreshes) == 1 else []
    if any(summary.seeds > 1 for summary in summaries):
        parts.append("mean ± half the 95 % t interval over seeds")
    else:
        parts.append("one seed each, so no intervals")
    if any("map" in summary.estimates for summary in summaries):
        parts.append("rank-1 and mAP in percent")
    return "; ".join(parts)
