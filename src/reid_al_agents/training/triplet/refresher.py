"""Refreshers that train with the triplet loss: on answers, and on full labels."""

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data.images import ImageSet
from reid_al_agents.training.loop import train
from reid_al_agents.training.refresher import Progress, RefreshReport, check_constraints
from reid_al_agents.training.triplet.known_pairs import KnownPairs
from reid_al_agents.training.triplet.objective import TripletObjective
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph


class TripletRefresher:
    """The paper's refresh: a triplet loss on the pairs answered so far and on what follows from them.

    Args:
        settings: How to train.
    """

    def __init__(self, settings: TripletSettings) -> None:
        self.settings = settings

    def refresh(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        constraints: ConstraintGraph,
        *,
        seed: int,
        progress: Progress | None = None,
        assumed_groups: NDArray[np.int64] | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place; without a known triplet nothing changes. See :class:`.Refresher`."""
        check_constraints(constraints, images)
        objective = TripletObjective(KnownPairs.from_constraints(constraints), self.settings)
        return train(model, images, objective, self.settings, seed=seed, progress=progress)


class SupervisedRefresher:
    """The reference that sees every label: the same training, on the images' identities.

    Args:
        settings: How to train.
    """

    def __init__(self, settings: TripletSettings) -> None:
        self.settings = settings

    def refresh(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        constraints: ConstraintGraph,
        *,
        seed: int,
        progress: Progress | None = None,
        assumed_groups: NDArray[np.int64] | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place on ``images.identities``; the constraints are ignored.

        Raises:
            InputError: No image has an identity, an image does not decode, or the loss is not finite.
        """
        return pretrain(model, images, self.settings, seed=seed, progress=progress)


def pretrain(
    model: EmbeddingNet,
    images: ImageSet,
    settings: TripletSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> RefreshReport:
    """Train ``model`` in place on labelled images; those of unknown identity (−1) are left out.

    Args:
        model: The network; left in its mode, training or evaluation.
        images: Labelled images.
        settings: How to train.
        seed: Seed of all randomness.
        progress: Called after each step.

    Returns:
        What was done.

    Raises:
        InputError: No image has an identity, an image does not decode, or the loss became infinite or NaN.
    """
    labelled = np.flatnonzero(images.identities >= 0)
    if not len(labelled):
        raise InputError(
            f"{images.source}: none of the {len(images)} images has an identity; expected labelled images"
        )
    objective = TripletObjective(KnownPairs.from_labels(images.identities[labelled]), settings)
    return train(model, images.subset(labelled), objective, settings, seed=seed, progress=progress)
