"""What the events say of the groups' quality, and of whether answers still change them."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reid_al_agents.asking.batch import AuditNote
from reid_al_agents.beliefs.audit import AuditedPair, Design
from reid_al_agents.beliefs.audit_trail import AuditTrail
from reid_al_agents.beliefs.fold import SIGNS
from reid_al_agents.log.events import Event

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


class Auditing:
    """Follows what the audit hears.

    The first "same" or "different" to a question of the audit is the pair's first answer; whatever else is
    answered about the pair later, by whom and for what purpose ever, is another.

    Args:
        trail: What is kept up to date.
    """

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._noted: set[str] = set()

    def hear(self, event: Event) -> None:
        """Take in the next event that counts."""
        if event.kind != "answer" or event.query is None or event.candidate is None:
            return
        note, sign = _note(event), SIGNS.get(event.answer or "", 0)
        if note is not None and event.question is not None and event.question not in self._noted:
            self._noted.add(event.question)
            for pair in note["known"]:
                self._trail.know(AuditedPair(*(int(value) for value in pair)))
        pair = event.query, event.candidate
        if pair in self._trail:
            self._trail.hear_again(*pair, sign)
        elif note is not None and sign != 0:
            drawn = AuditedPair(*pair, int(note["design"]), int(note["stratum"]), sign)
            self._trail.hear(drawn, math.nan if event.probability is None else event.probability)


def heard_by_audit(events: Iterable[Event]) -> AuditTrail:
    """What the audit has heard.

    Args:
        events: Those that count, in order.
    """
    trail = AuditTrail()
    auditing = Auditing(trail)
    for event in events:
        auditing.hear(event)
    return trail


def changes_groups(event: Event) -> bool | None:
    """Whether an answer changed a group; ``None`` for events that are not about that.

    A "same" between two groups joins them. An answer to the audit changes something where it is against what
    was held, and one about other images that was asked for again where it is against the one in doubt.
    """
    if event.kind != "answer" or event.answer not in SIGNS:
        return None
    sign, note = SIGNS[event.answer], _note(event)
    if event.question_kind == "policy":
        return sign > 0
    if "doubted" in event.payload:
        return sign == -int(event.payload["doubted"][2])
    if note is None or note["together"] is None:
        return None
    return sign != 0 and (sign < 0) == bool(note["together"])


def _note(event: Event) -> Mapping[str, Any] | None:
    note = event.payload.get("audit")
    return note if isinstance(note, Mapping) and note.keys() >= _NOTE else None
