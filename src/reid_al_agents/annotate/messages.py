"""What the engine hands to whoever shows it: plain values, no HTTP and no database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reid_al_agents.asking.question import Question
from reid_al_agents.log.events import Event, StoredQuestion
from reid_al_env import InputError


class Conflict(InputError):  # noqa: N818 -- it is the ordinary end of a late or doubled request
    """What was asked for does not fit what has happened meanwhile."""


class Unknown(InputError):  # noqa: N818 -- as above
    """There is no such thing."""


@dataclass(eq=False)
class Held:
    """A question that people can be given.

    Attributes:
        record: As the store has it.
        drawn: The same for the asking; ``None`` once that has its answer, or where it did not ask.
        needed: How many people are to answer.
        only: The one person it is for; ``None`` for anybody.
        answered: Who answered, whatever the answer.
    """

    record: StoredQuestion
    drawn: Question | None = None
    needed: int = 1
    only: str | None = None
    answered: set[str] = field(default_factory=set)

    @property
    def pair(self) -> tuple[int, int]:
        """The two images, the lower first."""
        a, b = self.record.query, self.record.candidate
        return min(a, b), max(a, b)


@dataclass(frozen=True)
class Served:
    """Questions for one person.

    Attributes:
        questions: In the order in which they are to be shown.
        waiting: Why there are fewer than were wanted: ``planning``, ``others`` have them, ``finished``; else
            ``None``.
    """

    questions: list[StoredQuestion]
    waiting: str | None


@dataclass(frozen=True)
class Answered:
    """What became of an answer.

    Attributes:
        event: As it is on disk.
        counted: False where it was on disk before.
    """

    event: Event
    counted: bool


@dataclass(frozen=True)
class Undone:
    """What was taken back.

    Attributes:
        event: What no longer counts.
        question: The question to show again; ``None`` where it was no answer.
    """

    event: Event
    question: StoredQuestion | None


Json = dict[str, Any]
"""What is sent as it is."""
