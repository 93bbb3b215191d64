"""How a refresher trains."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_agents.training.triplet.mining import Mining
from reid_al_env.settings import check, setting


@dataclass(frozen=True)
class TripletSettings:
    """Settings of the triplet refresh; the defaults were chosen on Market-1501's validation identities.

    Raises:
        InputError: A setting is out of range.
    """

    size: tuple[int, int] = setting(
        (128, 64), help="Height and width that images are resized to", unit="pixels", at_least=1
    )
    steps: int = setting(200, help="Training steps", at_least=0)
    batch_size: int = setting(64, help="Images per step", at_least=4)
    images_per_group: int = setting(4, help="Images drawn of each group, where it has as many", at_least=2)
    rivals_per_group: int = setting(
        10, help="Groups known to differ that accompany each group in its batch", at_least=1
    )
    learning_rate: float = setting(
        5e-4, help="Peak learning rate of AdamW, between the warm-up and the cosine decay", at_least=0
    )
    weight_decay: float = setting(5e-4, help="Weight decay of AdamW", at_least=0)
    margin: float = setting(
        0.3,
        help="Margin of the triplet loss, on the Euclidean distance of L2-normalised features",
        at_least=0,
    )
    mining: Mining = setting(
        "hardest",
        help="Known triplets of a batch that are used: each anchor's hardest, all semi-hard ones, or all",
    )
    identity_loss_weight: float = setting(
        0.0,
        help="Weight of the cross-entropy over must-link groups of two images or more; 0 leaves it out",
        at_least=0,
    )
    shift: int = setting(
        0, help="Largest shift of an image by a random crop of the padded image", unit="pixels", at_least=0
    )
    erasing: float = setting(0.0, help="Chance that a rectangle of an image is erased", at_least=0, at_most=1)
    jitter: float = setting(
        0.0, help="Largest relative change of the strength of a colour channel", at_least=0, at_most=1
    )

    def __post_init__(self) -> None:
        check(self)
