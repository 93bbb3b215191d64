"""Delivered identities and their B-cubed F1, updated only where an answer can change them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_al_env.catalogue.pool import Pool
from reid_al_env.errors import InputError
from reid_al_env.evidence.min_cut import Partition
from reid_al_env.snapshots import CopiedByState

Link = tuple[int, int]


class Score(NamedTuple):
    """B-cubed scores, each in [0, 1].

    Args:
        precision: Mean over images of the share of their delivered identity that shows their identity.
        recall: Mean over images of the share of their identity that is in their delivered identity.
        f1: Harmonic mean of the two.
    """

    precision: float
    recall: float
    f1: float


class DeliveredIdentities(CopiedByState):
    """Identities delivered for what answers say, with automatic joins where they say nothing.

    Groups that must-links join are one identity. Then the automatic joins of the pool are applied, the most
    similar first (of equal ones, the first in the pool): a join is left out if a cannot-link lies between the
    two identities formed so far. :func:`reid_al_env.catalogue.specification.deliver` says the same in plain
    loops.

    A *block* is a set of groups that automatic joins and must-links connect. An answer changes identities in
    the blocks of its two groups only, so only these are recomputed.

    Args:
        pool: The pool, with at least one known identity.

    Attributes:
        labels: Delivered identity of each group, named by its first group, (G,) int64.
        sizes: Number of images of each delivered identity, valid at its label, (G,) int64.
        version: Changes with every recomputation of a block, valid at a block's label, (G,) int64.

    Raises:
        InputError: If no identity is known.
    """

    STATE = ("labels", "sizes", "version", "_now", "_blocks", "_groups", "_joins", "_sums")
    SHALLOW = ("_groups", "_joins")

    def __init__(self, pool: Pool) -> None:
        identities = pool.features.identities
        known = np.flatnonzero(identities >= 0)
        if not len(known):
            raise InputError(f"{pool.features.source}: no identity is known; the reward needs 'identities'")
        self._known = len(known)
        code = np.unique(identities[known], return_inverse=True)[1].reshape(-1)
        self._identity_sizes = np.bincount(code)
        keys, counts = np.unique(pool.groups[known] * len(self._identity_sizes) + code, return_counts=True)
        # Images of one identity in one group, by group: entries from _first[g] to _first[g + 1].
        self._entry_identity, self._entry_count = keys % len(self._identity_sizes), counts
        self._first = np.searchsorted(keys // len(self._identity_sizes), np.arange(pool.size + 1))
        self._images = np.bincount(pool.groups)
        joins = np.flatnonzero(pool.joined)
        joins = joins[np.argsort(-pool.similarity[joins], kind="stable")]
        self._left, self._right = pool.left[joins].tolist(), pool.right[joins].tolist()
        self._blocks = Partition(pool.size)
        for a, b in zip(self._left, self._right, strict=True):
            self._connect(a, b)
        by_block = self._blocks.labels
        self._groups = {int(block): np.flatnonzero(by_block == block) for block in np.unique(by_block)}
        self._joins: dict[int, list[int]] = {block: [] for block in self._groups}
        for rank, a in enumerate(self._left):
            self._joins[int(by_block[a])].append(rank)
        self.labels = np.arange(pool.size)
        self.sizes = self._images.copy()
        self.version = np.zeros(pool.size, dtype=np.int64)
        self._now = 0
        self._sums = np.zeros((2, pool.size))  # precision and recall of a block's images, at its label
        confirmed = Partition(pool.size)
        for block in self._groups:
            self._deliver(block, confirmed)

    def update(self, a: int, b: int, confirmed: Partition) -> None:
        """Take an answer about the groups ``a`` and ``b``, already in ``confirmed``, into account."""
        confirmed_match = confirmed.labels[a] == confirmed.labels[b]
        one, other = int(self._blocks.labels[a]), int(self._blocks.labels[b])
        if one != other and confirmed_match:
            self._connect(a, b)
            block = int(self._blocks.labels[a])
            self._groups[block] = np.concatenate([self._groups.pop(one), self._groups.pop(other)])
            self._joins[block] = sorted(self._joins.pop(one) + self._joins.pop(other))
            self._sums[:, [one, other]] = 0.0
            self._deliver(block, confirmed)
        elif one == other:
            self._deliver(one, confirmed)
        else:  # a cannot-link between blocks changes no identity, but what a match would do
            self._now += 1
            self.version[[one, other]] = self._now

    def score(self) -> Score:
        """B-cubed scores of the delivered identities."""
        precision, recall = (self._sums.sum(axis=1) / self._known).tolist()
        return Score(precision, recall, 2 * precision * recall / (precision + recall))

    def f1_if(self, changes: NDArray[np.float64]) -> NDArray[np.float64]:
        """F1 after each of Q changes of :meth:`change_if`, shape (Q, 2); returns (Q,)."""
        precision, recall = ((self._sums.sum(axis=1) + changes) / self._known).T
        return np.asarray(2 * precision * recall / (precision + recall))

    def change_if(self, a: int, b: int, answer: int, confirmed: Partition) -> NDArray[np.float64]:
        """Change of the sums behind the score if the groups were answered so, (2,); nothing is applied."""
        one, other = int(self._blocks.labels[a]), int(self._blocks.labels[b])
        if answer == 0 or (answer < 0 and one != other):
            return np.zeros(2)
        groups, joins = self._groups[one], self._joins[one]
        if one != other:
            groups = np.concatenate([groups, self._groups[other]])
            joins = sorted(joins + self._joins[other])
        link = (int(confirmed.labels[a]), int(confirmed.labels[b]))
        labels = self._identities(groups, joins, confirmed, link, answer)
        before = self._sums[:, one] if one == other else self._sums[:, one] + self._sums[:, other]
        return self._bcubed_sums(groups, labels) - before

    def blocks_of(self, a: int, b: int) -> tuple[int, int, int, int]:
        """The blocks of two groups with their versions: equal as long as answers cannot have changed them."""
        one, other = int(self._blocks.labels[a]), int(self._blocks.labels[b])
        return one, other, int(self.version[one]), int(self.version[other])

    def count(self) -> int:
        """Number of delivered identities."""
        return int((self.labels == np.arange(len(self.labels))).sum())

    def _connect(self, a: int, b: int) -> None:
        one, other = int(self._blocks.labels[a]), int(self._blocks.labels[b])
        if one != other:
            self._blocks.join(one, other)

    def _deliver(self, block: int, confirmed: Partition) -> None:
        groups = self._groups[block]
        labels = self._identities(groups, self._joins[block], confirmed)
        self.labels[groups] = labels
        self.sizes[groups] = 0
        np.add.at(self.sizes, labels, self._images[groups])
        self._sums[:, block] = self._bcubed_sums(groups, labels)
        self._now += 1
        self.version[block] = self._now

    def _identities(
        self,
        groups: NDArray[np.int64],
        joins: Iterable[int],
        confirmed: Partition,
        link: Link | None = None,
        answer: int = 0,
    ) -> NDArray[np.int64]:
        """Delivered identity of each of ``groups``, named by its lowest group; with one more ``link``."""
        local = confirmed.labels[groups]
        formed = _Formed(dict.fromkeys(local.tolist()), confirmed.conflicts)
        if link is not None and answer > 0:
            formed.join(*link)
        elif link is not None:
            formed.separate(*link)
        labels = confirmed.labels
        for rank in joins:
            formed.join(int(labels[self._left[rank]]), int(labels[self._right[rank]]))
        roots = [formed.root(label) for label in local.tolist()]
        lowest: dict[int, int] = {}
        for root, group in zip(roots, groups.tolist(), strict=True):
            lowest[root] = min(group, lowest.get(root, group))
        return np.array([lowest[root] for root in roots])

    def _bcubed_sums(self, groups: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sums over the images of ``groups`` of their precision and of their recall, (2,)."""
        counts = self._first[groups + 1] - self._first[groups]
        entries = np.repeat(self._first[groups] - (np.cumsum(counts) - counts), counts) + np.arange(
            counts.sum()
        )
        label = np.repeat(labels, counts)
        identity, count = self._entry_identity[entries], self._entry_count[entries]
        sizes = np.bincount(label, weights=count)
        keys, place = np.unique(label * len(self._identity_sizes) + identity, return_inverse=True)
        shared = np.bincount(place.reshape(-1), weights=count)  # images of one identity in a delivered one
        precision = shared**2 / sizes[keys // len(self._identity_sizes)]
        recall = shared**2 / self._identity_sizes[keys % len(self._identity_sizes)]
        return np.array([precision.sum(), recall.sum()])


class _Formed:
    """Identities of a block while joins are applied: a union-find that respects cannot-links.

    Args:
        labels: Confirmed groups, each an identity at first.
        conflicts: Cannot-links, by confirmed group.
    """

    def __init__(self, labels: Iterable[int], conflicts: dict[int, set[int]]) -> None:
        self._parent = {label: label for label in labels}
        self._conflicts = {
            label: conflicts[label] for label in self._parent if conflicts.get(label)
        }  # of an identity: confirmed groups that it must not contain
        self._members: dict[int, set[int]] = {}

    def root(self, label: int) -> int:
        """The confirmed group that stands for an identity."""
        parent = self._parent
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    def separate(self, a: int, b: int) -> None:
        """Add a cannot-link between two confirmed groups."""
        self._conflicts[a] = self._conflicts.get(a, set()) | {b}
        self._conflicts[b] = self._conflicts.get(b, set()) | {a}

    def join(self, a: int, b: int) -> None:
        """Join the identities of two confirmed groups, unless a cannot-link lies between them."""
        a, b = self.root(a), self.root(b)
        if a == b:
            return
        if a in self._conflicts and not self._conflicts[a].isdisjoint(self._members.get(b, {b})):
            return
        self._parent[b] = a
        self._members[a] = self._members.pop(a, {a}) | self._members.pop(b, {b})
        if b in self._conflicts:
            self._conflicts[a] = self._conflicts.get(a, set()) | self._conflicts.pop(b)
