"""Score simple rules on the fixed tasks of the catalogue: 0 is nearest first, 1 sees the labels."""

import sys

import gymnasium as gym
import numpy as np

import reid_al_env  # noqa: F401 -- importing registers the environments
from reid_al_env.catalogue.questions import QUESTION_FEATURES

TOGETHER = QUESTION_FEATURES.index("delivered_together")


def random_question(observation: dict, step: int, rng: np.random.Generator) -> int:
    """Any open question."""
    return int(rng.choice(np.flatnonzero(observation["action_mask"])))


def one_check_in_four(observation: dict, step: int, rng: np.random.Generator) -> int:
    """The most similar groups that are delivered apart; at every fourth step, a check of a join."""
    checks = np.flatnonzero(observation["questions"][:, TOGETHER] * observation["action_mask"])
    return int(checks[0]) if len(checks) and step % 4 == 0 else 0


def scores(choose: object, name: str) -> list[float]:
    """The score of a rule at the end of each fixed task."""
    env, rng, ends = gym.make(name), np.random.default_rng(0), []
    for task in range(20):
        observation, info = env.reset(seed=0 if task == 0 else None)
        over, step = False, 0
        while not over:
            observation, _, over, _, info = env.step(choose(observation, step, rng))  # type: ignore[operator]
            step += 1
        ends.append(info["score"])
    return ends


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "ReIDCatalogueSmallTest-v0"
    for rule in (random_question, one_check_in_four):
        print(f"{rule.__name__}: mean score {np.mean(scores(rule, name)):.2f} on {name}")
