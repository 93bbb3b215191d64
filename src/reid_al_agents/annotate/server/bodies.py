"""What requests may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Key = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
QuestionId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
ImageId = Annotated[int, Field(ge=0, lt=2**31)]
IdentityId = Annotated[str, Field(max_length=16, pattern=r"^g[0-9]+$")]


class Body(BaseModel):
    """No field that is not known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class AnswerBody(Body):
    """An answer, and how many questions the page would like to have in hand."""

    question: QuestionId
    answer: Literal["same", "different", "cannot_tell", "incomparable", "bad_query", "bad_candidate"]
    key: Key
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    want: Annotated[int, Field(ge=0, le=50)] = 0
    have: Annotated[list[QuestionId], Field(max_length=100)] = []
    layout: Literal["pair", "row"] = "pair"


class KeyBody(Body):
    """Something that happens once."""

    key: Key


class SettleBody(Body):
    """A considered answer about a pair that is contradicted."""

    key: Key
    query: ImageId
    candidate: ImageId
    answer: Literal["same", "different"]


class RetractBody(Body):
    """An event that is no longer to count."""

    key: Key
    event: Annotated[int, Field(ge=1, lt=2**63)]


class MergeBody(Body):
    """Two identities that are one."""

    key: Key
    a: IdentityId
    b: IdentityId


class SplitBody(Body):
    """Images that are another identity."""

    key: Key
    identity: IdentityId
    images: Annotated[list[ImageId], Field(min_length=1, max_length=5000)]


class NameBody(Body):
    """A name for an identity; empty takes it away."""

    key: Key
    identity: IdentityId
    name: Annotated[str, Field(max_length=100)]
