"""k-reciprocal Jaccard similarities in sparse form: memory grows with the neighbours, not with N²."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_env.errors import InputError

_ELEMENTS = 4_000_000  # entries that are gathered at a time
_AGREEMENT = 2 / 3  # Zhong et al., Eq. 5


def jaccard_similarities(features: NDArray[np.float32], k1: int = 30, k2: int = 6) -> sparse.csr_matrix:
    """Compare images by the neighbours they share.

    An image is encoded as weights over its expanded k-reciprocal neighbours, averaged over its ``k2`` nearest
    (Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017, Eq. 3-7 and
    10-11). The similarity is one minus the Jaccard distance of two encodings.

    Args:
        features: (N, D) float32; L2-normalised here, so that squared distances are ``2 − 2 cos``.
        k1: Length of the neighbour lists, the image itself included.
        k2: Number of neighbours over which encodings are averaged, the image itself included.

    Returns:
        (N, N) symmetric float32 in (0, 1], without the diagonal. Pairs are stored where one image is in the
        encoding of the other; the similarity of all others counts as 0.

    Raises:
        InputError: A feature is zero, or ``k1`` or ``k2`` is out of range.
    """
    points = unit_rows(features)
    if not 1 <= k2 <= k1:
        raise InputError(f"jaccard: k1 is {k1} and k2 is {k2}; expected 1 <= k2 <= k1")
    return _compare(encode_by_neighbours(points, nearest_neighbours(points, min(k1, len(points))), k2))


def encode_by_neighbours(
    points: NDArray[np.float32], neighbours: NDArray[np.int64], k2: int
) -> sparse.csr_matrix:
    """The encodings that :func:`jaccard_similarities` compares.

    Args:
        points: (N, D) float32, rows of length 1.
        neighbours: (N, k1) int64, the nearest points of each, itself first.
        k2: Number of neighbours over which encodings are averaged, the image itself included.

    Returns:
        (N, N) float32, each row summing to 1.
    """
    encoding = _encode(points, neighbours)
    chosen = _lists(neighbours[:, : min(k2, neighbours.shape[1])])
    averaged = sparse.csr_matrix(chosen @ encoding, dtype=np.float32)
    averaged.data /= min(k2, neighbours.shape[1])
    averaged.sort_indices()
    return averaged


def pair_similarities(encoding: sparse.csr_matrix, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Jaccard similarities of some pairs, whether or not one image is in the encoding of the other.

    Args:
        encoding: By :func:`encode_by_neighbours`.
        pairs: (M, 2) images.

    Returns:
        (M,) in [0, 1].
    """
    shared = encoding[pairs[:, 0]].minimum(encoding[pairs[:, 1]]).sum(axis=1)
    shared = np.minimum(np.asarray(shared, dtype=np.float64).ravel(), 1.0)
    return np.asarray(shared / (2 - shared))


def _encode(points: NDArray[np.float32], neighbours: NDArray[np.int64]) -> sparse.csr_matrix:
    """Weights exp(−d) over every image's expanded k-reciprocal set, each row summing to 1."""
    reciprocal = _reciprocal(neighbours)
    half = _reciprocal(neighbours[:, : max(1, round(neighbours.shape[1] / 2))])
    shared = sparse.csr_matrix(reciprocal @ half.T).multiply(reciprocal).tocoo()
    half_sizes = np.diff(half.indptr)
    agreeing = shared.data > _AGREEMENT * half_sizes[shared.col]
    joined = sparse.csr_matrix(
        (np.ones(int(agreeing.sum()), dtype=np.float32), (shared.row[agreeing], shared.col[agreeing])),
        shape=shared.shape,
    )
    expanded = sparse.csr_matrix(reciprocal + joined @ half)
    expanded.sort_indices()
    expanded.data = _weights(points, expanded)
    return expanded


def _reciprocal(neighbours: NDArray[np.int64]) -> sparse.csr_matrix:
    lists = _lists(neighbours)
    return sparse.csr_matrix(lists.multiply(lists.T))


def _lists(neighbours: NDArray[np.int64]) -> sparse.csr_matrix:
    count, length = neighbours.shape
    starts = np.arange(0, count * length + 1, length)
    lists = sparse.csr_matrix(
        (np.ones(count * length, dtype=np.float32), neighbours.ravel(), starts), shape=(count, count)
    )
    lists.sort_indices()
    return lists


def _weights(points: NDArray[np.float32], pattern: sparse.csr_matrix) -> NDArray[np.float32]:
    weights = np.empty(pattern.nnz, dtype=np.float32)
    rows = np.repeat(np.arange(len(points)), np.diff(pattern.indptr))
    step = max(1, _ELEMENTS // points.shape[1])
    for start in range(0, pattern.nnz, step):
        part = slice(start, start + step)
        cosines = np.einsum("nd,nd->n", points[rows[part]], points[pattern.indices[part]])
        weights[part] = np.exp(2 * cosines - 2)
    sums = np.add.reduceat(weights, pattern.indptr[:-1])
    return (weights / sums[rows]).astype(np.float32)


def _compare(encoding: sparse.csr_matrix) -> sparse.csr_matrix:
    """Jaccard similarity of stored pairs; rows sum to 1, so it is s / (2 − s) with s the shared weight."""
    pattern = sparse.triu(encoding + encoding.T, k=1, format="csr")
    shared = np.empty(pattern.nnz, dtype=np.float32)
    for first, last in _blocks(encoding, pattern):
        pairs = slice(pattern.indptr[first], pattern.indptr[last])
        shared[pairs] = _shared_weights(encoding, pattern, first, last)
    pattern.data = shared / (2 - shared)
    pattern.eliminate_zeros()
    return sparse.csr_matrix(pattern + pattern.T)


def _shared_weights(
    encoding: sparse.csr_matrix, pattern: sparse.csr_matrix, first: int, last: int
) -> NDArray[np.float32]:
    """Σ_c min(V_ic, V_jc) for the stored pairs (i, j) of the rows ``first`` to ``last``."""
    columns = pattern.indices[pattern.indptr[first] : pattern.indptr[last]]
    if not len(columns):
        return np.empty(0, dtype=np.float32)
    rows = np.repeat(np.arange(last - first), np.diff(pattern.indptr[first : last + 1]))
    own = encoding[first:last].toarray()  # (rows, N)
    others = encoding[columns]
    sizes = np.diff(others.indptr)
    places = np.repeat(rows * own.shape[1], sizes) + others.indices
    smaller = np.minimum(own.ravel()[places], others.data)
    return np.add.reduceat(smaller, others.indptr[:-1])


def _blocks(encoding: sparse.csr_matrix, pattern: sparse.csr_matrix) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose pairs gather about ``_ELEMENTS`` entries, and whose dense rows are no more."""
    sizes = np.diff(encoding.indptr)
    work = np.concatenate([[0], np.cumsum(sizes[pattern.indices])])[pattern.indptr]
    most = max(1, _ELEMENTS // encoding.shape[1])
    first = 0
    while first < len(sizes):
        last = int(np.searchsorted(work, work[first] + _ELEMENTS, side="right")) - 1
        last = min(max(last, first + 1), first + most, len(sizes))
        yield first, last
        first = last
