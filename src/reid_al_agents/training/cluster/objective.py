"""The cluster objective: images learn to be near the memory of their cluster."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from reid_al_agents.data.images import ImageSet
from reid_al_agents.training.cluster.clusters import Clustering
from reid_al_agents.training.cluster.memory import ClusterMemory
from reid_al_agents.training.cluster.sampler import sample_clusters
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.loop import StepLoss, train
from reid_al_agents.training.refresher import Progress, RefreshReport
from reid_al_agents.vision.backbones import EmbeddingNet


class ClusterObjective:
    """Contrast with a memory of clusters that each epoch forms again.

    This is the scheme of SpCL (Ge et al., NeurIPS 2020) and Cluster Contrast (Dai et al., ACCV 2022).

    Args:
        form_clusters: Called with the features of all images at the start of each epoch.
        images: The images.
        settings: Of batches and losses.
    """

    def __init__(self, form_clusters: Clustering, images: ImageSet, settings: ClusterSettings) -> None:
        self.members = np.arange(len(images))
        self._form_clusters = form_clusters
        self._cameras = images.cameras
        self._settings = settings

    def prepare(self, feature_dim: int, device: torch.device) -> list[nn.Parameter]:
        """Keep the device; there is nothing to train beside the network. See :class:`.Objective`."""
        self._device = device
        return []

    def start_epoch(
        self, embed_members: Callable[[], NDArray[np.float32]], rng: np.random.Generator
    ) -> Iterator[NDArray[np.int64]] | None:
        """Form clusters and fill the memory; ``None`` without any cluster. See :class:`.Objective`."""
        features = embed_members()
        clusters = self._form_clusters(features)
        if clusters.labels.max(initial=-1) < 0:
            return None
        self._memory = ClusterMemory(features, clusters, self._cameras, self._settings, self._device)
        return sample_clusters(clusters.labels, rng, self._settings)

    def loss(self, features: Tensor, batch: NDArray[np.int64]) -> StepLoss:
        """Score the ``features`` (B, D) of the images ``batch`` (B,)."""
        return StepLoss(self._memory.loss(F.normalize(features), self._places(batch)))

    def after_step(self, features: Tensor, batch: NDArray[np.int64]) -> None:
        """Move the memory towards the ``features`` (B, D); see :class:`.Objective`."""
        self._memory.follow(F.normalize(features), self._places(batch))

    def _places(self, batch: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(batch).to(self._device)


def train_on_clusters(
    model: EmbeddingNet,
    images: ImageSet,
    form_clusters: Clustering,
    settings: ClusterSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> RefreshReport:
    """Train ``model`` in place on the clusters that ``form_clusters`` forms at the start of each epoch.

    Args:
        model: The network; left in its mode, training or evaluation.
        images: The images; decoded once and held in memory.
        form_clusters: Called with the features of the images. Training ends where it finds no cluster.
        settings: How to train.
        seed: Seed of all randomness.
        progress: Called after each step.

    Raises:
        InputError: An image does not decode, or the loss became infinite or NaN; the model then has the
            weights it came with.
    """
    objective = ClusterObjective(form_clusters, images, settings)
    return train(model, images, objective, settings, epochs=settings.epochs, seed=seed, progress=progress)
