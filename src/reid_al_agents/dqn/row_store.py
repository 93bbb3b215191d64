"""Sets of rows in a tenth of the memory: rows that stay from one observation to the next are kept once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NONE = -1
_Arrays = dict[str, NDArray[Any]]


class RowStore:
    """Matrices before and after each transition of a ring, given back bit for bit.

    An answer in the catalogue changes few of the open questions, but the places of many. So each distinct row
    of an episode is kept once, and an observation is a list of numbers of rows.

    Args:
        size: Transitions in the ring.
        places: Rows of a matrix.
        width: Columns of a matrix.
        dtype: Of the numbers.
    """

    def __init__(self, size: int, places: int, width: int, dtype: np.dtype[Any]) -> None:
        self._columns: _Arrays = {  # by transition: the number of each row
            part: np.full((size, places), _NONE, dtype=np.int32) for part in ("before", "after")
        }
        self._rows: NDArray[Any] = np.zeros((0, width), dtype=dtype)
        self._uses = np.zeros(0, dtype=np.int32)  # places of transitions and streams that refer to a row
        self._free: list[int] = []
        self._last: dict[int, NDArray[np.int32]] = {}  # by stream: rows of the last matrix seen of it

    @property
    def nbytes(self) -> int:
        """Bytes reserved; those of transitions that were never written are not taken from the machine."""
        columns = sum(column.nbytes for column in self._columns.values())
        return columns + self._rows.nbytes + self._uses.nbytes

    def put(
        self,
        slots: NDArray[np.int64],
        streams: NDArray[np.int64],
        before: NDArray[Any],
        after: NDArray[Any],
    ) -> None:
        """Store the matrices of B transitions, over those that were in the slots.

        Args:
            slots: (B,) places in the ring, all different.
            streams: (B,) non-negative numbers of the environments they come from, all different.
            before: (B, places, width) matrices before the transitions.
            after: (B, places, width) matrices after them.
        """
        for column in self._columns.values():
            self._drop(column[slots])
        for number, (slot, stream) in enumerate(zip(slots.tolist(), streams.tolist(), strict=True)):
            for part, matrices in (("before", before), ("after", after)):
                numbers = self._follow(stream, matrices[number])
                self._columns[part][slot] = numbers
                np.add.at(self._uses, numbers, 1)

    def get(self, part: str, slots: NDArray[np.int64]) -> NDArray[Any]:
        """The matrices ``"before"`` or ``"after"`` the transitions in ``slots``, (B, places, width)."""
        return np.asarray(self._rows[self._columns[part][slots]])

    def arrays(self, size: int) -> _Arrays:
        """Everything that :meth:`load_arrays` needs, of a ring in which ``size`` transitions are filled."""
        streams = sorted(self._last)
        last = np.array([self._last[stream] for stream in streams], dtype=np.int32)
        kept: _Arrays = {f"columns.{name}": column[:size] for name, column in self._columns.items()}
        kept |= {"streams": np.array(streams, dtype=np.int64), "last": last}
        return kept | {"rows": self._rows, "uses": self._uses}

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave.

        Raises:
            KeyError: Something is missing.
            ValueError: It is that of other matrices, or of more transitions.
        """
        rows, uses = arrays["rows"], arrays["uses"]
        if rows.shape != (len(uses), self._rows.shape[1]):
            raise ValueError(f"rows have shape {rows.shape}")
        for name, column in self._columns.items():
            stored = arrays[f"columns.{name}"]
            if stored.size and not (stored.min() >= _NONE and stored.max() < len(rows)):
                raise ValueError(f"columns.{name} names rows that are not there")
            column[: len(stored)] = stored
            column[len(stored) :] = _NONE
        self._rows, self._uses = rows.astype(self._rows.dtype), uses.astype(np.int32)
        pairs = zip(arrays["streams"].tolist(), arrays["last"].astype(np.int32), strict=True)
        self._last = dict(pairs)
        self._free = np.flatnonzero(self._uses == 0)[::-1].tolist()

    def _follow(self, stream: int, matrix: NDArray[Any]) -> NDArray[np.int32]:
        """Numbers of the matrix's rows, found again in the stream's last matrix or added."""
        last = self._last.get(stream)
        if last is not None and np.array_equal(_bits(self._rows[last]), _bits(matrix)):
            return last
        known: dict[bytes, int] = {}
        if last is not None:
            known = {
                row.tobytes(): number for number, row in zip(last.tolist(), self._rows[last], strict=True)
            }
        numbers = np.array([self._number(row, known) for row in matrix], dtype=np.int32)
        np.add.at(self._uses, numbers, 1)
        if last is not None:
            self._drop(last)
        self._last[stream] = numbers
        return numbers

    def _number(self, row: NDArray[Any], known: dict[bytes, int]) -> int:
        content = row.tobytes()
        if content not in known:
            if not self._free:
                self._grow()
            known[content] = self._free.pop()
            self._rows[known[content]] = row
        return known[content]

    def _drop(self, numbers: NDArray[Any]) -> None:
        """Count one use less for each number, repeated ones repeatedly; unused rows become free."""
        numbers = numbers[numbers != _NONE]
        np.subtract.at(self._uses, numbers, 1)
        unused = np.unique(numbers)
        self._free += unused[self._uses[unused] == 0].tolist()

    def _grow(self) -> None:
        known = len(self._uses)
        grown = max(known + known // 8, known + 64)
        self._rows.resize((grown, self._rows.shape[1]), refcheck=False)
        self._uses.resize(grown, refcheck=False)
        self._free += range(grown - 1, known - 1, -1)


def _bits(matrix: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of a matrix, by which -0.0 is not 0.0 and NaN is NaN."""
    return np.ascontiguousarray(matrix).view(np.uint8)
