"""Use your own reward: any function of the answers, their hardness and the margin."""

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray


def find_matches(answers: NDArray[np.int8], gap: NDArray[np.float32], margin: float) -> NDArray[np.float32]:
    """1 for a match, plus ``margin`` if it was farther away than a known non-match."""
    found = (answers > 0).astype(np.float32)
    return np.where(gap > 0, found * (1 + np.float32(margin)), found)


def mean_return(reward: object, nearest_first: bool, queries: int = 200) -> float:
    env = gym.make("reid_al_env:ReIDActiveLearning-v0", reward=reward, metric="cosine")
    env.action_space.seed(0)
    _, info = env.reset(seed=0)
    total = 0.0
    for _ in range(queries):
        terminated = False
        while not terminated:
            allowed = info["action_mask"]
            action = int(np.argmax(allowed)) if nearest_first else env.action_space.sample(allowed)
            _, earned, terminated, _, info = env.step(action)
            total += earned
        _, info = env.reset()
    return total / queries


for name, reward in (("the paper's hinge", "hinge"), ("matches found", find_matches)):
    returns = [mean_return(reward, nearest_first) for nearest_first in (False, True)]
    print(f"{name}: random {returns[0]:.2f}, nearest first {returns[1]:.2f}")
