"""Settings of training on clusters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reid_al_agents.training.settings import TrainingSettings
from reid_al_env.errors import InputError
from reid_al_env.settings import same_as, setting

if TYPE_CHECKING:
    from reid_al_agents.identities import Thresholds

_LABEL_FREE_STEPS = 0.75
"""Steps of the label-free start, as a share of those of a refresh."""


@dataclass(frozen=True)
class ClusterSettings(TrainingSettings):
    """Settings of the cluster refresh; the defaults were chosen on Market-1501's validation identities.

    ``group_similarity`` is low on purpose: images of others in a cluster cost the model little, parts of one
    identity pushed apart cost it much.
    """

    steps: int = same_as(TrainingSettings, "steps", default=800)
    learning_rate: float = same_as(TrainingSettings, "learning_rate", default=1e-3)
    shift: int = same_as(TrainingSettings, "shift", default=4)
    epochs: int = setting(
        8,
        help="Number of epochs that the steps are divided into; each embeds and clusters the images again",
        at_least=1,
    )
    images_per_cluster: int = setting(
        4, help="Images drawn of each cluster of a batch, some twice where it has fewer", at_least=2
    )
    temperature: float = setting(
        0.05, help="Temperature of the contrast with the clusters", more_than=0, at_most=1
    )
    momentum: float = setting(
        0.2,
        help="Step of a memory entry towards each image of its cluster in the batch, as a share",
        at_least=0,
        at_most=1,
    )
    camera_weight: float = setting(
        0.5, help="Weight of the contrast between cameras; 0 to leave it out", at_least=0
    )
    camera_temperature: float = setting(
        0.07, help="Temperature of the contrast between cameras", more_than=0, at_most=1
    )
    camera_negatives: int = setting(
        50, help="Number of hardest other clusters in the contrast between cameras", at_least=1
    )
    k1: int = setting(30, help="Length of the neighbour lists of the Jaccard similarity", at_least=1)
    k2: int = setting(
        6, help="Number of neighbours over which the Jaccard similarity averages; at most k1", at_least=1
    )
    micro_cluster_similarity: float = setting(
        0.6,
        help="Minimum average similarity within micro-clusters; see clustering.forming.form_groups",
        more_than=0,
        at_most=1,
    )
    group_similarity: float = setting(
        0.03, help="Minimum average similarity of groups that train as one cluster", more_than=0, at_most=1
    )
    dbscan_eps: float = setting(
        0.0,
        help="Maximum Jaccard distance of neighbours in DBSCAN. Above 0, DBSCAN forms the clusters and the "
        "two similarities above are ignored",
        at_least=0,
        at_most=1,
    )
    dbscan_min_samples: int = setting(
        4, help="Number of neighbours, itself included, from which an image is a core of DBSCAN", at_least=2
    )
    min_images: int = setting(4, help="Minimum number of images of a group that trains", at_least=2)
    unsure_similarity: float = setting(
        0.02,
        help="Average similarity from which two clusters are not contrasted with each other unless an answer "
        "says that they differ: they may be one identity. 0 contrasts all",
        at_least=0,
    )
    min_conflicts: int = setting(
        3,
        help="Number of other groups that an assumed group must be known to differ from to count as settled",
        at_least=1,
    )
    min_settled_share: float = setting(
        0.3,
        help="Minimum share of images in settled groups for the assumed groups to be trained on as they are; "
        "below it, groups are formed by visual similarity under the answers",
        at_least=0,
        at_most=1,
    )
    min_joined_share: float = setting(
        0.5,
        help="Minimum share of images in assumed groups with a must-link, likewise; guards against mostly "
        "negative answers",
        at_least=0,
        at_most=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, most in (("epochs", "steps"), ("k2", "k1"), ("images_per_cluster", "batch_size")):
            value, bound = getattr(self, name), getattr(self, most)
            if value > bound:
                raise InputError(
                    f"{name}: {value} is more than {bound}, which is {most}; lower one or raise the other"
                )

    def thresholds(self) -> Thresholds:
        """Thresholds of the groups that the model is trained on."""
        from reid_al_agents.identities import Thresholds

        return Thresholds(
            self.micro_cluster_similarity, self.group_similarity, self.dbscan_eps, self.dbscan_min_samples
        )

    def scaled(self, share: float) -> ClusterSettings:
        """The same with the number of steps, and of epochs, multiplied by ``share``."""
        steps = max(1, round(share * self.steps))
        return replace(self, steps=steps, epochs=min(steps, max(1, round(share * self.epochs))))

    def label_free(self) -> ClusterSettings:
        """Settings for training before the first answer, on groups of visual similarity alone.

        Nothing corrects wrong groups then, so only dense ones are formed, and parts of images are erased. On
        Market-1501's validation identities, an earlier run (one seed) started and ended better with both.
        """
        return replace(
            self.scaled(_LABEL_FREE_STEPS),
            dbscan_eps=0.5,
            unsure_similarity=0.0,
            erasing=0.5,
            camera_weight=2 * self.camera_weight,
        )
