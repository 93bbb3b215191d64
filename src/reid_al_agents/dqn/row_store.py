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
        self._last = np.zeros((0, places), dtype=np.int32)  # by stream: rows of the last matrix seen of it
        self._grow()

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
        self._make_room(int(streams.max()) + 1)
        for part, matrices in (("before", before), ("after", after)):
            self._follow(streams, matrices)
            self._columns[part][slots] = self._last[streams]
            np.add.at(self._uses, self._last[streams], 1)

    def get(self, part: str, slots: NDArray[np.int64]) -> NDArray[Any]:
        """The matrices ``"before"`` or ``"after"`` the transitions in ``slots``, (B, places, width)."""
        return np.asarray(self._rows[self._columns[part][slots]])

    def arrays(self, size: int) -> _Arrays:
        """Everything that :meth:`load_arrays` needs, of a ring in which ``size`` transitions are filled."""
        streams = np.flatnonzero((self._last != _NONE).all(axis=1))
        kept: _Arrays = {f"columns.{name}": column[:size] for name, column in self._columns.items()}
        kept |= {"streams": streams, "last": self._last[streams]}
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
        streams = arrays["streams"]
        self._last = self._last[:0]
        self._make_room(int(streams.max(initial=_NONE)) + 1)
        self._last[streams] = arrays["last"]
        self._free = np.flatnonzero(self._uses == 0)[::-1].tolist()
        if not len(rows):
            self._grow()

    def _follow(self, streams: NDArray[np.int64], matrices: NDArray[Any]) -> None:
        """Bring the streams to these matrices, whose rows are found in the last ones or added."""
        last = self._last[streams]
        known = last != _NONE
        same = known.all(axis=1) & (_bits(self._rows[last]) == _bits(matrices)).all(axis=(1, 2))
        rows = np.flatnonzero(~same)
        if len(rows):
            numbers = self._found(last[rows], matrices[rows])
            self._add(numbers, matrices[rows])
            np.add.at(self._uses, numbers, 1)
            self._drop(last[rows])
            self._last[streams[rows]] = numbers

    def _found(self, last: NDArray[np.int32], matrices: NDArray[Any]) -> NDArray[np.int32]:
        """For each row of B matrices, the number of an equal one among ``last``, or none; (B, places)."""
        before, now = _bits(self._rows[last]), _bits(matrices)
        old, new = _hashes(before), _hashes(now)
        place = (new[:, :, None] == old[:, None, :]).argmax(axis=2)
        numbers = np.take_along_axis(last, place, axis=1)
        equal = (np.take_along_axis(before, place[:, :, None], axis=1) == now).all(axis=2)
        return np.where(equal & (numbers != _NONE), numbers, np.int32(_NONE))

    def _add(self, numbers: NDArray[np.int32], matrices: NDArray[Any]) -> None:
        """Add the rows that have no number, equal ones of one matrix once, and fill their numbers in."""
        added: dict[tuple[int, bytes], int] = {}
        for number, place in np.argwhere(numbers == _NONE).tolist():
            row = matrices[number, place]
            key = (number, row.tobytes())
            if key not in added:
                if not self._free:
                    self._grow()
                added[key] = self._free.pop()
                self._rows[added[key]] = row
            numbers[number, place] = added[key]

    def _drop(self, numbers: NDArray[Any]) -> None:
        """Count one use less for each number, repeated ones repeatedly; unused rows become free."""
        numbers = numbers[numbers != _NONE]
        np.subtract.at(self._uses, numbers, 1)
        self._free += np.unique(numbers[self._uses[numbers] == 0]).tolist()

    def _make_room(self, streams: int) -> None:
        """Have a place for the last matrix of so many streams."""
        more = np.full((max(streams - len(self._last), 0), self._last.shape[1]), _NONE, dtype=np.int32)
        self._last = np.concatenate([self._last, more])

    def _grow(self) -> None:
        known = len(self._uses)
        grown = max(known + known // 8, known + 64)
        self._rows.resize((grown, self._rows.shape[1]), refcheck=False)
        self._uses.resize(grown, refcheck=False)
        self._free += range(grown - 1, known - 1, -1)


def _bits(matrices: NDArray[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """The numbers' bits, (B, places, words), by which -0.0 is not 0.0 and NaN is NaN."""
    return np.ascontiguousarray(matrices).view(f"u{matrices.dtype.itemsize}")


def _hashes(bits: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.uint64]:
    """A number for each row, (B, places), equal for equal rows and nearly always different for others."""
    rng = np.random.default_rng(0)
    hashes = np.zeros(bits.shape[:2], dtype=np.uint64)
    for column in range(bits.shape[2]):
        factor = rng.integers(1, 2**63, dtype=np.uint64) | np.uint64(1)
        hashes += (bits[:, :, column].astype(np.uint64) + np.uint64(1)) * factor  # modulo 2**64
    return hashes ^ (hashes >> np.uint64(32))
