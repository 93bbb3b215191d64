"""Settings of a run, and how they are kept so that a resumed run is the same run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reid_al_env import EpisodeSettings, InputError

EVALUATION_SETS = ("validation", "test", "none")


@dataclass(frozen=True)
class RunConfig:
    """Settings of a run.

    Args:
        data: DATA as on the command line.
        split: Split file; ``None`` makes one by ``seed``.
        weights: Start weights; ``None`` is an untrained backbone.
        backbone: Name of the backbone; empty for bare features.
        size: Height and width of the images, pixels.
        selector: ``random``, ``nearest``, ``farthest``, ``entropy``, ``greedy``, ``dqn`` (graph network),
            ``dqn-mlp`` (the paper's), or ``policy:FILE`` (a trained policy that does not learn further).
        refresh: ``triplet`` or ``none``.
        refresh_steps: Training steps of a refresh; ``None`` is the refresher's default.
        warm: Refresh from the last model instead of from the start weights.
        answers: Answers in all; ``None`` asks until every image was the query once.
        rounds: Parts of equal size into which the asking is cut; a refresh follows each.
        parallel: Queries that are open side by side.
        budget: K_max, picks of a query.
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
    selector: str = "dqn"
    refresh: str = "triplet"
    refresh_steps: int | None = None
    warm: bool = False
    answers: int | None = None
    rounds: int = 1
    parallel: int = 5
    budget: int = 10
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
            if kept.get(name) != value:
                raise InputError(
                    f"{where}: was started with {name}={kept.get(name)!r}, now it is {value!r}; "
                    "resume with the same settings or choose another folder"
                )


def boundaries(total: int, rounds: int) -> tuple[int, ...]:
    """Where each round ends when ``total`` is cut into equal parts; the last is ``total``."""
    return tuple(round(total * (number + 1) / rounds) for number in range(rounds))
