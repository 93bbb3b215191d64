"""Selectors by the names of the command line, learned ones included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.dqn.selector import DQNSelector
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.selection import SELECTORS, Selector, make_selector
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

POLICY_PREFIX = "policy:"
LEARNED = {"dqn": "graph", "dqn-mlp": "mlp"}
SELECTOR_NAMES = ("gain", *SELECTORS, "greedy", *LEARNED, f"{POLICY_PREFIX}FILE")


@runtime_checkable
class LearnedSelector(Selector, Protocol):
    """A selector with a policy that can be kept."""

    learning: bool
    seen: Mapping[str, Any]

    def save(self, path: str | Path, seen: Mapping[str, Any] | None = None) -> None:
        """Keep the policy as safetensors, with what it has seen."""
        ...

    def save_checkpoint(self, folder: str | Path) -> None:
        """Keep everything that learning goes on from."""
        ...

    def load_checkpoint(self, folder: str | Path) -> None:
        """Go on from what was kept."""
        ...


def check_selector(name: str) -> None:
    """Raise :class:`InputError` unless there is a selector of that name."""
    if name not in (*SELECTORS, "gain", "greedy", *LEARNED) and not name.startswith(POLICY_PREFIX):
        raise InputError(f"selector: {name!r} is unknown; choose one of {', '.join(SELECTOR_NAMES)}")


def choose(config: RunConfig, true_rewards: Callable[[], NDArray[np.float32]]) -> Selector:
    """The selector that ``config.selector`` names.

    Args:
        config: The run's settings.
        true_rewards: What ``greedy`` looks at.

    Raises:
        InputError: If the name is unknown or the policy file cannot be used.
    """
    check_selector(config.selector)
    if config.selector.startswith(POLICY_PREFIX):
        return DQNSelector.load(config.selector.removeprefix(POLICY_PREFIX), pool_size=config.pool_size)
    if config.selector in LEARNED:
        settings = DQNSettings(policy=LEARNED[config.selector])
        return DQNSelector(config.pool_size, settings, seed=config.seed)
    return make_selector(config.selector, true_rewards=true_rewards)
