"""What an episode is made of: the environment's settings, validated once."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env.errors import InputError
from reid_al_env.mdp.metric import check_metric
from reid_al_env.mdp.reward import EMPTY_NEGATIVES, Reward, resolve_reward


@dataclass(frozen=True)
class EpisodeSettings:
    """Settings of an episode; the defaults are the paper's (Liu et al., ICCV 2019, section 4.1).

    Args:
        pool_size: n_s, candidates of a query.
        budget: K_max, picks of a query; a larger one than ``pool_size`` ends when nothing is left.
        k: Neighbours in the k-reciprocal graph.
        margin: m of the reward.
        metric: One of :data:`reid_al_env.mdp.metric.METRICS`.
        shrinkage: Of the covariance, in (0, 1]; ``None`` is Ledoit–Wolf.
        empty_negatives: ``"neutral"`` or ``"farthest"``; see :func:`reid_al_env.mdp.reward.hardness_gap`.
        reward: ``"hinge"``, ``"softplus"`` or a callable; see :class:`reid_al_env.mdp.reward.Reward`.
        cross_camera: Candidates come from other cameras than the query's.
        index: FAISS factory string for the neighbour search, such as ``"IVF1024,Flat;nprobe=16"``.

    Raises:
        InputError: If a setting is out of range.
    """

    pool_size: int = 30
    budget: int = 10
    k: int = 15
    margin: float = 0.2
    metric: str = "mahalanobis"
    shrinkage: float | None = None
    empty_negatives: str = "neutral"
    reward: str | Reward = "hinge"
    cross_camera: bool = False
    index: str = "Flat"

    def __post_init__(self) -> None:
        for name in ("pool_size", "budget", "k"):
            value = getattr(self, name)
            if value != int(value) or value < 1:
                raise InputError(f"{name}: {value} is not a whole number of at least 1")
        if not self.margin >= 0:
            raise InputError(f"margin: {self.margin} is negative or not a number; the paper's is 0.2")
        if self.empty_negatives not in EMPTY_NEGATIVES:
            raise InputError(
                f"empty_negatives: {self.empty_negatives!r} is unknown; "
                f"choose one of {', '.join(EMPTY_NEGATIVES)}"
            )
        check_metric(self.metric, self.shrinkage)
        resolve_reward(self.reward)
