"""An oracle that replays recorded answers, from arrays or from a CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError
from reid_al_env.spreadsheet import unescape_cell

_BY_INDEX, _BY_NAME = ("query", "candidate"), ("query_name", "candidate_name")


class RecordedOracle:
    """Answers from a record of answered pairs, without randomness.

    The order within a pair does not matter. If a pair was answered several times, the sign of the sum of its
    answers counts, as in :class:`.ConstraintGraph`: the majority of ±1, or "can't tell" on a tie.

    Args:
        queries: Dataset indices, shape (M,).
        galleries: Dataset indices, shape (M,).
        answers: +1 match, −1 no match, 0 can't tell; shape (M,).
        source: Where the record is from, for error messages.

    Raises:
        InputError: If shapes or types disagree, an index is negative, an image is paired with itself or an
            answer is none of −1, 0, +1.
    """

    def __init__(
        self, queries: ArrayLike, galleries: ArrayLike, answers: ArrayLike, *, source: str = "record"
    ) -> None:
        self.source = source
        left, right = _whole(queries, "queries", source), _whole(galleries, "galleries", source)
        said = _whole(answers, "answers", source)
        _check(left, right, said, source)
        self._size = int(max(left.max(initial=0), right.max(initial=0))) + 1
        self._keys, where = np.unique(self._key(left, right), return_inverse=True)
        total = np.zeros(len(self._keys), dtype=np.int64)
        np.add.at(total, where, said)
        self._answers = np.sign(total).astype(np.int8)

    def __len__(self) -> int:
        """Number of different pairs."""
        return len(self._keys)

    def __deepcopy__(self, memo: dict[int, Any]) -> RecordedOracle:
        return self  # it never changes

    def __repr__(self) -> str:
        return f"RecordedOracle({self.source!r}, pairs={len(self)})"

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """See :meth:`reid_al_env.evidence.oracles.Oracle.answer`.

        Raises:
            InputError: If a pair is not in the record; the message names the first such pair.
        """
        left, right = np.asarray(queries, dtype=np.int64), np.asarray(galleries, dtype=np.int64)
        keys = self._key(left, right)
        place = np.searchsorted(self._keys, keys)
        known = np.append(self._keys, -1)[place] == keys
        known &= (np.minimum(left, right) >= 0) & (np.maximum(left, right) < self._size)
        if not known.all():
            first = int(np.argmin(known))
            raise InputError(
                f"{self.source}: no answer about images {left[first]} and {right[first]} among the "
                f"{len(self)} recorded pairs; record it, or ask only about recorded pairs"
            )
        return self._answers[place]

    @classmethod
    def from_csv(
        cls, path: str | os.PathLike[str], names: Sequence[str] | NDArray[np.str_] | None = None
    ) -> RecordedOracle:
        """Read the record from a CSV file with a header, such as ``pairs.csv`` of ``reid-al export``.

        Args:
            path: File with the columns ``query``, ``candidate`` (dataset indices) and ``answer`` (1, −1 or
                0); other columns are ignored.
            names: Names of the images, shape (N,), such as ``FeatureSet.names``. If given, the columns
                ``query_name`` and ``candidate_name`` identify the images instead of dataset indices.

        Raises:
            InputError: If the file cannot be read, a column or a name is missing, or a row is invalid.
        """
        file = Path(path)
        wanted = _BY_INDEX if names is None else _BY_NAME
        index = None if names is None else _index_of(names, file)
        record = [
            (_image(line, left, index, file), _image(line, right, index, file), _number(line, said, file))
            for line, (left, right, said) in _read(file, (*wanted, "answer"))
        ]
        table = np.array(record, dtype=np.int64).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2], source=str(file))

    def _key(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
        """A unique number for each unordered pair."""
        return np.asarray(np.minimum(left, right) * self._size + np.maximum(left, right))


def _whole(values: ArrayLike, name: str, source: str) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputError(
            f"{source}: {name!r} has shape {array.shape} and type {array.dtype}; expected whole numbers"
        )
    return array.astype(np.int64)


def _check(
    left: NDArray[np.int64], right: NDArray[np.int64], answers: NDArray[np.int64], source: str
) -> None:
    if not len(left) == len(right) == len(answers):
        raise InputError(
            f"{source}: {len(left)} queries, {len(right)} galleries and {len(answers)} answers; "
            "expected as many of each"
        )
    wrong = (left == right) | (np.minimum(left, right) < 0) | ~np.isin(answers, (-1, 0, 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"{source}: answer {row} says {answers[row]} about images {left[row]} and {right[row]}; "
            "expected -1, 0 or 1 about two different images"
        )


def _read(file: Path, columns: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Line number and values of ``columns`` of each row."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            header = next(reader, [])
            missing = [name for name in columns if name not in header]
            if missing:
                raise InputError(
                    f"{file}: has no column {missing[0]!r}, only {', '.join(header) or 'none'}; "
                    f"expected {', '.join(columns)}"
                )
            places = [header.index(name) for name in columns]
            rows = []
            for row in reader:
                if row and len(row) != len(header):
                    raise InputError(
                        f"{file}: line {reader.line_num} has {len(row)} values but the header {len(header)}"
                    )
                if row:
                    rows.append((reader.line_num, [unescape_cell(row[place]) for place in places]))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as CSV ({error}); expected a pair log") from error


def _image(line: int, text: str, index: dict[str, int] | None, file: Path) -> int:
    """The dataset index that ``text`` gives directly, or by name if there is an ``index`` of names."""
    if index is None:
        return _number(line, text, file)
    if text not in index:
        raise InputError(f"{file}: line {line} names {text!r}, which is not one of the {len(index)} images")
    return index[text]


def _number(line: int, text: str, file: Path) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{file}: line {line} holds {text!r} where a whole number is expected") from None


def _index_of(names: Sequence[str] | NDArray[np.str_], file: Path) -> dict[str, int]:
    index = {str(name): place for place, name in enumerate(names)}
    if len(index) < len(names):
        raise InputError(f"{file}: cannot be matched by name, since two images have the same name")
    return index
