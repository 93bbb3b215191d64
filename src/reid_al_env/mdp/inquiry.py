"""Episodes with their images, oracle and constraints: the engine behind both environments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph
from reid_al_env.evidence.oracles import AnswerFunction, LabelOracle, Oracle, as_oracle, check_answers
from reid_al_env.evidence.recorded import RecordedOracle
from reid_al_env.feature_set import FeatureSet
from reid_al_env.mdp.browsing import QueryBrowser
from reid_al_env.mdp.episode import EpisodeBatch, Observation
from reid_al_env.mdp.fitted_starts import FittedStarts
from reid_al_env.mdp.node_features import DescribedNodes, NodeFeatures
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.snapshots import Part

_NO_IMAGE = -1


class Outcome(NamedTuple):  # made at every step; a frozen dataclass is several times slower
    """Result of one pick in each of B episodes; every array has shape (B,).

    Args:
        picked: Dataset index of the picked item, int64; −1 for padding and for paused episodes.
        answers: +1, −1 or 0; int8.
        asked: Whether the oracle was asked; false for masked picks and implied answers; bool.
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

    The single environment, the batched environment and the annotation loop use this class.

    Args:
        features: The images.
        settings: Settings of the episodes.
        oracle: Source of the answers: an oracle, or a function
            (:class:`reid_al_env.evidence.oracles.CallableOracle`); ``None`` answers from
            ``features.identities``.
        constraints: Answers known so far. Every answer is added, and implied answers are not asked for.
            ``None``: every pick is asked, as in the paper.
        size: B, number of episodes.
        known_matches: Earlier pairs answered "match", to which the "verified" metric is fitted from the
            start, together with the must-links of ``constraints``.
        node_features: More numbers observed for each node; ``None``: none.
        padded: Accept fewer images than ``pool_size`` needs; missing candidates are masked.

    Raises:
        InputError: If features, settings and constraints do not fit together, or there are neither
            identities nor an oracle.
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
        matches = [*known_matches, *(constraints.must_links if constraints else ())]
        self._starts = FittedStarts(features, settings, size, padded, matches)
        self.browser = QueryBrowser(len(features), np.random.default_rng(0))

    @property
    def node_feature_names(self) -> tuple[str, ...]:
        """Names of the node features; empty without them."""
        return () if self._described is None else self._described.names

    def shuffle(self, rng: np.random.Generator) -> None:
        """Start a new pass over the queries, in an order drawn from ``rng``."""
        self.browser = QueryBrowser(len(self.features), rng)

    def next_query(self) -> int:
        """The next query with at least one question left.

        If no query has one, the last one drawn is returned and its episode begins with an empty mask.
        """
        return int(self.next_queries(1)[0])

    def next_queries(self, count: int) -> NDArray[np.int64]:
        """The next ``count`` queries, shape (count,); see :meth:`next_query`."""
        if self.constraints is None and not self.batch.settings.cross_camera:
            return self.browser.draw(count)  # every query has questions left
        return np.array([self._next_with_questions() for _ in range(count)], dtype=np.int64)

    def _next_with_questions(self) -> int:
        query = self.browser.next()
        for _ in range(len(self.features)):
            if self.has_questions(query):
                break
            query = self.browser.next()
        return query

    def has_questions(self, query: int) -> bool:
        """Whether the query has a candidate whose answer is neither implied nor already asked."""
        candidates = self._starts.current().candidates(query)
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
        table = self._starts.current()
        starts = table.get(queries)
        if self._described is not None:
            self._described.begin(rows, queries, starts.candidates)
        if self.constraints is None or len(rows) == 0:
            self.batch.begin(rows, queries, starts)
            return
        pairs = list(zip(queries.tolist(), starts.candidates, strict=True))
        known = np.array([self.constraints.implied(query, candidates) for query, candidates in pairs])
        closed = np.array([self.constraints.asked(query, candidates) for query, candidates in pairs])
        for row in np.flatnonzero(known.any(axis=1)):
            table.with_known(starts, int(row), known[row])
        self.batch.begin(rows, queries, starts, known, closed)

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_] | None = None) -> Outcome:
        """Pick one item in each episode, have it answered and advance.

        Args:
            actions: Pool positions, shape (B,), each in 0..n_s−1.
            active: False where the episode is paused, shape (B,); ``None``: none is.
        """
        batch = self.batch
        picks = batch.places(actions)
        picked = batch.candidates.reshape(-1)[picks]
        allowed = batch.action_mask.reshape(-1)[picks].view(np.bool_)
        invalid = ~allowed
        if active is not None:
            allowed &= active
            invalid &= active
            picked = np.where(active, picked, _NO_IMAGE)
        answers, asked = self._answers(batch.query, picked, allowed)
        rewards = batch.step(picks, answers, active)
        return Outcome(picked, answers, asked, invalid, rewards, batch.terminated)

    def observation(self, rows: NDArray[np.int64] | None = None) -> Observation:
        """See :meth:`EpisodeBatch.observation`; adds ``node_features`` (M, n+1, F) if there are any."""
        seen = self.batch.observation(rows)
        if self._described is None:
            return seen
        seen["node_features"] = self._described.observation(rows)
        return dict(sorted(seen.items()))  # the order of the observation space

    def true_rewards(self) -> NDArray[np.float32]:
        """Reward of each item if picked now and answered by the labels; −inf where masked; (B, n) float32.

        For reference policies only, since it uses the labels.

        Raises:
            InputError: If no identity is known.
        """
        identities = self.features.identities
        if (identities < 0).all():
            raise InputError(f"{self.features.source}: true rewards need 'identities', and none is known")
        queries = np.repeat(self.batch.query[:, None], self.batch.candidates.shape[1], axis=1)
        truth = LabelOracle(identities).answer(queries, self.batch.candidates)
        return np.where(self.batch.action_mask > 0, self.batch.rewards_if(truth), np.float32(-np.inf))

    def fits(self) -> tuple[Any, ...]:
        """Identifies engines between which a snapshot can be exchanged."""
        return (self.batch.settings, len(self.features), len(self.batch.query), self.node_feature_names)

    def parts(self) -> list[Part]:
        """What a snapshot copies; see :class:`reid_al_env.snapshots.Parts`."""
        parts: list[Part] = [
            (self, ("browser",)),
            (self.batch, EpisodeBatch.STATE),
            (self._starts, FittedStarts.STATE),
        ]
        if self._described is not None:
            parts.append((self._described, DescribedNodes.STATE))
        if not isinstance(self.oracle, LabelOracle | RecordedOracle) and hasattr(self.oracle, "__dict__"):
            parts.append((self.oracle, None))  # others, and objects without attributes, never change
        if self.constraints is not None:
            parts.append((self.constraints, None))
        return parts

    def unchanging(self) -> list[object]:
        """What a snapshot shares: the features and their columns."""
        features = self.features
        return [features.features, features.identities, features.cameras, features.paths]

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
            self._starts.note(left, right, given)
        return answers, asked

    def _answer_from_known(
        self,
        queries: NDArray[np.int64],
        picked: NDArray[np.int64],
        answers: NDArray[np.int8],
        asked: NDArray[np.bool_],
    ) -> None:
        """Fill in implied answers; clear ``asked`` for them, and for a pair that occurs twice in a batch."""
        assert self.constraints is not None
        mentioned: set[tuple[int, int]] = set()
        for row in np.flatnonzero(asked):
            i, j = int(queries[row]), int(picked[row])
            answers[row] = self.constraints.relation(i, j)
            pair = (min(i, j), max(i, j))
            before = pair in mentioned or bool(self.constraints.asked(i, picked[row : row + 1])[0])
            asked[row] = answers[row] == 0 and not before
            mentioned.add(pair)
