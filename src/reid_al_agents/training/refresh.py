"""Refresh the model from the beliefs, for the loop of a run and for the refreshes of a session."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.identities import Identities, Thresholds
from reid_al_agents.training.pool import TRACKLET_WEIGHT, Pool, known_beforehand
from reid_al_env import ConstraintGraph, FeatureSet


def refresh_model(
    pool: Pool,
    beliefs: Beliefs,
    seed: int,
    *,
    quick: bool = False,
    assume: Thresholds | None = None,
    seen: FeatureSet | None = None,
    visual: VisualSimilarity | None = None,
    neighbours: tuple[int, int] = (14, 4),
) -> dict[str, Any]:
    """Train the pool's model on the beliefs, without the excluded images.

    Args:
        pool: The images and the model, at the weights to train from.
        beliefs: Beliefs to train on.
        seed: Seed of all random choices.
        quick: Whether to train in fewer steps.
        assume: Thresholds of the assumed groups; ``None`` assumes none.
        seen: The pool's features that the questions were chosen by; the groups are formed from them.
        visual: The same, compared; ``None`` compares them.
        neighbours: k1 and k2 of :func:`.compare_visually`.

    Returns:
        Figures about the training.
    """
    if not pool.trains:
        return {}
    kept = np.setdiff1d(np.arange(len(pool)), sorted(beliefs.excluded))
    everything = len(kept) == len(pool)
    constraints = beliefs.constraints if everything else _among(pool, beliefs, kept)
    groups = None
    if assume is not None and seen is not None:
        if visual is None or not everything:
            visual = _compare(pool, seen, kept, neighbours)
        groups = Identities.form(visual.similarities, constraints, assume).groups
    return pool.refresh(
        constraints, seed, quick=quick, assumed_groups=groups, kept=None if everything else kept
    )


def _among(pool: Pool, beliefs: Beliefs, kept: NDArray[np.int64]) -> ConstraintGraph:
    """What is known of the kept images alone, by their places in ``kept``."""
    place = np.full(len(pool), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    tracklets = None if pool.tracklets is None else pool.tracklets[kept]
    constraints = known_beforehand(len(kept), tracklets)
    for i, j in () if pool.known_different is None else place[pool.known_different].tolist():
        if i >= 0 and j >= 0:
            constraints.add(i, j, -1, TRACKLET_WEIGHT)
    for item in beliefs.evidence:
        if place[item.i] >= 0 and place[item.j] >= 0:  # not of an image whose file is gone
            constraints.add(int(place[item.i]), int(place[item.j]), item.sign, item.weight)
    return constraints


def _compare(
    pool: Pool, seen: FeatureSet, kept: NDArray[np.int64], neighbours: tuple[int, int]
) -> VisualSimilarity:
    cameras = None if seen.cameras is None else seen.cameras[kept]
    sides = sides_of(None if pool.sides is None else pool.sides[kept])
    return compare_visually(seen.features[kept], cameras, *neighbours, sides)
