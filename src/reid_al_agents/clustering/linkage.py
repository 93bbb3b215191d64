"""Average-linkage agglomeration of images or groups over sparse similarities, under constraints."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_SAME = 1e-9  # a merge in the heap is out of date if its average has changed by more than rounding


class Joining(Protocol):
    """Decides whether two groups may be joined, and records that they are."""

    def may_join(self, a: int, b: int) -> bool:
        """Whether the groups that hold the nodes ``a`` and ``b`` may become one."""
        ...

    def join(self, a: int, b: int) -> None:
        """Record that the groups that hold the nodes ``a`` and ``b`` are one."""
        ...


def group_sums(similarities: sparse.csr_matrix, groups: NDArray[np.int64]) -> sparse.csr_matrix:
    """Sum the similarities between groups.

    Args:
        similarities: (N, N) symmetric, without a diagonal.
        groups: (N,) group of each image, 0 to G − 1.

    Returns:
        (G, G) symmetric float64 sums over all pairs of images, the diagonal being twice the sum inside.
    """
    count = int(groups.max(initial=-1)) + 1
    member = sparse.csr_matrix(
        (np.ones(len(groups)), (np.arange(len(groups)), groups)), shape=(len(groups), count)
    )
    return sparse.csr_matrix(member.T @ similarities @ member)


def average_linkage(
    similarities: sparse.csr_matrix,
    groups: NDArray[np.int64],
    threshold: float,
    joining: Joining,
) -> NDArray[np.int64]:
    """Join the two groups of highest average similarity repeatedly, down to ``threshold``.

    The average is over all pairs of images of the two groups, those that are not stored counting as 0
    (Sokal and Michener, 1958). Ties go to the lower numbers. A pair that ``joining`` forbids is skipped; both
    groups can still be joined to others.

    Args:
        similarities: (N, N) symmetric, without a diagonal; N the number of images.
        groups: (N,) groups to start from, 0 to G − 1.
        threshold: Minimum average similarity of two groups that are joined, above 0.
        joining: Called with the numbers of groups in ``groups``.

    Returns:
        (N,) int64 groups, numbered by first appearance.
    """
    sums = _neighbour_sums(similarities, groups)
    sizes = np.bincount(groups, minlength=len(sums)).astype(float).tolist()
    kept_in = np.arange(len(sums))
    for merge in merge_nearest(sums, sizes, threshold, joining):
        kept_in[merge.lose] = merge.keep
    return by_first_appearance(_roots(kept_in)[groups])


class Merge(NamedTuple):
    """Two groups that become one.

    Args:
        similarity: Their average similarity.
        keep: The group that takes in the other.
        lose: The other.
        kept: Size of ``keep`` before.
        lost: Size of ``lose``.
    """

    similarity: float
    keep: int
    lose: int
    kept: float
    lost: float


def merge_nearest(
    sums: list[dict[int, float]], sizes: list[float], threshold: float, joining: Joining
) -> Iterator[Merge]:
    """Join the two groups of highest average similarity repeatedly, as :func:`average_linkage` does.

    Args:
        sums: For each group, the sum of similarities to each other group over all pairs of images, symmetric;
            updated by every merge.
        sizes: Size of each group; updated likewise, 0 for a group that was taken in by another.
        threshold: Minimum average similarity of two groups that are joined, above 0.
        joining: Called with the numbers of groups.

    Yields:
        Each merge, after ``sums`` and ``sizes`` were updated.
    """
    heap = [
        (-total / (sizes[a] * sizes[b]), a, b)
        for a, row in enumerate(sums)
        for b, total in row.items()
        if a < b and total >= threshold * sizes[a] * sizes[b]
    ]
    heapq.heapify(heap)
    while heap:
        negative, a, b = heapq.heappop(heap)
        if not sizes[a] or not sizes[b] or abs(negative + sums[a][b] / (sizes[a] * sizes[b])) > _SAME:
            continue
        if not joining.may_join(a, b):
            continue
        joining.join(a, b)
        keep, lose = (a, b) if len(sums[a]) >= len(sums[b]) else (b, a)
        merge = Merge(-negative, keep, lose, sizes[keep], sizes[lose])
        _absorb(sums, keep, lose)
        sizes[keep] += sizes[lose]
        sizes[lose] = 0.0
        for other, total in sums[keep].items():
            if total >= threshold * sizes[keep] * sizes[other]:
                low, high = min(keep, other), max(keep, other)
                heapq.heappush(heap, (-total / (sizes[keep] * sizes[other]), low, high))
        yield merge


def by_first_appearance(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the values of ``labels`` (N,) from 0 in the order in which they first appear."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]


def _neighbour_sums(similarities: sparse.csr_matrix, groups: NDArray[np.int64]) -> list[dict[int, float]]:
    sums = group_sums(similarities, groups)
    sums.setdiag(0)
    sums.eliminate_zeros()
    indices, data, starts = sums.indices.tolist(), sums.data.tolist(), sums.indptr.tolist()
    return [dict(zip(indices[first:last], data[first:last], strict=True)) for first, last in pairwise(starts)]


def _absorb(sums: list[dict[int, float]], keep: int, lose: int) -> None:
    """Add the sums of ``lose`` to those of ``keep``, on both sides."""
    for other, total in sums[lose].items():
        del sums[other][lose]
        if other != keep:
            sums[keep][other] = sums[other][keep] = sums[keep].get(other, 0.0) + total
    sums[lose] = {}


def _roots(kept_in: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace each group by the one that it was finally absorbed into."""
    while not np.array_equal(kept_in, kept_in[kept_in]):
        kept_in = kept_in[kept_in]
    return kept_in
