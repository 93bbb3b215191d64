"""What a training step minimises: a triplet loss on known pairs, and a cross-entropy over groups."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from torch import Tensor, nn
from torch.nn import functional as F

from reid_al_agents.training.triplet.known_pairs import PairRelation
from reid_al_agents.training.triplet.mining import (
    Triplets,
    hardest_triplets,
    known_triplets,
    semihard_triplets,
)
from reid_al_agents.training.triplet.settings import TripletSettings

SCALE = 16.0
"""Factor of the cosines in the cross-entropy, an inverse temperature."""


@dataclass(frozen=True)
class StepLoss:
    """Loss of a batch (a scalar tensor), and the number of its triplets that violate the margin."""

    loss: Tensor
    active_triplets: int


class Objective:
    """Triplet loss over known triplets plus, with ``identity_loss_weight``, a cross-entropy.

    Args:
        relation: What is known of the images.
        settings: Margin, mining, and the weight of the cross-entropy.
        feature_dim: Length of a feature.
        device: Where the features are.
    """

    def __init__(
        self, relation: PairRelation, settings: TripletSettings, feature_dim: int, device: torch.device
    ) -> None:
        self._triplet = KnownTripletLoss(relation, settings)
        self._weight = settings.identity_loss_weight
        self._identity = GroupCrossEntropy(relation, feature_dim).to(device) if self._weight else None

    def parameters(self) -> Iterator[nn.Parameter]:
        """Parameters to be trained beside the network's; they are thrown away afterwards."""
        return iter(()) if self._identity is None else self._identity.parameters()

    def __call__(self, features: Tensor, batch: NDArray[np.int64]) -> StepLoss:
        """Score the ``features`` (B, D) of the images ``batch`` (B,)."""
        triplet = self._triplet(features, batch)
        if self._identity is None:
            return triplet
        return StepLoss(
            triplet.loss + self._weight * self._identity(features, batch), triplet.active_triplets
        )


class KnownTripletLoss:
    """Triplet loss by pytorch-metric-learning over triplets of which both pairs are known.

    The mean over the violated triplets (a, p, n) of ``[d(a, p) − d(a, n) + margin]_+``, where ``d`` is the
    Euclidean distance of L2-normalised features.
    """

    def __init__(self, relation: PairRelation, settings: TripletSettings) -> None:
        self._relation = relation
        self._settings = settings
        self._distance = LpDistance(normalize_embeddings=True)
        self._loss = TripletMarginLoss(margin=settings.margin, distance=self._distance)

    def __call__(self, features: Tensor, batch: NDArray[np.int64]) -> StepLoss:
        """Score the ``features`` (B, D) of the images ``batch`` (B,)."""
        matches = torch.from_numpy(self._relation.matches(batch)).to(features.device)
        differs = torch.from_numpy(self._relation.differs(batch)).to(features.device)
        distances = self._distance(features.detach())
        anchors, positives, negatives = self._mine(distances, matches, differs)
        slack = distances[anchors, positives] - distances[anchors, negatives] + self._settings.margin
        loss: Tensor = self._loss(features, indices_tuple=(anchors, positives, negatives))
        return StepLoss(loss, int((slack > 0).sum()))

    def _mine(self, distances: Tensor, matches: Tensor, differs: Tensor) -> Triplets:
        if self._settings.mining == "hardest":
            return hardest_triplets(distances, matches, differs)
        if self._settings.mining == "semihard":
            return semihard_triplets(distances, matches, differs, self._settings.margin)
        return known_triplets(matches, differs)


class GroupCrossEntropy(nn.Module):
    """Cross-entropy over groups of two images or more, with cosines as logits.

    Each group has a direction, as in NormFace (Wang et al., MM 2017, Eq. 6). Unlike the triplet loss it takes
    any two groups for different people, known to be or not: with few answers some of them are the same.
    """

    def __init__(self, relation: PairRelation, feature_dim: int) -> None:
        super().__init__()
        sizes = np.bincount(relation.groups, minlength=relation.count)
        classes = np.flatnonzero(sizes >= 2)
        self._groups = relation.groups
        self._class_of = np.full(relation.count, -1, dtype=np.int64)
        self._class_of[classes] = np.arange(len(classes))
        self.directions = nn.Parameter(torch.randn(len(classes), feature_dim))

    def forward(self, features: Tensor, batch: NDArray[np.int64]) -> Tensor:
        """Score the ``features`` (B, D) of the images ``batch`` (B,); single images are left out."""
        classes = torch.from_numpy(self._class_of[self._groups[batch]]).to(features.device)
        cosines = F.normalize(features[classes >= 0]) @ F.normalize(self.directions).T
        return F.cross_entropy(SCALE * cosines, classes[classes >= 0])
