"""Settings of training on triplets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from reid_al_agents.training.settings import TrainingSettings
from reid_al_env.errors import InputError

Mining = Literal["hardest", "semihard", "all"]


@dataclass(frozen=True)
class TripletSettings(TrainingSettings):
    """Settings of the triplet refresh; the defaults were chosen on Market-1501's validation identities.

    Attributes:
        images_per_group: Images drawn of each group, where it has as many.
        rivals_per_group: Groups known to differ that accompany each group in its batch.
        margin: Margin of the triplet loss, on the Euclidean distance of L2-normalised features.
        mining: Which known triplets of a batch are used: ``hardest``, one for each anchor; ``semihard``, all
            whose negative is farther than the positive by less than the margin; or ``all``.
        identity_loss_weight: Weight of the cross-entropy over must-link groups of two images or more; 0 to
            leave it out.
    """

    images_per_group: int = 4
    rivals_per_group: int = 10
    margin: float = 0.3
    mining: Mining = "hardest"
    identity_loss_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(2, "images_per_group")
        self._require_at_least(1, "rivals_per_group")
        if self.mining not in get_args(Mining):
            choices = ", ".join(get_args(Mining))
            raise InputError(f"refresh: mining is '{self.mining}'; expected one of {choices}")
