"""What the event store keeps: events, questions and leases, as plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reid_al_env.errors import InputError

ANSWERS = ("same", "different", "cannot_tell", "incomparable", "bad_query", "bad_candidate")
"""Answer values on the wire and in the store."""

SIGNS = {"same": 1, "different": -1, "cannot_tell": 0, "incomparable": 0}
"""Answers as the oracle protocol has them; those that take an image out of the pool have no sign."""

KINDS = (
    *("answer", "undo", "retract", "merge", "split", "name", "hide", "describe"),
    *("import", "identity", "refresh", "audit", "add", "remove"),
)
"""Kinds of event; "describe" corrects what is known of single images, "audit" keeps what the questions of the
audit are drawn from, "identity" what was known before, "add" which images were added, "remove" which were
removed or came back."""

QUESTION_KINDS = ("policy", "audit", "repeat", "dispute", "hidden", "screen")
"""Why a pair is asked about; "screen": it was not, the answer is one of many about an identity as a whole."""

TAKING_BACK = ("undo", "retract")
UNDOABLE = ("answer", "merge", "split", "name", "hide", "describe")
RETRACTABLE = (*UNDOABLE, "import", "identity")
ABOUT_IMAGES = ("merge", "split", "name", "hide", "describe", "identity")
"""Kinds whose payload holds dataset indices, under :data:`IMAGE_FIELDS`."""

IMAGE_FIELDS = ("a", "b", "image", "images", "rest", "kept")
ABOUT_A_PAIR = ("answer", "import")


class NothingToUndo(InputError):  # noqa: N818 - it is the ordinary end of a row of undos
    """The target of an undo or retract cannot be taken back: absent, another's, or taken back before."""


@dataclass(frozen=True)
class Event:
    """One thing that happened in an annotation run.

    Attributes:
        key: Makes the event count once; unique within the run.
        run: The run it belongs to.
        kind: One of `KINDS`.
        annotator: Name of the annotator, of `add` and `remove` by the command line that of the system's user;
            empty for `import`, `identity`, `refresh` and `audit`.
        at: When it happened, in seconds since 1970-01-01 UTC.
        shown_at: When the pair was put on the screen, likewise.
        seconds: How long the pair was looked at.
        question: Id of the question answered.
        query: Dataset index of the query image.
        candidate: Dataset index of the image it was compared with.
        query_name: Name of the query image; what the index means even if the data are later reordered.
        candidate_name: Name of the candidate.
        answer: One of `ANSWERS`.
        question_kind: One of `QUESTION_KINDS`.
        selector: What chose the pair (`dqn`, `random`, ...).
        probability: Match probability predicted before the answer.
        round: Round of the run, counted from 0.
        step: Position among the answers of its round, counted from 0.
        target: Id of the event that an `undo` or `retract` takes back.
        payload: What else belongs to the event; written as JSON.
        id: Given by the store, rising; 0 while the event is not stored.
    """

    key: str
    run: str
    kind: str
    annotator: str
    at: float
    shown_at: float | None = None
    seconds: float | None = None
    question: str | None = None
    query: int | None = None
    candidate: int | None = None
    query_name: str = ""
    candidate_name: str = ""
    answer: str | None = None
    question_kind: str | None = None
    selector: str | None = None
    probability: float | None = None
    round: int | None = None
    step: int | None = None
    target: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


@dataclass(frozen=True)
class StoredQuestion:
    """One pair that is to be asked about.

    Attributes:
        id: Random and url-safe, 128 bits.
        run: The run it belongs to.
        round: Round of the run, counted from 0.
        query: Dataset index of the query image.
        candidate: Dataset index of the image to compare it with.
        kind: One of `QUESTION_KINDS`.
        selector: What chose the pair.
        created_at: When it was chosen, in seconds since 1970-01-01 UTC.
        probability: Predicted match probability.
        detail: What is copied to the answer's event; written as JSON.
    """

    id: str
    run: str
    round: int
    query: int
    candidate: int
    kind: str
    selector: str
    created_at: float
    probability: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lease:
    """A question that one annotator has on the screen.

    Attributes:
        question: Id of the question.
        annotator: Name of the annotator.
        leased_at: Since when, in seconds since 1970-01-01 UTC; renewing does not change it.
        expires_at: From when on it no longer counts.
    """

    question: str
    annotator: str
    leased_at: float
    expires_at: float


def counting(events: Iterable[Event]) -> list[Event]:
    """The events that count, in order: neither those that were taken back nor the `undo` and `retract` ones.

    Args:
        events: All events of a run.
    """
    events = list(events)
    gone = {event.target for event in events if event.kind in TAKING_BACK}
    return [event for event in events if event.kind not in TAKING_BACK and event.id not in gone]


def payload_images(event: Event) -> list[int]:
    """The images that an event of :data:`ABOUT_IMAGES` is about; of other kinds none."""
    if event.kind not in ABOUT_IMAGES:
        return []
    values = [event.payload[name] for name in IMAGE_FIELDS if name in event.payload]
    return [int(image) for value in values for image in (value if isinstance(value, list) else [value])]


def with_payload_images(payload: Mapping[str, Any], place: Mapping[int, int]) -> dict[str, Any]:
    """A payload of one of :data:`ABOUT_IMAGES` whose images have other indices.

    Args:
        payload: The payload.
        place: New index of each image.
    """

    def moved(value: Any) -> Any:
        return [place[int(image)] for image in value] if isinstance(value, list) else place[int(value)]

    return {name: moved(value) if name in IMAGE_FIELDS else value for name, value in payload.items()}
