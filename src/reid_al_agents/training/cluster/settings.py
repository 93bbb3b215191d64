"""How the cluster refresher trains."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from reid_al_env.errors import InputError

_START = 0.75
"""Steps of the label-free start, by those of a refresh."""


@dataclass(frozen=True)
class ClusterSettings:
    """Settings of the cluster refresh; the defaults were chosen on Market-1501's validation identities.

    Attributes:
        size: Height and width in pixels that images are resized to.
        steps: Training steps.
        epochs: How often the images are embedded and clustered anew in the course of the steps.
        batch_size: Images per step.
        images_per_cluster: Images drawn of each cluster of a batch, some twice where it has fewer.
        learning_rate: Peak learning rate of AdamW, after the warm-up and before the cosine decay.
        weight_decay: Weight decay of AdamW.
        temperature: Of the contrast with the clusters.
        momentum: Share of itself that a memory entry gives up to each image of the batch that belongs to it.
        camera_weight: Weight of the contrast between cameras; 0 to leave it out.
        camera_temperature: Its temperature.
        camera_negatives: Hardest entries of other clusters that it contrasts with.
        triplet_weight: Weight of the triplet loss on pairs that are known from answers; 0 to leave it out.
        margin: Margin of that loss, on the Euclidean distance of L2-normalised features.
        k1: Neighbour lists of the Jaccard similarity.
        k2: Neighbours over which it averages.
        micro_cluster_similarity: Least average similarity within micro_clusters; see
            :func:`~reid_al_agents.clustering.forming.form_groups`.
        group_similarity: Least average similarity of groups that train as one cluster. It is bold: images of
            others in a cluster cost the model little, parts of one identity pushed apart cost it much.
        reach: Jaccard distance within which DBSCAN finds neighbours; where it is above 0, DBSCAN forms the
            clusters and the two similarities above are not looked at.
        dense_images: Images within ``reach``, itself included, of one that a cluster of DBSCAN grows from.
        least_images: Images below which a group does not train.
        unsure_similarity: Average similarity from which two clusters that no answer tells apart are no
            negatives of each other: they may be one identity. 0 leaves none out.
        told_apart: Other groups that a group which the asking holds together must be known to differ from,
            to count as settled.
        settled: Share of the images in settled groups from which those that are held train as they are; until
            then groups are formed by looks under the answers.
        joined: Share of the images in held groups that must-links had a part in from which they do. Who is
            asked about pairs that seldom match tells groups apart long before they are whole.
        shift: Pixels by which a random crop of the padded image shifts it at most.
        erasing: Chance that a rectangle of an image is erased.
        jitter: Largest relative change of each colour channel's strength, anew for each image.

    Raises:
        InputError: A setting is out of range.
    """

    size: tuple[int, int] = (128, 64)
    steps: int = 800
    epochs: int = 8
    batch_size: int = 64
    images_per_cluster: int = 4
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    temperature: float = 0.05
    momentum: float = 0.2
    camera_weight: float = 0.5
    camera_temperature: float = 0.07
    camera_negatives: int = 50
    triplet_weight: float = 0.0
    margin: float = 0.3
    k1: int = 30
    k2: int = 6
    micro_cluster_similarity: float = 0.6
    group_similarity: float = 0.03
    reach: float = 0.0
    dense_images: int = 4
    least_images: int = 4
    unsure_similarity: float = 0.02
    told_apart: int = 3
    settled: float = 0.3
    joined: float = 0.5
    shift: int = 4
    erasing: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        least = {
            "steps": 1,
            "epochs": 1,
            "images_per_cluster": 2,
            "least_images": 2,
            "dense_images": 2,
            "told_apart": 1,
            "shift": 0,
            "camera_negatives": 1,
            "k2": 1,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise InputError(f"refresh: {name} is {getattr(self, name)}; expected at least {bound}")
        for field in fields(self):
            if field.type == "float" and not 0 <= getattr(self, field.name) < float("inf"):
                raise InputError(f"refresh: {field.name} is {getattr(self, field.name)}; expected 0 or more")
        for name in (
            "temperature",
            "camera_temperature",
            "micro_cluster_similarity",
            "group_similarity",
        ):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"refresh: {name} is {getattr(self, name)}; expected more than 0, up to 1")
        for name in ("momentum", "erasing", "jitter", "reach", "settled", "joined"):
            if getattr(self, name) > 1:
                raise InputError(f"refresh: {name} is {getattr(self, name)}; expected a share from 0 to 1")
        if self.epochs > self.steps or self.k2 > self.k1:
            raise InputError("refresh: expected epochs <= steps and k2 <= k1")
        if self.batch_size < self.images_per_cluster or min(self.size) < 1:
            raise InputError("refresh: expected a batch of one cluster at least, and a size in pixels")

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
