"""Open questions: pairs of near groups that no answer has settled, and what an agent sees of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_al_env.catalogue.pool import Pool, group_sums
from reid_al_env.evidence.min_cut import Partition
from reid_al_env.snapshots import CopiedByState

QUESTION_FEATURES = (
    "mean_similarity",
    "best_similarity",
    "average_similarity",
    "smaller_group",
    "larger_group",
    "smaller_identity",
    "larger_identity",
    "delivered_together",
    "camera_shared",
)
"""Columns of ``questions``; see :class:`reid_al_env.catalogue.env.ReIDCatalogueEnv`."""
CHECKS = 4
"""One in so many places is kept for questions about groups that are delivered together."""
_CAMERAS = 64


class OpenQuestions(CopiedByState):
    """Pairs of groups, which grow as matches join them.

    A pair is *settled* when a must-link or a cannot-link follows for it from the answers, and when it was
    answered "can't tell". Groups are named by the first group that :class:`.Partition` keeps.

    Args:
        pool: The pool before any answer.
    """

    STATE = (
        "left",
        "right",
        "_open",
        "_alive",
        "_ranked",
        "_similarity",
        "_best",
        "_sums",
        "_sizes",
        "_cameras",
        "_members",
        "_typical",
    )
    SHALLOW = ("_members",)

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.left, self.right = pool.left.copy(), pool.right.copy()
        self._open = np.ones(len(self.left), dtype=bool)
        self._alive = np.ones(len(self.left), dtype=bool)  # false once a pair is one group or a duplicate
        self._similarity = pool.similarity.copy()
        self._best = pool.best.copy()
        self._sums = group_sums(pool.units, pool.groups)  # (G, D)
        self._sizes = np.bincount(pool.groups)
        self._cameras = _camera_bits(pool)
        order = np.argsort(pool.groups, kind="stable")
        self._members = dict(enumerate(np.split(order, np.cumsum(self._sizes)[:-1])))
        self._typical = np.full(pool.size, -1, dtype=np.int64)
        self._rank()

    def choose(self, count: int, delivered: NDArray[np.int64]) -> NDArray[np.int64]:
        """The pairs that an agent can choose from, at most ``count``.

        Three quarters of the places are for *merges*, pairs of groups that are not delivered together, most
        similar first. A quarter is for *checks*, pairs that are delivered together without an answer, least
        similar first. Before all others come merges that are the most similar one of either group, and
        checks that are the least similar one of their delivered identity, so that no group fills the places.
        If one kind has too few pairs, the other gets its places.

        Args:
            count: M.
            delivered: Delivered identity of each group, (G,).

        Returns:
            Numbers of pairs, merges first, shape (at most M,).
        """
        open_ = self._ranked[self._open[self._ranked]]
        together = delivered[self.left[open_]] == delivered[self.right[open_]]
        apart, joined = open_[~together], open_[together][::-1]
        checks = min(len(joined), count // CHECKS)
        merges = min(len(apart), count - checks)
        checks = min(len(joined), count - merges)
        groups = np.stack([self.left[apart], self.right[apart]], axis=1)
        identities = delivered[self.left[joined]][:, None]
        size = len(delivered)
        return np.concatenate(
            [_spread(apart, groups, merges, size), _spread(joined, identities, checks, size)]
        )

    def describe(
        self, pairs: NDArray[np.int64], delivered: NDArray[np.int64], delivered_sizes: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Features of pairs, shape (len(pairs), len(QUESTION_FEATURES)).

        Args:
            pairs: Numbers of pairs.
            delivered: Delivered identity of each group, (G,).
            delivered_sizes: Images of each delivered identity, valid at its label, (G,).
        """
        a, b = self.left[pairs], self.right[pairs]
        sizes = np.stack([self._sizes[a], self._sizes[b]])
        average = np.einsum("ed,ed->e", self._sums[a], self._sums[b]) / (sizes[0] * sizes[1])
        identities = np.stack([delivered_sizes[delivered[a]], delivered_sizes[delivered[b]]])
        scale = 1.0 / np.log(len(self._pool.groups))
        columns = [
            self._similarity[pairs],
            self._best[pairs],
            average,
            *(np.log(np.sort(sizes, axis=0)) * scale),
            *(np.log(np.sort(identities, axis=0)) * scale),
            delivered[a] == delivered[b],
            (self._cameras[a] & self._cameras[b]) != 0,
        ]
        return np.stack(columns, axis=1).astype(np.float32).clip(-1.0, 1.0)

    def count(self) -> int:
        """Number of groups, after those that matches joined."""
        return len(self._members)

    def typical(self, group: int) -> int:
        """Dataset index of the group's image nearest to its mean; of equal ones the lowest."""
        if self._typical[group] < 0:
            images = self._members[group]
            closeness = self._pool.units[images].astype(np.float64) @ self._sums[group]
            self._typical[group] = images[int(np.argmax(closeness))]
        return int(self._typical[group])

    def close(self, pair: int) -> None:
        """Settle one pair without a match."""
        self._open[pair] = False

    def join(self, keep: int, lose: int, confirmed: Partition) -> None:
        """Two groups became one, ``keep``, in ``confirmed``; pairs that are settled by that are closed."""
        self._members[keep] = np.sort(np.concatenate([self._members[keep], self._members.pop(lose)]))
        self._sums[keep] += self._sums[lose]
        self._sizes[keep] += self._sizes[lose]
        self._cameras[keep] |= self._cameras[lose]
        self._typical[keep] = -1
        self.left[self.left == lose] = keep
        self.right[self.right == lose] = keep
        touched = np.flatnonzero(((self.left == keep) | (self.right == keep)) & self._alive)
        others = self.left[touched] + self.right[touched] - keep
        touched, others = self._keep_one_pair_each(touched, others, keep)
        conflicts = confirmed.conflicts.get(keep, set())
        settled = np.fromiter((other in conflicts for other in others.tolist()), bool, len(others))
        self._open[touched[settled]] = False
        norms = np.linalg.norm(self._sums[others], axis=1) * np.linalg.norm(self._sums[keep])
        self._similarity[touched] = self._sums[others] @ self._sums[keep] / norms
        self._rank()

    def _rank(self) -> None:
        """Order the pairs that are left by falling similarity; of equal ones the first pair comes first."""
        pairs = np.flatnonzero(self._alive)
        self._ranked = pairs[np.argsort(-self._similarity[pairs], kind="stable")]

    def _keep_one_pair_each(
        self, touched: NDArray[np.int64], others: NDArray[np.int64], keep: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of several pairs of the same two groups keep the first: open if all are, and the best of all."""
        others_once, first, inverse = np.unique(others, return_index=True, return_inverse=True)
        inverse = inverse.reshape(-1)
        best = np.full(len(first), -np.inf, dtype=np.float32)
        np.maximum.at(best, inverse, self._best[touched])
        all_open = np.ones(len(first), dtype=bool)
        np.logical_and.at(all_open, inverse, self._open[touched])
        self._open[touched] = self._alive[touched] = False
        kept, left_over = touched[first], others_once != keep
        self._open[kept], self._best[kept] = all_open & left_over, best
        self._alive[kept] = left_over
        return kept[left_over], others_once[left_over]


def _spread(pairs: NDArray[np.int64], owners: NDArray[np.int64], count: int, size: int) -> NDArray[np.int64]:
    """The first ``count`` pairs, after moving those to the front that are the first of one of their owners.

    Args:
        pairs: Numbers of pairs in order, (P,).
        owners: Owners of each pair, (P, any).
        count: At most P.
        size: Owners are numbers below this.
    """
    rows = np.repeat(np.arange(len(pairs)), owners.shape[1])
    foremost = np.empty(size, dtype=np.int64)
    foremost[owners.reshape(-1)[::-1]] = rows[::-1]  # the last that is written is the first pair
    first = (foremost[owners] == rows.reshape(owners.shape)).any(axis=1)
    return np.concatenate([pairs[first], pairs[~first]])[:count]


def _camera_bits(pool: Pool) -> NDArray[np.uint64]:
    """Cameras of each group as bits, (G,); none where a camera is unknown."""
    bits = np.zeros(pool.size, dtype=np.uint64)
    cameras = pool.features.cameras
    if cameras is not None:
        known = np.flatnonzero(cameras >= 0)
        each = np.left_shift(np.uint64(1), (cameras[known] % _CAMERAS).astype(np.uint64))
        np.bitwise_or.at(bits, pool.groups[known], each)
    return bits
