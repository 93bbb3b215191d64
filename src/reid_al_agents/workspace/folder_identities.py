"""What is known of a folder: beliefs about its images, and the identities that are exported."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.delivery import deliver
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.data import ImageSet
from reid_al_agents.log.events import Event
from reid_al_agents.training.pool import known_of
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet


def believe(pool: ImageSet | FeatureSet, events: Iterable[Event], config: RunConfig) -> Beliefs:
    """What follows from the events about a pool.

    Args:
        pool: The images; those that are gone count as absent.
        events: The log.
        config: The settings of the run or session.
    """
    images = pool if isinstance(pool, ImageSet) else None
    absent = () if images is None else np.flatnonzero(images.gone).tolist()
    return Beliefs.replay(
        known_of(images, len(pool)),
        events,
        config.grouping().error_rate,
        absent,
    )


def compare(
    pool: ImageSet | FeatureSet, features: NDArray[np.float32], beliefs: Beliefs, config: RunConfig
) -> tuple[FeatureSet, VisualSimilarity]:
    """The features of a pool, (N, D) float32, as a set, and the visual similarities they give."""
    settings = config.grouping()
    sides = sides_of(pool.corrected(beliefs.corrections).sides) if isinstance(pool, ImageSet) else None
    visual = compare_visually(features, pool.cameras, settings.k1, settings.k2, sides)
    return FeatureSet(features, pool.identities, pool.cameras, source=pool.source), visual


def excluded_from(pool: ImageSet | FeatureSet, beliefs: Beliefs) -> NDArray[np.bool_]:
    """(N,) images that are left out of all questions: unusable ones, and those that are gone."""
    return np.isin(np.arange(len(pool)), list(beliefs.excluded))


def identities_of_folder(
    pool: ImageSet | FeatureSet, features: NDArray[np.float32] | None, beliefs: Beliefs, config: RunConfig
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Predicted identities of a pool, which images are confirmed, and their probabilities, each (N,).

    The probabilities are those of :class:`.Delivered`; NaN where features are not known.

    Args:
        pool: The images.
        features: (N, D) float32, under the last model; ``None`` where they are not known: then images are
            joined by answers alone.
        beliefs: What follows from the events.
        config: The settings of the run or session.
    """
    if config.nodes == "images" or features is None:
        groups = beliefs.constraints.groups()
        return groups, np.bincount(groups)[groups] > 1, np.full(len(groups), np.nan)
    found = deliver(
        *compare(pool, features, beliefs, config),
        beliefs.constraints,
        beliefs.model,
        config.grouping(),
        excluded_from(pool, beliefs),
    )
    return found.identities.groups, found.identities.confirmed, found.probabilities
