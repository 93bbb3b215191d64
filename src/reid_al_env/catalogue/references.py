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
    """Choose the first question: the most similar groups delivered apart, or else the first check."""
    return 0


def label_seeing(game: CatalogueGame) -> int:
    """Choose the question that improves the delivered identities most, according to the labels.

    This is the question with the largest gain in F1. If no question has a gain, take a matching pair that is
    delivered apart (F1 may drop at first), else a non-matching pair that is delivered together. Otherwise
    alternate between confirming a matching pair and rejecting a non-matching one, so that new questions open.
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
    """B-cubed F1 values that define the normalised score of a task: linear, with 0 and 1 as below.

    Args:
        start: F1 before the first answer.
        nearest: F1 at the end of :func:`nearest_first`; score 0.
        label_seeing: F1 at the end of :func:`label_seeing`; score 1.
    """

    start: float
    nearest: float
    label_seeing: float

    def score(self, f1: float) -> float:
        """Normalise an F1; NaN if the label-seeing policy ends no better than nearest first."""
        span = self.label_seeing - self.nearest
        return (f1 - self.nearest) / span if span > _TINY else math.nan


@functools.lru_cache(maxsize=1024)
def score_scale(source: Task | FeatureSet, settings: GameSettings, seed: int) -> ScoreScale:
    """Run one episode of each reference policy and return the scale; results are cached.

    Args:
        source: The task, or features.
        settings: Settings of the episode.
        seed: Seed of the wrong answers, the same for both policies.
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
