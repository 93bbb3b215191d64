"""First states of episodes: candidates, distances and sparse graph of a query, cached."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.feature_set import FeatureSet
from reid_al_env.mdp.graph import node_distances, sparse_similarity
from reid_al_env.mdp.metric import to_metric_space
from reid_al_env.mdp.pool import PoolTable
from reid_al_env.mdp.settings import EpisodeSettings

_MEMORY_BYTES = 1 << 29


@dataclass(frozen=True)
class Starts:
    """First states of B episodes; n = pool_size, node 0 is the query.

    Args:
        candidates: Dataset indices, (B, n) int64, −1 for padding.
        distances: In [0, 1], (B, n+1, n+1) float32.
        similarity: Sparse graph, (B, n+1, n+1) float32.
        full: True for gallery rows with k non-zero gallery entries, (B, n) bool.
        weakest: Smallest non-zero gallery entry of each full row, (B, n) float32.
        weakest_at: Gallery column of that entry, the highest one on ties, (B, n) int64.
    """

    candidates: NDArray[np.int64]
    distances: NDArray[np.float32]
    similarity: NDArray[np.float32]
    full: NDArray[np.bool_]
    weakest: NDArray[np.float32]
    weakest_at: NDArray[np.int64]


class StartTable:
    """Builds first states and caches the latest, up to half a gigabyte.

    Each state is computed separately, so that its rounding does not depend on the batch it is part of.

    Args:
        features: The images.
        settings: Settings of the episodes.
        match_differences: For ``metric="verified"``; see :func:`reid_al_env.mdp.metric.to_metric_space`.
        batch: Largest number of queries that :meth:`get` is called with.
        padded: Accept fewer images than the pool needs and pad it.

    Raises:
        InputError: If the set has too few images and ``padded`` is false, or ``cross_camera`` is set and a
            camera is missing.
    """

    def __init__(
        self,
        features: FeatureSet,
        settings: EpisodeSettings,
        match_differences: NDArray[np.float64] | None = None,
        batch: int = 1,
        padded: bool = False,
    ) -> None:
        self._settings = settings
        self._points = to_metric_space(
            features.features, settings.metric, settings.shrinkage, match_differences
        )
        cameras = _cameras(features) if settings.cross_camera else None
        self._pool = PoolTable(self._points, settings.pool_size, cameras, settings.index, padded)
        nodes = settings.pool_size + 1
        bytes_each = nodes * nodes * 8 + nodes * 24
        capacity = max(min(len(features), _MEMORY_BYTES // bytes_each), batch)
        self._slot = np.full(len(features), -1, dtype=np.int64)
        self._owner = np.full(capacity, -1, dtype=np.int64)
        self._next = 0
        self._memory = _empty_starts(capacity, settings.pool_size)

    def get(self, queries: NDArray[np.int64]) -> Starts:
        """First states of the queries (B,), given as dataset indices, in new arrays."""
        # Building one state can evict another of this batch. The cache holds a whole batch, so this ends.
        while (missing := queries[self._slot[queries] < 0]).size:
            for query in missing:
                self._slot_of(int(query))
        slots = self._slot[queries]
        memory = self._memory
        return Starts(
            memory.candidates.take(slots, axis=0),
            memory.distances.take(slots, axis=0),
            memory.similarity.take(slots, axis=0),
            memory.full.take(slots, axis=0),
            memory.weakest.take(slots, axis=0),
            memory.weakest_at.take(slots, axis=0),
        )

    def candidates(self, query: int) -> NDArray[np.int64]:
        """Dataset indices of one query's candidates, (pool_size,), −1 for padding; a view, read only."""
        return np.asarray(self._memory.candidates[self._slot_of(query)])

    def with_known(self, start: Starts, row: int, known: NDArray[np.int8]) -> None:
        """Rebuild one row of ``start`` with the answers ``known`` (n,) written in before sparsification."""
        valid = np.concatenate(([True], start.candidates[row] >= 0))
        similarity = sparse_similarity(start.distances[row], self._settings.k, valid, known)
        start.similarity[row] = similarity
        start.full[row], start.weakest[row], start.weakest_at[row] = full_rows(similarity, self._settings.k)

    def _slot_of(self, query: int) -> int:
        """Cache slot of the query's first state, which is built if it is not cached."""
        slot = int(self._slot[query])
        return self._remember(query) if slot < 0 else slot

    def _remember(self, query: int) -> int:
        slot = self._next
        self._next = (slot + 1) % len(self._owner)
        if self._owner[slot] >= 0:
            self._slot[self._owner[slot]] = -1
        candidates = self._pool.candidates(query)
        valid = np.concatenate(([True], candidates >= 0))
        distances = node_distances(self._points[np.concatenate(([query], candidates))], valid)
        memory = self._memory
        memory.candidates[slot] = candidates
        memory.distances[slot] = distances
        memory.similarity[slot] = sparse_similarity(distances, self._settings.k, valid)
        rows = full_rows(memory.similarity[slot], self._settings.k)
        memory.full[slot], memory.weakest[slot], memory.weakest_at[slot] = rows
        self._owner[slot], self._slot[query] = query, slot
        return slot


def full_rows(
    similarity: NDArray[np.float32], k: int
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.int64]]:
    """Gallery rows with k gallery neighbours, and the entry each would lose if the query joined them.

    Args:
        similarity: Sparse graph, shape (n+1, n+1).
        k: Neighbours of each node.

    Returns:
        ``full``, ``weakest`` and ``weakest_at`` as in :class:`Starts`, each of shape (n,).
    """
    gallery = similarity[1:, 1:]
    full = np.count_nonzero(gallery, axis=1) >= k
    entries = np.where(gallery > 0, gallery, np.inf)
    weakest_at = len(gallery) - 1 - np.argmin(entries[:, ::-1], axis=1)
    weakest = np.take_along_axis(gallery, weakest_at[:, None], axis=1)[:, 0]
    return full, weakest, weakest_at


def _cameras(features: FeatureSet) -> NDArray[np.int64]:
    """The cameras, checked: all are known and there are two or more."""
    cameras, source = features.cameras, features.source
    if cameras is None:
        raise InputError(f"{source}: cross_camera=True but there are no cameras; add a 'cameras' column")
    if (cameras < 0).any():
        first = int(np.argmax(cameras < 0))
        raise InputError(
            f"{source}: cross_camera=True but image {first} ({features.names[first]}) has the unknown camera "
            f"{cameras[first]}; give every image a camera of 0 or more, or leave such images out"
        )
    if (cameras == cameras[0]).all():
        raise InputError(
            f"{source}: cross_camera=True but all images are from camera {cameras[0]}; add images of another "
            "camera, or choose cross_camera=False"
        )
    return cameras


def _empty_starts(count: int, pool_size: int) -> Starts:
    nodes = pool_size + 1
    return Starts(
        np.empty((count, pool_size), dtype=np.int64),
        np.empty((count, nodes, nodes), dtype=np.float32),
        np.empty((count, nodes, nodes), dtype=np.float32),
        np.empty((count, pool_size), dtype=bool),
        np.empty((count, pool_size), dtype=np.float32),
        np.empty((count, pool_size), dtype=np.int64),
    )
