"""Our own ``events.jsonl``, read into another run: what counted there is said again, under the same names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from reid_al_agents.log.events import (
    ABOUT_A_PAIR,
    ABOUT_IMAGES,
    Event,
    counting,
    payload_images,
    with_payload_images,
)
from reid_al_agents.log.tables import IMAGE_NAMES
from reid_al_agents.log.validation import check_description, check_plausible, event_row
from reid_al_env.errors import InputError
from reid_al_env.messages import Message, message_of

_FIELDS = frozenset(field.name for field in fields(Event))
_KEPT = ("settles", "described")
"""Of an answer's payload, what is evidence wherever it is read; the rest is about the run it was given in."""
_NEEDED = {
    "merge": ("a", "b"),
    "split": ("images", "rest"),
    "name": ("image", "name"),
    "hide": ("image", "hidden"),
    "describe": ("images",),
    "identity": ("images", "trust", "source"),
}


def read_events_jsonl(path: Path, index: Mapping[str, int], *, run: str) -> list[Event]:
    """Read what counted of a log: answers as imported ones, edits and known identities as they were.

    Refreshes and what the audit drew belong to the other run and are left out.

    Args:
        path: The file, UTF-8.
        index: Dataset index of each image by its name.
        run: The run it is read into.

    Raises:
        InputError: The file cannot be read, or a line is no event or names an image that is not there.
    """
    told: list[tuple[int, Event, Mapping[str, str]]] = []
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            event, names = _parse(_where(path, number), line)
            told.append((number, event, names))
    counts = {event.id for event in counting(event for _, event, _ in told)}
    return [
        _said_again(_where(path, number), event, names, index, run, {"file": path.name, "line": number})
        for number, event, names in told
        if event.id in counts and event.kind in (*ABOUT_A_PAIR, *ABOUT_IMAGES)
    ]


def _where(path: Path, line: int) -> Message:
    return Message("{file}: line {line}", file=path, line=line)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            Message("{file}: cannot be read ({reason}); expected a UTF-8 file", file=path, reason=reason)
        ) from error


def _parse(where: str, line: str) -> tuple[Event, Mapping[str, str]]:
    try:
        content: dict[str, Any] = dict(json.loads(line))
        names = content.pop(IMAGE_NAMES, {})
        event = Event(**content)
        if (
            not isinstance(event.id, int)
            or not isinstance(event.payload, dict)
            or not isinstance(names, dict)
        ):
            raise TypeError("id, payload or image_names is of the wrong type")
        event_row(event)
        check_plausible(f"event {event.key!r}", event)
        _check_payload(event)
    except (ValueError, TypeError, RecursionError) as error:
        unknown = set(content) - _FIELDS if "content" in locals() else set()
        reason = f"unknown {', '.join(sorted(unknown))}" if unknown else str(error)
        raise InputError(
            Message(
                "{where}: is no event ({reason}); expected a line of our events.jsonl",
                where=where,
                reason=reason,
            )
        ) from error
    except InputError as error:
        raise InputError(Message("{where}: {reason}", where=where, reason=message_of(error))) from error
    return event, names


def _check_payload(event: Event) -> None:
    """See that an edit or a known identity says all that its kind does."""
    missing = [name for name in _NEEDED.get(event.kind, ()) if name not in event.payload]
    if missing:
        raise ValueError(f"a {event.kind} without {', '.join(missing)}")
    if event.kind == "identity" and not 0.5 < float(event.payload["trust"]) < 1:
        raise ValueError(f"trust {event.payload['trust']}")
    if event.kind == "describe":
        check_description(event.payload)
    if event.kind in ("split", "identity", "describe") and not event.payload["images"]:
        raise ValueError("no images")
    payload_images(event)


def _said_again(
    where: str,
    event: Event,
    names: Mapping[str, str],
    index: Mapping[str, int],
    run: str,
    origin: dict[str, Any],
) -> Event:
    digest = hashlib.sha256(f"{event.run}\0{event.key}".encode()).hexdigest()[:32]
    key = event.key if event.run == run else f"import/{digest}"
    if event.kind in ABOUT_IMAGES:
        place = {image: _find(where, names.get(str(image)), index) for image in payload_images(event)}
        moved = with_payload_images(event.payload, place)
        return replace(event, key=key, run=run, payload=moved, round=None, id=0)
    return replace(
        event,
        key=key,
        run=run,
        kind="import",
        question=None,
        question_kind=None,
        round=None,
        step=None,
        query=_find(where, event.query_name, index),
        candidate=_find(where, event.candidate_name, index),
        payload={**{name: event.payload[name] for name in _KEPT if name in event.payload}, **origin},
        id=0,
    )


def _find(where: str, name: str | None, index: Mapping[str, int]) -> int:
    if not name:
        raise InputError(
            Message("{where}: does not name its images; export it again with this version", where=where)
        )
    if name not in index:
        raise InputError(
            Message(
                "{where}: image {image!r} is none of the {count} images; rename it as it was",
                where=where,
                image=name,
                count=len(index),
            )
        )
    return index[name]
