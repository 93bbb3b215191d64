"""The groups at one moment: the nearest of each, how likely they match, and the expected gain of asking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.asking.value import expected_gain
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.clustering.forming import FormedGroups
from reid_al_agents.clustering.linkage import group_sums
from reid_al_agents.clustering.neighbours import nearest_neighbours
from reid_al_agents.clustering.sides import Sides
from reid_al_env import ConstraintGraph, FeatureSet
from reid_al_env.groups import Groups

NODE_FEATURES = ("log_size", "match_probability", "cross_camera")
"""Columns of ``node_features`` in the observation; for the query the probability is 1 and the last is 0."""

_ALIKE = 0.02  # average Jaccard similarity from which two groups have enough neighbours in common
_LEAST = 0.003  # average Jaccard similarity below which pairs are alike to the model


class Candidates:
    """Groups with their neighbours, match probabilities and expected gains of a question.

    Args:
        features: The N images.
        similarities: Their (N, N) sparse Jaccard similarities.
        formed: Their groups.
        constraints: Constraints between the images.
        model: Match model; it is refitted with the present pairs.
        neighbours: Number of candidates of a group.
        excluded: (N,) bool, images left out of all questions, each a group of its own; ``None`` for none.
        sides: Which images can be compared; ``None`` where all can.

    Attributes:
        groups: The groups as nodes.
        candidates: (G, n) int64, the nearest groups of each by cosine, nearest first.
        probabilities: (G, n) match probability with each candidate.
        open: (G, n) bool, whether the pair can be a question: not known to differ, not yet compared, with a
            common side.
        pairs: (P, 2) int64 pairs of groups that may match: candidates, and groups with neighbours in common;
            each once, the lower first.
        pair_probabilities: (P,) match probability of each; 0 where the groups are known to differ, show no
            common side, or were left out.
        pair_open: (P,) bool, whether it can be a question.
        conflicts: (M, 2) int64 pairs of groups known to differ.
        gain: (G, n) expected gain of each question, see :func:`.expected_gain`; 0 where it cannot be asked.
    """

    def __init__(
        self,
        features: FeatureSet,
        similarities: sparse.csr_matrix,
        formed: FormedGroups,
        constraints: ConstraintGraph,
        model: MatchModel,
        neighbours: int = 15,
        excluded: NDArray[np.bool_] | None = None,
        sides: Sides | None = None,
    ) -> None:
        self.groups = Groups(features, formed.groups)
        self._sides = sides
        self._shown = None if sides is None else sides.of_groups(formed.groups)
        self._model = model
        self._sums = group_sums(similarities, formed.groups)
        self._cameras = _cameras_of(self.groups, features.cameras)
        count = len(self.groups)
        found = nearest_neighbours(self.groups.means, min(neighbours + 1, count))
        self.candidates = found[:, 1:]
        rows = np.repeat(np.arange(count), self.candidates.shape[1])
        columns = self.candidates.ravel()
        self.pairs = self._pairs_of(rows, columns)
        a, b = self.pairs.T
        cosine, jaccard = self._similarities_of(a, b)
        self._best_cosine, self._best_jaccard = self._best_of(cosine), self._best_of(jaccard)
        described = self._describe(a, b, cosine, jaccard)
        self.conflicts = formed.conflicts
        gone = np.zeros(count, dtype=bool) if excluded is None else excluded[self.groups.typical]
        self._closed = _closed_pairs(formed, constraints, gone)
        keys, comparable = _keys(a, b, count), self.comparable(a, b)
        self.pair_open = comparable & ~np.isin(keys, self._closed)
        model.fit(described[self.pair_open])
        differ = np.isin(keys, _keys(self.conflicts[:, 0], self.conflicts[:, 1], count))
        differ |= gone[a] | gone[b] | ~comparable
        self.pair_probabilities = np.where(differ, 0.0, model.probabilities(described))
        place = np.searchsorted(keys, _keys(rows, columns, count))
        self.open = self.pair_open[place].reshape(self.candidates.shape)
        self.probabilities = model.probabilities(described)[place].reshape(self.candidates.shape)
        sizes = self.groups.sizes
        gain = expected_gain(self.probabilities, sizes[:, None], sizes[self.candidates])
        self.gain = np.where(self.open, gain, 0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of :meth:`describe`."""
        return NODE_FEATURES

    def describe(self, queries: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """The observation's ``node_features``.

        Args:
            queries: Groups, shape (B,).
            candidates: Groups, shape (B, n); −1 for padding.

        Returns:
            (B, n + 1, 3) float32, the query's row first; see :data:`NODE_FEATURES`.
        """
        batch, count = candidates.shape
        described = np.zeros((batch, count + 1, len(NODE_FEATURES)), dtype=np.float32)
        nodes = np.concatenate([queries[:, None], np.maximum(candidates, 0)], axis=1)
        described[:, :, 0] = np.log(self.groups.sizes[nodes])
        described[:, 0, 1] = 1.0
        rows, columns = np.repeat(queries, count), nodes[:, 1:].ravel()
        pairs = self.describe_pairs(rows, columns)
        described[:, 1:, 1] = self._model.probabilities(pairs).reshape(batch, count)
        described[:, 1:, 2] = ~self._share_camera(rows, columns).reshape(batch, count)
        described[:, 1:][candidates < 0] = 0.0
        return described

    def describe_pairs(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """Features of pairs of groups for the match model.

        Args:
            a: One group of each pair, shape (M,).
            b: The other, shape (M,).

        Returns:
            (M, F) in the order of :data:`~reid_al_agents.beliefs.match_model.PAIR_FEATURES`, the same for
            (a, b) and (b, a): cosine of the means; root and logarithm of the average Jaccard similarity; that
            similarity as a share of the best that either group has, the lower and the higher; how far the
            cosine is below the best of either, likewise; logarithms of the sizes; whether a camera is shared.
        """
        return self._describe(a, b, *self._similarities_of(a, b))

    def comparable(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether both groups of each pair show one side, (M,)."""
        if self._shown is None:
            return np.ones(len(a), dtype=bool)
        return np.asarray((self._shown[a] & self._shown[b]).any(axis=1))

    def incomparable(self, reach: int) -> NDArray[np.int64]:
        """(M, 2) pairs of groups that show no common side, one among the ``reach`` nearest of the other."""
        if self._shown is None:
            return np.empty((0, 2), dtype=np.int64)
        near = nearest_neighbours(self.groups.means, min(reach + 1, len(self.groups)))[:, 1:]
        rows, columns = np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()
        apart = ~self.comparable(rows, columns)
        return np.unique(np.sort(np.stack([rows[apart], columns[apart]], axis=1), axis=1), axis=0)

    def witnesses(self, a: int, b: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """The two images that represent two groups in a question, and two others for a recheck.

        Returns:
            An image of ``a`` and one of ``b``, the most typical that can be compared; and the next of each,
            or the same where a group has no other. ``None`` where no two can be compared.
        """
        ours, theirs = self.groups.by_closeness(a), self.groups.by_closeness(b)
        if self._sides is not None:
            facing = self._sides.facing(ours, theirs)
            if facing is None:
                return None
            ours, theirs = facing
        first = int(ours[0]), int(theirs[0])
        return first, (int(ours[min(1, len(ours) - 1)]), int(theirs[min(1, len(theirs) - 1)]))

    def facing(self, image: int, group: int) -> int | None:
        """The most typical image of a group that can be compared with ``image``; ``None`` where none can."""
        members = self.groups.by_closeness(group)
        if self._sides is not None:
            members = members[self._sides.comparable(np.full(len(members), image), members)]
        return int(members[0]) if len(members) else None

    def match_probabilities(self, described: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of a match, (M,), for pairs described by :meth:`describe_pairs`."""
        return self._model.probabilities(described)

    def closed_pairs(self) -> NDArray[np.int64]:
        """(M, 2) pairs of groups that were compared, or are known to differ; each once, the lower first."""
        count = len(self.groups)
        return np.stack([self._closed // count, self._closed % count], axis=1)

    def _pairs_of(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The pairs (rows, columns) and those of groups with neighbours in common, each once, sorted."""
        count, sums = len(self.groups), sparse.triu(self._sums, k=1).tocoo()
        a, b = sums.row.astype(np.int64), sums.col.astype(np.int64)
        alike = sums.data > _ALIKE * self.groups.sizes[a] * self.groups.sizes[b]
        keys = np.concatenate([_keys(rows, columns, count), _keys(a[alike], b[alike], count)])
        return np.stack(np.divmod(np.unique(keys), count), axis=1)

    def _best_of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The highest of the values of each group's pairs, at least 0, (G,)."""
        best = np.zeros(len(self.groups))
        for side in self.pairs.T:
            np.maximum.at(best, side, values)
        return best

    def _similarities_of(
        self, a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        cosine = np.einsum("nd,nd->n", self.groups.means[a], self.groups.means[b]).astype(np.float64)
        sums = np.asarray(self._sums[a, b], dtype=np.float64).reshape(-1) if len(a) else np.empty(0)
        return cosine, sums / (self.groups.sizes[a] * self.groups.sizes[b])

    def _describe(
        self,
        a: NDArray[np.int64],
        b: NDArray[np.int64],
        cosine: NDArray[np.float64],
        jaccard: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        shares = [jaccard / np.maximum(self._best_jaccard[side], _LEAST) for side in (a, b)]
        gaps = [cosine - self._best_cosine[side] for side in (a, b)]
        sizes = np.log(np.stack([self.groups.sizes[a], self.groups.sizes[b]]).astype(float))
        return np.stack(
            [
                cosine,
                np.sqrt(jaccard),
                np.log(jaccard + _LEAST),
                np.minimum(*shares),
                np.maximum(*shares),
                np.minimum(*gaps),
                np.maximum(*gaps),
                sizes.min(axis=0),
                sizes.max(axis=0),
                self._share_camera(a, b),
            ],
            axis=1,
        )

    def _share_camera(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((self._cameras[a] & self._cameras[b]).any(axis=1))


def _cameras_of(groups: Groups, cameras: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """(G, C) which cameras saw a group; no column where cameras are unknown."""
    if cameras is None:
        return np.zeros((len(groups), 0), dtype=bool)
    known = cameras >= 0
    names, camera = np.unique(cameras[known], return_inverse=True)
    seen = np.zeros((len(groups), len(names)), dtype=bool)
    seen[groups.labels[known], camera] = True
    return seen


def _closed_pairs(
    formed: FormedGroups, constraints: ConstraintGraph, gone: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Keys of pairs of groups that differ, whose images were compared, or of which one is gone; sorted."""
    count = int(formed.groups.max()) + 1
    compared = formed.groups[constraints.asked_pairs()].reshape(-1, 2)
    pairs = np.concatenate([formed.conflicts, compared[compared[:, 0] != compared[:, 1]]])
    left_out = np.flatnonzero(gone)
    a, b = np.repeat(left_out, count), np.tile(np.arange(count), len(left_out))
    pairs = np.concatenate([pairs, np.stack([a, b], axis=1)[a != b]])
    return np.unique(_keys(pairs[:, 0], pairs[:, 1], count))


def _keys(a: NDArray[np.int64], b: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.minimum(a, b) * count + np.maximum(a, b)
