"""Episodes joined to their images, their oracle and what is known: the one engine of all front ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph
from reid_al_env.evidence.oracles import AnswerFunction, LabelOracle, Oracle, as_oracle, check_answers
from reid_al_env.feature_set import FeatureSet
from reid_al_env.mdp.browsing import QueryBrowser
from reid_al_env.mdp.episode import EpisodeBatch, Observation
from reid_al_env.mdp.metric import l2_normalise
from reid_al_env.mdp.node_features import DescribedNodes, NodeFeatures
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.mdp.starts import StartTable

_NOBODY = -1


class Outcome(NamedTuple):  # made at every step: several times as fast to make as a frozen dataclass
    """What one pick in each of B episodes brought; every array has shape (B,).

    Args:
        picked: Dataset index of the picked item, −1 for padding and for episodes that stood still; int64.
        answers: +1, −1 or 0; int8.
        asked: Whether the oracle was asked (not so for masked picks and implied answers); bool.
        invalid: Whether a masked item was picked; bool.
        rewards: float32.
        terminated: Whether the episode is over; bool.
    """

    picked: NDArray[np.int64]
    answers: NDArray[np.int8]
    asked: NDArray[np.bool_]
    invalid: NDArray[np.bool_]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]


class Inquiry:
    """Runs ``size`` episodes over one feature set.

    The single environment, the batched environment and the learning loop all stand on this class.

    Args:
        features: The images.
        settings: Of the episodes.
        oracle: Who answers: an oracle, or a function (:class:`reid_al_env.evidence.oracles.CallableOracle`);
            ``None`` answers from ``features.identities``.
        constraints: What is known already; every answer is added to it, and what it implies is never asked.
            ``None`` asks everything, as the paper does.
        size: B, number of episodes side by side.
        known_matches: Pairs answered "match" before, to which the "verified" metric is fitted from the start;
            the must-links of ``constraints`` are added.
        node_features: What is observed of each image besides the graph; ``None`` adds nothing.
        padded: Whether there may be fewer images than the settings' pool needs; the rest is then masked.

    Raises:
        InputError: If the set and the settings do not fit, or nobody can answer.
    """

    def __init__(
        self,
        features: FeatureSet,
        settings: EpisodeSettings,
        oracle: Oracle | AnswerFunction | None = None,
        constraints: ConstraintGraph | None = None,
        size: int = 1,
        known_matches: Sequence[tuple[int, int]] = (),
        node_features: NodeFeatures | None = None,
        padded: bool = False,
    ) -> None:
        if oracle is None and (features.identities < 0).all():
            raise InputError(
                f"{features.source}: no identity is known and no oracle is given; "
                "add 'identities' or pass oracle="
            )
        if constraints is not None and len(constraints) != len(features):
            raise InputError(
                f"constraints: made for {len(constraints)} images but {features.source} has {len(features)}"
            )
        self.features = features
        self.oracle = LabelOracle(features.identities) if oracle is None else as_oracle(oracle)
        self.constraints = constraints
        self.batch = EpisodeBatch(size, settings)
        self._described: DescribedNodes | None = None
        if node_features is not None:
            self._described = DescribedNodes(node_features, size, settings.pool_size + 1, len(features))
        self._match_pairs: list[tuple[int, int]] = []
        if settings.metric == "verified":
            self._match_pairs += [*known_matches, *(constraints.must_links if constraints else ())]
        self._pairs_at_fit = 0
        self._padded = padded
        self._starts = StartTable(features, settings, batch=size, padded=padded)
        self.browser = QueryBrowser(len(features), np.random.default_rng(0))

    @property
    def node_feature_names(self) -> tuple[str, ...]:
        """What the node features are called; none if there are none."""
        return () if self._described is None else self._described.names

    def shuffle(self, rng: np.random.Generator) -> None:
        """Start a new pass over the queries in an order drawn from ``rng``."""
        self.browser = QueryBrowser(len(self.features), rng)

    def next_query(self) -> int:
        """The next query that has something left to ask.

        When no image has, the last one drawn is returned, and its episode begins with an empty mask.
        """
        return int(self.next_queries(1)[0])

    def next_queries(self, count: int) -> NDArray[np.int64]:
        """The next ``count`` queries, shape (count,); see :meth:`next_query`."""
        if self.constraints is None and not self.batch.settings.cross_camera:
            return self.browser.draw(count)  # every query has candidates, and all may be asked about
        return np.array([self._next_with_questions() for _ in range(count)], dtype=np.int64)

    def _next_with_questions(self) -> int:
        query = self.browser.next()
        for _ in range(len(self.features)):
            if self.has_questions(query):
                break
            query = self.browser.next()
        return query

    def has_questions(self, query: int) -> bool:
        """Whether anything about the query's candidates is neither known nor asked yet."""
        self._refit_metric()
        candidates = self._starts.candidates(query)
        unknown = candidates >= 0
        if self.constraints is not None:
            unknown &= self.constraints.implied(query, candidates) == 0
            unknown &= ~self.constraints.asked(query, candidates)
        return bool(unknown.any())

    def begin(self, rows: NDArray[np.int64], queries: NDArray[np.int64]) -> None:
        """Start episodes in ``rows`` (M,) with ``queries`` (M,).

        Raises:
            InputError: If a query is not one of the images, or the node features cannot be used.
        """
        if len(queries) and not (queries.min() >= 0 and queries.max() < len(self.features)):
            raise InputError(
                f"query: {queries.tolist()[:5]} is outside the {len(self.features)} images of "
                f"{self.features.source}; choose from 0..{len(self.features) - 1}"
            )
        self._refit_metric()
        starts = self._starts.get(queries)
        if self._described is not None:
            self._described.begin(rows, queries, starts.candidates)
        if self.constraints is None or len(rows) == 0:
            self.batch.begin(rows, queries, starts)
            return
        pairs = list(zip(queries.tolist(), starts.candidates, strict=True))
        known = np.array([self.constraints.implied(query, candidates) for query, candidates in pairs])
        closed = np.array([self.constraints.asked(query, candidates) for query, candidates in pairs])
        for row in np.flatnonzero(known.any(axis=1)):
            self._starts.with_known(starts, int(row), known[row])
        self.batch.begin(rows, queries, starts, known, closed)

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_] | None = None) -> Outcome:
        """Pick one item in each episode, have it answered and advance.

        Args:
            actions: Pool positions, shape (B,), each in 0..n_s−1.
            active: False where the episode stands still, shape (B,); ``None`` is all.
        """
        batch = self.batch
        picks = batch.places(actions)
        picked = batch.candidates.reshape(-1)[picks]
        allowed = batch.action_mask.reshape(-1)[picks].view(np.bool_)
        invalid = ~allowed
        if active is not None:
            allowed &= active
            invalid &= active
            picked = np.where(active, picked, _NOBODY)
        answers, asked = self._answers(batch.query, picked, allowed)
        rewards = batch.step(picks, answers, active)
        return Outcome(picked, answers, asked, invalid, rewards, batch.terminated)

    def observation(self, rows: NDArray[np.int64] | None = None) -> Observation:
        """See :meth:`EpisodeBatch.observation`; with ``node_features`` (M, n+1, F) where there are any."""
        seen = self.batch.observation(rows)
        if self._described is None:
            return seen
        seen["node_features"] = self._described.observation(rows)
        return dict(sorted(seen.items()))  # the order of the observation space

    def true_rewards(self) -> NDArray[np.float32]:
        """What each item would earn if picked now, by the true identities; −inf where masked; (B, n).

        For reference rows only: it sees the labels.

        Raises:
            InputError: If no identity is known.
        """
        identities = self.features.identities
        if (identities < 0).all():
            raise InputError(f"{self.features.source}: true rewards need 'identities', and none is known")
        queries = np.repeat(self.batch.query[:, None], self.batch.candidates.shape[1], axis=1)
        truth = LabelOracle(identities).answer(queries, self.batch.candidates)
        return np.where(self.batch.action_mask > 0, self.batch.rewards_if(truth), np.float32(-np.inf))

    def _answers(
        self, queries: NDArray[np.int64], picked: NDArray[np.int64], allowed: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        answers = np.zeros(len(picked), dtype=np.int8)
        asked = allowed
        if self.constraints is not None:
            asked = allowed.copy()
            self._answer_from_known(queries, picked, answers, asked)
        left, right = queries[asked], picked[asked]
        if len(left):
            given = check_answers(self.oracle.answer(left, right), len(left))
            answers[asked] = given
            if self.constraints is not None:
                self.constraints.add_many(left, right, given)
                self._answer_from_known(queries, picked, answers, asked=allowed & ~asked)
            if self.batch.settings.metric == "verified":
                self._note_matches(left, right, given)
        return answers, asked

    def _answer_from_known(
        self,
        queries: NDArray[np.int64],
        picked: NDArray[np.int64],
        answers: NDArray[np.int8],
        asked: NDArray[np.bool_],
    ) -> None:
        """Fill in what is known and strike it, and a pair's second mention in one batch, from ``asked``."""
        assert self.constraints is not None
        mentioned: set[tuple[int, int]] = set()
        for row in np.flatnonzero(asked):
            i, j = int(queries[row]), int(picked[row])
            answers[row] = self.constraints.relation(i, j)
            pair = (min(i, j), max(i, j))
            before = pair in mentioned or bool(self.constraints.asked(i, picked[row : row + 1])[0])
            asked[row] = answers[row] == 0 and not before
            mentioned.add(pair)

    def _note_matches(
        self, queries: NDArray[np.int64], picked: NDArray[np.int64], answers: NDArray[np.int8]
    ) -> None:
        match = answers > 0
        self._match_pairs.extend(zip(queries[match].tolist(), picked[match].tolist(), strict=True))

    def _refit_metric(self) -> None:
        """Fit the "verified" metric anew once the matches have grown by a quarter.

        Running episodes hold their own distances, so a fit never changes one that has begun.
        """
        count = len(self._match_pairs)
        if count < 2 or count < 1.25 * self._pairs_at_fit:
            return
        pairs = np.asarray(self._match_pairs)
        left = l2_normalise(self.features.features[pairs[:, 0]]).astype(np.float64)
        right = l2_normalise(self.features.features[pairs[:, 1]])
        settings = self.batch.settings
        self._starts = StartTable(self.features, settings, left - right, len(self.batch.query), self._padded)
        self._pairs_at_fit = count
