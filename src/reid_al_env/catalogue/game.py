"""One episode of the catalogue: open questions, answers, delivered identities and the gain in their score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid_al_env.catalogue.identities import DeliveredIdentities
from reid_al_env.catalogue.pool import Pool
from reid_al_env.catalogue.questions import OpenQuestions
from reid_al_env.errors import InputError
from reid_al_env.evidence.min_cut import Partition
from reid_al_env.evidence.oracles import LabelOracle, NoisyOracle, Oracle
from reid_al_env.settings import check, setting
from reid_al_env.snapshots import CopiedByState

Observation = dict[str, NDArray[np.generic]]
SUMMARY = ("remaining", "groups_per_image", "identities_per_image", "recent_match_share")
"""Entries of ``summary``; see :class:`reid_al_env.catalogue.env.ReIDCatalogueEnv`."""
MatchModel = Callable[[NDArray[np.float32]], ArrayLike]
_RECENT = 20


@dataclass(frozen=True)
class GameSettings:
    """Settings of an episode.

    Raises:
        InputError: If a setting is out of range.
    """

    budget: int = setting(200, help="Answers of an episode", at_least=1)
    questions: int = setting(64, help="M, open questions to choose from", at_least=1)
    false_match: float = setting(
        0.0, help='Probability that a non-match is answered "match"', at_least=0, at_most=1
    )
    false_non_match: float = setting(
        0.0, help='Probability that a match is answered "no match"', at_least=0, at_most=1
    )
    cannot_tell: float = setting(0.0, help='Probability of "can\'t tell"', at_least=0, at_most=1)
    match_model: MatchModel | None = setting(
        None, help="Function that gives the probability of a match, (Q,), for question features, (Q, 9)"
    )

    def __post_init__(self) -> None:
        check(self)

    def oracle(self, identities: NDArray[np.int64], seed: int) -> Oracle:
        """The source of answers about one pool."""
        labels = LabelOracle(identities)
        if not (self.false_match or self.false_non_match or self.cannot_tell):
            return labels
        return NoisyOracle(
            labels,
            false_match=self.false_match,
            false_non_match=self.false_non_match,
            cannot_tell=self.cannot_tell,
            seed=seed,
        )


class Answered(NamedTuple):
    """Result of one action.

    Args:
        left: Dataset index of the image that stood for one group, −1 if no question was asked.
        right: Dataset index of the image that stood for the other group, −1 likewise.
        answer: +1 match, −1 no match, 0 can't tell or not asked.
        reward: Gain in B-cubed F1.
    """

    left: int
    right: int
    answer: int
    reward: float


class CatalogueGame(CopiedByState):
    """One episode over one pool.

    Args:
        pool: The pool.
        settings: Settings of the episode.
        seed: Seed of the wrong answers.

    Attributes:
        slots: Indices of the pairs that can be chosen, at most M; action ``a`` asks about ``slots[a]``.
        spent: Number of actions so far.
        score: B-cubed scores of the delivered identities.
    """

    STATE = (
        "oracle",
        "questions",
        "delivered",
        "slots",
        "spent",
        "score",
        "_recent",
        "_confirmed",
        "_changes",
    )
    SHALLOW = ("_recent", "_changes")

    def __init__(self, pool: Pool, settings: GameSettings, seed: int) -> None:
        self.pool, self.settings = pool, settings
        self.oracle = settings.oracle(pool.features.identities, seed)
        self._labels = LabelOracle(pool.features.identities)
        self._confirmed = Partition(pool.size)
        self.questions = OpenQuestions(pool)
        self.delivered = DeliveredIdentities(pool)
        self._recent: list[int] = []
        self._changes: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self.spent = 0
        self.score = self.delivered.score()
        self.slots = self._choose()

    @property
    def over(self) -> bool:
        """Whether the budget is spent or no question is open."""
        return self.spent >= self.settings.budget or not len(self.slots)

    def action_mask(self) -> NDArray[np.int8]:
        """1 for actions that ask a question, (M,) int8."""
        return (np.arange(self.settings.questions) < len(self.slots)).astype(np.int8)

    def step(self, action: int) -> Answered:
        """Ask one question; an action without a question uses up one answer and changes nothing else."""
        self.spent += 1
        if action >= len(self.slots):
            return Answered(-1, -1, 0, 0.0)
        pair = int(self.slots[action])
        a, b = int(self.questions.left[pair]), int(self.questions.right[pair])
        left, right = self.questions.typical(a), self.questions.typical(b)
        answer = int(self.oracle.answer(np.array([left]), np.array([right]))[0])
        self._apply(pair, a, b, answer)
        before, self.score = self.score, self.delivered.score()
        self.slots = self._choose()
        return Answered(left, right, answer, self.score.f1 - before.f1)

    def observation(self) -> Observation:
        """The observation, in new arrays; see the environment's docstring."""
        count, places = len(self.slots), self.settings.questions
        described = self._described()
        features = np.zeros((places, described.shape[1]), dtype=np.float32)
        features[:count] = described
        groups = np.full((places, 2), -1, dtype=np.int64)
        if count:
            ends = np.stack([self.questions.left[self.slots], self.questions.right[self.slots]], axis=1)
            groups[:count] = _numbered(ends.reshape(-1), self.pool.size).reshape(count, 2)
        return {
            "action_mask": self.action_mask(),
            "groups": groups,
            "questions": features,
            "summary": self._summary(),
        }

    def matches(self) -> NDArray[np.bool_]:
        """Whether the labels answer "match", for each open question, (number of slots,).

        For reference policies only, since it uses the labels.
        """
        ends = zip(self.questions.left[self.slots], self.questions.right[self.slots], strict=True)
        shown = [(self.questions.typical(int(a)), self.questions.typical(int(b))) for a, b in ends]
        images = np.array(shown, dtype=np.int64).reshape(-1, 2)
        return np.asarray(self._labels.answer(images[:, 0], images[:, 1]) > 0)

    def together(self) -> NDArray[np.bool_]:
        """Whether the two groups are delivered as one identity, for each open question."""
        labels = self.delivered.labels
        return np.asarray(labels[self.questions.left[self.slots]] == labels[self.questions.right[self.slots]])

    def gains(self) -> NDArray[np.float64]:
        """Gain in F1 of each action if its question is answered by the labels; −inf where masked; (M,).

        For reference policies only, since it uses the labels.
        """
        gains = np.full(self.settings.questions, -np.inf)
        left, right = self.questions.left[self.slots].tolist(), self.questions.right[self.slots].tolist()
        changes = np.array([self._change(a, b) for a, b in zip(left, right, strict=True)]).reshape(-1, 2)
        gains[: len(changes)] = self.delivered.f1_if(changes) - self.score.f1
        return gains

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_changes": {}}  # a cache, which a pickle need not hold

    def _change(self, a: int, b: int) -> NDArray[np.float64]:
        key = (a, b, *self.delivered.blocks_of(a, b))
        if key not in self._changes:
            left, right = self.questions.typical(a), self.questions.typical(b)
            answer = int(self._labels.answer(np.array([left]), np.array([right]))[0])
            self._changes[key] = self.delivered.change_if(a, b, answer, self._confirmed)
        return self._changes[key]

    def _described(self) -> NDArray[np.float32]:
        features = self.questions.describe(self.slots, self.delivered.labels, self.delivered.sizes)
        if self.settings.match_model is None:
            return features
        found = np.asarray(self.settings.match_model(features), dtype=np.float32)
        if found.shape != (len(features),) or not ((found >= 0) & (found <= 1)).all():
            raise InputError(
                f"match_model: gave shape {found.shape} for {len(features)} questions; expected one "
                "probability in [0, 1] for each"
            )
        return np.concatenate([features, found[:, None]], axis=1)

    def _apply(self, pair: int, a: int, b: int, answer: int) -> None:
        self._recent = [*self._recent, answer][-_RECENT:]
        if answer > 0:
            keep = self._confirmed.join(a, b)
            self.questions.join(keep, a + b - keep, self._confirmed)
        else:
            self.questions.close(pair)
        if answer < 0:
            self._confirmed.separate(a, b)
        if answer:
            self.delivered.update(a, b, self._confirmed)

    def _choose(self) -> NDArray[np.int64]:
        return self.questions.choose(self.settings.questions, self.delivered.labels)

    def _summary(self) -> NDArray[np.float32]:
        images = len(self.pool.groups)
        decided = [answer for answer in self._recent if answer]
        return np.array(
            [
                max(1.0 - self.spent / self.settings.budget, 0.0),
                self.questions.count() / images,
                self.delivered.count() / images,
                sum(answer > 0 for answer in decided) / len(decided) if decided else 0.5,
            ],
            dtype=np.float32,
        )


def _numbered(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Values below ``size`` as 0, 1, ... by where they are seen first."""
    places = np.arange(len(values))
    first = np.empty(size, dtype=np.int64)
    first[values[::-1]] = places[::-1]  # the last that is written is the first place
    return np.asarray((np.cumsum(first[values] == places) - 1)[first[values]])
