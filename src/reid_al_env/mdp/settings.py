"""What an episode is made of: the environment's settings, validated once."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env.mdp.metric import METRICS
from reid_al_env.mdp.reward import EMPTY_NEGATIVES, Reward, resolve_reward
from reid_al_env.settings import check, setting


@dataclass(frozen=True)
class EpisodeSettings:
    """Settings of an episode; the defaults are the paper's (Liu et al., ICCV 2019, section 4.1).

    ``metric`` is that of :func:`reid_al_env.mdp.metric.to_metric_space`, ``empty_negatives`` that of
    :func:`reid_al_env.mdp.reward.hardness_gap`, and ``reward`` a name or a callable as
    :class:`reid_al_env.mdp.reward.Reward`.

    Raises:
        InputError: If a setting is out of range.
    """

    pool_size: int = setting(30, help="n_s, number of candidates of a query", at_least=1)
    budget: int = setting(10, help="K_max, largest number of answers about a query", at_least=1)
    k: int = setting(15, help="Neighbours in the k-reciprocal graph", at_least=1)
    margin: float = setting(0.2, help="m, margin of the reward", at_least=0)
    metric: str = setting("mahalanobis", help="Distance between features", choices=METRICS)
    shrinkage: float | None = setting(
        None,
        help="Share of the scaled identity in the covariance",
        default_help="by Ledoit and Wolf",
        more_than=0,
        at_most=1,
    )
    empty_negatives: str = setting(
        "neutral", help="Reward before the first non-match of a query", choices=EMPTY_NEGATIVES
    )
    reward: str | Reward = setting("hinge", help="Reward of an answer: hinge, softplus or a callable")
    cross_camera: bool = setting(False, help="Take candidates from other cameras than the query's only")
    index: str = setting(
        "Flat", help="FAISS factory string of the neighbour search, such as IVF1024,Flat;nprobe=16"
    )

    def __post_init__(self) -> None:
        check(self)
        resolve_reward(self.reward)
