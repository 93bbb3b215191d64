"""The batched kernel: B episodes side by side, advanced by one answer each in O(n_s)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_al_env.reward import hardness_gap, resolve_reward
from reid_al_env.settings import EpisodeSettings
from reid_al_env.starts import Starts

Observation = dict[str, NDArray[np.generic]]


class EpisodeBatch:
    """State of ``size`` episodes and the feedback rules of Liu et al. (ICCV 2019, section 3.2).

    An answer changes only the query's row and column of the sparse graph. The k-reciprocal operation that
    follows can then remove, besides query entries, only the weakest gallery pair of a gallery row that has no
    place left for the query; such a row is never full again. So a step costs O(n_s) an episode, and equals
    the whole operation on the whole matrix (the tests compare them).

    Args:
        size: B, number of episodes.
        settings: Shared by all.
    """

    def __init__(self, size: int, settings: EpisodeSettings) -> None:
        n = settings.pool_size
        self.settings = settings
        self._reward = resolve_reward(settings.reward)
        self._rows = np.arange(size)
        self.query = np.full(size, -1, dtype=np.int64)
        self.candidates = np.full((size, n), -1, dtype=np.int64)
        self.similarity = np.zeros((size, n + 1, n + 1), dtype=np.float32)
        self.feedback = np.zeros((size, n), dtype=np.int8)
        self.action_mask = np.zeros((size, n), dtype=np.int8)
        self.picks = np.zeros(size, dtype=np.int64)
        self.distances = np.zeros((size, n + 1, n + 1), dtype=np.float32)
        self.farthest_match = np.zeros((size, n), dtype=np.float32)
        self.nearest_non_match = np.full((size, n), np.inf, dtype=np.float32)
        self._left = np.zeros(size, dtype=np.int64)  # items that may be picked
        self._full = np.zeros((size, n), dtype=bool)
        self._weakest = np.zeros((size, n), dtype=np.float32)
        self._weakest_at = np.zeros((size, n), dtype=np.int64)

    def begin(
        self,
        rows: NDArray[np.int64],
        queries: NDArray[np.int64],
        starts: Starts,
        known: NDArray[np.int8] | None = None,
        closed: NDArray[np.bool_] | None = None,
    ) -> None:
        """Start new episodes in ``rows``.

        Args:
            rows: Which episodes, shape (M,).
            queries: Their queries, shape (M,).
            starts: Their first states, with ``known`` already written in; arrays that nobody else holds.
            known: Implied answers, shape (M, n) int8; they join X_p or X_n, are masked and cost nothing.
            closed: Items that are masked without an answer, shape (M, n) bool.
        """
        self.query[rows] = queries
        self.candidates[rows] = starts.candidates
        if np.array_equal(rows, self._rows):  # the two large ones need no copy then
            self.distances, self.similarity = starts.distances, starts.similarity
        else:
            self.distances[rows] = starts.distances
            self.similarity[rows] = starts.similarity
        self._full[rows] = starts.full
        self._weakest[rows] = starts.weakest
        self._weakest_at[rows] = starts.weakest_at
        self.picks[rows] = 0
        self.feedback[rows] = 0 if known is None else known
        open_ = starts.candidates >= 0
        if known is not None:
            open_ &= known == 0
        if closed is not None:
            open_ &= ~closed
        self.action_mask[rows] = open_
        self._left[rows] = open_.sum(axis=1)
        self.farthest_match[rows] = starts.distances[:, 0, 1:]
        self.nearest_non_match[rows] = np.inf
        if known is not None and known.any():
            self._join_known(rows, starts.distances[:, 1:, 1:], known)

    def step(
        self, actions: NDArray[np.int64], answers: NDArray[np.int8], active: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Advance the episodes by one pick each.

        A pick whose item is masked changes nothing but the number of picks; its answer is not looked at.

        Args:
            actions: Pool positions, shape (B,).
            answers: +1, −1 or 0, shape (B,).
            active: False where the episode stands still, shape (B,); ``None`` is all.

        Returns:
            Rewards, shape (B,) float32; 0 for masked picks, "can't tell" and episodes that stand still.
        """
        picks = self._rows * self.settings.pool_size + actions  # places in the flattened (B, n) arrays
        mask = self.action_mask.reshape(-1)
        allowed = mask[picks] > 0
        if active is not None:
            allowed &= active
        answers = np.where(allowed, answers, np.int8(0))
        rewards = self._rewards(picks, answers)
        self.picks += 1 if active is None else active
        mask[picks] -= allowed
        self._left -= allowed
        self.feedback.reshape(-1)[picks] += answers  # was 0 wherever an answer counts
        nodes = self._rows * (self.settings.pool_size + 1) + actions + 1  # as rows of all graphs
        self._remember(nodes, answers)
        self._update_graph(nodes, picks, answers)
        return rewards

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """Episodes whose budget is spent or in which nothing is left to pick, shape (B,)."""
        return (self.picks >= self.settings.budget) | (self._left == 0)

    def observation(self, rows: NDArray[np.int64] | slice = slice(None)) -> Observation:
        """Fresh arrays of what an agent sees, with a leading batch axis; see the environment's docstring."""
        left = 1.0 - self.picks[rows] / self.settings.budget
        return {
            "action_mask": np.array(self.action_mask[rows]),
            "feedback": np.array(self.feedback[rows]),
            "remaining": np.maximum(left, 0.0).astype(np.float32)[:, None],
            "similarity": np.array(self.similarity[rows]),
        }

    def rewards_if(self, answers: NDArray[np.int8]) -> NDArray[np.float32]:
        """What each item would earn if it were picked now and answered so; both of shape (B, n)."""
        gap = hardness_gap(self.farthest_match, self.nearest_non_match, self.settings.empty_negatives)
        rewards = self._reward(answers, gap, self.settings.margin)
        return np.where(answers != 0, rewards, np.float32(0.0))

    def _rewards(self, picks: NDArray[np.int64], answers: NDArray[np.int8]) -> NDArray[np.float32]:
        gap = hardness_gap(
            self.farthest_match.reshape(-1)[picks],
            self.nearest_non_match.reshape(-1)[picks],
            self.settings.empty_negatives,
        )
        rewards = self._reward(answers, gap, self.settings.margin)
        return np.where(answers != 0, rewards, np.float32(0.0))

    def _remember(self, nodes: NDArray[np.int64], answers: NDArray[np.int8]) -> None:
        """Let the answered items join X_p and X_n."""
        to_picked = _rows_of(self.distances, nodes)  # (B, n)
        match, no_match = (answers > 0)[:, None], (answers < 0)[:, None]
        np.maximum(self.farthest_match, to_picked, out=self.farthest_match, where=match)
        np.minimum(self.nearest_non_match, to_picked, out=self.nearest_non_match, where=no_match)

    def _join_known(
        self, rows: NDArray[np.int64], distances: NDArray[np.float32], known: NDArray[np.int8]
    ) -> None:
        matches = np.where((known > 0)[:, :, None], distances, np.float32(0.0)).max(axis=1)
        non_matches = np.where((known < 0)[:, :, None], distances, np.float32(np.inf)).min(axis=1)
        self.farthest_match[rows] = np.maximum(self.farthest_match[rows], matches)
        self.nearest_non_match[rows] = non_matches

    def _update_graph(
        self, nodes: NDArray[np.int64], picks: NDArray[np.int64], answers: NDArray[np.int8]
    ) -> None:
        answered = self.feedback != 0
        to_query = self._feedback_rule(nodes, picks, answers, answered)  # (B, n)
        pushing = self._full & (to_query > 0)
        stronger = pushing & (to_query >= self._weakest)
        kept = self._query_places(to_query)
        kept &= stronger | ~pushing
        kept |= answered
        to_query *= kept
        self.similarity[:, 0, 1:] = to_query
        self.similarity[:, 1:, 0] = to_query
        self._drop_pairs(stronger)

    def _feedback_rule(
        self,
        nodes: NDArray[np.int64],
        picks: NDArray[np.int64],
        answers: NDArray[np.int8],
        answered: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """The query's similarities after the answers and before the k-reciprocal operation, a fresh (B, n)."""
        to_query = self.similarity[:, 0, 1:].copy()
        to_picked = _rows_of(self.similarity, nodes)
        nearer = to_query + to_picked
        nearer *= np.float32(0.5)
        farther = to_query - to_picked
        np.maximum(farther, np.float32(0.0), out=farther)
        moves = ~answered
        np.copyto(to_query, nearer, where=moves & (answers > 0)[:, None])
        np.copyto(to_query, farther, where=moves & (answers < 0)[:, None])
        told = answers != 0
        to_query.reshape(-1)[picks[told]] = answers[told] > 0
        return to_query

    def _query_places(self, to_query: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which items are among the query's first k, shape (B, n); of those at 0, any may be."""
        n, k = to_query.shape[1], self.settings.k
        if k >= n:
            return np.ones(to_query.shape, dtype=bool)
        ascending = np.sort(to_query, axis=1)
        last = ascending[:, n - k]
        among = to_query >= last[:, None]
        # Where the last place is tied, the lower index has it.
        tied = np.flatnonzero((last == ascending[:, n - k - 1]) & (last > 0))
        if len(tied):
            beyond = np.argsort(-to_query[tied], axis=1, kind="stable")[:, k:]
            among[tied[:, None], beyond] = False
        return among

    def _drop_pairs(self, stronger: NDArray[np.bool_]) -> None:
        """Gallery rows that took the query in give up their weakest gallery pair, on both sides."""
        places = np.flatnonzero(stronger)
        n = stronger.shape[1]
        rows, items = np.divmod(places, n)
        others = self._weakest_at.reshape(-1)[places]
        flat, corner = self.similarity.reshape(-1), rows * (n + 1) ** 2
        flat[corner + (items + 1) * (n + 1) + others + 1] = 0.0
        flat[corner + (others + 1) * (n + 1) + items + 1] = 0.0
        full = self._full.reshape(-1)
        full[places] = False
        full[rows * n + others] = False


def _rows_of(graphs: NDArray[np.float32], nodes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Entries of one gallery node of each graph with all gallery nodes, shape (B, n).

    Args:
        graphs: Shape (B, n+1, n+1).
        nodes: The nodes, counted through all graphs, shape (B,).
    """
    return graphs.reshape(-1, graphs.shape[2]).take(nodes, axis=0)[:, 1:]
