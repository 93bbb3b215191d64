"""CSV files to rows of text, as spreadsheets and other programs write them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reid_al_env.errors import InputError
from reid_al_env.messages import Message
from reid_al_env.spreadsheet import unescape_cell

_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class Rows:
    """A table of text.

    Attributes:
        file: Where it was read.
        columns: Names of the columns, stripped, in order.
        rows: Cells by column, stripped; a cell that a row lacks is empty.
        lines: Line of the file that each row begins in, from 1.
    """

    file: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    lines: tuple[int, ...]

    def column(self, name: str | None) -> list[str]:
        """The cells of a column; empty ones where ``name`` is None."""
        return ["" if name is None else row[name] for row in self.rows]

    def find(self, names: Sequence[str]) -> str | None:
        """The first of the names that is a column, without regard to case; None where none is."""
        found = {column.casefold(): column for column in self.columns}
        return next((found[name.casefold()] for name in names if name.casefold() in found), None)


def read_rows(file: Path) -> Rows:
    """Read a CSV file whose first line names the columns.

    Commas, semicolons and tabs are taken as separators, whichever the first line has most of. Blank lines are
    passed over.

    Args:
        file: UTF-8, with or without a byte order mark.

    Raises:
        InputError: The file cannot be read, names a column twice or has no rows.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as content:
            first = content.readline()
            content.seek(0)
            separator = max(_SEPARATORS, key=first.count)
            reader = csv.reader(content, delimiter=separator)
            columns = tuple(column.strip() for column in next(reader, []))
            rows, lines, last = [], [], reader.line_num
            for cells in reader:
                begun, last = last + 1, reader.line_num
                if any(cell.strip() for cell in cells):
                    padded = [*map(unescape_cell, cells), *[""] * len(columns)]
                    rows.append({name: padded[place].strip() for place, name in enumerate(columns)})
                    lines.append(begun)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            Message(
                "{file}: cannot be read as CSV ({reason}); expected a UTF-8 file", file=file, reason=reason
            )
        ) from error
    named = [column for column in columns if column]
    if len(set(named)) < len(named):
        twice = next(column for column in named if named.count(column) > 1)
        raise InputError(
            Message("{file}: column {column} comes twice; rename one of them", file=file, column=twice)
        )
    if not rows:
        raise InputError(
            Message("{file}: no rows; expected one per image below the line of column names", file=file)
        )
    return Rows(file, columns, tuple(rows), tuple(lines))
