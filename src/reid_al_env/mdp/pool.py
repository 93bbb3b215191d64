"""The candidates of each query: its nearest other images, found with FAISS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

# FAISS ranks in its own float32 arithmetic. A few more neighbours than needed are fetched and then ordered
# exactly by (distance, dataset index).
_SLACK = 5
_ROWS = 65_536
_TRAINED_ON = 1 << 18  # most rows that an index is trained on, evenly spaced


class PoolTable:
    """The ``pool_size`` nearest other images of each image, ordered by (distance, dataset index).

    The image itself is left out by index, since duplicates exist. If the last neighbour that FAISS returned
    is tied with the last candidate, the whole set is searched, so the order never depends on FAISS.

    Args:
        points: Features in metric space, shape (N, D), float32.
        pool_size: Candidates of a query.
        cameras: Shape (N,). If given, candidates come from other cameras only, and a query with too few of
            them is padded with −1.
        index: FAISS factory string, such as ``"Flat"`` (exact), ``"IVF1024,Flat"`` or ``"HNSW32"``; after a
            semicolon, FAISS's search parameters, as in ``"IVF1024,Flat;nprobe=16"``.
        padded: Accept fewer images than ``pool_size`` and pad with −1.

    Raises:
        InputError: If ``pool_size`` is not below the number of images and ``padded`` is false, or FAISS
            does not know ``index``.
    """

    def __init__(
        self,
        points: NDArray[np.float32],
        pool_size: int,
        cameras: NDArray[np.int64] | None = None,
        index: str = "Flat",
        padded: bool = False,
    ) -> None:
        if pool_size >= len(points) and not padded:
            raise InputError(
                f"pool_size: {pool_size} with {len(points)} images; a query has at most {len(points) - 1} "
                "others, so choose a smaller pool_size"
            )
        self._points = points
        self._pool_size = pool_size
        self._cameras = cameras
        self._exact = index == "Flat"
        wanted = min(pool_size + 1 + _SLACK, len(points))
        self._neighbours = np.full((len(points), wanted), -1, dtype=np.int32)
        self._centre = np.zeros(points.shape[1])
        if "L2norm" not in index:  # where lengths matter, points must not be shifted
            self._centre = points.mean(axis=0, dtype=np.float64)
        self._fill(index)

    def candidates(self, query: int) -> NDArray[np.int64]:
        """Dataset indices of the query's candidates, shape (pool_size,), nearest first, −1 for padding."""
        found = self._neighbours[query]
        found = found[(found >= 0) & (found != query)].astype(np.int64)
        ranked, distances = self._rank(query, found)
        if self._exact and self._undecided(query, distances):
            ranked, _ = self._rank(query, self._allowed(query))
        row = np.full(self._pool_size, -1, dtype=np.int64)
        nearest = ranked[: self._pool_size]
        row[: len(nearest)] = nearest
        return row

    def _undecided(self, query: int, distances: NDArray[np.float32]) -> bool:
        """Whether an image that FAISS did not return may be as near as the last candidate."""
        if len(distances) <= self._pool_size:
            return len(distances) < len(self._allowed(query))
        return bool(distances[-1] <= distances[self._pool_size - 1]) and len(distances) < len(
            self._allowed(query)
        )

    def _allowed(self, query: int) -> NDArray[np.int64]:
        allowed = np.ones(len(self._points), dtype=bool)
        if self._cameras is not None:
            allowed = self._cameras != self._cameras[query]
        allowed[query] = False
        return np.flatnonzero(allowed)

    def _rank(self, query: int, images: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        difference = self._points[images].astype(np.float64) - self._points[query].astype(np.float64)
        distances = np.einsum("nd,nd->n", difference, difference).astype(np.float32)
        order = np.lexsort((images, distances))
        return images[order], distances[order]

    def _fill(self, index: str) -> None:
        if self._cameras is None:
            self._search(index, np.arange(len(self._points)), np.arange(len(self._points)))
            return
        for camera in np.unique(self._cameras):
            same = self._cameras == camera
            if not same.all():
                self._search(index, np.flatnonzero(~same), np.flatnonzero(same))

    def _search(self, factory: str, database: NDArray[np.int64], queries: NDArray[np.int64]) -> None:
        import faiss

        try:
            description, _, parameters = factory.partition(";")
            searcher = faiss.index_factory(self._points.shape[1], description)
            if parameters:
                space: Any = faiss.ParameterSpace()  # the stubs lack one of its two signatures
                space.set_index_parameters(searcher, parameters)
            if not searcher.is_trained:
                searcher.train(self._centred(database[:: -(-len(database) // _TRAINED_ON)]))
            for start in range(0, len(database), _ROWS):
                searcher.add(self._centred(database[start : start + _ROWS]))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"index: FAISS cannot build {factory!r} on {len(database)} images ({reason})"
            ) from error
        wanted = min(self._neighbours.shape[1], len(database))
        for start in range(0, len(queries), _ROWS):
            rows = queries[start : start + _ROWS]
            _, found = searcher.search(self._centred(rows), wanted)
            self._neighbours[rows, :wanted] = np.where(found >= 0, database[found], -1)

    def _centred(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Points minus their mean: a large common offset would swamp FAISS's sums of squares."""
        centred = self._points[rows]
        centred -= self._centre
        return np.ascontiguousarray(centred)
