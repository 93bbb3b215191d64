"""Refreshers that train on clusters: formed under the answers, and by full labels."""

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.data.images import ImageSet
from reid_al_agents.training.cluster.clusters import (
    Clustering,
    Clusters,
    assumed_clusters,
    constrained_clusters,
    joined_share,
    settled_share,
)
from reid_al_agents.training.cluster.objective import train_on_clusters
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.refresher import Progress, RefreshReport, check_constraints
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph


class ClusterRefresher:
    """Trains on groups that are similar and agree with every answer; without answers, on similarity alone.

    Each epoch embeds the images and forms the groups again (:func:`.constrained_clusters`). Once answers
    have reached most images, the groups that they made are better than any that visual similarity could
    still improve, and are trained on as they are (:func:`.assumed_clusters`).

    Args:
        settings: How to train.
    """

    def __init__(self, settings: ClusterSettings) -> None:
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
        """Train ``model`` in place; without any cluster nothing changes. See :class:`.Refresher`."""
        check_constraints(constraints, images)
        form_clusters = self._clustering(images, constraints, assumed_groups)
        return train_on_clusters(model, images, form_clusters, self.settings, seed=seed, progress=progress)

    def _clustering(
        self, images: ImageSet, constraints: ConstraintGraph, assumed: NDArray[np.int64] | None
    ) -> Clustering:
        settings, sides = self.settings, sides_of(images.sides)
        if assumed is not None and self._are_settled(assumed, constraints):
            clusters = assumed_clusters(assumed, constraints, settings.min_images, sides)
            return lambda _: clusters
        return lambda features: constrained_clusters(features, images.cameras, constraints, settings, sides)

    def _are_settled(self, assumed: NDArray[np.int64], constraints: ConstraintGraph) -> bool:
        settled = settled_share(assumed, constraints, self.settings.min_conflicts)
        joined = joined_share(assumed, constraints)
        return settled >= self.settings.min_settled_share and joined >= self.settings.min_joined_share


class SupervisedClusterRefresher:
    """The same training on every label: the reference that answers are measured against.

    Args:
        settings: How to train.
    """

    def __init__(self, settings: ClusterSettings) -> None:
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
            InputError: An identity is unknown, an image does not decode, or the loss is not finite.
        """
        if (images.identities < 0).any():
            unknown = images.names[int(np.argmax(images.identities < 0))]
            raise InputError(f"{unknown}: has no identity; training on all labels needs one for every image")
        labels = np.unique(images.identities, return_inverse=True)[1].astype(np.int64)
        clusters = Clusters(labels)
        return train_on_clusters(
            model, images, lambda _: clusters, self.settings, seed=seed, progress=progress
        )
