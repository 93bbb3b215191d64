"""Identities: the one place where thresholds turn similarities and answers into groups of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.clustering.forming import FormedGroups, form_dense_groups, form_groups
from reid_al_env import ConstraintGraph


@dataclass(frozen=True)
class Thresholds:
    """Thresholds that join images to one identity; they differ by purpose.

    They are strict for asking, since a question compares whole groups; looser for delivery; and loosest for
    training, since a wrong image in a cluster costs the model little and a missing one much.

    Args:
        micro_cluster: Least average Jaccard similarity within a micro-cluster, in (0, 1].
        group: Least average similarity of groups that are joined without an answer; ``None`` joins none.
        dbscan_eps: Jaccard distance within which DBSCAN finds neighbours; above 0, DBSCAN forms the groups,
            and the two similarities are not used.
        dbscan_min_samples: Neighbours that DBSCAN asks for, the image itself included.
    """

    micro_cluster: float
    group: float | None = None
    dbscan_eps: float = 0.0
    dbscan_min_samples: int = 0


@dataclass(frozen=True)
class Identities:
    """Groups of images, each predicted to show one identity; they violate no constraint.

    Attributes:
        formed: The groups, their micro-clusters and conflicts.
        matched: (N,) int64 component of each image under must-links alone.
    """

    formed: FormedGroups
    matched: NDArray[np.int64]

    @classmethod
    def form(
        cls, similarities: sparse.csr_matrix, constraints: ConstraintGraph, thresholds: Thresholds
    ) -> Identities:
        """Form identities.

        Args:
            similarities: (N, N) sparse Jaccard similarities of the images.
            constraints: Constraints between them.
            thresholds: Thresholds of the purpose.
        """
        if thresholds.dbscan_eps > 0:
            formed = form_dense_groups(
                similarities, constraints, thresholds.dbscan_eps, thresholds.dbscan_min_samples
            )
        else:
            formed = form_groups(similarities, constraints, thresholds.micro_cluster, thresholds.group)
        return cls(formed, constraints.groups())

    @property
    def groups(self) -> NDArray[np.int64]:
        """(N,) int64 identity of each image, 0 to G − 1."""
        return self.formed.groups

    @property
    def conflicts(self) -> NDArray[np.int64]:
        """(M, 2) int64 pairs of identities that are known to differ."""
        return self.formed.conflicts

    @cached_property
    def confirmed(self) -> NDArray[np.bool_]:
        """(N,) whether matches join an image to its identity; of the others membership is predicted.

        The images of an identity that matches join to each other may form several components. Those of the
        largest are confirmed, if it has at least two images; of equal ones, the one with the first image.
        """
        sizes = np.bincount(self.matched)[self.matched]
        order = np.lexsort((np.arange(len(sizes)), -sizes, self.groups))
        first = order[np.unique(self.groups[order], return_index=True)[1]]  # (G,) of the largest component
        core = self.matched[first]
        return np.asarray((core[self.groups] == self.matched) & (sizes > 1))


def names_of_groups(names: Mapping[int, str], groups: NDArray[np.int64]) -> dict[int, str]:
    """Name of each group that has one: the latest that one of its images was given.

    Args:
        names: Name by image, the latest last; empty where a name was taken away.
        groups: (N,) group of each image.
    """
    given = {int(groups[image]): name for image, name in names.items()}
    return {group: name for group, name in given.items() if name}
