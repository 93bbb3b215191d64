"""Settings that every training has."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env.settings import check, setting


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the training loop; each objective adds its own and chooses its own defaults.

    Raises:
        InputError: A setting is out of range.
    """

    size: tuple[int, int] = setting(
        (128, 64), help="Height and width that images are resized to", unit="pixels", at_least=1
    )
    steps: int = setting(200, help="Training steps", at_least=1)
    batch_size: int = setting(64, help="Images per step", at_least=4)
    learning_rate: float = setting(
        5e-4, help="Peak learning rate of AdamW, after the warm-up and before the cosine decay", at_least=0
    )
    weight_decay: float = setting(5e-4, help="Weight decay of AdamW", at_least=0)
    shift: int = setting(
        0, help="Maximum shift of a random crop of the padded image", unit="pixels", at_least=0
    )
    erasing: float = setting(
        0.0, help="Probability that a rectangle of an image is erased", at_least=0, at_most=1
    )
    jitter: float = setting(
        0.0,
        help="Maximum relative change of the strength of each colour channel, drawn per image",
        at_least=0,
        at_most=1,
    )

    def __post_init__(self) -> None:
        check(self)
