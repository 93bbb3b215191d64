"""Reference policies and the scale of the normalised score."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from reid_al_env.catalogue.game import CatalogueGame, GameSettings
from reid_al_env.catalogue.pool import pool_of
from reid_al_env.catalogue.tasks import Task
from reid_al_env.feature_set import FeatureSet

_TINY = 1e-9


def nearest_first(game: CatalogueGame) -> int:
    """Ask about the two most similar groups that are not delivered together; without any, the first check."""
    return 0


def label_seeing(game: CatalogueGame) -> int:
    """Ask, with the labels in view, what improves the delivered identities.

    The question with the largest gain in F1. If none has a gain: a match that is not delivered, which may
    cost at first; else a wrong join; else confirm a right join and reject a wrong pair in turns, which brings
    other questions up.
    """
    gains = game.gains()[: len(game.slots)]
    best = int(np.argmax(gains))
    if gains[best] > _TINY:
        return best
    match, together = game.matches(), game.together()
    for useful in (match & ~together, ~match & together):
        if useful.any():
            return int(np.argmax(np.where(useful, gains, -np.inf)))
    confirm, reject = np.flatnonzero(match & together), np.flatnonzero(~match & ~together)
    turn = (confirm, reject) if game.spent % 2 else (reject, confirm)
    return int(turn[0][0] if len(turn[0]) else turn[1][0])


class ScoreScale(NamedTuple):
    """B-cubed F1 between which the normalised score of a task is linear.

    Args:
        start: Before the first answer.
        nearest: At the end of nearest first; score 0.
        label_seeing: At the end of the label-seeing order; score 1.
    """

    start: float
    nearest: float
    label_seeing: float

    def score(self, f1: float) -> float:
        """The normalised score of an F1; NaN if the label-seeing order ends no better than nearest first."""
        span = self.label_seeing - self.nearest
        return (f1 - self.nearest) / span if span > _TINY else math.nan


@functools.lru_cache(maxsize=1024)
def score_scale(source: Task | FeatureSet, settings: GameSettings, seed: int) -> ScoreScale:
    """Play the reference policies to their end; remembered, since it takes as long as two episodes.

    Args:
        source: The task, or features.
        settings: Settings of the episode.
        seed: Seed of the mistakes in answers; both policies meet the same.
    """
    pool = pool_of(source)
    start = CatalogueGame(pool, settings, seed).score.f1
    ends = []
    for policy in (nearest_first, label_seeing):
        game = CatalogueGame(pool, settings, seed)
        while not game.over:
            game.step(policy(game))
        ends.append(game.score.f1)
    return ScoreScale(start, *ends)
