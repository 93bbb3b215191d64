"""Stop rule: whether further answers are still likely to change a group."""

from __future__ import annotations


class ChangeMonitor:
    """Smoothed chance that an answer changes a group.

    ``μ ← α ℓ + (1 − α) μ`` with ``ℓ = 1`` if the answer changed a group and ``α = 2 / (span + 1)`` (Crall's
    graph review, as the Wildbook platform uses it). Asking is stable once the chance that any of the next
    ``horizon`` answers changes a group, ``1 − (1 − μ)^horizon``, is below ``patience``.

    Args:
        span: Answers over which changes are smoothed.
        horizon: Number of answers looked ahead.
        patience: Chance of a change below which asking is stable.

    Attributes:
        answers: Answers seen.
        changes: How many of them changed a group.
        rate: μ, 1 before the first answer.
    """

    def __init__(self, span: int = 200, horizon: int = 72, patience: float = 0.25) -> None:
        self.span, self.horizon, self.patience = span, horizon, patience
        self.answers = 0
        self.changes = 0
        self.rate = 1.0

    def add(self, changed: bool) -> None:
        """Count an answer."""
        changed = bool(changed)
        share = 2 / (self.span + 1)
        self.rate = share * changed + (1 - share) * self.rate
        self.answers += 1
        self.changes += changed

    @property
    def chance_of_change(self) -> float:
        """Chance that any of the next ``horizon`` answers changes a group."""
        return float(1 - (1 - self.rate) ** self.horizon)

    @property
    def stable(self) -> bool:
        """Whether another answer is unlikely to change anything."""
        return self.chance_of_change < self.patience
