"""The JSON bodies of requests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Key = Annotated[
    str,
    Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="Unique; counted once."),
]
QuestionId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
ImageId = Annotated[int, Field(ge=0, lt=2**31, description="Index of an image in the pool.")]
IdentityId = Annotated[str, Field(max_length=16, pattern=r"^g[0-9]+$")]
EventId = Annotated[int, Field(ge=1, lt=2**63)]
NameText = Annotated[str, Field(max_length=100)]
Seconds = Annotated[float, Field(ge=0, le=86_400, description="Seconds that it was looked at.")]
Layout = Literal["pair", "row"]
Held = Annotated[list[QuestionId], Field(max_length=100, description="Questions that the page holds.")]


class RequestModel(BaseModel):
    """Strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SignIn(RequestModel):
    """Sign in by token, or under a name where no token is needed."""

    token: Annotated[str, Field(max_length=200)] | None = None
    name: Annotated[str, Field(max_length=40)] | None = None


class Revoke(RequestModel):
    """Revoke an annotator's token."""

    key: Key
    name: Annotated[str, Field(min_length=1, max_length=40)]


class QuestionsWanted(RequestModel):
    """Ask for questions; those asked for are leased to the annotator."""

    count: Annotated[int, Field(ge=1, le=50)] = 6
    layout: Layout = "pair"


class Answer(RequestModel):
    """An answer, with a request for further questions."""

    question: QuestionId
    answer: Literal["same", "different", "cannot_tell", "incomparable", "bad_query", "bad_candidate"]
    key: Key
    seconds: Seconds | None = None
    want: Annotated[int, Field(ge=0, le=50, description="Questions that the page wants to hold.")] = 0
    have: Held = []
    layout: Layout = "pair"


class Skip(RequestModel):
    """Put questions off, and ask for others."""

    questions: Annotated[list[QuestionId], Field(min_length=1, max_length=20)]
    count: Annotated[int, Field(ge=1, le=50)] = 6
    layout: Layout = "pair"


class Once(RequestModel):
    """An act without further data."""

    key: Key


class Pause(RequestModel):
    """Halt the refresh that runs, or let it go on."""

    key: Key
    paused: bool


class Settle(RequestModel):
    """A deliberate answer about a pair whose answers contradict one another."""

    key: Key
    query: ImageId
    candidate: ImageId
    answer: Literal["same", "different"]


class Undo(RequestModel):
    """Take back one's latest act, or all of one's acts from an event on."""

    key: Key
    back_to: EventId | None = None


class Retract(RequestModel):
    """Take back one event of any annotator, or the whole act that it belongs to."""

    key: Key
    event: EventId
    whole: bool = False


class Merge(RequestModel):
    """Merge identities; a name is needed where several of them have different ones."""

    key: Key
    identities: Annotated[list[IdentityId], Field(min_length=2, max_length=200)]
    name: NameText | None = None


class Split(RequestModel):
    """Split images off an identity."""

    key: Key
    identity: IdentityId
    images: Annotated[list[ImageId], Field(min_length=1, max_length=5000)]


class Confirm(RequestModel):
    """Confirm images of an identity as one individual, and split others off them."""

    key: Key
    identity: IdentityId
    same: Annotated[list[ImageId], Field(min_length=1, max_length=5000)]
    different: Annotated[list[ImageId], Field(max_length=5000)] = []
    seconds: Seconds | None = None


class Name(RequestModel):
    """Name an identity; an empty name removes the name."""

    key: Key
    identity: IdentityId
    name: NameText


class Describe(RequestModel):
    """Correct which side images show, or when they were taken; blank where unknown, absent where right."""

    key: Key
    images: Annotated[list[ImageId], Field(min_length=1, max_length=5000)]
    side: NameText | None = None
    time: Annotated[str, Field(max_length=40)] | None = None
    have: Held = []


class Import(RequestModel):
    """Take in the answers and identities of an uploaded file."""

    key: Key
    upload: Key


class Hide(RequestModel):
    """Hide an identity from lists, or show it again."""

    key: Key
    identity: IdentityId
    hidden: bool
