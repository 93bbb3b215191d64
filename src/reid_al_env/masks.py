"""Action masks of an environment, whatever it is wrapped in."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError


MANY = 100
"""Masked actions from which an environment says that its agent does not keep to the mask."""


class MaskedPicks:
    """Counts masked actions, and warns once when there are many: they cost answers and teach nothing."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, count: int) -> None:
        """Count some more."""
        before, self._count = self._count, self._count + count
        if before < MANY <= self._count:
            gym.logger.warn(
                f"the agent chose {MANY} masked actions, each for nothing; use an agent that keeps to the "
                "mask: MaskedDQN of reid_al_agents, MaskablePPO of sb3-contrib, or see docs/environments.md"
            )


def action_masks(env: Any) -> NDArray[np.bool_]:
    """The mask of valid actions, looked up through all wrappers.

    Gymnasium's vector wrappers, unlike those of single environments, give no access to methods of the
    environment inside them; this function does.

    Args:
        env: A single, batched, ``SyncVectorEnv`` or ``AsyncVectorEnv`` environment of this package, with any
            wrappers.

    Returns:
        Bool array, shape (actions,) of a single environment and (num_envs, actions) of a vector environment.

    Raises:
        InputError: If no environment inside has action masks.
    """
    inner = env
    while inner is not None:
        if hasattr(inner, "action_masks"):
            return np.asarray(inner.action_masks(), dtype=bool)
        if hasattr(inner, "call"):  # of Gymnasium's SyncVectorEnv and AsyncVectorEnv
            return np.stack(inner.call("action_masks")).astype(bool)
        inner = getattr(inner, "env", None)
    raise InputError(f"{env}: has no action masks; expected an environment of reid_al_env")
