"""What a session returns to the page and the terminal: plain values without HTTP or database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reid_al_agents.asking.question import Question
from reid_al_agents.log.events import Event, StoredQuestion
from reid_al_env import InputError
from reid_al_env.messages import Message


def as_json(message: Message | None, name: str = "message") -> Json:
    """A message for the page: its text under ``name``, and under ``said`` what translates it."""
    return {name: message, "said": None if message is None else _parts(message)}


def _parts(message: Message) -> Json:
    values = {
        name: {"text": value, **_parts(value)} if isinstance(value, Message) else _plain(value)
        for name, value in message.values.items()
    }
    return {"template": message.template, "values": values}


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)


class Conflict(InputError):  # noqa: N818 -- the ordinary result of a late or duplicate request
    """A request that is no longer valid because the session has changed since."""


class Unknown(InputError):  # noqa: N818 -- as above
    """A request for a question, image, identity or file that does not exist."""


@dataclass(eq=False)
class PendingQuestion:
    """An open question, with the annotators that it needs and has.

    Attributes:
        record: The question as stored.
        drawn: The engine's question; ``None`` once the engine has its answer, or if it did not draw this one.
        needed: Number of annotators that are to answer.
        only: The only annotator that may answer; ``None`` for any.
        answered: Annotators that have answered, with any answer.
        skipped: Annotators that put it off.
    """

    record: StoredQuestion
    drawn: Question | None = None
    needed: int = 1
    only: str | None = None
    answered: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)

    @property
    def pair(self) -> tuple[int, int]:
        """The two images, the lower first."""
        a, b = self.record.query, self.record.candidate
        return min(a, b), max(a, b)


@dataclass(frozen=True)
class Served:
    """Questions for one annotator.

    Attributes:
        questions: In the order in which they are to be shown.
        waiting: Why there are fewer than requested: ``planning`` (a batch is being planned), ``others``
            (other annotators have the rest) or ``finished``; ``None`` if there are enough.
    """

    questions: list[StoredQuestion]
    waiting: str | None


@dataclass(frozen=True)
class Answered:
    """Result of an answer.

    Attributes:
        event: The event as stored.
        counted: False if the answer had been stored before.
    """

    event: Event
    counted: bool


@dataclass(frozen=True)
class Undone:
    """Result of an undo.

    Attributes:
        event: The event that no longer counts.
        question: The question to show again; ``None`` if the event was not an answer to one.
        count: Number of events that no longer count.
    """

    event: Event
    question: StoredQuestion | None
    count: int = 1


Json = dict[str, Any]
"""A JSON object."""
