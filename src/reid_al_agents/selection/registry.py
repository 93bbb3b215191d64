"""Selectors by the names that the command line uses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.selection.rules import (
    EntropySelector,
    ExpectedChangeSelector,
    ExpectedGainSelector,
    FarthestSelector,
    GreedyRewardSelector,
    NearestSelector,
    RandomSelector,
)
from reid_al_agents.selection.selector import Selector
from reid_al_env.errors import InputError

SELECTORS: dict[str, Callable[[], Selector]] = {
    selector.name: selector
    for selector in (RandomSelector, NearestSelector, FarthestSelector, EntropySelector)
}
"""Selectors that need the observation alone; the learned one is :class:`reid_al_agents.dqn.DQNSelector`."""

BETWEEN_GROUPS: dict[str, Callable[[], Selector]] = {
    selector.name: selector for selector in (ExpectedChangeSelector, ExpectedGainSelector)
}
"""Rules that need groups, their sizes and match probabilities."""


def make_selector(name: str, *, true_rewards: Callable[[], NDArray[np.float32]] | None = None) -> Selector:
    """Make a selector that follows a fixed rule.

    Args:
        name: A key of :data:`SELECTORS` or :data:`BETWEEN_GROUPS`, or ``"greedy"``.
        true_rewards: Source of the rewards for ``"greedy"``; see :class:`GreedyRewardSelector`.

    Returns:
        The selector.

    Raises:
        InputError: If the name is unknown, or ``"greedy"`` is given no rewards.
    """
    if name in BETWEEN_GROUPS:
        return BETWEEN_GROUPS[name]()
    if name == GreedyRewardSelector.name:
        if true_rewards is None:
            raise InputError(
                "selector: 'greedy' needs the true rewards, found none; it works only where labels are known"
            )
        return GreedyRewardSelector(true_rewards)
    if name not in SELECTORS:
        known = ", ".join((*SELECTORS, *BETWEEN_GROUPS, GreedyRewardSelector.name))
        raise InputError(f"selector: {name!r} follows no fixed rule; choose one of {known}")
    return SELECTORS[name]()
