"""How a refresher trains."""

from dataclasses import dataclass, fields

from reid_al_agents.training.triplet.mining import Mining
from reid_al_env.errors import InputError

MININGS: tuple[Mining, ...] = ("hardest", "semihard", "all")


@dataclass(frozen=True)
class TripletSettings:
    """Settings of the triplet refresh; the defaults were chosen on Market-1501's validation identities.

    Attributes:
        size: Height and width in pixels that images are resized to.
        steps: Training steps.
        batch_size: Images per step.
        images_per_group: Images drawn of each group, where it has as many.
        rivals_per_group: Groups known to differ that accompany each group in its batch.
        learning_rate: Peak learning rate of AdamW, after the warm-up and before the cosine decay.
        weight_decay: Weight decay of AdamW.
        margin: Margin of the triplet loss, on the Euclidean distance of L2-normalised features.
        mining: Which known triplets of a batch are used: for each anchor the hardest, or all semi-hard ones,
            or all.
        identity_loss_weight: Weight of the cross-entropy over must-link groups of two images or more; 0 to
            leave it out.
        shift: Pixels by which a random crop of the padded image shifts it at most.
        erasing: Chance that a rectangle of an image is erased.
        jitter: Largest relative change of each colour channel's strength, anew for each image.

    Raises:
        InputError: A setting is out of range.
    """

    size: tuple[int, int] = (128, 64)
    steps: int = 200
    batch_size: int = 64
    images_per_group: int = 4
    rivals_per_group: int = 10
    learning_rate: float = 5e-4
    weight_decay: float = 5e-4
    margin: float = 0.3
    mining: Mining = "hardest"
    identity_loss_weight: float = 0.0
    shift: int = 0
    erasing: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        least = {"steps": 0, "batch_size": 4, "images_per_group": 2, "rivals_per_group": 1, "shift": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise InputError(f"refresh: {name} is {getattr(self, name)}; expected at least {bound}")
        for field in fields(self):
            if field.type is float and not 0 <= getattr(self, field.name) < float("inf"):
                raise InputError(f"refresh: {field.name} is {getattr(self, field.name)}; expected 0 or more")
        for name in ("erasing", "jitter"):
            if getattr(self, name) > 1:
                raise InputError(
                    f"refresh: {name} is {getattr(self, name)}; expected a share between 0 and 1"
                )
        if min(self.size) < 1:
            raise InputError(f"refresh: size is {self.size}; expected height and width in pixels")
        if self.mining not in MININGS:
            raise InputError(f"refresh: mining is '{self.mining}'; expected one of {', '.join(MININGS)}")
