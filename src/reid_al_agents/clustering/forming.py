"""Form groups of images of one identity by visual similarity and by answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.clustering.density import dbscan
from reid_al_agents.clustering.linkage import average_linkage
from reid_al_env import ConstraintGraph


@dataclass(frozen=True)
class FormedGroups:
    """Groups that violate no answer.

    Attributes:
        micro_clusters: (N,) int64 micro-cluster of each image, numbered by first appearance: images joined by
            visual similarity.
        groups: (N,) int64 group of each image: micro-clusters joined by must-links and optionally, at a lower
            similarity, by visual similarity. Every micro-cluster lies in one group.
        conflicts: (M, 2) int64 pairs of groups that are known to differ.
    """

    micro_clusters: NDArray[np.int64]
    groups: NDArray[np.int64]
    conflicts: NDArray[np.int64]


def form_groups(
    similarities: sparse.csr_matrix,
    constraints: ConstraintGraph,
    micro_cluster_similarity: float,
    group_similarity: float | None = None,
) -> FormedGroups:
    """Form groups of similar images that agree with every answer.

    First, similar images become micro-clusters, by average linkage down to ``micro_cluster_similarity``. Two
    are not joined if a cannot-link stands between any images that would become one identity by it, those
    reached by must-links included. Then micro-clusters that share a must-link component become one group.
    Last, with ``group_similarity``, whole groups are joined by average linkage down to that similarity.

    Must-links join micro-clusters, not single images, because they are most useful where similarities
    disagree: averaged over two dissimilar views of one identity, similarities to the images of either view
    would be too low to find them.

    Args:
        similarities: (N, N) as of :func:`~reid_al_agents.clustering.jaccard.jaccard_similarities`.
        constraints: Must-links and cannot-links of the N images; not changed.
        micro_cluster_similarity: Minimum average similarity within micro-clusters, in (0, 1].
        group_similarity: Minimum average similarity of groups that are joined; ``None`` joins none.
    """
    known = Closure(constraints)
    images = np.arange(len(constraints))
    known.nodes = images
    micro_clusters = average_linkage(similarities, images, micro_cluster_similarity, known)
    if group_similarity is not None:
        groups = known.groups()
        known.nodes = np.unique(groups, return_index=True)[1]
        average_linkage(similarities, groups, group_similarity, known)
    return FormedGroups(micro_clusters, known.groups(), known.conflicts())


def form_dense_groups(
    similarities: sparse.csr_matrix, constraints: ConstraintGraph, eps: float, min_samples: int
) -> FormedGroups:
    """Form groups of dense similar images (DBSCAN) that agree with every answer.

    Outliers stay alone: fewer images are grouped than by :func:`form_groups`, but fewer groups are wrong,
    which suits a model that learns from its own groups alone. Where a cannot-link stands between an image
    and the first image of its cluster, the image stays outside, with the images must-linked to it.

    Args:
        similarities: (N, N) as of :func:`~reid_al_agents.clustering.jaccard.jaccard_similarities`.
        constraints: Must-links and cannot-links of the N images; not changed.
        eps: Maximum distance, one minus the similarity, of neighbours.
        min_samples: Minimum number of neighbours of a core image, itself included.
    """
    known = Closure(constraints)
    clusters = dbscan(similarities, eps, min_samples)
    images = np.arange(len(constraints))
    known.nodes = images
    first: dict[int, int] = {}
    micro_clusters = images.copy()
    for image in np.flatnonzero(clusters >= 0).tolist():
        head = first.setdefault(int(clusters[image]), image)
        if known.may_join(head, image):
            known.join(head, image)
            micro_clusters[image] = head
    return FormedGroups(np.unique(micro_clusters, return_inverse=True)[1], known.groups(), known.conflicts())


class Closure:
    """The transitive closure of answers and of joins so far; ``nodes`` holds an image of each node."""

    def __init__(self, constraints: ConstraintGraph) -> None:
        labels = constraints.groups()
        self._label = labels.tolist()
        self._members: list[list[int]] = [[] for _ in range(int(labels.max(initial=-1)) + 1)]
        for image, label in enumerate(self._label):
            self._members[label].append(image)
        self._rivals: list[set[int]] = [set() for _ in self._members]
        for a, b in constraints.group_conflicts().tolist():
            self._rivals[a].add(b)
            self._rivals[b].add(a)
        self.nodes: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    @classmethod
    def of_groups(cls, constraints: ConstraintGraph, groups: NDArray[np.int64]) -> Closure:
        """The closure with all images of a group joined, and the groups as nodes.

        Args:
            constraints: Must-links and cannot-links; none stands between images of one group.
            groups: (N,) group of each image, 0 to G − 1.
        """
        closure = cls(constraints)
        closure.nodes = np.arange(len(groups))
        first = np.unique(groups, return_index=True)[1]
        for image, head in enumerate(first[groups].tolist()):
            closure.join(head, image)
        closure.nodes = first
        return closure

    def may_join(self, a: int, b: int) -> bool:
        """Whether no cannot-link stands between the groups of two nodes."""
        return self._of(b) not in self._rivals[self._of(a)]

    def join(self, a: int, b: int) -> None:
        """Join the groups of two nodes; the larger keeps its number."""
        keep, lose = self._of(a), self._of(b)
        if keep == lose:
            return
        if len(self._members[keep]) < len(self._members[lose]):
            keep, lose = lose, keep
        for image in self._members[lose]:
            self._label[image] = keep
        self._members[keep] += self._members[lose]
        self._members[lose] = []
        for rival in self._rivals[lose]:
            self._rivals[rival].remove(lose)
            self._rivals[rival].add(keep)
        self._rivals[keep] |= self._rivals[lose]
        self._rivals[lose] = set()

    def groups(self) -> NDArray[np.int64]:
        """(N,) groups, numbered by first appearance."""
        numbers = self._numbers()
        return np.array([numbers[label] for label in self._label], dtype=np.int64)

    def conflicts(self) -> NDArray[np.int64]:
        """(M, 2) pairs of groups known to differ, as numbered by :meth:`groups`, each once, sorted."""
        numbers = self._numbers()
        pairs = {
            (min(numbers[a], numbers[b]), max(numbers[a], numbers[b]))
            for a, rivals in enumerate(self._rivals)
            for b in rivals
        }
        return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)

    def _of(self, node: int) -> int:
        return int(self._label[self.nodes[node]])

    def _numbers(self) -> dict[int, int]:
        return {label: number for number, label in enumerate(dict.fromkeys(self._label))}
