"""Events of the audit: the sampling design of each round, and notes on the audited pairs."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reid_al_agents.beliefs.audit import AuditedPair, Design
from reid_al_agents.log.events import SIGNS, Event

_NOTE = {"design", "stratum", "together"}


@dataclass(frozen=True)
class AuditNote:
    """Note stored with an audit question.

    Attributes:
        design: Number of the design that the pair was drawn from.
        stratum: Stratum of that design.
        together: Whether the two images were in one group when the question was made; ``None`` for a recheck
            by the audit.
    """

    design: int
    stratum: int
    together: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Convert to a dictionary for JSON."""
        return {"design": self.design, "stratum": self.stratum, "together": self.together}


def audit_note(event: Event) -> AuditNote | None:
    """The note of an answer to an audit question; ``None`` for other events."""
    note = event.payload.get("audit")
    if not isinstance(note, Mapping) or not note.keys() >= _NOTE:
        return None
    together = note["together"]
    return AuditNote(int(note["design"]), int(note["stratum"]), None if together is None else bool(together))


def noted_pairs(event: Event) -> list[AuditedPair]:
    """Audited pairs that needed no question, since their relation was known.

    Version 0.1 stored them with the next audit question.
    """
    if event.kind == "audit":
        noted = [event.payload["known"]] if "known" in event.payload else []
    else:
        noted = (event.payload.get("audit") or {}).get("known", [])
    return [AuditedPair(*(int(value) for value in pair)) for pair in noted]


def shared_pair(event: Event) -> tuple[int, int] | None:
    """An audited pair that the engine also chose on its own, so its answer may guide further questions."""
    if event.kind != "audit" or "shared" not in event.payload:
        return None
    i, j = event.payload["shared"]
    return int(i), int(j)


def packed_design(design: Design) -> dict[str, Any]:
    """Compress the sampling design of a round for JSON."""
    packed = zlib.compress(np.asarray(design.groups, dtype="<i4").tobytes())
    return {"groups": base64.b64encode(packed).decode("ascii"), "sizes": design.sizes.tolist()}


def unpacked_design(event: Event) -> Design | None:
    """The sampling design in an audit event; ``None`` if the event has none."""
    if event.kind != "audit" or "groups" not in event.payload:
        return None
    packed = base64.b64decode(event.payload["groups"])
    groups = np.frombuffer(zlib.decompress(packed), dtype="<i4").astype(np.int32)
    return Design(groups, np.array(event.payload["sizes"], dtype=np.int64))


def changes_groups(event: Event) -> bool | None:
    """Whether an answer changed a group; ``None`` for events that give no evidence of it.

    "Same" to a policy question joins two groups, and "different" parts two that were joined without an
    answer. An audit answer changes a group if it contradicts the groups, and a recheck if it contradicts the
    suspected answer.
    """
    if event.kind != "answer" or event.answer not in SIGNS:
        return None
    sign, note = SIGNS[event.answer], audit_note(event)
    if event.question_kind == "policy":
        return sign < 0 if event.payload.get("joined") else sign > 0
    if "doubted" in event.payload:
        return sign == -int(event.payload["doubted"][2])
    if note is None or note.together is None:
        return None
    return sign != 0 and (sign < 0) == note.together
