"""The clusters that an epoch trains on: formed by similarity under the answers, or taken as assumed."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering.forming import FormedGroups
from reid_al_agents.clustering.linkage import group_sums
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.identities import Identities
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
"""Forms clusters from the features (N, D) of the images by the network as it is."""


def constrained_clusters(
    features: NDArray[np.float32],
    cameras: NDArray[np.int64] | None,
    constraints: ConstraintGraph,
    settings: ClusterSettings,
    sides: Sides | None = None,
) -> Clusters:
    """Form clusters of similar images that agree with every answer; small groups are left out.

    Two similar clusters without a "no match" between them are often one identity in two parts. Pushing them
    apart would undo what the next answer joins, so they are marked as unsure; once answered "no match" they
    are the hardest negatives of each other. Clusters of different ``sides`` are unsure too.

    Args:
        features: (N, D) float32.
        cameras: (N,) int64, or None.
        constraints: What is known of the images.
        settings: Of forming groups.
        sides: Which images can be compared; ``None`` where all can.
    """
    similarity = compare_visually(features, cameras, settings.k1, settings.k2, sides)
    formed = Identities.form(similarity.similarities, constraints, settings.thresholds()).formed
    number = _number_large(formed.groups, settings.min_images)
    labels = number[formed.groups]
    if labels.max(initial=-1) < 0 or (settings.unsure_similarity == 0 and sides is None):
        return Clusters(labels)
    return Clusters(labels, _unsure(similarity, formed, number, settings.unsure_similarity or math.inf))


def assumed_clusters(
    assumed: NDArray[np.int64],
    constraints: ConstraintGraph,
    min_images: int,
    sides: Sides | None = None,
) -> Clusters:
    """Take groups as they are assumed; small ones are left out.

    Most of what visual similarity would still join has been asked about by then: on validation, training
    was worse with groups joined further than with the small ones left out.

    Args:
        assumed: (N,) int64 group of each image, 0 to G − 1.
        constraints: What is known of the images.
        min_images: Minimum number of images of a cluster.
        sides: Which images can be compared; ``None`` where all can.
    """
    number = _number_large(assumed, min_images)
    labels = number[assumed]
    if sides is None or labels.max(initial=-1) < 0:
        return Clusters(labels)
    unsure = _incomparable(labels, sides)
    _clear(unsure, number[_conflicts(assumed, constraints)])
    return Clusters(labels, unsure)


def settled_share(assumed: NDArray[np.int64], constraints: ConstraintGraph, min_conflicts: int) -> float:
    """Share of the images whose group is known to differ from at least ``min_conflicts`` other groups.

    Args:
        assumed: (N,) int64 group of each image, 0 to G − 1, must-links included.
        constraints: What is known of the images.
        min_conflicts: See above.
    """
    if not len(assumed):
        return 0.0
    conflicts = np.bincount(_conflicts(assumed, constraints).ravel(), minlength=int(assumed.max()) + 1)
    return float((conflicts[assumed] >= min_conflicts).mean())


def joined_share(assumed: NDArray[np.int64], constraints: ConstraintGraph) -> float:
    """Share of the images whose group has a must-link.

    An answer "match" between two groups links only the two images compared, but speaks for all of them.

    Args:
        assumed: (N,) int64 group of each image, 0 to G − 1, must-links included.
        constraints: What is known of the images.
    """
    if not len(assumed):
        return 0.0
    components = constraints.groups()
    joined = np.unique(assumed[np.bincount(components)[components] > 1])
    return float(np.isin(assumed, joined).mean())


def _number_large(groups: NDArray[np.int64], min_images: int) -> NDArray[np.int64]:
    """(G,) numbers from 0 for the groups of enough images; −1 for the others."""
    large = np.bincount(groups) >= min_images
    return np.where(large, np.cumsum(large) - 1, -1)


def _unsure(
    similarity: VisualSimilarity, formed: FormedGroups, number: NDArray[np.int64], least: float
) -> NDArray[np.bool_]:
    """(C, C) which clusters are similar or cannot be compared, without an answer that they differ.

    ``number`` (G,) is −1 for groups that are no cluster.
    """
    count = int(number.max()) + 1
    sizes = np.bincount(formed.groups)
    sums = group_sums(similarity.similarities, formed.groups).tocoo()
    similar = (sums.data >= least * sizes[sums.row] * sizes[sums.col]) & (sums.row != sums.col)
    pairs = number[np.stack([sums.row[similar], sums.col[similar]])]
    pairs = pairs[:, (pairs >= 0).all(axis=0)]
    unsure = np.zeros((count, count), dtype=bool)
    unsure[pairs[0], pairs[1]] = True
    if similarity.sides is not None:
        unsure |= _incomparable(number[formed.groups], similarity.sides)
    _clear(unsure, number[formed.conflicts])
    return unsure


def _conflicts(assumed: NDArray[np.int64], constraints: ConstraintGraph) -> NDArray[np.int64]:
    """(M, 2) pairs of assumed groups that answers say differ, each once."""
    first = np.unique(constraints.groups(), return_index=True)[1]
    pairs = np.sort(assumed[first][constraints.group_conflicts()].reshape(-1, 2), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0).astype(np.int64)


def _incomparable(labels: NDArray[np.int64], sides: Sides) -> NDArray[np.bool_]:
    """(C, C) which clusters show no common side."""
    shown = sides.of_groups(labels).astype(int)
    return np.asarray(shown @ shown.T == 0)


def _clear(unsure: NDArray[np.bool_], conflicts: NDArray[np.int64]) -> None:
    """Unmark pairs (M, 2) of clusters that are known to differ; those with a −1 are passed over."""
    a, b = conflicts[(conflicts >= 0).all(axis=1)].T
    unsure[a, b] = unsure[b, a] = False
