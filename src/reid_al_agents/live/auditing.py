"""What the events say of the groups' quality, and of whether answers still change them."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reid_al_agents.annotation.events import Event
from reid_al_agents.grouping import AuditedPair, Design, calibration_error
from reid_al_agents.grouping.calibration import AUDIT_BINS
from reid_al_agents.learner.group_batch import AuditNote
from reid_al_agents.live.ledger import SIGNS

_NOTE = {"design", "stratum", "together", "known"}


def note_of(note: AuditNote) -> dict[str, Any]:
    """What is kept with a question of the audit, for JSON."""
    known = [list(pair) for pair in note.known]
    return {"design": note.design, "stratum": note.stratum, "together": note.together, "known": known}


def design_event(run: str, number: int, design: Design, at: float) -> Event:
    """The event that keeps what a round's audit draws from."""
    packed = zlib.compress(np.asarray(design.groups, dtype="<i4").tobytes())
    payload = {"groups": base64.b64encode(packed).decode("ascii"), "sizes": design.sizes.tolist()}
    return Event(f"audit/{number}", run, "audit", "", at, round=number, payload=payload)


def designs_of(events: Iterable[Event]) -> dict[int, Design]:
    """What the audits of the rounds drew from, by round."""
    found: dict[int, Design] = {}
    for event in events:
        if event.kind == "audit" and event.round is not None:
            packed = base64.b64decode(event.payload["groups"])
            groups = np.frombuffer(zlib.decompress(packed), dtype="<i4").astype(np.int32)
            found[event.round] = Design(groups, np.array(event.payload["sizes"], dtype=np.int64))
    return found


def audited_pairs(events: Iterable[Event]) -> list[AuditedPair]:
    """The audit's pairs with their answers; each question counts once, by its first "same" or "different".

    Args:
        events: Those that count, in order.
    """
    found: list[AuditedPair] = []
    heard: set[str] = set()
    answered: set[str] = set()
    for event in events:
        note = _note(event)
        if note is None or event.question is None or event.query is None or event.candidate is None:
            continue
        if event.question not in heard:
            heard.add(event.question)
            found += [AuditedPair(*(int(value) for value in pair)) for pair in note["known"]]
        sign = SIGNS.get(event.answer or "", 0)
        if sign != 0 and event.question not in answered:
            answered.add(event.question)
            drawn = int(note["design"]), int(note["stratum"])
            found.append(AuditedPair(event.query, event.candidate, *drawn, sign))
    return found


def audit_calibration(events: Iterable[Event]) -> float | None:
    """:func:`calibration_error` of the audit's answers, each question by its first "same" or "different".

    Args:
        events: Those that count, in order.
    """
    first: dict[str, tuple[float, bool]] = {}
    for event in events:
        sign = SIGNS.get(event.answer or "", 0)
        if sign == 0 or _note(event) is None or event.question is None or event.probability is None:
            continue
        first.setdefault(event.question, (event.probability, sign > 0))
    told = list(first.values())
    return calibration_error([guess for guess, _ in told], [same for _, same in told], AUDIT_BINS)


def changes_groups(event: Event) -> bool | None:
    """Whether an answer changed a group; ``None`` for events that are not about that.

    A "same" between two groups joins them. An answer to the audit changes something where it is against what
    was held, and one that was asked for again where it is against the one in doubt.
    """
    if event.kind != "answer" or event.answer not in SIGNS:
        return None
    sign, note = SIGNS[event.answer], _note(event)
    if event.question_kind == "policy":
        return sign > 0
    if "doubted" in event.payload:
        return sign == -int(event.payload["doubted"][2])
    return None if note is None else sign != 0 and (sign < 0) == bool(note["together"])


def _note(event: Event) -> Mapping[str, Any] | None:
    note = event.payload.get("audit")
    return note if isinstance(note, Mapping) and note.keys() >= _NOTE else None
