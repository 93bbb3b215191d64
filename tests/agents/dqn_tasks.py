"""Small masked tasks with the observation of the real environment, for tests of the learner."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from reid_al_env.env import observation_space


def random_observations(seed: int, batch: int = 4, items: int = 9) -> dict[str, Any]:
    """A batch of sparse symmetric graphs with answers of both kinds; row 0 of the batch has none."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((batch, items + 1, items + 1)), 1)
    upper[rng.random(upper.shape) < 0.5] = 0
    feedback = rng.choice([-1, 0, 0, 1], (batch, items)).astype(np.int8)
    feedback[0] = 0
    return {
        "similarity": (upper + upper.transpose(0, 2, 1)).astype(np.float32),
        "feedback": feedback,
        "action_mask": ((feedback == 0) & (rng.random((batch, items)) < 0.9)).astype(np.int8),
        "remaining": rng.random((batch, 1)).astype(np.float32),
    }


class FewOpenEnv(gym.Env):
    """At each of 8 steps, 3 of 12 items are open; the open one whose similarity is nearest 1/2 earns 1.

    Picking a masked item earns 0 and ends the episode, so an agent that ignores the mask sees hardly any
    reward, and one that keeps to it but has not learned finds about a third of the rewards.
    """

    items = 12
    open_items = 3
    steps = 8

    def __init__(self) -> None:
        self.observation_space = observation_space(self.items)
        self.action_space = spaces.Discrete(self.items)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._left = self.steps
        return self._draw(), {}

    def step(self, action):
        row, open_now = self._observation["similarity"][0, 1:], self._observation["action_mask"] > 0
        doubt = np.abs(row - 0.5)
        reward = float(open_now[action] and doubt[action] == doubt[open_now].min())
        self._left -= 1
        return self._draw(), reward, self._left == 0 or not open_now[action], False, {}

    def action_masks(self):
        return self._observation["action_mask"].astype(bool)

    def _draw(self):
        similarity = np.zeros((self.items + 1, self.items + 1), np.float32)
        similarity[0, 1:] = similarity[1:, 0] = self.np_random.random(self.items)
        mask = np.zeros(self.items, np.int8)
        mask[self.np_random.choice(self.items, self.open_items, replace=False)] = 1
        self._observation = {
            "similarity": similarity,
            "feedback": np.zeros(self.items, np.int8),
            "action_mask": mask,
            "remaining": np.array([self._left / self.steps], np.float32),
        }
        return self._observation


def corridor(trap: float = 5.0) -> dict[str, Any]:
    """All transitions of an episode of three picks among two items, as :meth:`add_batch` takes them.

    Picking item 0 earns 0, 0 and 1. Item 1 is masked, yet its transitions are stored and pay ``trap`` each,
    which would pull up every value that is bootstrapped through it.
    """
    count = 6  # (step, action) pairs in order
    step = np.repeat([0, 1, 2], 2)

    def observe(at):
        return {
            "similarity": np.zeros((count, 3, 3), np.float32),
            "feedback": np.zeros((count, 2), np.int8),
            "action_mask": np.stack([at < 3, np.zeros(count, bool)], axis=1).astype(np.int8),
            "remaining": (1 - at[:, None] / 3).astype(np.float32),
        }

    actions = np.tile([0, 1], 3)
    return {
        "observations": observe(step),
        "next_observations": observe(step + 1),
        "actions": actions,
        "rewards": np.where(actions == 1, trap, step == 2).astype(np.float32),
        "terminated": step == 2,
        "truncated": np.zeros(count, bool),
        "streams": np.arange(count),
    }
