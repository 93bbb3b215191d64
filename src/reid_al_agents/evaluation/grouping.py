"""How good the identities formed are: pairwise and B-cubed F1, and the adjusted Rand index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from reid_al_env.errors import InputError


@dataclass(frozen=True)
class GroupScores:
    """Agreement of groups with identities; shares in [0, 1], the index in [-1, 1].

    Attributes:
        pairwise_precision: Share of the pairs put together that belong together; 1 where none is.
        pairwise_recall: Share of the pairs that belong together that are put together; 1 where none does.
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
    known = identities >= 0
    if not known.any():
        raise InputError("groups: no identity is known, so there is nothing to compare them with")
    _, group = np.unique(groups[known], return_inverse=True)
    _, identity = np.unique(identities[known], return_inverse=True)
    cells = _intersections(group, identity)
    together, belonging = np.bincount(group), np.bincount(identity)
    both = _pairs(cells[:, 2])
    precision = _share(both, _pairs(together))
    recall = _share(both, _pairs(belonging))
    squares = cells[:, 2].astype(np.float64) ** 2
    bcubed_precision = float(np.sum(squares / together[cells[:, 0]]) / len(group))
    bcubed_recall = float(np.sum(squares / belonging[cells[:, 1]]) / len(group))
    return GroupScores(
        precision,
        recall,
        _harmonic(precision, recall),
        _harmonic(bcubed_precision, bcubed_recall),
        float(adjusted_rand_score(identity, group)),
    )


def _intersections(group: NDArray[np.intp], identity: NDArray[np.intp]) -> NDArray[np.int64]:
    """Rows (group, identity, number of images in both), shape (M, 3), for the non-empty intersections."""
    pairs, counts = np.unique(np.stack([group, identity], axis=1), axis=0, return_counts=True)
    return np.concatenate([pairs, counts[:, None]], axis=1).astype(np.int64)


def _pairs(sizes: NDArray[np.integer]) -> float:
    wide = sizes.astype(np.float64)
    return float(np.sum(wide * (wide - 1)) / 2)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 1.0


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b > 0 else 0.0
