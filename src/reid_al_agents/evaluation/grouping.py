"""Scores of the identities formed: pairwise and B-cubed F1, and the adjusted Rand index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_env.errors import InputError


@dataclass(frozen=True)
class GroupScores:
    """Agreement of groups with identities; shares in [0, 1], the index in [-1, 1].

    Attributes:
        pairwise_precision: Share of the pairs in one group that are of one identity; 1 without such pairs.
        pairwise_recall: Share of the pairs of one identity that are in one group; 1 without such pairs.
        pairwise_f1: Their harmonic mean.
        bcubed_f1: Harmonic mean of B-cubed precision and recall (Bagga and Baldwin, 1998).
        ari: Adjusted Rand index (Hubert and Arabie, 1985).
    """

    pairwise_precision: float
    pairwise_recall: float
    pairwise_f1: float
    bcubed_f1: float
    ari: float


def evaluate_groups(groups: NDArray[np.int64], identities: NDArray[np.int64]) -> GroupScores:
    """Compare groups with identities; images of unknown identity (−1) are left out.

    Args:
        groups: Label of each image's group, shape (N,).
        identities: True identity of each image, shape (N,).

    Returns:
        The scores.

    Raises:
        InputError: No identity is known.
    """
    from sklearn.metrics import adjusted_rand_score
    from sklearn.metrics.cluster import contingency_matrix, pair_confusion_matrix

    known = identities >= 0
    if not known.any():
        raise InputError("groups: no identity is known, so there is nothing to compare them with")
    group, identity = groups[known], identities[known]
    (_, wrong), (missed, right) = pair_confusion_matrix(identity, group).tolist()  # ordered pairs, int64
    precision, recall = _share(right, right + wrong), _share(right, right + missed)
    cells = contingency_matrix(group, identity, sparse=True, dtype=np.float64)  # (groups, identities)
    bcubed_precision, bcubed_recall = _bcubed(cells, axis=1), _bcubed(cells, axis=0)
    return GroupScores(
        precision,
        recall,
        _harmonic(precision, recall),
        _harmonic(bcubed_precision, bcubed_recall),
        float(adjusted_rand_score(identity, group)),
    )


def _bcubed(cells: sparse.csr_matrix, axis: int) -> float:
    """Mean over images of the share of a row (``axis`` 1) or column (0) that is in the image's cell."""
    sizes = np.asarray(cells.sum(axis=axis)).ravel()
    place = cells.tocoo().row if axis == 1 else cells.tocoo().col
    return float(np.sum(cells.data**2 / sizes[place]) / cells.sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 1.0


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else 0.0
