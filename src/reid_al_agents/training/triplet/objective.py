"""The triplet objective: a triplet loss on known pairs, and optionally a cross-entropy over groups."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from reid_al_agents.training.loop import StepLoss
from reid_al_agents.training.triplet.known_pairs import KnownPairs
from reid_al_agents.training.triplet.mining import (
    Triplets,
    hardest_triplets,
    known_triplets,
    semihard_triplets,
)
from reid_al_agents.training.triplet.sampler import sample_batches
from reid_al_agents.training.triplet.settings import TripletSettings

SCALE = 16.0
"""Factor of the cosines in the cross-entropy, an inverse temperature."""


class TripletObjective:
    """Triplet loss on known pairs plus, with ``identity_loss_weight``, a cross-entropy over their groups.

    Args:
        known: The known pairs of the images.
        settings: Of batches and losses.
    """

    def __init__(self, known: KnownPairs, settings: TripletSettings) -> None:
        self.members = known.participants()
        self._known = known
        self._settings = settings
        self._identity: GroupCrossEntropy | None = None

    def prepare(self, feature_dim: int, device: torch.device) -> list[nn.Parameter]:
        """Make the directions of the cross-entropy; see :class:`.Objective`."""
        if self._settings.identity_loss_weight == 0:
            return []
        self._identity = GroupCrossEntropy(self._known, feature_dim).to(device)
        return list(self._identity.parameters())

    def start_epoch(
        self, embed_members: Callable[[], NDArray[np.float32]], rng: np.random.Generator
    ) -> Iterator[NDArray[np.int64]]:
        """Return batches that are rich in known triplets; see :class:`.Objective`."""
        return sample_batches(self._known, rng, self._settings)

    def loss(self, features: Tensor, batch: NDArray[np.int64]) -> StepLoss:
        """Score the ``features`` (B, D) of the images ``batch`` (B,)."""
        scored = triplet_loss(features, batch, self._known, self._settings)
        if self._identity is None:
            return scored
        weight = self._settings.identity_loss_weight
        return StepLoss(scored.loss + weight * self._identity(features, batch), scored.active_triplets)

    def after_step(self, features: Tensor, batch: NDArray[np.int64]) -> None:
        """Do nothing: there is no memory to update."""


def triplet_loss(
    features: Tensor, batch: NDArray[np.int64], known: KnownPairs, settings: TripletSettings
) -> StepLoss:
    """Mean over the violated triplets (a, p, n) of ``[d(a, p) − d(a, n) + margin]_+``; 0 without any.

    Both pairs of a triplet are known, and ``d`` is the Euclidean distance of L2-normalised features.

    Args:
        features: (B, D).
        batch: (B,) the images that they are of.
        known: The known pairs.
        settings: Margin and mining.
    """
    matches = torch.from_numpy(known.matches(batch)).to(features.device)
    differs = torch.from_numpy(known.differs(batch)).to(features.device)
    distances = torch.cdist(F.normalize(features), F.normalize(features))
    anchors, positives, negatives = _mine(distances.detach(), matches, differs, settings)
    violations = F.relu(distances[anchors, positives] - distances[anchors, negatives] + settings.margin)
    violated = violations[violations > 0]
    return StepLoss(violated.mean() if len(violated) else violations.sum(), len(violated))


def _mine(distances: Tensor, matches: Tensor, differs: Tensor, settings: TripletSettings) -> Triplets:
    if settings.mining == "hardest":
        return hardest_triplets(distances, matches, differs)
    if settings.mining == "semihard":
        return semihard_triplets(distances, matches, differs, settings.margin)
    return known_triplets(matches, differs)


class GroupCrossEntropy(nn.Module):
    """Cross-entropy over groups of two images or more, with cosines as logits.

    Each group has a direction, as in NormFace (Wang et al., MM 2017, Eq. 6). Unlike the triplet loss it takes
    any two groups for different identities, known to be or not: with few answers some of them are the same.

    Args:
        known: The known pairs, of which the groups are taken.
        feature_dim: Length of a feature.
    """

    def __init__(self, known: KnownPairs, feature_dim: int) -> None:
        super().__init__()
        sizes = np.bincount(known.groups, minlength=known.count)
        classes = np.flatnonzero(sizes >= 2)
        self._groups = known.groups
        self._class_of = np.full(known.count, -1, dtype=np.int64)
        self._class_of[classes] = np.arange(len(classes))
        self.directions = nn.Parameter(torch.randn(len(classes), feature_dim))

    def forward(self, features: Tensor, batch: NDArray[np.int64]) -> Tensor:
        """Score the ``features`` (B, D) of the images ``batch`` (B,); single images are left out."""
        classes = torch.from_numpy(self._class_of[self._groups[batch]]).to(features.device)
        cosines = F.normalize(features[classes >= 0]) @ F.normalize(self.directions).T
        return F.cross_entropy(SCALE * cosines, classes[classes >= 0])
