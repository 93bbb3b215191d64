"""Playing the fixed tasks of a catalogue: F1 and normalised score of a policy after every answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import reid_al_env  # noqa: F401 -- importing registers the environments
from reid_al_env.catalogue.beam import beam_search
from reid_al_env.catalogue.env import ReIDCatalogueEnv
from reid_al_env.catalogue.references import label_seeing
from reid_al_env.catalogue.rules import RULES, Choose, Infos, Observation
from reid_al_env.catalogue.tasks import FAMILIES, HELD_OUT_SEEDS
from reid_al_env.errors import InputError

TASKS = sum(map(len, HELD_OUT_SEEDS.values()))
LABEL_SEEING, LABEL_SEEING_BEAM = "label-seeing", "label-seeing-beam"
LEARNED = "learned"
SHIPPED = Path(__file__).parents[1] / "dqn" / "shipped" / "catalogue.safetensors"
"""The policy that comes with the package; its card is beside it."""


@dataclass(frozen=True)
class Played:
    """One task as a policy played it.

    Args:
        task: Its name.
        f1: B-cubed F1 before the first and after every answer.
        score: The normalised score likewise; NaN in a task where seeing the labels gains nothing.
    """

    task: str
    f1: NDArray[np.float64]
    score: NDArray[np.float64]


def catalogue(name: str) -> ReIDCatalogueEnv:
    """Make a catalogue with scores by its registered id.

    Raises:
        InputError: There is no such environment, or it gives no scores.
    """
    try:
        env = gym.make(name).unwrapped
    except gym.error.Error as error:
        raise InputError(f"{name}: is no registered environment; try ReIDCatalogueTest-v0") from error
    if not isinstance(env, ReIDCatalogueEnv) or "score" not in env.reset(seed=0)[1]:
        raise InputError(f"{name}: gives no scores; choose a catalogue of fixed tasks: {', '.join(SCORED)}")
    return env


SCORED = ("ReIDCatalogueTest-v0", "ReIDCatalogueSmallTest-v0", "ReIDCatalogueNoisyTest-v0")


def play(
    env: ReIDCatalogueEnv, name: str, seed: int, report: Callable[[str, int, int], None]
) -> list[Played]:
    """Play every fixed task once.

    Args:
        env: Of :func:`catalogue`.
        name: A rule's name, ``label-seeing``, ``label-seeing-beam``, ``learned``, or the file of a policy.
        seed: Seed of random choices.
        report: Called with what is done, the number of tasks done, and their total.
    """
    choose = policy(name, env, seed)
    played = []
    for number in range(TASKS):
        observation, infos = env.reset(seed=None if number else 0)
        task = f"{list(FAMILIES)[infos['family']]}:{infos['task_seed']}"
        f1, score, over = [infos["f1"]], [infos["score"]], False
        while not over:
            observation, _, over, _, infos = env.step(choose(observation, infos))
            f1.append(infos["f1"])
            score.append(infos["score"])
        played.append(Played(task, np.array(f1), np.array(score)))
        report(f"play: {name}", number + 1, TASKS)
    return played


def policy(name: str, env: ReIDCatalogueEnv, seed: int) -> Choose:
    """The policy of that name; see :func:`play`.

    Raises:
        InputError: There is no such rule or file, or the file holds a policy of another environment.
    """
    if name == LABEL_SEEING:
        return lambda observation, infos: label_seeing(env.game)
    if name == LABEL_SEEING_BEAM:
        return _planned(env)
    if name in RULES:
        return RULES[name](seed)
    return _from_file(SHIPPED if name == LEARNED else Path(name), env)


def _planned(env: ReIDCatalogueEnv) -> Choose:
    """Plays what a beam search found at the start of the episode."""
    actions: list[int] = []

    def choose(observation: Observation, infos: Infos) -> int:
        if "answer" not in infos:
            actions[:] = reversed(beam_search(env))
        return actions.pop()

    return choose


def _from_file(path: Path, env: ReIDCatalogueEnv) -> Choose:
    if not path.is_file():
        known = ", ".join((*RULES, LABEL_SEEING, LABEL_SEEING_BEAM, LEARNED))
        raise InputError(f"{path}: is neither a policy file nor a rule; rules are {known}")
    from reid_al_agents.dqn.policy_file import load_policy

    places, columns = env.observation_space["questions"].shape  # type: ignore[index]  # a Dict of Boxes
    loaded = load_policy(path, pool_size=places)
    if loaded.kind != "questions" or loaded.seen["columns"] != columns:
        raise InputError(f"{path}: holds a policy of another environment; train one by reid-al train ID")

    def choose(observation: Observation, infos: Infos) -> int:
        action, _ = loaded.policy.predict(dict(observation), deterministic=True)
        return int(action)

    return choose


def rows(name: str, env_id: str, played: Sequence[Played]) -> list[dict[str, Any]]:
    """Every state of every task as a row of a table: id, policy, task, answers, F1, score."""
    return [
        {
            "id": env_id,
            "policy": name,
            "task": each.task,
            "answers": answers,
            "f1": round(float(f1), 5),
            "score": rounded(score),
        }
        for each in played
        for answers, (f1, score) in enumerate(zip(each.f1, each.score, strict=True))
    ]


def rounded(score: float) -> float | None:
    """A score as it is written; ``None`` in a task that has none."""
    return round(float(score), 4) if np.isfinite(score) else None


def by_family(played: Sequence[Played]) -> dict[str, float]:
    """Mean final score of each family's tasks; left out are tasks without one."""
    final = {each.task: float(each.score[-1]) for each in played if np.isfinite(each.score[-1])}
    families = [family for family in FAMILIES if any(task.startswith(f"{family}:") for task in final)]
    return {
        family: float(np.mean([value for task, value in final.items() if task.startswith(f"{family}:")]))
        for family in families
    }
