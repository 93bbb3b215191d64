"""Settings of asking: groups, questions and the label budget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reid_al_env import EpisodeSettings, InputError
from reid_al_env.settings import check, check_value, field_of, same_as, setting

NODES = ("groups", "images")

UNSAID = -1
"""Placeholder for a default that depends on ``nodes``."""

ROUNDS = {"groups": 6, "images": 1}
"""Default rounds of a run, by ``nodes``."""

BUDGETS = {"groups": 1, "images": 10}
"""Default K_max, by ``nodes``: a group is formed again after one question; an image has the paper's ten."""

SELECTORS_OF = {"groups": "gain", "images": "dqn"}
"""Default selector, by ``nodes``."""

if TYPE_CHECKING:
    from reid_al_agents.identities import Thresholds


@dataclass(frozen=True)
class GroupSettings:
    """Settings of asking between groups; the defaults were chosen on the mean over eight sets.

    How they compare with those of version 0.1: ``benchmarks/results/worth.json``.

    Raises:
        InputError: If one is out of range.
    """

    k1: int = setting(
        14,
        help="Length of the neighbour lists of the Jaccard similarity; with adapt, before answers tell a "
        "better one",
        at_least=1,
    )
    k2: int = setting(
        4, help="Number of neighbours over which the Jaccard similarity averages; at most k1", at_least=1
    )
    micro_cluster_similarity: float = setting(
        0.7,
        help="Least average Jaccard similarity within a micro-cluster, whose images are assumed to show one "
        "identity while asking",
        more_than=0,
        at_most=1,
    )
    adapt: bool = setting(
        True, help="Adapt the features to the matches, and the length of the neighbour lists to all answers"
    )
    neighbours: int = setting(15, help="Nearest groups that a group may be compared with", at_least=1)
    batch_share: float = setting(
        0.0125,
        help="Number of answers after which groups are formed again, as a share of the images",
        more_than=0,
        at_most=1,
    )
    audit_share: float = setting(
        0.05,
        help="Share of the answers that measures the quality of the identities",
        at_least=0,
        less_than=0.5,
    )
    error_rate: float = setting(
        0.02,
        help="Rate of wrong answers that is assumed before rechecks find any",
        at_least=0,
        less_than=0.5,
    )
    repeat: bool = setting(True, help="Recheck answers that are probably wrong")

    def __post_init__(self) -> None:
        check(self)
        if self.error_rate == 0:
            raise InputError("error_rate: 0 would make every answer certain; give a small rate such as 0.001")
        if self.k2 > self.k1:
            raise InputError(f"k1: {self.k1} and k2 {self.k2}; expected 1 <= k2 <= k1")

    def batch(self, images: int) -> int:
        """Number of answers after which groups are formed again."""
        return max(10, round(self.batch_share * images))

    def thresholds(self) -> Thresholds:
        """Thresholds of the groups that are asked about."""
        from reid_al_agents.identities import Thresholds

        return Thresholds(self.micro_cluster_similarity)


@dataclass(frozen=True)
class AskingSettings:
    """Settings of questions and their number; those of a query are the environment's.

    ``rounds``, ``budget`` and ``selector`` follow from ``nodes`` unless they are given.
    """

    answers: int | None = setting(
        None,
        help="Label budget: number of answers in all",
        default_help="one per image, up to ten with --until-stable; --nodes images: until each was a query",
        at_least=1,
        panel="Asking",
    )
    rounds: int = setting(
        UNSAID,
        help="Number of rounds; the model is refreshed after each",
        default_help="6, or 1 with --nodes images",
        at_least=1,
        panel="Asking",
    )
    selector: str = setting(
        "",
        help="What chooses the questions: gain or gain-v1 (between groups), random, nearest, farthest, "
        "entropy, dqn, dqn-mlp (the paper's), greedy (sees the labels) or policy:FILE",
        default_help="gain, or dqn with --nodes images",
        panel="Asking",
    )
    until_stable: bool = setting(
        False, help="Stop once further answers are unlikely to change a group", panel="Asking"
    )
    audit: float = same_as(GroupSettings, "audit_share", panel="Asking")
    nodes: str = setting(
        "groups",
        help="What is compared: groups of images, or single images as in the paper",
        choices=NODES,
        panel="Asking",
        research=True,
    )
    pool_size: int = same_as(EpisodeSettings, "pool_size", research=True)
    k: int = same_as(EpisodeSettings, "k", research=True)
    budget: int = same_as(
        EpisodeSettings, "budget", default=UNSAID, default_help="1, or 10 with --nodes images", research=True
    )
    margin: float = same_as(EpisodeSettings, "margin", research=True)
    metric: str = same_as(EpisodeSettings, "metric", default="cosine", research=True)
    empty_negatives: str = same_as(EpisodeSettings, "empty_negatives", research=True)
    cross_camera: bool = same_as(EpisodeSettings, "cross_camera", research=True)
    closure: bool = setting(
        True, help="Do not ask what follows from earlier answers (transitive closure)", research=True
    )
    parallel: int = setting(
        5, help="Number of queries open at the same time, with --nodes images", at_least=1, research=True
    )
    noise: float = setting(
        0.0, help="Chance that a simulated answer is wrong", at_least=0, less_than=0.5, research=True
    )

    def __post_init__(self) -> None:
        check_value(field_of(AskingSettings, "nodes"), self.nodes)
        self._follow_nodes()
        check(self)
        self._check_nodes()
        if self.answers is not None and self.answers < self.rounds:
            raise InputError(f"answers: {self.answers} cannot be cut into {self.rounds} rounds; ask for more")
        self.grouping()

    def _follow_nodes(self) -> None:
        if self.rounds == UNSAID:
            usual = ROUNDS[self.nodes]
            most = usual if self.answers is None else max(1, self.answers)
            object.__setattr__(self, "rounds", min(usual, most))
        if self.budget == UNSAID:
            object.__setattr__(self, "budget", BUDGETS[self.nodes])
        if not self.selector:
            object.__setattr__(self, "selector", SELECTORS_OF[self.nodes])

    def _check_nodes(self) -> None:
        if self.nodes == "images":
            for name, wanted in (
                (f"selector {self.selector!r}", self.selector in ("gain", "gain-v1")),
                ("until_stable", self.until_stable),
            ):
                if wanted:
                    raise InputError(f"nodes: {name} needs groups and sizes; use --nodes groups")
        elif not self.closure or self.cross_camera:
            name = "cross_camera" if self.cross_camera else "closure off"
            raise InputError(f"nodes: {name} is about images; use --nodes images")

    def grouping(self) -> GroupSettings:
        """The part of the settings about groups."""
        return GroupSettings(audit_share=self.audit)

    def episode(self) -> EpisodeSettings:
        """The environment's part of the settings."""
        return EpisodeSettings(
            pool_size=self.pool_size,
            budget=self.budget,
            k=self.k,
            margin=self.margin,
            metric=self.metric,
            empty_negatives=self.empty_negatives,
            cross_camera=self.cross_camera,
        )
