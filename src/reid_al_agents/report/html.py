"""A page that holds everything itself: figures, tables and settings, light or dark as the reader prefers."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from reid_al_agents.report.machine import Provenance
from reid_al_agents.report.plots import figure_bytes
from reid_al_agents.report.table import TextTable
from reid_al_agents.report.theme import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Nothing is loaded from outside and nothing runs: the policy makes the browser hold the page to that.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --page: #f4f6f9; --card: #ffffff; --text: #1c2430; --muted: #5f6b7a;
  --line: #e4e8ee; --accent: #0072b2; --shade: #f8fafc; }
@media (prefers-color-scheme: dark) { :root { --page: #0f1319; --card: #171c24; --text: #e6eaf0;
  --muted: #9aa5b4; --line: #2c3542; --accent: #4ea8e6; --shade: #1c222c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.015em; }
h2 { font-size: 1.1rem; margin: 0 0 14px; }
.lead { color: var(--muted); margin: 0 0 28px; max-width: 75ch; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(155px, 1fr)); gap: 14px;
  margin: 0 0 20px; padding: 0; }
.figures div, section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.figures div { padding: 16px 18px; display: flex; flex-direction: column; }
.figures dt { order: 2; color: var(--muted); font-size: 0.84rem; line-height: 1.4; }
.figures dd { order: 1; margin: 0; font-size: 1.5rem; font-weight: 650; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
section { padding: 22px 24px; margin: 0 0 20px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 20px;
  margin: 0 0 20px; }
.plots section { margin: 0; }
picture img { display: block; width: 100%; max-width: 820px; height: auto; margin: 0 auto; }
.wide { grid-column: 1 / -1; }
.wide img { max-width: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: right; white-space: nowrap; }
th { color: var(--muted); font-weight: 600; font-size: 0.84rem; border-bottom: 1px solid var(--line); }
th.words, td.words { text-align: left; }
td.words { font-weight: 600; }
tbody.apart tr:first-child td { border-top: 1px solid var(--line); }
tbody tr:hover td { background: var(--shade); }
.interval, .note { color: var(--muted); }
.note { font-size: 0.86rem; margin: 14px 0 0; }
pre { margin: 0; padding: 12px 14px; background: var(--shade); border: 1px solid var(--line);
  border-radius: 8px; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  font: 0.86rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.pairs { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 24px;
  margin-top: 20px; }
.pairs h3 { font-size: 0.84rem; color: var(--muted); margin: 0 0 6px; font-weight: 600; }
.pairs table { font-size: 0.86rem; }
.pairs td { padding: 3px 0; text-align: left; white-space: normal; overflow-wrap: anywhere;
  vertical-align: top; }
.pairs td:first-child { color: var(--muted); padding-right: 14px; white-space: nowrap; width: 1%; }
@media print { body { background: none; } section, .figures div { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class KeyFigure:
    """A number shown at the top of a page.

    Attributes:
        value: The number, as text.
        meaning: What it is.
    """

    value: str
    meaning: str


@dataclass(frozen=True)
class PageFigure:
    """A figure of a page.

    Attributes:
        title: Its heading.
        draw: Draws it in the colours given; called once for light and once for dark.
        description: What it shows, read out by screen readers.
        wide: Whether it has panels side by side, and so is given the page's whole width.
    """

    title: str
    draw: Callable[[Theme], "Figure"]
    description: str
    wide: bool = False


def render_page(
    title: str,
    lead: str,
    key_figures: Sequence[KeyFigure],
    figures: Sequence[PageFigure],
    tables: Sequence[TextTable],
    provenance: Provenance,
) -> str:
    """Compose a page.

    Args:
        title: Heading of the page.
        lead: One or two sentences under it.
        key_figures: Numbers shown at the top.
        figures: Figures, embedded as images.
        tables: Tables.
        provenance: Command, settings and machine, shown at the end.

    Returns:
        The whole HTML document; every text in it is escaped.
    """
    parts = [
        f"<h1>{escape(title)}</h1>\n<p class='lead'>{escape(lead)}</p>",
        _key_figures(key_figures),
        _figures(figures),
        *map(_table, tables),
        _provenance(provenance),
    ]
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _key_figures(key_figures: Sequence[KeyFigure]) -> str:
    items = (
        f"<div><dt>{escape(figure.meaning)}</dt><dd>{escape(figure.value)}</dd></div>"
        for figure in key_figures
    )
    return f"<dl class='figures'>{''.join(items)}</dl>"


def _figures(figures: Sequence[PageFigure]) -> str:
    return f"<div class='plots'>{''.join(map(_figure, figures))}</div>"


def _figure(figure: PageFigure) -> str:
    light, dark = (_data_uri(figure.draw(theme)) for theme in (LIGHT, DARK))
    return (
        f"<section{' class=wide' if figure.wide else ''}>\n<h2>{escape(figure.title)}</h2>\n<picture>\n"
        f"<source media='(prefers-color-scheme: dark)' srcset='{dark}'>\n"
        f"<img src='{light}' alt='{escape(figure.description)}'>\n</picture>\n</section>"
    )


def _data_uri(figure: "Figure") -> str:
    # As an image, not inline: the identifiers inside one SVG cannot then meet those of another.
    return "data:image/svg+xml;base64," + base64.b64encode(figure_bytes(figure, "svg")).decode("ascii")


def _table(table: TextTable) -> str:
    header = "".join(
        f"<th scope='col'{_words(position, table)}>{escape(column)}</th>"
        for position, column in enumerate(table.columns)
    )
    bodies = "".join(_table_bodies(table))
    return (
        f"<section>\n<h2>{escape(table.title)}</h2>\n<div class='scroll'><table>\n"
        f"<thead><tr>{header}</tr></thead>\n{bodies}</table></div>\n"
        f"<p class='note'>{escape(table.note)}</p>\n</section>"
    )


def _table_bodies(table: TextTable) -> list[str]:
    groups: dict[int, list[str]] = {}
    for cells, group in zip(table.rows, table.row_groups, strict=True):
        row = "".join(
            f"<td{_words(position, table)}>{_cell(cell)}</td>" for position, cell in enumerate(cells)
        )
        groups.setdefault(group, []).append(f"<tr>{row}</tr>\n")
    apart = [" class='apart'" if number else "" for number in range(len(groups))]
    return [
        f"<tbody{kind}>{''.join(rows)}</tbody>\n" for kind, rows in zip(apart, groups.values(), strict=True)
    ]


def _words(position: int, table: TextTable) -> str:
    return " class='words'" if position < table.text_columns else ""


def _cell(cell: str) -> str:
    mean, separator, interval = cell.partition(" ± ")
    if not separator:
        return escape(mean)
    return f"{escape(mean)}<span class='interval'>{separator}{escape(interval)}</span>"


def _provenance(provenance: Provenance) -> str:
    origin = {"commit": provenance.commit, "seeds": ", ".join(map(str, provenance.seeds))}
    blocks = {"Settings": provenance.settings, "Machine": provenance.machine}
    blocks |= {"Versions": {**origin, **provenance.versions}}
    pairs = "".join(
        f"<div><h3>{name}</h3>{_pairs(values)}</div>" for name, values in blocks.items() if values
    )
    return (
        f"<section>\n<h2>How to get this again</h2>\n<pre>{escape(provenance.command)}</pre>\n"
        f"<div class='pairs'>{pairs}</div>\n</section>"
    )


def _pairs(values: Mapping[str, object]) -> str:
    rows = (
        f"<tr><td>{escape(name)}</td><td>{escape(_plain(value))}</td></tr>" for name, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
