"""Ways of others to form groups under constraints: DBSCAN merged naively, FINCH, and NP3's clean-up.

Written from the descriptions, in our own words. Where they differ from the papers:

- NP3 (Sani, Khurana and Anand, AAAI 2026, arXiv 2511.06658) is written from notes about it, not its code.
  The chromatic number of a component is taken to be the number of colours that the greedy colouring needs,
  of equal ones the larger component gives the palette; colours are matched to the palette's own centroids,
  while unconstrained groups go to the sub-clusters as they are after that; all ties go to the lower number.
- Must- and cannot-links are closed under transitivity before the clean-up, by our ``ConstraintGraph``; what
  is still a contradiction then has been settled by it.
- In the paper known must-links are merged *before* FINCH from the second asking cycle on. Here both
  clusterings see visual similarity alone and NP3 merges afterwards.
- FINCH (Sarfraz, Sharma and Stiefelhagen, CVPR 2019): the authors' program also drops links that are longer
  than the longest of the first partition; the paper's algorithm, and this, does not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_env import ConstraintGraph

Rivalry = dict[int, set[int]]
"""By must-link group, the groups known to differ from it."""


def finch(points: NDArray[np.float32], partitions: int = 2) -> list[NDArray[np.int64]]:
    """Form FINCH's first partitions: whoever is nearest to whom, joined; then the same among the means.

    Args:
        points: (N, D) float32, compared by cosine.
        partitions: How many to form; fewer come back once all images are one cluster.

    Returns:
        (N,) clusters from 0 for each partition, finest first.
    """
    labels = np.arange(len(points))
    found: list[NDArray[np.int64]] = []
    while len(found) < partitions and labels.max() > 0:
        means = _sums(points, labels) / np.bincount(labels)[:, None]
        first = nearest_neighbours(unit_rows(np.asarray(means, dtype=np.float32)), 2)[:, 1]
        labels = _components(len(first), np.arange(len(first)), first)[labels]
        found.append(labels)
    return found


def merge_naively(clusters: NDArray[np.int64], constraints: ConstraintGraph) -> NDArray[np.int64]:
    """Join clusters that share a must-link, and give up those with a cannot-link inside.

    Args:
        clusters: (N,) clusters from 0; −1 for outliers.
        constraints: What is known of the N images.

    Returns:
        (N,) groups from 0. The images of a cluster that was given up are left with their must-links alone,
        which favours the method: to training they would be lost.
    """
    known, merged = constraints.groups(), join_clusters(clusters, constraints)
    inside = _conflicts_inside(merged, constraints)
    given_up = np.isin(merged, list(inside))
    return _numbered(np.where(given_up, known + merged.max(initial=0) + 1, merged))


def np3(
    clusters: NDArray[np.int64], points: NDArray[np.float32], constraints: ConstraintGraph
) -> NDArray[np.int64]:
    """Clean clusters up such that no constraint is violated.

    Clusters that share a must-link are joined. One that then holds a cannot-link is split: its must-link
    groups are nodes, cannot-links edges, and colours become clusters. The connected component that needs most
    colours gives the palette; the colours of the others are matched to it by the cosines of centroids, and
    groups without a cannot-link inside the cluster go to the nearest.

    Args:
        clusters: (N,) clusters from 0; −1 for outliers.
        points: (N, D) float32, compared by cosine.
        constraints: What is known of the N images.

    Returns:
        (N,) groups from 0.
    """
    known, merged = constraints.groups(), join_clusters(clusters, constraints)
    sums = _sums(unit_rows(points), known)
    colour = np.zeros(len(sums), dtype=np.int64)  # of each must-link group, within its cluster
    cluster_of = _cluster_of_group(merged, known)
    for cluster, rivals in _conflicts_inside(merged, constraints).items():
        for group, own in _split(np.flatnonzero(cluster_of == cluster).tolist(), rivals, sums).items():
            colour[group] = own
    return _numbered(merged * (int(colour.max(initial=0)) + 1) + colour[known])


def join_clusters(clusters: NDArray[np.int64], constraints: ConstraintGraph) -> NDArray[np.int64]:
    """Join whole clusters by must-links; (N,) from 0, outliers (−1) being clusters of their own."""
    known = constraints.groups()
    first = int(clusters.max(initial=-1)) + 1
    own = np.where(clusters < 0, first + np.arange(len(clusters)), clusters)
    count = int(own.max(initial=-1)) + 1
    labels = _components(count + int(known.max(initial=-1)) + 1, own, count + known)
    return _numbered(labels[own])


def greedy_colours(nodes: Iterable[int], rivals: Rivalry) -> dict[int, int]:
    """Colour a graph, nodes of most edges first, each with the first colour that no rival has.

    The order is that of Welsh and Powell, "An upper bound for the chromatic number of a graph", 1967.
    """
    colours: dict[int, int] = {}
    for node in sorted(nodes, key=lambda node: (-len(rivals[node]), node)):
        taken = {colours[rival] for rival in rivals[node] if rival in colours}
        colours[node] = next(colour for colour in range(len(taken) + 1) if colour not in taken)
    return colours


def count_violated(groups: NDArray[np.int64], constraints: ConstraintGraph) -> int:
    """How many of the answers that hold are violated by ``groups`` (N,)."""
    must = np.array(constraints.must_links, dtype=np.int64).reshape(-1, 2)
    cannot = np.array(constraints.cannot_links, dtype=np.int64).reshape(-1, 2)
    torn = (groups[must[:, 0]] != groups[must[:, 1]]).sum()
    return int(torn + (groups[cannot[:, 0]] == groups[cannot[:, 1]]).sum())


def _split(members: list[int], rivals: Rivalry, sums: NDArray[np.float32]) -> dict[int, int]:
    """Colour of each must-link group of a cluster; ``sums`` are the summed features of all groups."""
    colourings = [greedy_colours(part, rivals) for part in _connected(rivals)]
    palette = max(colourings, key=lambda colours: (_count(colours), len(colours)))  # the first of equal ones
    result = dict(palette)
    centroids = _by_colour(palette, sums)
    for colours in colourings:
        if colours is not palette:
            cosines = _unit(_by_colour(colours, sums)) @ _unit(centroids).T
            own, taken = linear_sum_assignment(1 - cosines)
            renamed = dict(zip(own.tolist(), taken.tolist(), strict=True))
            result |= {group: renamed[colour] for group, colour in colours.items()}
    free = [group for group in members if group not in rivals]
    if free:
        cosines = _unit(sums[free]) @ _unit(_by_colour(result, sums)).T
        result |= dict(zip(free, cosines.argmax(axis=1).tolist(), strict=True))
    return result


def _connected(rivals: Rivalry) -> list[list[int]]:
    """The connected components, each in the order in which it is reached from its lowest node."""
    seen: set[int] = set()
    parts = []
    for start in sorted(rivals):
        if start in seen:
            continue
        part, reached = [start], {start}
        for node in part:
            for rival in sorted(rivals[node] - reached):
                reached.add(rival)
                part.append(rival)
        parts.append(part)
        seen |= reached
    return parts


def _conflicts_inside(merged: NDArray[np.int64], constraints: ConstraintGraph) -> dict[int, Rivalry]:
    """By cluster, who differs from whom within it; clusters without a cannot-link inside are left out."""
    cluster_of = _cluster_of_group(merged, constraints.groups())
    inside: dict[int, Rivalry] = {}
    for a, b in constraints.group_conflicts().tolist():
        if cluster_of[a] == cluster_of[b]:
            rivals = inside.setdefault(int(cluster_of[a]), {})
            rivals.setdefault(a, set()).add(b)
            rivals.setdefault(b, set()).add(a)
    return inside


def _cluster_of_group(merged: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """The one cluster that each must-link group lies in."""
    return merged[np.unique(known, return_index=True)[1]]


def _count(colours: dict[int, int]) -> int:
    return max(colours.values()) + 1


def _by_colour(colours: dict[int, int], sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """(colours, D) summed features of each colour, which point where its centroid does."""
    total = np.zeros((_count(colours), sums.shape[1]), dtype=np.float32)
    np.add.at(total, list(colours.values()), sums[list(colours)])
    return total


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(lengths, np.finfo(np.float32).tiny)  # a sum may vanish
    return unit


def _sums(points: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """(L, D) sums of the points of each label, 0 to L − 1."""
    ones = np.ones(len(labels), dtype=np.float32)
    member = sparse.csr_matrix((ones, (labels, np.arange(len(labels)))))
    return np.asarray(member @ points, dtype=np.float32)


def _components(count: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """(count,) connected component of each node, given the two ends of every edge."""
    edges = sparse.coo_matrix((np.ones(len(first), dtype=bool), (first, second)), shape=(count, count))
    return np.asarray(connected_components(edges, directed=False)[1], dtype=np.int64)


def _numbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
