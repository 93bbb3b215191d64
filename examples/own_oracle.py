"""Use your own source of answers: an object with a method ``answer``, or a plain function."""

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from reid_al_env import ConstraintGraph, synthetic_features


class UnsureAnnotator:
    """Knows the identities but answers "can't tell" to every fifth question."""

    def __init__(self, identities: NDArray[np.int64]) -> None:
        self.identities = identities
        self.questions = 0

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """One of +1 (match), −1 (no match) and 0 (can't tell) for each pair."""
        number = self.questions + np.arange(len(queries))
        self.questions += len(queries)
        said = np.where(self.identities[queries] == self.identities[galleries], 1, -1)
        return np.where(number % 5 == 4, 0, said).astype(np.int8)


features = synthetic_features(seed=1)
known = ConstraintGraph(len(features))  # with it, implied answers are never asked for
env = gym.make(
    "reid_al_env:ReIDActiveLearning-v0",
    features=features,
    oracle=UnsureAnnotator(features.identities),
    constraints=known,
    render_mode="ansi",
)
for _ in range(3):
    _, info = env.reset()
    terminated = False
    while not terminated:
        _, _, terminated, _, info = env.step(env.action_space.sample(info["action_mask"]))
        print(env.render())
print(f"{len(known.must_links)} matches, {len(known.cannot_links)} non-matches")


def never_matches(queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
    """An oracle without memory can be a function."""
    return np.full(len(queries), -1, dtype=np.int8)


env = gym.make("reid_al_env:ReIDActiveLearning-v0", features=features, oracle=never_matches)
env.reset(seed=0)
print("a function answers", env.step(0)[4]["answer"])
