"""Answers from a CSV file, checked row by row before any of them is used."""

import csv
import hashlib
import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.log.events import ANSWERS, Event
from reid_al_agents.log.tables import answer_number
from reid_al_agents.log.validation import check_plausible
from reid_al_env.errors import InputError
from reid_al_env.messages import Message
from reid_al_env.spreadsheet import unescape_cell

_NAME_COLUMNS = (("query_name", "candidate_name"), ("query", "candidate"))
_WORDS = {
    **{answer: answer for answer in ANSWERS},
    **dict.fromkeys(("1", "+1", "yes", "y", "true", "match", "positive"), "same"),
    **dict.fromkeys(("-1", "no", "n", "false", "no_match", "negative"), "different"),
    **dict.fromkeys(("0", "unknown", "unsure", "can't_tell", "?"), "cannot_tell"),
}

_Row = Mapping[str, str]


def is_pairs_table(path: Path) -> bool:
    """Whether the first line of a CSV file names columns of pairs.

    Raises:
        InputError: It cannot be read.
    """
    columns = set(_first_line(path))
    return any(set(pair) <= columns for pair in _NAME_COLUMNS)


def read_pairs_csv(
    path: str | os.PathLike[str],
    names: Sequence[str] | NDArray[np.str_],
    *,
    run: str,
    annotator: str = "",
    now: float | None = None,
) -> list[Event]:
    """Read answers about pairs from a CSV file: our own ``pairs.csv``, or any with three columns.

    Needed are `query_name` and `candidate_name` (or `query` and `candidate`, if they hold names) and
    `answer`: 1 the same, -1 different, 0 can't tell, or words. `verdict`, the exact answer, comes before
    `answer`; of the other columns of ``pairs.csv`` those on annotator, time and selector are kept.

    The events' keys follow from the rows, so that a file imported twice counts once, a row that was added to
    it is new, and the answers of `run` itself are known again.

    Args:
        path: The file, UTF-8.
        names: (N,) names of the images, by dataset index.
        run: The run the answers are imported into.
        annotator: Annotator of rows that name none.
        now: Time of rows without one, in seconds since 1970-01-01 UTC; None for the present.

    Returns:
        Events of kind `import`, in the file's order; all rows are good.

    Raises:
        InputError: The file cannot be read or a column is missing, or a row names an image that is not there
            or has no usable answer; names the line.
    """
    file = Path(path)
    index = {str(name): number for number, name in enumerate(names)}
    repeats: Counter[str] = Counter()
    present = time.time() if now is None else now
    events = []
    for line, row, columns in _rows(file):
        where = Message("{file}: line {line}", file=file, line=line)
        query, candidate = (_image(where, column, row[column], index) for column in columns)
        if query == candidate:
            raise InputError(
                Message(
                    "{where}: compares {image!r} with itself; remove the row",
                    where=where,
                    image=row[columns[0]],
                )
            )
        verdict = _verdict(where, row)
        key = _key(row, run, (row[columns[0]], row[columns[1]], verdict))
        repeats[key] += 1
        events.append(
            Event(
                key=key if repeats[key] == 1 else f"{key}/{repeats[key]}",
                run=run,
                kind="import",
                annotator=row.get("annotator") or annotator,
                at=_number(where, row, "answered_at", present),
                shown_at=_optional(where, row, "shown_at"),
                seconds=_optional(where, row, "seconds"),
                query=query,
                candidate=candidate,
                query_name=row[columns[0]],
                candidate_name=row[columns[1]],
                answer=verdict,
                selector=row.get("selector") or None,
                probability=_optional(where, row, "probability"),
                payload={"file": file.name, "line": line},
            )
        )
        check_plausible(where, events[-1])
    return events


def _first_line(file: Path) -> list[str]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return [column.strip() for column in next(csv.reader(lines), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            Message(
                "{file}: cannot be read as CSV ({reason}); expected a UTF-8 file", file=file, reason=reason
            )
        ) from error


def _rows(file: Path) -> Iterator[tuple[int, _Row, tuple[str, str]]]:
    """Line number, cells by column, and the columns that hold the names."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, strict=True)
            header = [column.strip() for column in next(reader, [])]
            columns = _name_columns(file, header)
            last = reader.line_num
            for cells in reader:
                # A row that holds line breaks is named by the line it begins in.
                first, last = last + 1, reader.line_num
                if cells:
                    texts = (unescape_cell(cell) for cell in cells[: len(header)])
                    yield first, dict(zip_longest(header, texts, fillvalue="")), columns
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            Message(
                "{file}: cannot be read as CSV ({reason}); expected a UTF-8 file", file=file, reason=reason
            )
        ) from error


def _name_columns(file: Path, header: list[str]) -> tuple[str, str]:
    pair = next((pair for pair in _NAME_COLUMNS if set(pair) <= set(header)), None)
    if pair is None or not {"answer", "verdict"} & set(header):
        found = ", ".join(header) or "nothing"
        raise InputError(
            Message(
                "{file}: line 1: found {columns}; expected the columns query_name, candidate_name and answer",
                file=file,
                columns=found,
            )
        )
    return pair


def _image(where: str, column: str, name: str, index: Mapping[str, int]) -> int:
    if name not in index:
        raise InputError(
            Message(
                "{where}: {column} {image!r} is none of the {count} images; write names as identities.csv "
                "has them",
                where=where,
                column=column,
                image=name,
                count=len(index),
            )
        )
    return index[name]


def _verdict(where: str, row: _Row) -> str:
    given = {column: row[column].strip() for column in ("verdict", "answer") if row.get(column, "").strip()}
    meant = {column: _word(where, column, text) for column, text in given.items()}
    if not meant:
        raise InputError(
            Message(
                "{where}: no answer; expected 1, -1, 0 or one of {answers}, or remove the row",
                where=where,
                answers=", ".join(ANSWERS),
            )
        )
    if len({answer_number(verdict) for verdict in meant.values()}) > 1:
        raise InputError(
            Message(
                "{where}: verdict {verdict} but answer {answer}; correct one of them",
                where=where,
                verdict=given["verdict"],
                answer=given["answer"],
            )
        )
    return next(iter(meant.values()))


def _word(where: str, column: str, text: str) -> str:
    word = text.lower().replace(" ", "_").replace("-", "_") if not _is_number(text) else f"{float(text):g}"
    if word not in _WORDS:
        raise InputError(
            Message(
                "{where}: {column} {text!r}; expected 1, -1, 0 or one of {answers}",
                where=where,
                column=column,
                text=text,
                answers=", ".join(ANSWERS),
            )
        )
    return _WORDS[word]


def _key(row: _Row, run: str, content: tuple[str, str, str]) -> str:
    if row.get("key") and row.get("run") == run:
        return row["key"]
    origin = (row.get("run", ""), row.get("key", ""), row.get("annotator", ""), row.get("answered_at", ""))
    digest = hashlib.sha256("\0".join((*origin, *content)).encode()).hexdigest()
    return f"import/{digest[:32]}"


def _number(where: str, row: _Row, column: str, default: float) -> float:
    text = row.get(column, "").strip()
    if not text:
        return default
    if not _is_number(text):
        raise InputError(
            Message(
                "{where}: {column} {text!r}; expected a number, or nothing",
                where=where,
                column=column,
                text=text,
            )
        )
    return float(text)


def _optional(where: str, row: _Row, column: str) -> float | None:
    return _number(where, row, column, 0.0) if row.get(column, "").strip() else None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
