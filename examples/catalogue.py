"""Score a rule of one's own on the fixed tasks of the catalogue: 0 is nearest first, 1 sees the labels."""

import sys

import gymnasium as gym
import numpy as np

import reid_al_env  # noqa: F401 -- importing registers the environments
from reid_al_env.catalogue.questions import QUESTION_FEATURES
from reid_al_env.catalogue.rules import RULES

TOGETHER = QUESTION_FEATURES.index("delivered_together")


def checks_first(observation: dict, infos: dict) -> int:
    """A check of a join as long as there is one, else the most similar groups that are delivered apart."""
    checks = np.flatnonzero(observation["questions"][:, TOGETHER] * observation["action_mask"])
    return int(checks[0]) if len(checks) else 0


def scores(choose: object, name: str) -> list[float]:
    """The score of a rule at the end of each fixed task."""
    env, ends = gym.make(name), []
    for task in range(20):
        observation, infos = env.reset(seed=0 if task == 0 else None)
        over = False
        while not over:
            observation, _, over, _, infos = env.step(choose(observation, infos))  # type: ignore[operator]
        ends.append(infos["score"])
    return ends


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "ReIDCatalogueSmallTest-v0"
    rules = {"checks first": checks_first, "expected-change": RULES["expected-change"](0)}
    for rule_name, rule in rules.items():
        print(f"{rule_name}: mean score {np.mean(scores(rule, name)):.2f} on {name}")
