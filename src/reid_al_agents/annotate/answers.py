"""Answers to questions: who may give one, and the event that it becomes."""

from __future__ import annotations

from reid_al_agents.annotate.leases import Leases
from reid_al_agents.annotate.messages import Conflict, PendingQuestion, Unknown
from reid_al_agents.annotate.state import State
from reid_al_agents.log.events import ANSWERS, Event, StoredQuestion
from reid_al_env.messages import Message

_KEPT = ("described", "row", "audit", "again", "doubted")
"""Of a question's detail, what is kept with its answer."""


def check_may_answer(
    state: State, leases: Leases, annotator: str, question: str, pending: PendingQuestion | None
) -> None:
    """Check that an annotator may answer a question.

    Raises:
        Conflict: They have answered it already, or others have it.
    """
    if annotator in state.beliefs.answered.get(question, ()):
        raise Conflict(Message("question: {annotator} has answered it already", annotator=annotator))
    if pending is not None and not leases.may_answer(pending, annotator, state.clock()):
        raise Conflict("question: another person has it; ask for new questions")


def answer_event(
    state: State, annotator: str, key: str, record: StoredQuestion, answer: str, seconds: float | None
) -> Event:
    """The event of an answer to a stored question, given now.

    Raises:
        Unknown: There is no such answer.
    """
    if answer not in ANSWERS:
        raise Unknown(
            Message("answer {answer!r}: expected one of {answers}", answer=answer, answers=", ".join(ANSWERS))
        )
    now, names = state.clock(), state.features.names
    return Event(
        key,
        state.run,
        "answer",
        annotator,
        now,
        shown_at=None if seconds is None else now - seconds,
        seconds=seconds,
        question=record.id,
        query=record.query,
        candidate=record.candidate,
        query_name=str(names[record.query]),
        candidate_name=str(names[record.candidate]),
        answer=answer,
        question_kind=record.kind,
        selector=record.selector,
        probability=record.probability,
        round=state.round,
        step=state.beliefs.answers,
        payload={name: record.detail[name] for name in _KEPT if name in record.detail},
    )
