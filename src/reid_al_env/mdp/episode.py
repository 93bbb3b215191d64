"""The batched kernel: B episodes, each advanced by one answer in O(n_s)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_al_env.mdp.reward import hardness_gap, resolve_reward
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.mdp.starts import Starts

Observation = dict[str, NDArray[np.generic]]
_Kind = TypeVar("_Kind", bound=np.generic)
# Arrays, not scalars: numpy combines two arrays of a kind in two thirds of the time.
_ZERO = np.zeros((), dtype=np.float32)
_NEITHER = np.zeros((), dtype=np.int8)
# Factor of the sum of two similarities, indexed by the answer: 0, +1 and, from the end, −1.
_SHARE = np.array([1.0, 0.5, 1.0], dtype=np.float32)[:, None]


class EpisodeBatch:
    """State of ``size`` episodes and the feedback rules of Liu et al. (ICCV 2019, section 3.2).

    An answer changes only the query's row and column of the sparse graph. A gallery row is *full* if it has k
    gallery neighbours; if the query then becomes one of its k neighbours, the row loses its weakest gallery
    pair, and is never full again. The k-reciprocal operation after an answer removes nothing else but entries
    of the query, so a step costs O(n_s) for an episode. The result equals the operation on the whole matrix
    in :mod:`reid_al_env.mdp.specification`.

    Args:
        size: B, number of episodes.
        settings: Settings shared by all episodes.
    """

    STATE = (
        "query",
        "candidates",
        "similarity",
        "feedback",
        "action_mask",
        "picks",
        "distances",
        "farthest_match",
        "nearest_non_match",
        "_choices",
        "_can_run_out",
        "_full",
        "_weakest",
        "_weakest_at",
    )

    def __init__(self, size: int, settings: EpisodeSettings) -> None:
        n = settings.pool_size
        self.settings = settings
        self._reward = resolve_reward(settings.reward)
        self._rows = np.arange(size)
        self._one = np.array(1, dtype=np.int64)
        self._budget = np.array(settings.budget, dtype=np.int64)
        self._places = self._rows * n  # index of each episode's first item in the flattened (B, n) arrays
        self._nodes = self._rows + 1  # plus an item's index: its row among the rows of all graphs
        self.query = np.full(size, -1, dtype=np.int64)
        self.candidates = np.full((size, n), -1, dtype=np.int64)
        self.similarity = np.zeros((size, n + 1, n + 1), dtype=np.float32)
        self.feedback = np.zeros((size, n), dtype=np.int8)
        self.action_mask = np.zeros((size, n), dtype=np.int8)
        self.picks = np.zeros(size, dtype=np.int64)
        self.distances = np.zeros((size, n + 1, n + 1), dtype=np.float32)
        self.farthest_match = np.zeros((size, n), dtype=np.float32)
        self.nearest_non_match = np.full((size, n), np.inf, dtype=np.float32)
        self._choices = np.zeros(size, dtype=np.int64)  # items that may be picked at the start
        self._can_run_out = True  # whether any episode can end before its budget
        self._full = np.zeros((size, n), dtype=bool)
        self._weakest = np.zeros((size, n), dtype=np.float32)
        self._weakest_at = np.zeros((size, n), dtype=np.int64)  # as an index into the flattened (B, n) arrays
        # The entry of the gallery items with flat indices p and q is _entries[p] + q in the flattened graphs.
        items = np.arange(1, n + 1)
        entries = self._rows[:, None] * (n + 1) ** 2 + items * (n + 1) + 1 - self._places[:, None]
        self._entries = entries.reshape(-1)
        self._everywhere = np.ones((size, n), dtype=bool)
        self._share_left = (1.0 - np.arange(settings.budget + 1) / settings.budget).astype(np.float32)

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
            rows: The episodes, shape (M,).
            queries: Dataset index of each query, shape (M,).
            starts: First states, with ``known`` written in. The arrays may be kept and changed.
            known: Implied answers, shape (M, n) int8. They join X_p or X_n, are masked and cost nothing.
            closed: Items that are masked without an answer, shape (M, n) bool.
        """
        into: NDArray[np.int64] | slice = rows
        if len(rows) == len(self._rows) and bool((rows == self._rows).all()):
            into = slice(None)
            self.distances, self.similarity = starts.distances, starts.similarity  # large: not copied again
        else:
            self.distances[rows] = starts.distances
            self.similarity[rows] = starts.similarity
        self.query[into] = queries
        self.candidates[into] = starts.candidates
        self._full[into] = starts.full
        self._weakest[into] = starts.weakest
        self._weakest_at[into] = starts.weakest_at + self._places[into, None]
        self.picks[into] = 0
        self.feedback[into] = 0 if known is None else known
        open_ = starts.candidates >= 0
        if known is not None:
            open_ &= known == 0
        if closed is not None:
            open_ &= ~closed
        self.action_mask[into] = open_
        self._choices[into] = open_.sum(axis=1)
        self._can_run_out = bool(self._choices.min() < self.settings.budget)
        self.farthest_match[into] = starts.distances[:, 0, 1:]
        self.nearest_non_match[into] = np.inf
        if known is not None and known.any():
            self._join_known(rows, starts.distances[:, 1:, 1:], known)

    def places(self, actions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices into the flattened (B, n) arrays of the items at pool positions ``actions``, shape (B,)."""
        return self._places + actions

    def step(
        self, picks: NDArray[np.int64], answers: NDArray[np.int8], active: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Advance the episodes by one pick each.

        Picking a masked item changes nothing but the number of picks.

        Args:
            picks: The items, from :meth:`places`, shape (B,).
            answers: +1, −1 or 0, shape (B,); 0 where the item is masked or the episode is paused.
            active: False where the episode is paused, shape (B,); ``None``: none is.

        Returns:
            Rewards, shape (B,) float32; 0 for masked picks, "can't tell" and paused episodes.
        """
        said = set(answers.tolist())  # cases that do not occur are skipped: half the work for one episode
        rewards = self._rewards(picks, answers, said)
        mask = self.action_mask.reshape(-1)
        if active is None:
            self.picks += self._one
            mask[picks] = _NEITHER
        else:
            self.picks += active
            mask[picks[active]] = 0
        self.feedback.reshape(-1)[picks] += answers  # an item has at most one answer, and was 0 before
        nodes = self._nodes + picks
        self._remember(nodes, answers, said)
        self._update_graph(nodes, answers, said)
        return rewards

    @property
    def terminated(self) -> NDArray[np.bool_]:
        """Episodes whose budget is spent or that have nothing left to pick, shape (B,) bool."""
        spent = self.picks >= self._budget
        if self._can_run_out:
            spent |= ~self.action_mask.any(axis=1)
        return spent

    def observation(self, rows: NDArray[np.int64] | None = None) -> Observation:
        """The observation in new arrays with a leading batch axis; see the environment's docstring."""
        picks = self.picks if rows is None else self.picks[rows]
        return {
            "action_mask": fresh(self.action_mask, rows),
            "feedback": fresh(self.feedback, rows),
            "remaining": self._share_left.take(picks, mode="clip")[:, None],
            "similarity": fresh(self.similarity, rows),
        }

    def rewards_if(self, answers: NDArray[np.int8]) -> NDArray[np.float32]:
        """Reward of each item if it were picked now with these ``answers``; both of shape (B, n)."""
        gap = hardness_gap(self.farthest_match, self.nearest_non_match, self.settings.empty_negatives)
        rewards = self._reward(answers, gap, self.settings.margin)
        return np.where(answers != 0, rewards, np.float32(0.0))

    def _rewards(
        self, picks: NDArray[np.int64], answers: NDArray[np.int8], said: set[int]
    ) -> NDArray[np.float32]:
        gap = hardness_gap(
            self.farthest_match.reshape(-1)[picks],
            self.nearest_non_match.reshape(-1)[picks],
            self.settings.empty_negatives,
        )
        rewards = np.array(self._reward(answers, gap, self.settings.margin), dtype=np.float32)
        if 0 in said:
            np.copyto(rewards, _ZERO, where=answers == _NEITHER)
        return rewards

    def _remember(self, nodes: NDArray[np.int64], answers: NDArray[np.int8], said: set[int]) -> None:
        """Add the answered items to X_p and X_n."""
        to_picked = _rows_of(self.distances, nodes)  # (B, n)
        if 1 in said:
            farther = np.maximum(self.farthest_match, to_picked)
            np.copyto(self.farthest_match, farther, where=(answers > _NEITHER)[:, None])
        if -1 in said:
            nearer = np.minimum(self.nearest_non_match, to_picked)
            np.copyto(self.nearest_non_match, nearer, where=(answers < _NEITHER)[:, None])

    def _join_known(
        self, rows: NDArray[np.int64], distances: NDArray[np.float32], known: NDArray[np.int8]
    ) -> None:
        matches = np.where((known > 0)[:, :, None], distances, np.float32(0.0)).max(axis=1)
        non_matches = np.where((known < 0)[:, :, None], distances, np.float32(np.inf)).min(axis=1)
        self.farthest_match[rows] = np.maximum(self.farthest_match[rows], matches)
        self.nearest_non_match[rows] = non_matches

    def _update_graph(self, nodes: NDArray[np.int64], answers: NDArray[np.int8], said: set[int]) -> None:
        answered = self.feedback.astype(bool)
        to_query = self._feedback_rule(nodes, answers, said)  # (B, n)
        np.copyto(to_query, self.feedback > _NEITHER, where=answered)
        stronger = self._full & (to_query >= self._weakest)
        # An entry is lost if a full row prefers its own neighbours or if it is not among the query's first k,
        # unless it is answered. On bools, ≥ is "or not" and > is "and not".
        lost = (self._full ^ stronger) >= self._query_places(to_query)
        np.copyto(to_query, _ZERO, where=lost > answered)
        self.similarity[:, 0, 1:] = to_query
        self.similarity[:, 1:, 0] = to_query
        self._drop_pairs(stronger)

    def _feedback_rule(
        self, nodes: NDArray[np.int64], answers: NDArray[np.int8], said: set[int]
    ) -> NDArray[np.float32]:
        """Similarities of the query to all items after the answers, in a new array (B, n).

        ½ (s + p) for a match, max(s − p, 0) for a non-match and s for "can't tell" are all equal to
        max(factor · (s + answer · p), 0).
        """
        moved = _rows_of(self.similarity, nodes) * answers.astype(np.float32)[:, None]
        moved += self.similarity[:, 0, 1:]
        if 1 in said:
            moved *= _SHARE.take(answers, axis=0)
        return np.asarray(np.maximum(moved, _ZERO)) if -1 in said else moved

    def _query_places(self, to_query: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Which items are among the query's first k, shape (B, n); arbitrary for items at similarity 0."""
        n, k = to_query.shape[1], self.settings.k
        if k >= n or np.count_nonzero(to_query) <= k:  # often true for one episode, hardly ever for many
            return self._everywhere
        ascending = to_query.copy()
        ascending.sort(axis=1)
        last = ascending[:, n - k]
        among = to_query >= last[:, None]
        # Of items tied for the last place, the one of lower index has it.
        (tied,) = ((last == ascending[:, n - k - 1]) & (last > _ZERO)).nonzero()
        if len(tied):
            beyond = np.argsort(-to_query[tied], axis=1, kind="stable")[:, k:]
            among[tied[:, None], beyond] = False
        return among

    def _drop_pairs(self, stronger: NDArray[np.bool_]) -> None:
        """Remove, on both sides, the weakest gallery pair of the full rows that the query joined."""
        (places,) = stronger.reshape(-1).nonzero()
        if not len(places):
            return
        partners = self._weakest_at.reshape(-1)[places]
        similarity, full = self.similarity.reshape(-1), self._full.reshape(-1)
        similarity[self._entries[places] + partners] = _ZERO
        similarity[self._entries[partners] + places] = _ZERO
        full[places] = False
        full[partners] = False


def fresh(values: NDArray[_Kind], rows: NDArray[np.int64] | None) -> NDArray[_Kind]:
    """A copy of ``values``, or of the given rows of it."""
    return values.copy() if rows is None else values[rows]


def _rows_of(graphs: NDArray[np.float32], nodes: NDArray[np.int64]) -> NDArray[np.float32]:
    """Entries between one gallery node of each graph and all its gallery nodes, shape (B, n).

    Args:
        graphs: Shape (B, n+1, n+1).
        nodes: One node of each graph, as a row of the graphs stacked, shape (B,).
    """
    return graphs.reshape(-1, graphs.shape[2]).take(nodes, axis=0)[:, 1:]
