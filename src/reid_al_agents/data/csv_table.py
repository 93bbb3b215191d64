"""A table of images: one row with path, identity and, if known, camera."""

from __future__ import annotations

import csv
from pathlib import Path

from reid_al_env.errors import InputError

from .identity_names import number_identities
from .images import ImageSet

_NEEDED = ("path", "identity")


def load_csv(file: str | Path) -> ImageSet:
    """Load images that a CSV file lists.

    The first line names the columns: ``path`` (relative to the CSV file, or absolute), ``identity`` (any
    text; blank or -1 where unknown) and, optionally, ``camera`` (a whole number), ``sequence`` (any
    text, blank for none: images of one sequence at one camera are a tracklet, known to show one identity,
    whoever it is) and ``side`` (any text, such as left and right, blank where unknown: images of different
    sides cannot be compared, so groups do not ask about them). Other columns are ignored. Names are the paths
    as written. Whole-number identities are kept; others are numbered in sorted order.

    Args:
        file: The CSV file, UTF-8.

    Returns:
        The images in the table's order.

    Raises:
        InputError: The file is missing, lacks a column or rows, or a row is incomplete or names a file that
            does not exist.
    """
    table = Path(file).resolve()
    rows, columns = _read_rows(table)
    identities, identity_names = number_identities([row["identity"] for row in rows])
    names = [row["path"] for row in rows]
    paths = [table.parent / name for name in names]
    for line, path in enumerate(paths, start=2):
        if not path.is_file():
            raise InputError(
                f"{table}: row {line}: no image {path}; paths are relative to the CSV file's folder"
            )
    return ImageSet(
        names=names,
        identities=identities,
        cameras=[_camera(row["camera"], table, line) for line, row in enumerate(rows, 2)]
        if "camera" in columns
        else None,
        paths=[str(path) for path in paths],
        source=f"csv:{file}",
        identity_names=identity_names,
        tracklets=_tracklets(rows) if "sequence" in columns else None,
        sides=_sides(rows) if "side" in columns else None,
    )


def _read_rows(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Read stripped rows with the known columns only, and which columns there are."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = columns
            _check_columns(table, columns)
            wanted = [column for column in (*_NEEDED, "camera", "sequence", "side") if column in columns]
            rows = [{column: (row[column] or "").strip() for column in wanted} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{table}: cannot be read as CSV ({reason}); expected a UTF-8 file") from error
    if not rows:
        raise InputError(f"{table}: no rows; expected one per image below the line of column names")
    blank = next((line for line, row in enumerate(rows, start=2) if not row["path"]), None)
    if blank is not None:
        raise InputError(f"{table}: row {blank}: 'path' is blank; give every image's file")
    return rows, columns


def _check_columns(table: Path, columns: list[str]) -> None:
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        found = ", ".join(columns) or "nothing"
        raise InputError(
            f"{table}: no column {' or '.join(missing)}, found {found}; "
            "the first line must be path,identity,camera (camera optional)"
        )


def _tracklets(rows: list[dict[str, str]]) -> list[int]:
    """Number of each row's sequence at its camera, in order of appearance; -1 where there is none."""
    keys = [(row.get("camera", ""), row["sequence"]) for row in rows]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key in keys if key[1]))}
    return [numbers.get(key, -1) for key in keys]


def _sides(rows: list[dict[str, str]]) -> list[int]:
    """Number of each row's side, in sorted order; -1 where it is blank."""
    names = sorted({row["side"] for row in rows} - {""})
    return [names.index(row["side"]) if row["side"] else -1 for row in rows]


def _camera(text: str, table: Path, line: int) -> int:
    try:
        camera = int(text)
        if 0 <= camera < 2**63:
            return camera
        raise ValueError
    except ValueError:
        raise InputError(
            f"{table}: row {line}: camera {text!r} is no whole number from 0; "
            "give one in every row or leave the column out"
        ) from None
