"""Q-values under an action mask, for choosing actions and for bootstrapping."""

from __future__ import annotations

import torch
from torch import Tensor

MASKED_VALUE = -1e9
"""Q-value given to a masked action; finite, so that nothing computed from it is NaN."""


def masked_values(q_values: Tensor, action_mask: Tensor) -> Tensor:
    """Return ``q_values`` (B, n) with :data:`MASKED_VALUE` where ``action_mask`` (B, n) is zero."""
    return torch.where(action_mask != 0, q_values, MASKED_VALUE)


def greedy_actions(q_values: Tensor, action_mask: Tensor) -> Tensor:
    """Return the unmasked action of highest value, shape (B,), int64; 0 where everything is masked.

    Args:
        q_values: Of shape (B, n).
        action_mask: Of shape (B, n), non-zero where the action may be taken.
    """
    best = masked_values(q_values, action_mask).argmax(dim=1)
    return torch.where((action_mask != 0).any(dim=1), best, torch.zeros_like(best))


def bootstrap_values(q_values: Tensor, action_mask: Tensor, chooser: Tensor | None = None) -> Tensor:
    """Return V(s') = Q(s', a*) with a* the best unmasked action, and 0 where nothing is left to pick.

    Args:
        q_values: Of shape (B, n), by the target network.
        action_mask: Of shape (B, n), that of s'.
        chooser: Of shape (B, n), the Q-values by which a* is chosen; those of the online network make it
            Double DQN (van Hasselt, Guez, Silver, "Deep Reinforcement Learning with Double Q-learning",
            AAAI 2016, Eq. 4). ``None`` takes ``q_values`` itself.

    Returns:
        Of shape (B, 1).
    """
    actions = greedy_actions(q_values if chooser is None else chooser, action_mask)
    values = q_values.gather(1, actions[:, None])
    return torch.where((action_mask != 0).any(dim=1, keepdim=True), values, 0.0)
