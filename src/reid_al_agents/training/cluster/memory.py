"""The memory that images are contrasted with: a direction per cluster, and per camera of a cluster."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from reid_al_agents.training.cluster.clusters import Clusters
from reid_al_agents.training.cluster.settings import ClusterSettings

_EXCLUDED = -1e4  # logit of an entry that is no negative


class Entries:
    """Unit directions that follow the images that belong to them.

    Args:
        features: (N, D) float32, L2-normalised.
        entry: (N,) int64 entry of each image, 0 to E − 1; −1 for images without one.
        momentum: Share of itself that an entry gives up to each image of a batch.
    """

    def __init__(self, features: Tensor, entry: Tensor, momentum: float) -> None:
        self.entry = entry
        self._momentum = momentum
        kept = entry >= 0
        sums = torch.zeros(int(entry.max()) + 1, features.shape[1], device=features.device)
        self.directions = F.normalize(sums.index_add_(0, entry[kept], features[kept]))  # (E, D)

    def follow(self, features: Tensor, images: Tensor) -> None:
        """Move entries towards the mean of their images in the batch.

        One image after the other, each with weight ``momentum``, would leave an entry ``(1 − momentum)^n`` of
        itself (Dai et al., "Cluster Contrast", ACCV 2022, Eq. 3); the mean does not depend on their order.

        Args:
            features: (B, D), L2-normalised and without gradient.
            images: (B,) int64.
        """
        entries, place, counts = torch.unique(self.entry[images], return_inverse=True, return_counts=True)
        sums = torch.zeros(len(entries), features.shape[1], device=features.device)
        means = sums.index_add_(0, place, features) / counts[:, None]
        kept = ((1 - self._momentum) ** counts)[:, None]
        self.directions[entries] = F.normalize(kept * self.directions[entries] + (1 - kept) * means)


class ClusterMemory:
    """Contrast of images with clusters, and of cameras within clusters.

    The first loss is the cross-entropy over clusters with cosines by ``temperature`` as logits (Dai et al.,
    ACCV 2022, Eq. 2). The second pulls an image towards its cluster as each camera sees it, away from the
    hardest entries of other clusters (Wang et al., "Camera-Aware Proxies for Unsupervised Person
    Re-Identification", AAAI 2021, Eq. 7): the mean over the cluster's cameras P of
    ``−log(e_p / (e_p + Σ_{n hardest} e_n))`` with ``e = exp(cosine / camera_temperature)``.

    Args:
        features: (N, D) float32 features of all images, by the model as the epoch begins.
        clusters: Cluster of each image; unsure ones are no negatives of each other.
        cameras: (N,) int64; ``None`` leaves the second loss out.
        settings: Of the losses.
        device: Where batches are.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        clusters: Clusters,
        cameras: NDArray[np.int64] | None,
        settings: ClusterSettings,
        device: torch.device,
    ) -> None:
        self._unsure = None if clusters.unsure is None else torch.from_numpy(clusters.unsure).to(device)
        units = F.normalize(torch.from_numpy(features).to(device))
        self._settings = settings
        self._clusters = Entries(units, torch.from_numpy(clusters.labels).to(device), settings.momentum)
        self._views: Entries | None = None
        if cameras is not None and settings.camera_weight > 0:
            entry, cluster_of = _by_camera(clusters.labels, cameras)
            self._views = Entries(units, torch.from_numpy(entry).to(device), settings.momentum)
            self._cluster_of = torch.from_numpy(cluster_of).to(device)

    def loss(self, features: Tensor, images: Tensor) -> Tensor:
        """Both losses of a batch: ``features`` (B, D), L2-normalised, of ``images`` (B,)."""
        wanted = self._clusters.entry[images]
        logits = features @ self._clusters.directions.clone().T / self._settings.temperature
        if self._unsure is not None:
            logits = logits.masked_fill(self._unsure[wanted], _EXCLUDED)
        loss = F.cross_entropy(logits, wanted)
        if self._views is None:
            return loss
        return loss + self._settings.camera_weight * self._between_cameras(self._views, features, wanted)

    def follow(self, features: Tensor, images: Tensor) -> None:
        """Move the entries towards a batch; after its step, whose gradient is at the entries before."""
        for entries in (self._clusters, self._views):
            if entries is not None:
                entries.follow(features.detach(), images)

    def _between_cameras(self, views: Entries, features: Tensor, wanted: Tensor) -> Tensor:
        similar = features @ views.directions.clone().T / self._settings.camera_temperature  # (B, E)
        own = self._cluster_of == wanted[:, None]
        count = min(self._settings.camera_negatives, similar.shape[1])
        left_out = own if self._unsure is None else own | self._unsure[wanted][:, self._cluster_of]
        negatives = similar.masked_fill(left_out, _EXCLUDED)
        hardest = negatives.topk(count, dim=1).values.logsumexp(dim=1, keepdim=True)
        agreeing = similar - torch.logaddexp(similar, hardest)
        seen = own.sum(dim=1)  # 0 for clusters of which no image has a known camera
        each = (agreeing * own).sum(dim=1) / seen.clamp(min=1)
        return -each.sum() / (seen > 0).sum().clamp(min=1)


def _by_camera(
    clusters: NDArray[np.int64], cameras: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Entry of each image by cluster and camera, (N,), −1 for none; and the cluster of each entry."""
    kept = (clusters >= 0) & (cameras >= 0)
    pairs, inverse = np.unique(np.stack([clusters[kept], cameras[kept]], axis=1), axis=0, return_inverse=True)
    entry = np.full(len(clusters), -1, dtype=np.int64)
    entry[kept] = inverse.reshape(-1)
    return entry, pairs[:, 0].astype(np.int64)
