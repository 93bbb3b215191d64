"""Settings of training on clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reid_al_agents.training.settings import TrainingSettings
from reid_al_env.errors import InputError

_LABEL_FREE_STEPS = 0.75
"""Steps of the label-free start, as a share of those of a refresh."""


@dataclass(frozen=True)
class ClusterSettings(TrainingSettings):
    """Settings of the cluster refresh; the defaults were chosen on Market-1501's validation identities.

    Attributes:
        epochs: Parts that the steps are divided into; with each the images are embedded and clustered again.
        images_per_cluster: Images drawn of each cluster of a batch, some twice where it has fewer.
        temperature: Temperature of the contrast with the clusters.
        momentum: Share of itself that a memory entry gives up to each image of the batch that belongs to it.
        camera_weight: Weight of the contrast between cameras; 0 to leave it out.
        camera_temperature: Its temperature.
        camera_negatives: Number of hardest entries of other clusters that it contrasts with.
        k1: Length of the neighbour lists of the Jaccard similarity.
        k2: Number of neighbours over which it averages.
        micro_cluster_similarity: Minimum average similarity within micro-clusters; see
            :func:`~reid_al_agents.clustering.forming.form_groups`.
        group_similarity: Minimum average similarity of groups that train as one cluster. It is low on
            purpose: images of others in a cluster cost the model little, parts of one identity pushed apart
            cost it much.
        dbscan_eps: Maximum Jaccard distance of neighbours in DBSCAN. Above 0, DBSCAN forms the clusters and
            the two similarities above are ignored.
        dbscan_min_samples: Number of neighbours, itself included, from which an image is a core of DBSCAN.
        min_images: Minimum number of images of a group that trains.
        unsure_similarity: Average similarity from which two clusters are not contrasted with each other
            unless an answer says that they differ: they may be one identity. 0 contrasts all.
        min_conflicts: Number of other groups that an assumed group must be known to differ from to count as
            settled.
        min_settled_share: Minimum share of images in settled groups for the assumed groups to be trained on
            as they are; below it, groups are formed by visual similarity under the answers.
        min_joined_share: Minimum share of images in assumed groups with a must-link, likewise; guards against
            mostly negative answers.
    """

    steps: int = 800
    learning_rate: float = 1e-3
    shift: int = 4
    epochs: int = 8
    images_per_cluster: int = 4
    temperature: float = 0.05
    momentum: float = 0.2
    camera_weight: float = 0.5
    camera_temperature: float = 0.07
    camera_negatives: int = 50
    k1: int = 30
    k2: int = 6
    micro_cluster_similarity: float = 0.6
    group_similarity: float = 0.03
    dbscan_eps: float = 0.0
    dbscan_min_samples: int = 4
    min_images: int = 4
    unsure_similarity: float = 0.02
    min_conflicts: int = 3
    min_settled_share: float = 0.3
    min_joined_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(1, "epochs", "min_conflicts", "camera_negatives", "k2")
        self._require_at_least(2, "images_per_cluster", "min_images", "dbscan_min_samples")
        self._require_shares("momentum", "dbscan_eps", "min_settled_share", "min_joined_share")
        for name in ("temperature", "camera_temperature", "micro_cluster_similarity", "group_similarity"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"refresh: {name} is {getattr(self, name)}; expected more than 0, up to 1")
        if self.epochs > self.steps or self.k2 > self.k1 or self.batch_size < self.images_per_cluster:
            raise InputError(
                "refresh: expected epochs <= steps, k2 <= k1 and images_per_cluster <= batch_size"
            )

    def scaled(self, share: float) -> ClusterSettings:
        """The same with the number of steps, and of epochs, multiplied by ``share``."""
        steps = max(1, round(share * self.steps))
        return replace(self, steps=steps, epochs=min(steps, max(1, round(share * self.epochs))))

    def label_free(self) -> ClusterSettings:
        """Settings for training before the first answer, on groups of visual similarity alone.

        Nothing corrects wrong groups then, so only dense ones are formed, and parts of images are erased. On
        validation (seed 0) a run started at 63.0 mAP instead of 58.6 and ended, after 5,000 answers, at 75.2
        instead of 71.2 (``benchmarks/results/label_free_start_dense.json`` and
        ``benchmarks/results/label_free_start_plain.json``).
        """
        return replace(
            self.scaled(_LABEL_FREE_STEPS),
            dbscan_eps=0.5,
            unsure_similarity=0.0,
            erasing=0.5,
            camera_weight=2 * self.camera_weight,
        )
