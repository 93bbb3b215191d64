"""Similarity graphs of episodes in a tenth of the memory: the first one whole, then only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

_NONE = -1
_Arrays = dict[str, NDArray[Any]]


class GraphStore:
    """The graphs before and after each transition of a ring, given back bit for bit.

    Within an episode of the environment an answer changes row and column 0 of the graph, and removes a few
    pairs of gallery items for good. So an episode's first graph is kept once (its *base*), with the list of
    pairs removed since; a transition keeps row 0 before and after, and how many of the pairs were removed by
    then. A graph that does not follow from the one before in this way becomes a base of its own, so that any
    graphs whose row 0 equals their column 0 can be stored, if with more memory.

    Args:
        size: Transitions in the ring.
        nodes: Nodes of a graph, the query (0) included.
        dtype: Of the similarities.
    """

    def __init__(self, size: int, nodes: int, dtype: np.dtype[Any]) -> None:
        places = np.min_scalar_type(nodes * nodes)
        self._columns: _Arrays = {  # by transition
            "before.row": np.zeros((size, nodes), dtype=dtype),
            "before.base": np.full(size, _NONE, dtype=np.int32),
            "before.removed": np.zeros(size, dtype=np.min_scalar_type(nodes)),
            "after.row": np.zeros((size, nodes), dtype=dtype),
            "after.base": np.full(size, _NONE, dtype=np.int32),
            "after.removed": np.zeros(size, dtype=np.min_scalar_type(nodes)),
        }
        self._bases: _Arrays = {  # by base; grown as needed
            "graph": np.zeros((0, nodes, nodes), dtype=dtype),
            "pairs": np.zeros((0, nodes), dtype=places),  # removed pairs i, j in order, as i * nodes + j
            "removed": np.zeros(0, dtype=np.int32),  # how many of them there are
            "uses": np.zeros(0, dtype=np.int32),  # transitions and streams that refer to it
        }
        self._streams: _Arrays = {  # by stream, grown as needed: the last graph seen of it
            "graph": np.zeros((0, nodes, nodes), dtype=dtype),
            "base": np.full(0, _NONE, dtype=np.int32),
        }
        self._free: list[int] = []
        self._nodes = nodes

    @property
    def nbytes(self) -> int:
        """Bytes reserved; those of transitions that were never written are not taken from the machine."""
        return sum(array.nbytes for part in self._parts().values() for array in part.values())

    def put(
        self,
        slots: NDArray[np.int64],
        streams: NDArray[np.int64],
        before: NDArray[Any],
        after: NDArray[Any],
    ) -> None:
        """Store the graphs of B transitions, over those that were in the slots.

        Args:
            slots: (B,) places in the ring, all different.
            streams: (B,) non-negative numbers of the environments they come from, all different.
            before: (B, nodes, nodes) graphs before the transitions.
            after: (B, nodes, nodes) graphs after them.

        Raises:
            InputError: A graph is not symmetric in row and column 0.
        """
        for graphs in (before, after):
            if not np.array_equal(graphs[:, 0], graphs[:, :, 0]):
                raise InputError("replay: row 0 of a similarity graph differs from its column 0")
        self._release(slots)
        self._make_room(int(streams.max()) + 1)
        base = self._follow(streams, before)
        self._write("before", slots, base, before)
        base = self._follow(streams, after)
        self._write("after", slots, base, after)

    def get(self, part: str, slots: NDArray[np.int64]) -> NDArray[Any]:
        """Rebuild the graphs ``"before"`` or ``"after"`` the transitions in ``slots``, (B, nodes, nodes)."""
        base = self._columns[f"{part}.base"][slots]
        removed = self._columns[f"{part}.removed"][slots]
        graphs = self._bases["graph"][base]
        which, number = np.nonzero(np.arange(removed.max(initial=0)) < removed[:, None])
        i, j = np.divmod(self._bases["pairs"][base[which], number], self._nodes)
        graphs[which, i, j] = graphs[which, j, i] = 0
        graphs[:, 0] = graphs[:, :, 0] = self._columns[f"{part}.row"][slots]
        return graphs

    def arrays(self, size: int) -> _Arrays:
        """Everything that :meth:`load_arrays` needs, of a ring in which ``size`` transitions are filled."""
        kept = {f"columns.{name}": column[:size] for name, column in self._columns.items()}
        kept |= {f"bases.{name}": column for name, column in self._bases.items()}
        return kept | {f"streams.{name}": column for name, column in self._streams.items()}

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave.

        Raises:
            KeyError: Something is missing.
            ValueError: It is that of a ring of other graphs, or of more transitions.
        """
        for name, column in self._columns.items():
            stored = arrays[f"columns.{name}"]
            column[: len(stored)] = stored
            column[len(stored) :] = _NONE if name.endswith("base") else 0
        for part, grown in (("bases", self._bases), ("streams", self._streams)):
            for name, column in grown.items():
                stored = arrays[f"{part}.{name}"]
                if stored.shape[1:] != column.shape[1:]:
                    raise ValueError(f"{part}.{name} has shape {stored.shape}")
                grown[name] = stored.astype(column.dtype)
        self._free = np.flatnonzero(self._bases["uses"] == 0)[::-1].tolist()

    def _follow(self, streams: NDArray[np.int64], graphs: NDArray[Any]) -> NDArray[np.int64]:
        """Bring the streams' bases to these graphs, by removed pairs or a new base; returns the bases."""
        seen, base = self._streams["graph"], self._streams["base"]
        news = base[streams] == _NONE
        changed = seen[streams, 1:, 1:] != graphs[:, 1:, 1:]
        rows = np.flatnonzero(changed.any(axis=(1, 2)) & ~news)
        if len(rows):
            news[rows] = ~self._remove(base[streams[rows]], graphs[rows, 1:, 1:], changed[rows])
        if news.any():
            self._renew(streams[news], graphs[news])
        seen[streams] = graphs
        return base[streams].astype(np.int64)

    def _remove(
        self, bases: NDArray[Any], gallery: NDArray[Any], changed: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Note removed pairs of gallery items; returns (B,) False where that is not all that changed."""
        removed = self._bases["removed"]
        symmetric = (changed == changed.swapaxes(1, 2)).all(axis=(1, 2))
        zeroed = ~(changed & (gallery != 0)).any(axis=(1, 2))
        upper = np.triu(changed)
        fits = removed[bases] + upper.sum(axis=(1, 2)) <= self._nodes
        noted = np.asarray(symmetric & zeroed & fits)
        which, i, j = np.nonzero(upper & noted[:, None, None])
        place = removed[bases[which]] + _position(which)
        self._bases["pairs"][bases[which], place] = (i + 1) * self._nodes + (j + 1)
        np.add.at(removed, bases[which], 1)
        return noted

    def _renew(self, streams: NDArray[np.int64], graphs: NDArray[Any]) -> None:
        """Give the streams bases of their own that are these graphs."""
        old = self._streams["base"][streams]
        self._drop(old[old != _NONE])
        if len(self._free) < len(streams):
            self._grow_bases(len(streams))
        taken = np.array([self._free.pop() for _ in streams], dtype=np.int32)
        self._bases["graph"][taken] = graphs
        self._bases["removed"][taken] = 0
        self._bases["uses"][taken] = 1
        self._streams["base"][streams] = taken

    def _write(
        self, part: str, slots: NDArray[np.int64], base: NDArray[np.int64], graphs: NDArray[Any]
    ) -> None:
        self._columns[f"{part}.row"][slots] = graphs[:, 0]
        self._columns[f"{part}.base"][slots] = base
        self._columns[f"{part}.removed"][slots] = self._bases["removed"][base]
        self._bases["uses"][base] += 1  # bases of different streams are different

    def _release(self, slots: NDArray[np.int64]) -> None:
        """Forget the transitions that were in the slots."""
        for part in ("before", "after"):
            base = self._columns[f"{part}.base"][slots]
            self._drop(base[base != _NONE])

    def _drop(self, bases: NDArray[Any]) -> None:
        """Count one use less for each of ``bases``, repeated ones repeatedly; unused ones become free."""
        np.subtract.at(self._bases["uses"], bases, 1)
        unused = np.unique(bases)
        self._free += unused[self._bases["uses"][unused] == 0].tolist()

    def _make_room(self, streams: int) -> None:
        known = len(self._streams["base"])
        if streams > known:
            for name, column in self._streams.items():
                self._streams[name] = _longer(column, streams)
            self._streams["base"][known:] = _NONE

    def _grow_bases(self, least: int) -> None:
        known = len(self._bases["uses"])
        grown = max(known + least, known + known // 4)
        for name, column in self._bases.items():
            self._bases[name] = _longer(column, grown)
        self._free += range(grown - 1, known - 1, -1)

    def _parts(self) -> dict[str, _Arrays]:
        return {"columns": self._columns, "bases": self._bases, "streams": self._streams}


def _position(sorted_values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Place of each value among its equals, from 0; the values ascend."""
    return np.arange(len(sorted_values)) - np.searchsorted(sorted_values, sorted_values)


def _longer(column: NDArray[Any], length: int) -> NDArray[Any]:
    """The column with zeros appended, enlarged in place where the system can."""
    column.resize((length, *column.shape[1:]), refcheck=False)
    return column
