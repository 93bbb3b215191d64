"""Counts of one round of asking."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class AskingReport:
    """Counts of one round of asking.

    Args:
        queries: Queries begun.
        answers: Answers given.
        matches: How many of them were "match".
        implied: Pool items whose answer followed from others and cost nothing, counted once for each query
            that had them as candidates.
        returns: Sum of the rewards of each finished query, in order of finishing.
        repeated: Rechecks and disputes, of those counted in ``answers``.
        disagreed: How many rechecks disagreed with the first answer.
        audited: Answers of the audit, of those counted in ``answers``.
    """

    queries: int = 0
    answers: int = 0
    matches: int = 0
    implied: int = 0
    returns: list[float] = field(default_factory=list)
    repeated: int = 0
    disagreed: int = 0
    audited: int = 0
