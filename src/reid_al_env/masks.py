"""Action masks of an environment, whatever it is wrapped in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError


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
