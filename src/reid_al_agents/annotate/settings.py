"""How people are asked."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env import InputError


@dataclass(frozen=True)
class AnnotationSettings:
    """Settings of a live session.

    Args:
        overlap: People asked about a pair; 1.2 asks a second person about every fifth.
        lease_seconds: How long a pair waits for the person it was shown to before another may get it.
        gold_share: Share of the pairs shown whose answer is known already, to see how reliable people are.
        refresh_every: Answers after which the model is refreshed; ``None`` only on demand.
        answers: Answers after which nothing more is asked; ``None`` while there is something to ask.
        ready: Pairs that are kept ready to be shown.

    Raises:
        InputError: If one is out of range.
    """

    overlap: float = 1.0
    lease_seconds: float = 120.0
    gold_share: float = 0.02
    refresh_every: int | None = 1000
    answers: int | None = None
    ready: int = 64

    def __post_init__(self) -> None:
        if not 1.0 <= self.overlap <= 20.0:
            raise InputError(f"overlap: {self.overlap} is outside 1..20 people for a pair")
        if not 1.0 <= self.lease_seconds <= 86_400.0:
            raise InputError(f"lease_seconds: {self.lease_seconds} is outside 1 s to a day")
        if not 0.0 <= self.gold_share <= 0.5:
            raise InputError(f"gold_share: {self.gold_share} is outside 0 to 0.5")
        for name in ("refresh_every", "answers", "ready"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}: {value} is below 1")
