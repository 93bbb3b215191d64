"""Rewards: how hard an answer was, given the answers before it."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

EmptyNegatives = Literal["neutral", "farthest"]
_ZERO = np.zeros((), dtype=np.float32)
EMPTY_NEGATIVES: tuple[str, ...] = get_args(EmptyNegatives)


class Reward(Protocol):
    """Signature of a reward; any such callable can be passed as ``reward=``."""

    def __call__(
        self, answers: NDArray[np.int8], gap: NDArray[np.float32], margin: float
    ) -> NDArray[np.float32]:
        """Reward of each answer.

        Args:
            answers: +1 or −1, any shape.
            gap: Largest distance to the matches minus smallest distance to the non-matches, from
                :func:`hardness_gap`, same shape.
            margin: m.

        Returns:
            float32, same shape.
        """
        ...


def hinge(answers: NDArray[np.int8], gap: NDArray[np.float32], margin: float) -> NDArray[np.float32]:
    """The paper's reward, R = [m + y · gap]₊ (Liu et al., ICCV 2019, equation 6)."""
    return np.asarray(np.maximum(np.float32(margin) + answers * gap, _ZERO))


def softplus(answers: NDArray[np.int8], gap: NDArray[np.float32], margin: float) -> NDArray[np.float32]:
    """A smooth version of the hinge, R = ln(1 + exp(m + y · gap))."""
    return np.asarray(np.logaddexp(0.0, np.float32(margin) + answers * gap), dtype=np.float32)


REWARDS: dict[str, Reward] = {"hinge": hinge, "softplus": softplus}


def resolve_reward(reward: str | Reward) -> Reward:
    """The reward of that name, or the callable itself.

    Raises:
        InputError: If there is no reward of that name.
    """
    if callable(reward):
        return reward
    if reward not in REWARDS:
        raise InputError(
            f"reward: {reward!r} is unknown; choose one of {', '.join(REWARDS)} or pass a callable"
        )
    return REWARDS[reward]


def hardness_gap(
    farthest_match: NDArray[np.float32], nearest_non_match: NDArray[np.float32], empty_negatives: str
) -> NDArray[np.float32]:
    """max_{x ∈ X_p} d(x, g) − min_{x ∈ X_n} d(x, g), from the answers before this one.

    Args:
        farthest_match: Maximum over X_p, which always holds the query; any shape.
        nearest_non_match: Minimum over X_n, ``inf`` where X_n is empty; same shape.
        empty_negatives: Rule for an empty X_n. ``"farthest"``: the minimum is 1, the largest distance there
            is. ``"neutral"``: the gap is 0, so that the hinge is m for either answer.

    Returns:
        float32, same shape.
    """
    if empty_negatives == "farthest":
        return farthest_match - np.minimum(nearest_non_match, np.float32(1.0))
    gap = np.asarray(farthest_match - nearest_non_match)
    np.copyto(gap, _ZERO, where=np.isinf(gap))
    return gap
