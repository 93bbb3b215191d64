"""Events and questions checked and put into the plain types a database takes."""

import json
import math
import operator
import time
from collections.abc import Mapping
from typing import Any

from reid_al_agents.data.cells import read_time
from reid_al_agents.log.checksum import EVENT_COLUMNS, QUESTION_COLUMNS, checksum
from reid_al_agents.log.events import (
    ABOUT_A_PAIR,
    ANSWERS,
    KINDS,
    QUESTION_KINDS,
    TAKING_BACK,
    Event,
    StoredQuestion,
)
from reid_al_env.errors import InputError
from reid_al_env.messages import Message

_LARGEST = 2**63 - 1  # of a BIGINT
_A_DAY = 86400.0  # seconds


def event_row(event: Event) -> dict[str, Any]:
    """Check an event and put it into the plain types a database takes.

    Args:
        event: Its numbers may be NumPy's.

    Returns:
        Value by column, without the id; the checksum covers all others.

    Raises:
        InputError: The event cannot be stored or makes no sense.
    """
    where = f"event {event.key!r}"
    _check_word(where, "kind", event.kind, KINDS)
    _check_word(where, "answer", event.answer, (*ANSWERS, None))
    _check_word(where, "question_kind", event.question_kind, (*QUESTION_KINDS, None))
    if (event.target is not None) != (event.kind in TAKING_BACK):
        raise InputError(
            f"{where}: target={event.target} for kind {event.kind}; only undo and retract have one"
        )
    if not event.annotator and event.kind not in ("import", "identity", "refresh", "audit"):
        raise InputError(f"{where}: no annotator for kind {event.kind}; name one")
    if event.kind in ABOUT_A_PAIR:
        _check_pair(where, event)
    row = {
        "key": _text(where, "key", event.key, needed=True),
        "run": _text(where, "run", event.run, needed=True),
        "kind": event.kind,
        "annotator": _text(where, "annotator", event.annotator),
        "at": _real(where, "at", event.at),
        "shown_at": _optional_real(where, "shown_at", event.shown_at),
        "seconds": _optional_real(where, "seconds", event.seconds),
        "question": None if event.question is None else _text(where, "question", event.question),
        "query": _optional_whole(where, "query", event.query),
        "candidate": _optional_whole(where, "candidate", event.candidate),
        "query_name": _text(where, "query_name", event.query_name),
        "candidate_name": _text(where, "candidate_name", event.candidate_name),
        "answer": event.answer,
        "question_kind": event.question_kind,
        "selector": None if event.selector is None else _text(where, "selector", event.selector),
        "probability": _optional_real(where, "probability", event.probability),
        "round": _optional_whole(where, "round", event.round),
        "step": _optional_whole(where, "step", event.step),
        "target": _optional_whole(where, "target", event.target),
        "payload": _json(where, "payload", event.payload),
    }
    return {**row, "checksum": checksum(row[name] for name in EVENT_COLUMNS)}


def question_row(question: StoredQuestion) -> dict[str, Any]:
    """Check a question and put it into the plain types a database takes.

    Args:
        question: Its numbers may be NumPy's.

    Returns:
        Value by column; the checksum covers all others.

    Raises:
        InputError: The question cannot be stored or makes no sense.
    """
    where = f"question {question.id!r}"
    _check_word(where, "kind", question.kind, QUESTION_KINDS)
    row = {
        "id": _text(where, "id", question.id, needed=True),
        "run": _text(where, "run", question.run, needed=True),
        "round": _whole(where, "round", question.round),
        "query": _whole(where, "query", question.query),
        "candidate": _whole(where, "candidate", question.candidate),
        "kind": question.kind,
        "selector": _text(where, "selector", question.selector),
        "probability": _optional_real(where, "probability", question.probability),
        "detail": _json(where, "detail", question.detail),
        "created_at": _real(where, "created_at", question.created_at),
    }
    if row["query"] == row["candidate"]:
        raise InputError(f"{where}: image {row['query']} against itself; expected two different images")
    return {**row, "checksum": checksum(row[name] for name in QUESTION_COLUMNS)}


def check_plausible(where: str, event: Event) -> None:
    """See that the numbers of an imported event can be what they are called.

    Args:
        where: Where it was read, for a message.
        event: The event.

    Raises:
        InputError: A probability is outside [0, 1], a duration outside a year, or a time before 1970 or later
            than tomorrow (clocks differ), such as one in milliseconds.
    """
    latest = time.time() + _A_DAY
    for name, most in {"probability": 1.0, "seconds": 366 * _A_DAY, "at": latest, "shown_at": latest}.items():
        value = getattr(event, name)
        if value is not None and not 0 <= value <= most:
            raise InputError(f"{where}: {name} is {value:.12g}; expected a number from 0 to {most:.12g}")


def check_description(payload: Mapping[str, Any]) -> None:
    """See that a ``describe`` says something of its images that can be used.

    Args:
        payload: ``side`` is a name, ``time`` is as :func:`.read_time` takes it; both blank where unknown.

    Raises:
        InputError: It says nothing, or a time cannot be read.
    """
    told = {name: payload[name] for name in ("side", "time") if name in payload}
    if not told or not all(isinstance(word, str) for word in told.values()):
        raise InputError("describe: says nothing of its images; give side or time, as text")
    if told.get("time") and read_time(told["time"]) is None:
        raise InputError(
            Message(
                "describe: time {time!r} cannot be read; write 2026-01-31 14:05:09", time=told["time"][:40]
            )
        )


def load_json(text: str, where: str) -> dict[str, Any]:
    """Read what a row keeps as JSON; quick for the empty object most rows have.

    Args:
        text: The JSON.
        where: The row, for a message.

    Raises:
        InputError: It is no JSON object.
    """
    if text == "{}":
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: holds no JSON ({error}); restore the database from a backup") from error
    if not isinstance(value, dict):
        raise InputError(f"{where}: holds no JSON object; restore the database from a backup")
    return value


def _check_pair(where: str, event: Event) -> None:
    if event.answer is None or event.query is None or event.candidate is None:
        raise InputError(f"{where}: kind {event.kind} needs query, candidate and answer")
    if event.query == event.candidate:
        raise InputError(f"{where}: image {event.query} against itself; expected two different images")


def _check_word(where: str, what: str, found: str | None, allowed: tuple[str | None, ...]) -> None:
    if found not in allowed:
        words = ", ".join(word for word in allowed if word is not None)
        raise InputError(f"{where}: {what} {found!r}; expected one of {words}")


def _text(where: str, what: str, value: str, *, needed: bool = False) -> str:
    if not isinstance(value, str) or (needed and not value):
        raise InputError(f"{where}: {what} is {value!r}; expected a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{where}: {what} {value!r} is no valid Unicode") from None
    if "\x00" in value:  # PostgreSQL has no room for it, and SQLite's tools stop there
        raise InputError(f"{where}: {what} {value!r} holds a NUL character; leave it out")
    return str(value)  # a NumPy text becomes a plain one


def _whole(where: str, what: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= _LARGEST or isinstance(value, bool):
        raise InputError(f"{where}: {what} is {value!r}; expected a whole number from 0")
    return number


def _real(where: str, what: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{where}: {what} is {value!r}; expected a finite number")
    return number + 0.0  # SQLite gives -0.0 back as 0.0


def _optional_whole(where: str, what: str, value: Any) -> int | None:
    return None if value is None else _whole(where, what, value)


def _optional_real(where: str, what: str, value: Any) -> float | None:
    return None if value is None else _real(where, what, value)


def _json(where: str, what: str, value: Mapping[str, Any]) -> str:
    def plain(item: Any) -> Any:
        if hasattr(item, "tolist"):  # a NumPy number or array
            return item.tolist()
        raise TypeError(f"{type(item).__name__} is no JSON value")

    try:
        text = json.dumps(dict(value), default=plain, allow_nan=False, ensure_ascii=True)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {what} cannot be written as JSON ({error})") from error
    return text
