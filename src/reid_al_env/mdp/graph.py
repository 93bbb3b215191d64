"""The sparse k-reciprocal similarity graph of one query and its pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def node_distances(points: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Pairwise distances of the nodes, divided by the largest so that they lie in [0, 1].

    Args:
        points: Nodes in metric space, shape (n, D); row 0 is the query.
        valid: False for padding nodes, shape (n,).

    Returns:
        Symmetric, zero diagonal, shape (n, n), float32; all zeros where all nodes coincide. Rows and columns
        of padding are 1.
    """
    squared = squared_distances(points)
    squared[~valid] = squared[:, ~valid] = 0.0
    largest = squared.max(initial=np.float32(0.0))
    if largest > 0:
        squared /= largest
    squared[~valid] = squared[:, ~valid] = 1.0
    return squared


def squared_distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared Euclidean distances of all pairs, shape (n, n), float32, symmetric with zero diagonal.

    ‖x‖² + ‖y‖² − 2xᵀy is computed in float64, so that its rounding error stays below float32's precision and
    equal points have (nearly) zero distance.
    """
    wide = points.astype(np.float64)
    # Only differences matter. With the query at the origin, a large common offset causes no cancellation.
    wide -= wide[0]
    gram = wide @ wide.T
    norms = np.diagonal(gram)
    squared = norms[:, None] + norms[None, :] - 2.0 * gram
    squared = np.maximum(0.5 * (squared + squared.T), 0.0)
    np.fill_diagonal(squared, 0.0)
    return squared.astype(np.float32)


def k_reciprocal(similarity: NDArray[np.float32], k: int, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pairs are among each other's first ``k`` nodes: R(i,k) = {j : j ∈ N(i,k) and i ∈ N(j,k)}.

    N(i,k) are the first ``k`` other nodes in the order (similarity to i descending, node index ascending);
    the query counts as a node, padding does not (Liu et al., ICCV 2019, equation 2).

    Args:
        similarity: Shape (n, n), float32.
        k: Neighbours of each node; at least n − 1 means all.
        valid: False for padding nodes, shape (n,).

    Returns:
        Symmetric bool array of shape (n, n) with a false diagonal.
    """
    count = len(similarity)
    order = np.where(valid[None, :], -similarity, np.inf).astype(np.float32)
    np.fill_diagonal(order, np.inf)
    nearest = np.argsort(order, axis=1, kind="stable")[:, :k]
    among = np.zeros((count, count), dtype=bool)
    np.put_along_axis(among, nearest, values=True, axis=1)
    among &= valid[None, :] & valid[:, None]
    np.fill_diagonal(among, val=False)
    return among & among.T


def sparse_similarity(
    distances: NDArray[np.float32],
    k: int,
    valid: NDArray[np.bool_],
    known: NDArray[np.int8] | None = None,
) -> NDArray[np.float32]:
    """Sim(i,j) = 1 − d(i,j) for reciprocal neighbours, else 0.

    Args:
        distances: From :func:`node_distances`, shape (n, n).
        k: Neighbours of each node.
        valid: False for padding nodes, shape (n,).
        known: Implied answers about the n − 1 gallery nodes: +1, −1 or 0 for unknown. They are written into
            the graph before the k-reciprocal operation, and again after it.

    Returns:
        Symmetric, zero diagonal, shape (n, n), float32, values in [0, 1].
    """
    similarity = np.float32(1.0) - distances
    np.fill_diagonal(similarity, 0.0)
    answered = np.zeros(len(distances) - 1, dtype=bool) if known is None else known != 0
    if known is not None:
        _write_answers(similarity, known, answered)
    similarity[~k_reciprocal(similarity, k, valid)] = 0.0
    if known is not None:
        _write_answers(similarity, known, answered)
    return similarity


def _write_answers(
    similarity: NDArray[np.float32], known: NDArray[np.int8], answered: NDArray[np.bool_]
) -> None:
    values = np.where(known > 0, np.float32(1.0), np.float32(0.0))
    similarity[0, 1:][answered] = values[answered]
    similarity[1:, 0][answered] = values[answered]
