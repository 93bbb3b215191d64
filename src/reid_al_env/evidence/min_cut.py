"""Minimum cuts of a graph, and a partition of nodes into groups that can be joined and split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.errors import InputError

TOLERANCE: Final = 1e-9


def minimum_cut(
    edges: ArrayLike, weights: ArrayLike, source: int, sink: int
) -> tuple[float, NDArray[np.int64]]:
    """The lightest set of edges whose removal separates ``source`` from ``sink``.

    If several sets are equally light, those that contain the edge furthest down in ``edges`` are preferred,
    and among these the one nearest to the source.

    Args:
        edges: Node pairs, shape (M, 2); parallel edges add up.
        weights: Positive, shape (M,).
        source: A node; it may have no edges.
        sink: Another node.

    Returns:
        The cut's weight, and the rows of its edges in ``edges``, ascending, int64 of shape (K,).

    Raises:
        InputError: If the shapes do not fit, a weight is not positive and finite, or source is sink.
    """
    pairs, loads = np.asarray(edges, dtype=np.int64).reshape(-1, 2), np.asarray(weights, dtype=np.float64)
    if loads.shape != (len(pairs),):
        raise InputError(f"minimum cut: {len(pairs)} edges but weights of shape {loads.shape}; give one each")
    if not (np.isfinite(loads).all() and (loads > 0).all()):
        raise InputError("minimum cut: a weight is not a positive number; leave out edges of weight 0")
    if source == sink:
        raise InputError(f"minimum cut: node {source} is both source and sink; expected two nodes")
    found = CutFinder(pairs.tolist(), loads.tolist()).cut(source, sink)
    assert found is not None  # only a limit makes it None
    return found[0], np.asarray(found[1], dtype=np.int64)


class CutFinder:
    """Minimum cuts between nodes of an undirected graph, whose edges can be removed.

    Flow is sent along shortest paths with residual capacity [1]_. When no such path is left, the saturated
    edges around the nodes that can still be reached are a minimum cut [2]_. The cost depends on the nodes
    visited, not on the size of the graph.

    Args:
        edges: M node pairs.
        weights: M positive weights.

    References:
        .. [1] J. Edmonds, R. M. Karp, "Theoretical improvements in algorithmic efficiency for network flow
           problems", Journal of the ACM 19(2), 1972.
        .. [2] L. R. Ford, D. R. Fulkerson, "Maximal flow through a network", Canadian Journal of
           Mathematics 8, 1956.
    """

    def __init__(self, edges: Sequence[Sequence[int]], weights: Sequence[float]) -> None:
        # Arc 2k runs along edge k and arc 2k + 1 against it, so ``arc ^ 1`` is the way back.
        self._heads = [node for i, j in edges for node in (j, i)]
        self._capacity = [weight for weight in weights for _ in range(2)]
        self._saturated = TOLERANCE * max(weights, default=0.0)  # residual capacity that counts as none
        self._arcs: dict[int, list[int]] = {}
        for arc, tail in enumerate(node for edge in edges for node in edge):
            self._arcs.setdefault(tail, []).append(arc)

    def cut(self, source: int, sink: int, at_most: float = math.inf) -> tuple[float, list[int]] | None:
        """The cut that :func:`minimum_cut` returns, with its edges as ascending indices.

        Returns:
            Weight and edges; (0, []) if no path joins the two. ``None`` as soon as the weight is known to
            exceed ``at_most``.
        """
        residual: dict[
            int, float
        ] = {}  # residual capacity of arcs with flow; without flow it is the capacity
        flow = 0.0
        while sink in (came_by := self._reach(residual, source, until=sink)):
            path = self._way_back(came_by, sink)
            pushed = min(self._residual(residual, arc) for arc in path)
            for arc in path:
                residual[arc], residual[arc ^ 1] = (
                    self._residual(residual, arc) - pushed,
                    self._residual(residual, arc ^ 1) + pushed,
                )
            flow += pushed
            if flow > at_most * (1 + TOLERANCE):
                return None
        side = self._source_side(residual, came_by)
        leaving = [arc for node in side for arc in self._arcs.get(node, ()) if self._heads[arc] not in side]
        return math.fsum(self._capacity[arc] for arc in leaving), sorted(arc // 2 for arc in leaving)

    def remove(self, edges: Iterable[int]) -> None:
        """Remove edges, given by index."""
        for edge in edges:
            for arc in (2 * edge, 2 * edge + 1):
                self._arcs[self._heads[arc ^ 1]].remove(arc)

    def parts(self, nodes: Iterable[int]) -> list[list[int]]:
        """Connected components under the remaining edges, in the order of their first nodes in ``nodes``."""
        seen: set[int] = set()
        parts = []
        for first in nodes:
            if first not in seen:
                seen.add(first)
                parts.append([first])
                for node in parts[-1]:  # a queue: it grows during the loop
                    beside = [self._heads[arc] for arc in self._arcs.get(node, ())]
                    parts[-1] += dict.fromkeys(other for other in beside if other not in seen)
                    seen.update(beside)
        return parts

    def _residual(self, residual: dict[int, float], arc: int) -> float:
        return residual.get(arc, self._capacity[arc])

    def _reach(self, residual: dict[int, float], start: int, until: int | None = None) -> dict[int, int]:
        """Nodes reachable by residual capacity, nearest first, each with the arc into it (start: −1)."""
        came_by = {start: -1}
        front = [start]
        for node in front:
            for arc in self._arcs.get(node, ()):
                head = self._heads[arc]
                if head not in came_by and self._residual(residual, arc) > self._saturated:
                    came_by[head] = arc
                    front.append(head)
                    if head == until:
                        return came_by
        return came_by

    def _way_back(self, came_by: dict[int, int], node: int) -> list[int]:
        path = []
        while (arc := came_by[node]) >= 0:
            path.append(arc)
            node = self._heads[arc ^ 1]
        return path

    def _source_side(self, residual: dict[int, float], nearest: dict[int, int]) -> dict[int, int]:
        """The source side of the minimum cut with the latest edge; ``nearest`` is that of the nearest cut.

        A set of nodes is the source side of a minimum cut if it contains the source, does not contain the
        sink, and contains every node reachable from it. The smallest such set that a given saturated arc
        leaves is the set of nodes reachable from the arc's tail.
        """
        for arc in sorted(residual, key=lambda arc: arc // 2, reverse=True):
            tail, head = self._heads[arc ^ 1], self._heads[arc]
            if self._residual(residual, arc) > self._saturated or head in nearest:
                continue
            # Flow can be sent back: a saturated arc's tail reaches the source, and the sink reaches its head.
            side = nearest if tail in nearest else self._reach(residual, tail)
            if head not in side:
                return side
        return nearest


class Partition:
    """Nodes 0 to N − 1 in groups, with pairs of groups known to differ; at first each node is its own group.

    A group's label is one of its nodes. Joining relabels the smaller group, so reading a label costs O(1) and
    ``n`` joins cost O(n log n) in total.

    Args:
        size: N.
    """

    def __init__(self, size: int) -> None:
        self.labels = np.arange(size, dtype=np.int64)  # (N,)
        self.conflicts: dict[int, set[int]] = {}
        self._sizes = np.ones(size, dtype=np.int64)  # (N,), valid at labels only
        self._next = np.arange(size, dtype=np.int64)  # (N,), the nodes of a group in a ring

    def __deepcopy__(self, memo: dict[int, object]) -> Partition:
        other = Partition(0)
        other.labels, other._sizes, other._next = self.labels.copy(), self._sizes.copy(), self._next.copy()
        other.conflicts = {group: set(others) for group, others in self.conflicts.items()}
        return other

    def numbered(self) -> NDArray[np.int64]:
        """The group of every node, shape (N,), numbered by first appearance."""
        _, first, inverse = np.unique(self.labels, return_index=True, return_inverse=True)
        order = np.empty(len(first), dtype=np.int64)
        order[np.argsort(first)] = np.arange(len(first))
        return order[inverse]

    def numbered_conflicts(self) -> NDArray[np.int64]:
        """Pairs of groups that differ, numbered as by :meth:`numbered`, shape (M, 2), unique and sorted."""
        labels = [(a, b) for a, others in self.conflicts.items() for b in others if a < b]
        pairs = self.numbered()[np.asarray(labels, dtype=np.int64).reshape(-1, 2)]
        return np.unique(np.sort(pairs, axis=1), axis=0)

    def join(self, a: int, b: int) -> int:
        """Join two groups, given by label; returns the label of the result."""
        keep, lose = (a, b) if self._sizes[a] >= self._sizes[b] else (b, a)
        moved = [lose]
        while (node := int(self._next[moved[-1]])) != lose:
            moved.append(node)
        self.labels[moved] = keep
        self._next[[keep, lose]] = self._next[[lose, keep]]  # two rings become one
        self._sizes[keep] += len(moved)
        for other in self.conflicts.pop(lose, set()):
            self.conflicts[other].discard(lose)
            self.separate(keep, other)
        return keep

    def separate(self, a: int, b: int) -> None:
        """Record that two groups, given by label, differ."""
        self.conflicts.setdefault(a, set()).add(b)
        self.conflicts.setdefault(b, set()).add(a)

    def replace(self, groups: Sequence[list[int]]) -> None:
        """Replace some groups by new ones of the same nodes; conflicts of the old groups are removed."""
        for label in {label for group in groups for label in self.labels[group].tolist()}:
            for other in self.conflicts.pop(label, set()):
                self.conflicts[other].discard(label)
        for group in groups:
            self.labels[group] = group[0]
            self._next[group] = group[1:] + group[:1]
            self._sizes[group[0]] = len(group)

    def form(
        self, first: NDArray[np.int64], after: NDArray[np.int64], known: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Form new groups of nodes that are in no group yet.

        A new group is not formed if one of its nodes is already in a group with others, or is in ``known``.

        Args:
            first: For each node, the first node of its new group, shape (N,), −1 for none.
            after: For each node, the next node of its new group, shape (N,), −1 for none.
            known: Nodes whose new groups are not formed, shape (M,).

        Returns:
            The nodes of the groups that were not formed, shape (K,).
        """
        taken = self._next != np.arange(len(first))
        taken[known] = True
        grouped = first >= 0
        left_out = np.isin(first, first[taken & grouped]) & grouped
        new = np.flatnonzero(grouped & ~left_out)
        self.labels[new] = first[new]
        self._next[new] = np.where(after < 0, first, after)[new]
        self._sizes = np.maximum(self._sizes, np.bincount(first[new], minlength=len(first)))
        return np.flatnonzero(left_out)
