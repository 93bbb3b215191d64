"""How the cluster refresher trains."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reid_al_env.errors import InputError
from reid_al_env.settings import check, setting

_START = 0.75
"""Steps of the label-free start, by those of a refresh."""


@dataclass(frozen=True)
class ClusterSettings:
    """Settings of the cluster refresh; the defaults were chosen on Market-1501's validation identities.

    ``group_similarity`` is bold: images of others in a cluster cost the model little, parts of one identity
    that are pushed apart cost it much.

    Raises:
        InputError: A setting is out of range.
    """

    size: tuple[int, int] = setting(
        (128, 64), help="Height and width that images are resized to", unit="pixels", at_least=1
    )
    steps: int = setting(800, help="Training steps", at_least=1)
    epochs: int = setting(
        8, help="How often the images are embedded and clustered again in the course of the steps", at_least=1
    )
    batch_size: int = setting(64, help="Images per step", at_least=2)
    images_per_cluster: int = setting(
        4, help="Images drawn of each cluster of a batch, some twice where it has fewer", at_least=2
    )
    learning_rate: float = setting(
        1e-3, help="Peak learning rate of AdamW, between the warm-up and the cosine decay", at_least=0
    )
    weight_decay: float = setting(5e-4, help="Weight decay of AdamW", at_least=0)
    temperature: float = setting(
        0.05, help="Temperature of the contrast with the clusters", more_than=0, at_most=1
    )
    momentum: float = setting(
        0.2,
        help="Share by which each image of a batch replaces the memory entry of its cluster",
        at_least=0,
        at_most=1,
    )
    camera_weight: float = setting(
        0.5, help="Weight of the contrast between cameras; 0 leaves it out", at_least=0
    )
    camera_temperature: float = setting(0.07, help="Its temperature", more_than=0, at_most=1)
    camera_negatives: int = setting(
        50, help="Hardest entries of other clusters that it contrasts with", at_least=1
    )
    triplet_weight: float = setting(
        0.0, help="Weight of the triplet loss on pairs known from answers; 0 leaves it out", at_least=0
    )
    margin: float = setting(
        0.3, help="Margin of that loss, on the Euclidean distance of L2-normalised features", at_least=0
    )
    k1: int = setting(30, help="Neighbour lists of the Jaccard similarity", at_least=1)
    k2: int = setting(6, help="Neighbours over which it averages; at most k1", at_least=1)
    micro_cluster_similarity: float = setting(
        0.6,
        help="Least average similarity within a micro-cluster; see clustering.forming.form_groups",
        more_than=0,
        at_most=1,
    )
    group_similarity: float = setting(
        0.03, help="Least average similarity of groups that train as one cluster", more_than=0, at_most=1
    )
    reach: float = setting(
        0.0,
        help="Jaccard distance within which DBSCAN finds neighbours; above 0, DBSCAN forms the clusters, not "
        "the two similarities above",
        at_least=0,
        at_most=1,
    )
    dense_images: int = setting(
        4, help="Images within reach, itself included, of one that a cluster of DBSCAN grows from", at_least=2
    )
    least_images: int = setting(4, help="Images below which a group does not train", at_least=2)
    unsure_similarity: float = setting(
        0.02,
        help="Average similarity from which two clusters that no answer separates are not negatives of each "
        "other, since they may be one identity; 0 makes all of them negatives",
        at_least=0,
    )
    told_apart: int = setting(
        3, help="Other groups that a group must be known to differ from, to count as settled", at_least=1
    )
    settled: float = setting(
        0.3,
        help="Share of the images in settled groups from which the groups assumed while asking train as they "
        "are; until then groups are formed by visual similarity under the answers",
        at_least=0,
        at_most=1,
    )
    joined: float = setting(
        0.5,
        help="Minimum share of images in clusters with a must-link for that; guards against mostly negative "
        "answers",
        at_least=0,
        at_most=1,
    )
    shift: int = setting(
        4, help="Largest shift of an image by a random crop of the padded image", unit="pixels", at_least=0
    )
    erasing: float = setting(0.0, help="Chance that a rectangle of an image is erased", at_least=0, at_most=1)
    jitter: float = setting(
        0.0, help="Largest relative change of the strength of a colour channel", at_least=0, at_most=1
    )

    def __post_init__(self) -> None:
        check(self)
        if self.epochs > self.steps:
            raise InputError(f"epochs: {self.epochs} with {self.steps} steps; expected epochs <= steps")
        if self.k2 > self.k1:
            raise InputError(f"k1: {self.k1} and k2 {self.k2}; expected k2 <= k1")
        if self.batch_size < self.images_per_cluster:
            raise InputError(
                f"batch_size: {self.batch_size} with {self.images_per_cluster} images_per_cluster; "
                "expected a batch of one cluster at least"
            )

    def scaled(self, share: float) -> ClusterSettings:
        """The same with another number of steps, by that of these, and of epochs."""
        steps = max(1, round(share * self.steps))
        return replace(self, steps=steps, epochs=min(steps, max(1, round(share * self.epochs))))

    def label_free(self) -> ClusterSettings:
        """Settings for a model that has never seen the place and learns before the first answer.

        Its own groups are all that it learns from, and whatever is wrong with them stays: so it groups only
        what is dense, and learns from images of which parts are erased. On validation (seed 0) a run started
        at 63.0 mAP instead of 58.6 and ended, after 5,000 answers, at 75.2 instead of 71.2
        (``benchmarks/results/run_market_dense_start_validation.json``, ``..._quick_between_...``).
        """
        return replace(
            self.scaled(_START),
            reach=0.5,
            unsure_similarity=0.0,
            erasing=0.5,
            camera_weight=2 * self.camera_weight,
        )
