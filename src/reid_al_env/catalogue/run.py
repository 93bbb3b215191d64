"""A stream of episodes: draws the next task, runs it, and collects its infos."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from reid_al_env.catalogue.game import CatalogueGame, GameSettings
from reid_al_env.catalogue.pool import pool_of
from reid_al_env.catalogue.references import ScoreScale, score_scale
from reid_al_env.catalogue.tasks import FAMILIES, Task, draw_training_task, held_out_tasks
from reid_al_env.errors import InputError
from reid_al_env.feature_set import FeatureSet
from reid_al_env.mdp.browsing import QueryBrowser
from reid_al_env.snapshots import Part

Tasks = str | FeatureSet | os.PathLike[str]
_OWN_FEATURES = -1


class CatalogueRun:
    """Plays one episode after the other.

    Args:
        tasks: See :class:`reid_al_env.catalogue.env.ReIDCatalogueEnv`.
        identities: Number of identities of a synthetic task.
        settings: Settings of the episodes.
        scored: Whether infos hold the normalised score; ``None``: only with ``tasks="test"``.

    Attributes:
        game: The running episode; ``None`` before the first.
    """

    STATE = ("_rng", "_order", "_source", "_scale", "_last", "game")

    def __init__(self, tasks: Tasks, identities: int, settings: GameSettings, scored: bool | None) -> None:
        self.settings, self._identities = settings, identities
        self._features: FeatureSet | None = None
        self._held_out: tuple[Task, ...] = ()
        if isinstance(tasks, FeatureSet):
            self._features = tasks
        elif tasks == "test":
            self._held_out = held_out_tasks(identities)
        elif tasks != "train":
            self._features = FeatureSet.load(tasks)
        Task("plain", 0, identities)  # checks the number of identities
        if self._features is not None and (self._features.identities < 0).all():
            raise InputError(f"{self._features.source}: no identity is known; the reward needs 'identities'")
        self._scored = tasks == "test" if scored is None else scored
        self._rng = np.random.default_rng(0)
        self._order: QueryBrowser | None = None
        self._source: Task | FeatureSet | None = None
        self._scale: ScoreScale | None = None
        self._last: dict[str, Any] = {}
        self.game: CatalogueGame | None = None

    def seed(self, rng: np.random.Generator) -> None:
        """Draw the coming tasks from ``rng``."""
        self._rng = rng
        self._order = QueryBrowser(len(self._held_out), rng) if self._held_out else None

    def begin(self, name: object = None) -> None:
        """Begin the next task, or the one of that name.

        Raises:
            InputError: If there is no such task.
        """
        source, mistakes = self._next() if name is None else self._named(name)
        self._source = source
        self._scale = score_scale(source, self.settings, mistakes) if self._scored else None
        self.game = CatalogueGame(pool_of(source), self.settings, mistakes)
        self._last = {}

    def step(self, action: int) -> tuple[float, bool]:
        """Reward, and whether the episode is over."""
        assert self.game is not None
        answered = self.game.step(action)
        self._last = {
            "left": answered.left,
            "right": answered.right,
            "answer": answered.answer,
            "invalid_action": answered.left < 0,
        }
        return answered.reward, self.game.over

    def standing(self) -> dict[str, Any]:
        """Infos at reset and at every step."""
        game = self.game
        assert game is not None
        task = self._source if isinstance(self._source, Task) else None
        infos: dict[str, Any] = {
            "action_mask": game.action_mask(),
            "f1": game.score.f1,
            "precision": game.score.precision,
            "recall": game.score.recall,
            "images": len(game.pool.groups),
            "family": list(FAMILIES).index(task.family) if task else _OWN_FEATURES,
            "task_seed": task.seed if task else 0,
        }
        if self._scale is not None:
            infos["score"] = self._scale.score(game.score.f1)
        return infos

    def answered(self) -> dict[str, Any]:
        """Infos of the last step besides those of :meth:`standing`."""
        return dict(self._last)

    def line(self) -> str:
        """The state in one line."""
        game = self.game
        assert game is not None
        if not self._last:
            return f"{self._name()}: F1 {game.score.f1:.3f} before the first answer"
        said = {1: "match", -1: "no match", 0: "can't tell"}[self._last["answer"]]
        asked = f"images {self._last['left']} and {self._last['right']}: {said}"
        if self._last["invalid_action"]:
            asked = "masked, not asked"
        return (
            f"{self._name()}: answer {game.spent} of {self.settings.budget}, {asked}  F1 {game.score.f1:.3f}"
        )

    def parts(self) -> list[Part]:
        """What a snapshot copies; see :class:`reid_al_env.snapshots.Parts`."""
        return [(self, self.STATE)]

    def fits(self) -> tuple[Any, ...]:
        """Equal for runs between which a snapshot can be exchanged."""
        images = len(self._features) if self._features is not None else 0
        return (self.settings, self._identities, bool(self._held_out), self._scored, images)

    def _name(self) -> str:
        return str(self._source) if isinstance(self._source, Task) else "own features"

    def _next(self) -> tuple[Task | FeatureSet, int]:
        if self._features is not None:
            return self._features, int(self._rng.integers(2**31))
        if self._order is not None:
            task = self._held_out[self._order.next()]
        else:
            task = draw_training_task(self._rng, self._identities)
        return task, task.noise_seed

    def _named(self, name: object) -> tuple[Task, int]:
        if self._features is not None:
            raise InputError(f"task: {name!r} with own features; there is one task, so leave the option out")
        task = Task.named(str(name), self._identities)
        return task, task.noise_seed
