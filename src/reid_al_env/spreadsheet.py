"""Cells of CSV files: no text that we write becomes a formula, and it reads back as it was.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end as a formula. An
apostrophe before it marks it as text (OWASP, *CSV Injection*).
"""

import csv
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


Row: TypeAlias = Sequence[object]


class _Lines(list[str]):
    """Takes the rows of a writer that ends each with CR LF, as lines that end with LF."""

    def write(self, row: str) -> None:
        self.append(row[:-2] + "\n")


def csv_text(header: Row, rows: Iterable[Row]) -> str:
    """A table as CSV, its cells escaped.

    Args:
        header: Names of the columns.
        rows: Cells by row.
    """
    lines = _Lines()
    writer = csv.writer(lines, lineterminator="\r\n")  # so that older Pythons quote line ends of either kind
    writer.writerow(header)
    writer.writerows([escape_cell(cell) for cell in row] for row in rows)
    return "".join(lines)


def escape_cell(value: object) -> object:
    """Mark a text that a spreadsheet would run as a formula; numbers and other texts stay as they are.

    A text that reads as already marked gets one more apostrophe, so that :func:`unescape_cell` gives exactly
    what was written.
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def unescape_cell(text: str) -> str:
    """Take off the mark that :func:`escape_cell` set."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
