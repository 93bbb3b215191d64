"""Settings of training on triplets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from reid_al_agents.training.settings import TrainingSettings
from reid_al_env.settings import setting

Mining = Literal["hardest", "semihard", "all"]


@dataclass(frozen=True)
class TripletSettings(TrainingSettings):
    """Settings of the triplet refresh; the defaults were chosen on Market-1501's validation identities.

    Of ``mining``, ``hardest`` uses one triplet for each anchor, ``semihard`` all whose negative is farther
    than the positive by less than the margin, and ``all`` every known triplet of the batch.
    """

    images_per_group: int = setting(4, help="Images drawn of each group, where it has as many", at_least=2)
    rivals_per_group: int = setting(
        10, help="Groups known to differ that accompany each group in its batch", at_least=1
    )
    margin: float = setting(
        0.3,
        help="Margin of the triplet loss, on the Euclidean distance of L2-normalised features",
        at_least=0,
    )
    mining: Mining = setting("hardest", help="Which known triplets of a batch are used")
    identity_loss_weight: float = setting(
        0.0,
        help="Weight of the cross-entropy over must-link groups of two images or more; 0 to leave it out",
        at_least=0,
    )
