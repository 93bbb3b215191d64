"""Settings of a run, and how they are kept so that a resumed run is the same run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reid_al_agents.asking.settings import GroupSettings
from reid_al_env import EpisodeSettings, InputError

EVALUATION_SETS = ("validation", "test", "none")
NODES = ("groups", "images")

UNSAID = -1
"""Stands for a number that follows from ``nodes``."""

ROUNDS = {"groups": 6, "images": 1}
"""Refreshes of a run where nobody says how many, by what asks."""

BUDGETS = {"groups": 1, "images": 10}
"""K_max where nobody says it: a group asks once and is looked at anew; an image asks as in the paper."""

SELECTORS_OF = {"groups": "gain", "images": "dqn"}
"""The selector where nobody names one, by what asks."""


@dataclass(frozen=True)
class RunConfig:
    """Settings of a run.

    Args:
        data: DATA as on the command line.
        split: Split file; ``None`` makes one by ``seed``.
        weights: Start weights; ``None`` is an untrained backbone.
        backbone: Name of the backbone; empty for bare features.
        size: Height and width of the images, pixels.
        nodes: What asks and is asked about: ``groups`` of images, or ``images`` as in the paper.
        selector: ``gain`` (between groups only), ``random``, ``nearest``, ``farthest``, ``entropy``,
            ``greedy``, ``dqn`` (graph network), ``dqn-mlp`` (the paper's), or ``policy:FILE`` (a trained
            policy that does not learn further); empty is ``gain`` or ``dqn`` by ``nodes``.
        refresh: ``cluster``, ``triplet`` (the paper's) or ``none``.
        adapt: Whether the cluster refresh starts from a model that was first adapted without any answer.
        refresh_steps: Training steps of a full refresh; ``None`` is the refresher's default. With the cluster
            refresh the rounds before the last take an eighth of them.
        warm: Refresh from the last model instead of from the start weights, as the rounds before the last
            always do with the cluster refresh.
        answers: Answers in all. ``None`` is one per image between groups, or ten of them with
            ``until_stable``; between images it asks until every image was the query once.
        rounds: Parts into which the asking is cut; a refresh follows each. Unsaid it is 6 (no more
            than answers) or 1 by ``nodes``.
        until_stable: Stop asking once the next answers are unlikely to change any group.
        audit: Share of the answers that goes to the audit of the groups.
        parallel: Queries that are open side by side, between images.
        budget: K_max, picks of a query; unsaid it is 1 or 10 by ``nodes``.
        pool_size: n_s, candidates of a query.
        k: Neighbours of the k-reciprocal graph.
        margin: m of the reward.
        metric: Of the environment.
        empty_negatives: Of the reward.
        cross_camera: Candidates come from other cameras only.
        closure: Never ask what follows from earlier answers.
        noise: Chance that an answer is wrong.
        evaluate_on: ``validation``, ``test`` or ``none``.
        seed: Of everything drawn.

    Raises:
        InputError: If a setting is out of range.
    """

    data: str
    split: str | None = None
    weights: str | None = None
    backbone: str = ""
    size: tuple[int, int] = (128, 64)
    nodes: str = "groups"
    selector: str = ""
    refresh: str = "cluster"
    adapt: bool = True
    refresh_steps: int | None = None
    warm: bool = False
    answers: int | None = None
    rounds: int = UNSAID
    until_stable: bool = False
    audit: float = 0.05
    parallel: int = 5
    budget: int = UNSAID
    pool_size: int = 30
    k: int = 15
    margin: float = 0.2
    metric: str = "cosine"
    empty_negatives: str = "neutral"
    cross_camera: bool = False
    closure: bool = True
    noise: float = 0.0
    evaluate_on: str = "validation"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.nodes not in NODES:
            raise InputError(f"nodes: {self.nodes!r} is unknown; choose one of {', '.join(NODES)}")
        if self.rounds == UNSAID:
            usual = ROUNDS[self.nodes]
            most = usual if self.answers is None else max(1, self.answers)
            object.__setattr__(self, "rounds", min(usual, most))
        for name, default in (("budget", BUDGETS), ("selector", SELECTORS_OF)):
            if getattr(self, name) in (UNSAID, ""):
                object.__setattr__(self, name, default[self.nodes])
        self._check_nodes()
        for name in ("rounds", "parallel", "answers", "refresh_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}: {value} is below 1")
        if self.answers is not None and self.answers < self.rounds:
            raise InputError(f"answers: {self.answers} cannot be cut into {self.rounds} rounds; ask for more")
        if self.evaluate_on not in EVALUATION_SETS:
            raise InputError(
                f"evaluate_on: {self.evaluate_on!r} is unknown; choose one of {', '.join(EVALUATION_SETS)}"
            )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed: {self.seed} is outside 0..{2**32 - 1}")
        if not 0.0 <= self.noise < 0.5:
            raise InputError(f"noise: {self.noise} is outside [0, 0.5)")
        self.episode()
        self.grouping()

    @property
    def adapts(self) -> bool:
        """Whether the model is adapted without answers before the first question."""
        return self.adapt and self.refresh == "cluster"

    def _check_nodes(self) -> None:
        if self.nodes == "images":
            for name, wanted in (
                ("selector 'gain'", self.selector == "gain"),
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

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, for JSON."""
        return {**asdict(self), "size": list(self.size)}

    def check_same(self, kept: dict[str, Any], where: str) -> None:
        """Raise unless ``kept`` (from :meth:`as_dict`) holds the same settings.

        Raises:
            InputError: Names the first setting that differs.
        """
        for name, value in self.as_dict().items():
            if name == "answers" and kept.get(name) is None:
                continue  # a session has no such number; a run that goes on with it may
            if kept.get(name) != value:
                raise InputError(
                    f"{where}: was started with {name}={kept.get(name)!r}, now it is {value!r}; "
                    "resume with the same settings or choose another folder"
                )


def boundaries(total: int, rounds: int) -> tuple[int, ...]:
    """Where each round ends when ``total`` is cut into equal parts; the last is ``total``."""
    return tuple(round(total * (number + 1) / rounds) for number in range(rounds))
