"""What an epoch of the cluster refresher trains on: groups by looks and answers, or as answers left them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering import (
    FormedGroups,
    Sides,
    VisualSimilarity,
    compare_visually,
    form_dense_groups,
    form_groups,
    group_sums,
)
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_env.evidence.constraints import ConstraintGraph


@dataclass(frozen=True)
class Clusters:
    """What an epoch trains on.

    Attributes:
        labels: (N,) int64 cluster of each image, 0 to C − 1; −1 for images that do not train.
        unsure: (C, C) bool, pairs of clusters that may be one identity; None where there are none.
    """

    labels: NDArray[np.int64]
    unsure: NDArray[np.bool_] | None = None


Clustering = Callable[[NDArray[np.float32]], Clusters]
"""Gives the clusters from the features (N, D) of the model as it is."""


def constrained_clusters(
    features: NDArray[np.float32],
    cameras: NDArray[np.int64] | None,
    constraints: ConstraintGraph,
    settings: ClusterSettings,
    sides: Sides | None = None,
) -> Clusters:
    """Clusters of images that look alike and agree with every answer; small groups are left out.

    Two clusters that look alike and that no answer tells apart are often one identity in two parts. To push
    them apart would undo what the next answer joins, so they are marked as unsure; an answer "no match" makes
    them the hardest negatives there are. Neither can be said of clusters of different ``sides``.
    """
    looks = compare_visually(features, cameras, settings.k1, settings.k2, sides)
    if settings.reach > 0:
        formed = form_dense_groups(looks.similarities, constraints, settings.reach, settings.dense_images)
    else:
        formed = form_groups(
            looks.similarities,
            constraints,
            settings.micro_cluster_similarity,
            settings.group_similarity,
        )
    sizes = np.bincount(formed.groups)
    kept = sizes >= settings.least_images
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    labels = number[formed.groups]
    if not kept.any() or (settings.unsure_similarity == 0 and sides is None):
        return Clusters(labels)
    return Clusters(labels, _unsure(looks, formed, number, settings.unsure_similarity or math.inf))


def _unsure(
    looks: VisualSimilarity, formed: FormedGroups, number: NDArray[np.int64], least: float
) -> NDArray[np.bool_]:
    """(C, C) which clusters look alike, or cannot be compared, though no answer tells them apart.

    ``number`` (G,) is −1 for groups that are no cluster.
    """
    count = int(number.max()) + 1
    sizes = np.bincount(formed.groups)
    sums = group_sums(looks.similarities, formed.groups).tocoo()
    alike = (sums.data >= least * sizes[sums.row] * sizes[sums.col]) & (sums.row != sums.col)
    pairs = number[np.stack([sums.row[alike], sums.col[alike]])]
    pairs = pairs[:, (pairs >= 0).all(axis=0)]
    unsure = np.zeros((count, count), dtype=bool)
    unsure[pairs[0], pairs[1]] = True
    if looks.sides is not None:
        unsure |= _incomparable(number[formed.groups], looks.sides)
    _tell_apart(unsure, number[formed.conflicts])
    return unsure


def settled_share(held: NDArray[np.int64], constraints: ConstraintGraph, told_apart: int) -> float:
    """Share of the images that lie in groups of which answers have said much.

    Args:
        held: (N,) groups, must-links included, 0 to G − 1.
        constraints: What is known of the images.
        told_apart: Other groups that a group must be known to differ from.
    """
    conflicts = _conflicts(held, constraints)
    told = np.bincount(conflicts.ravel(), minlength=int(held.max(initial=-1)) + 1)
    return float((told[held] >= told_apart).mean()) if len(held) else 0.0


def joined_share(held: NDArray[np.int64], constraints: ConstraintGraph) -> float:
    """Share of the images that lie in groups which must-links had a part in.

    Of a match between two groups of look-alikes only the two images compared are linked, but it is about all.

    Args:
        held: (N,) groups, must-links included, 0 to G − 1.
        constraints: What is known of the images.
    """
    linked = constraints.groups()
    joined = np.unique(held[np.bincount(linked)[linked] > 1]) if len(held) else held
    return float(np.isin(held, joined).mean()) if len(held) else 0.0


def held_clusters(
    held: NDArray[np.int64],
    constraints: ConstraintGraph,
    least_images: int,
    sides: Sides | None = None,
) -> Clusters:
    """Groups as they are held; the small ones are left out.

    What looks would still join, people have mostly been asked about: on validation it trained worse with
    groups that looks had joined further than with what was left over left out.
    """
    sizes = np.bincount(held)
    kept = sizes >= least_images
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    labels = number[held]
    if sides is None or not kept.any():
        return Clusters(labels)
    unsure = _incomparable(labels, sides)
    _tell_apart(unsure, number[_conflicts(held, constraints)])
    return Clusters(labels, unsure)


def _conflicts(held: NDArray[np.int64], constraints: ConstraintGraph) -> NDArray[np.int64]:
    """(M, 2) pairs of held groups that answers tell apart, each once."""
    first = np.unique(constraints.groups(), return_index=True)[1]
    pairs = np.sort(held[first][constraints.group_conflicts()].reshape(-1, 2), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).astype(np.int64)


def _incomparable(labels: NDArray[np.int64], sides: Sides) -> NDArray[np.bool_]:
    """(C, C) which clusters show no common side."""
    shown = sides.of_groups(labels).astype(int)
    return np.asarray(shown @ shown.T == 0)


def _tell_apart(unsure: NDArray[np.bool_], conflicts: NDArray[np.int64]) -> None:
    """Mark pairs (M, 2) of clusters as sure; those with a −1 are passed over."""
    a, b = conflicts[(conflicts >= 0).all(axis=1)].T
    unsure[a, b] = unsure[b, a] = False
