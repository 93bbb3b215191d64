"""Pairs of images that training may take as known: matches and non-matches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_al_env.evidence.constraints import ConstraintGraph


class KnownPairs:
    """Groups of images of one identity each, and which groups are known to be different identities.

    Two groups known to differ are called rivals.

    Args:
        groups: (N,) int64 group of every image, 0 to G − 1; images of one group are known to match.
        conflicts: (M, 2) int64 pairs of groups known to differ, each once; ``None`` where all groups are.

    Attributes:
        groups: See above.
        count: G.
    """

    def __init__(self, groups: NDArray[np.int64], conflicts: NDArray[np.int64] | None) -> None:
        self.groups = groups
        self.count = int(groups.max(initial=-1)) + 1
        self._sizes = np.bincount(groups, minlength=self.count)
        self._members = np.split(np.argsort(groups, kind="stable"), np.cumsum(self._sizes)[:-1])
        self._rivals: list[NDArray[np.int64]] | None = None
        if conflicts is not None:
            both = np.concatenate([conflicts, conflicts[:, ::-1]])
            both = both[np.lexsort((both[:, 1], both[:, 0]))]
            self._keys = both[:, 0] * self.count + both[:, 1]  # ascending
            bounds = np.cumsum(np.bincount(both[:, 0], minlength=self.count))[:-1]
            self._rivals = np.split(both[:, 1], bounds)

    @staticmethod
    def from_constraints(constraints: ConstraintGraph) -> KnownPairs:
        """Take what follows from answers: components of must-links, and the cannot-links between them."""
        return KnownPairs(constraints.groups(), constraints.group_conflicts())

    @staticmethod
    def from_labels(identities: NDArray[np.int64]) -> KnownPairs:
        """Take full labels (N,), none of them unknown: equal ones match, different ones do not."""
        return KnownPairs(np.unique(identities, return_inverse=True)[1].astype(np.int64), None)

    def members(self, group: int) -> NDArray[np.int64]:
        """Images of a group, ascending."""
        return self._members[group]

    def rivals(self, group: int) -> NDArray[np.int64]:
        """Groups known to differ from ``group``, ascending."""
        if self._rivals is None:
            return np.delete(np.arange(self.count), group)
        return self._rivals[group]

    def anchors(self) -> NDArray[np.int64]:
        """Groups that give triplets: those of two images or more that have a rival."""
        if self._rivals is None:
            rivalled = np.full(self.count, self.count > 1)
        else:
            rivalled = np.array([len(rivals) > 0 for rivals in self._rivals], dtype=bool)
        return np.flatnonzero((self._sizes >= 2) & rivalled)

    def participants(self) -> NDArray[np.int64]:
        """Images that can be in a triplet, ascending: those of :meth:`anchors` and of their rivals."""
        anchors = self.anchors()
        taking_part = np.zeros(self.count, dtype=bool)
        taking_part[anchors] = True
        for group in anchors.tolist():
            taking_part[self.rivals(group)] = True
        return np.flatnonzero(taking_part[self.groups])

    def matches(self, images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(B, B) whether two *different* places of the batch ``images`` (B,) are known to match."""
        groups = self.groups[images]
        same: NDArray[np.bool_] = groups[:, None] == groups
        np.fill_diagonal(same, False)
        return same

    def differs(self, images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(B, B) whether two places of the batch ``images`` (B,) are known to differ."""
        groups = self.groups[images]
        if self._rivals is None:
            different: NDArray[np.bool_] = groups[:, None] != groups
            return different
        if not len(self._keys):
            return np.zeros((len(images), len(images)), dtype=bool)
        wanted = groups[:, None] * self.count + groups
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        known: NDArray[np.bool_] = self._keys[place] == wanted
        return known
