"""The protocol of selectors: they choose the pool item of the next question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Observation = Mapping[str, NDArray[np.generic]]
"""A batch of B observations with n_s pool items each; node 0 of the graph is the query.

``similarity`` (B, n_s + 1, n_s + 1) float32 in [0, 1], ``feedback`` (B, n_s) int8 in {-1, 0, 1},
``action_mask`` (B, n_s) int8 in {0, 1}, ``remaining`` (B, 1) float32 in [0, 1].
"""


class Selector(Protocol):
    """Chooses the pool item of the next question in each of a batch of episodes.

    Attributes:
        name: Its name in tables and on the command line.
    """

    name: str

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return one pool item per episode, never a masked one while another is left.

        Args:
            observation: The batch, as :data:`Observation`.
            rng: Source of all randomness; a selector that needs none leaves it untouched.

        Returns:
            Actions of shape (B,), int64 in 0..n_s-1. Where nothing is left to pick the action is 0.
        """
        ...


def highest_unmasked(scores: NDArray[np.floating], action_mask: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the unmasked item with the highest score in each row, the lowest index on ties.

    Args:
        scores: Of shape (B, n_s), finite.
        action_mask: Of shape (B, n_s), non-zero where the item may be picked.

    Returns:
        Item per row, of shape (B,), int64; 0 where the whole row is masked.
    """
    allowed = np.where(action_mask != 0, scores, -np.inf)
    best: NDArray[np.int64] = allowed.argmax(axis=1).astype(np.int64)
    return best


@runtime_checkable
class RanksPairs(Protocol):
    """A selector that leaves the order of all pairs of groups to the batch.

    Attributes:
        ranks_pairs: True.
    """

    ranks_pairs: bool


@runtime_checkable
class LearnsOnline(Protocol):
    """A selector that learns while it asks."""

    def break_off(self) -> None:
        """Abandon the running episodes; every row starts a new one."""
        ...

    def observe(
        self,
        observation: Observation,
        actions: NDArray[np.int64],
        rewards: NDArray[np.floating],
        next_observation: Observation,
        terminated: NDArray[np.bool_],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn from one step of all rows; only those in ``valid`` moved."""
        ...
