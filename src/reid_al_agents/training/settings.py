"""Settings that every training has."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from reid_al_env.errors import InputError


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the training loop; each objective adds its own and chooses its own defaults.

    Attributes:
        size: Height and width in pixels that images are resized to.
        steps: Training steps.
        batch_size: Images per step.
        learning_rate: Peak learning rate of AdamW, after the warm-up and before the cosine decay.
        weight_decay: Weight decay of AdamW.
        shift: Maximum shift in pixels of a random crop of the padded image.
        erasing: Probability that a rectangle of an image is erased.
        jitter: Maximum relative change of the strength of each colour channel, drawn per image.

    Raises:
        InputError: A setting is out of range.
    """

    size: tuple[int, int] = (128, 64)
    steps: int = 200
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 5e-4
    shift: int = 0
    erasing: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        self._require_at_least(1, "steps")
        self._require_at_least(4, "batch_size")
        self._require_at_least(0, "shift")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not 0 <= value < math.inf:
                raise InputError(f"refresh: {field.name} is {value}; expected 0 or more")
        self._require_shares("erasing", "jitter")
        if min(self.size) < 1:
            raise InputError(f"refresh: size is {self.size}; expected height and width in pixels")

    def _require_at_least(self, bound: int, *names: str) -> None:
        for name in names:
            if getattr(self, name) < bound:
                raise InputError(f"refresh: {name} is {getattr(self, name)}; expected at least {bound}")

    def _require_shares(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"refresh: {name} is {getattr(self, name)}; expected a share from 0 to 1")
