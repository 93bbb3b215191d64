"""A pool before the first answer: groups of similar images, and pairs of near groups."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.catalogue.tasks import Task
from reid_al_env.feature_set import FeatureSet
from reid_al_env.mdp.metric import l2_normalise

NEIGHBOURS = 10
"""Number of nearest groups that a group can be compared with."""
_GROUPING_ROUNDS = 2
_ROWS = 1024
_PAIRS = 1 << 18


@dataclass(frozen=True, eq=False)
class Pool:
    """A pool without any answer; N images, G groups, E pairs of near groups.

    Groups are assumed to show one identity each. Nothing here changes during an episode, so episodes share
    it.

    Args:
        source: The task or the features that the pool was made from.
        features: The images.
        units: L2-normalised features, (N, D) float32.
        groups: Group of each image, (N,) int64, numbered by first image.
        left: First group of each pair, (E,) int64, below ``right``.
        right: Second group of each pair, (E,) int64.
        similarity: Cosine of the two groups' means, (E,) float64.
        best: Largest cosine between an image of one group and an image of the other, (E,) float32.
        joined: Pairs that are delivered as one identity as long as no answer forbids it, (E,) bool.
    """

    source: Task | FeatureSet
    features: FeatureSet
    units: NDArray[np.float32]
    groups: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarity: NDArray[np.float64]
    best: NDArray[np.float32]
    joined: NDArray[np.bool_]

    def __deepcopy__(self, memo: dict[int, object]) -> Pool:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return pool_of, (self.source,)

    @property
    def size(self) -> int:
        """G, number of groups."""
        return int(self.groups.max()) + 1

    @classmethod
    def of(cls, source: Task | FeatureSet) -> Pool:
        """Group the images and find the pairs.

        Two rounds of grouping join mutual nearest neighbours, if they are at least as similar as the median
        image is to its nearest neighbour. Two groups are joined automatically if
        their similarity is at least the median, over all groups, of the similarity to the nearest group; for
        mutual nearest groups the lower quartile is enough.
        """
        features = source.features() if isinstance(source, Task) else source
        units = l2_normalise(features.features)
        groups = _form_groups(units)
        sums = group_sums(units, groups)
        means = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
        near, similarity = nearest(means, NEIGHBOURS)
        own = np.repeat(np.arange(len(means))[:, None], near.shape[1], axis=1)
        keys = np.unique(np.minimum(own, near) * len(means) + np.maximum(own, near))
        left, right = keys // len(means), keys % len(means)
        between = np.einsum("ed,ed->e", means[left].astype(np.float64), means[right])
        mutual = (near[left, 0] == right) & (near[right, 0] == left)
        joined = mutual & (between >= np.quantile(similarity[:, 0], 0.25))
        joined |= between >= np.median(similarity[:, 0])
        best = _best(units, groups, left, right)
        return cls(source, features, units, groups, left, right, between, best, joined)


@functools.lru_cache(maxsize=8)
def pool_of(source: Task | FeatureSet) -> Pool:
    """The pool of a task or of given features; the last eight are cached."""
    return Pool.of(source)


def group_sums(units: NDArray[np.float32], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum of the unit vectors of each group, (G, D)."""
    sums = np.zeros((int(groups.max()) + 1, units.shape[1]))
    np.add.at(sums, groups, units)
    return sums


def nearest(units: NDArray[np.float32], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The most similar other rows of each row, nearest first; of equal similarities the lower index first.

    Args:
        units: Unit vectors, (n, D).
        count: Number of neighbours; at most n − 1 are returned.

    Returns:
        Indices and cosines, both (n, count).
    """
    count = min(count, len(units) - 1)
    near = np.empty((len(units), count), dtype=np.int64)
    similarity = np.empty((len(units), count), dtype=np.float32)
    for start in range(0, len(units), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(units)))
        cosines = units[rows] @ units.T
        cosines[np.arange(len(rows)), rows] = -np.inf
        some = np.sort(np.argpartition(-cosines, count - 1, axis=1)[:, :count], axis=1)
        found = np.take_along_axis(cosines, some, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        near[rows] = np.take_along_axis(some, order, axis=1)
        similarity[rows] = np.take_along_axis(found, order, axis=1)
    return near, similarity


def _form_groups(units: NDArray[np.float32]) -> NDArray[np.int64]:
    groups, least = np.arange(len(units)), None
    for _ in range(_GROUPING_ROUNDS):
        sums = group_sums(units, groups)
        means = (sums / np.linalg.norm(sums, axis=1, keepdims=True)).astype(np.float32)
        if len(means) < 2:
            break
        near, similarity = nearest(means, 1)
        if least is None:
            least = np.median(similarity)
        partner = near[:, 0]
        mutual = (partner[partner] == np.arange(len(means))) & (similarity[:, 0] >= least)
        target = np.where(mutual, np.minimum(partner, np.arange(len(means))), np.arange(len(means)))
        groups = np.unique(target[groups], return_inverse=True)[1].reshape(-1)
    first = np.unique(groups, return_index=True)[1]
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return np.asarray(number[groups])


def _best(
    units: NDArray[np.float32],
    groups: NDArray[np.int64],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Largest cosine between images of each pair of groups, (E,)."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    counts = sizes[left] * sizes[right]
    best = np.empty(len(left), dtype=np.float32)
    ends = np.cumsum(counts)
    first = 0
    while first < len(left):  # in chunks of about _PAIRS pairs of images
        last = max(int(np.searchsorted(ends, (ends[first - 1] if first else 0) + _PAIRS)), first + 1)
        some = slice(first, last)
        pair = np.repeat(np.arange(first, min(last, len(left))), counts[some])
        begins = np.cumsum(counts[some]) - counts[some]
        place = np.arange(len(pair)) - np.repeat(begins, counts[some])
        one = order[starts[left[pair]] + place // sizes[right[pair]]]
        other = order[starts[right[pair]] + place % sizes[right[pair]]]
        cosines = np.einsum("pd,pd->p", units[one], units[other])
        best[some] = np.maximum.reduceat(cosines, begins)
        first = last
    return best
