"""Selectors by the names of the command line, learned ones included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.selection import SELECTORS, Selector, make_selector
from reid_al_agents.selection.registry import BETWEEN_GROUPS
from reid_al_env import InputError

POLICY_PREFIX = "policy:"
LEARNED = {"dqn": "graph", "dqn-mlp": "mlp"}
SELECTOR_NAMES = (*BETWEEN_GROUPS, *SELECTORS, "greedy", *LEARNED, f"{POLICY_PREFIX}FILE")


@runtime_checkable
class LearnedSelector(Selector, Protocol):
    """A selector with a policy that can be kept."""

    learning: bool
    seen: Mapping[str, Any]

    def save(self, path: str | Path, seen: Mapping[str, Any] | None = None) -> None:
        """Save the policy as safetensors, with a record of its training."""
        ...

    def save_checkpoint(self, folder: str | Path) -> None:
        """Save all state that learning continues from."""
        ...

    def load_checkpoint(self, folder: str | Path) -> None:
        """Load a checkpoint and continue from it."""
        ...


def check_selector(name: str) -> None:
    """Raise :class:`InputError` unless there is a selector of that name."""
    if name not in (*SELECTORS, *BETWEEN_GROUPS, "greedy", *LEARNED) and not name.startswith(POLICY_PREFIX):
        raise InputError(f"selector: {name!r} is unknown; choose one of {', '.join(SELECTOR_NAMES)}")


def choose(
    name: str,
    pool_size: int,
    seed: int,
    true_rewards: Callable[[], NDArray[np.float32]] | None = None,
) -> Selector:
    """The selector of that name.

    Args:
        name: One of :data:`SELECTOR_NAMES`.
        pool_size: n_s, candidates of a query.
        seed: Seed of a learning policy.
        true_rewards: Rewards by the labels, for ``greedy``; ``None`` without labels.

    Raises:
        InputError: If the name is unknown or the policy file cannot be used.
    """
    check_selector(name)
    if name not in LEARNED and not name.startswith(POLICY_PREFIX):
        return make_selector(name, true_rewards=true_rewards)
    from reid_al_agents.dqn.selector import DQNSelector
    from reid_al_agents.dqn.settings import DQNSettings

    if name.startswith(POLICY_PREFIX):
        return DQNSelector.load(name.removeprefix(POLICY_PREFIX), pool_size=pool_size)
    return DQNSelector(pool_size, DQNSettings(policy=LEARNED[name]), seed=seed)
