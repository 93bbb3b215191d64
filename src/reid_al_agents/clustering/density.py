"""Dense clusters of similar images, and outliers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def dbscan(similarities: sparse.csr_matrix, eps: float = 0.5, min_samples: int = 4) -> NDArray[np.int64]:
    """Run DBSCAN (Ester et al., KDD 1996) on Jaccard distances.

    Args:
        similarities: (N, N) symmetric Jaccard similarities without a diagonal.
        eps: Maximum distance, one minus the similarity, of neighbours.
        min_samples: Minimum number of neighbours of a core image, itself included.

    Returns:
        (N,) clusters from 0; −1 for outliers.
    """
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import sort_graph_by_row_values

    pairs = similarities.tocoo()
    distances = np.maximum(1 - pairs.data, 0)
    near = distances <= eps
    own = np.arange(pairs.shape[0])  # scikit-learn wants the zero distances to oneself stored
    rows = np.concatenate([own, pairs.row[near]])
    columns = np.concatenate([own, pairs.col[near]])
    values = np.concatenate([np.zeros(len(own), dtype=distances.dtype), distances[near]])
    graph = sparse.csr_matrix((values, (rows, columns)), shape=pairs.shape)
    graph = sort_graph_by_row_values(graph, warn_when_not_sorted=False)
    labels = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit_predict(graph)
    return np.asarray(labels, dtype=np.int64)
