"""The audit's events: what a round's pairs are drawn from, and what is noted about them."""

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
    """What is kept with a question of the audit.

    Attributes:
        design: Number of the design that the pair was drawn from.
        stratum: Of that design.
        together: Whether the two images were in one group when the question was made; ``None`` where the
            audit asks for a second answer.
    """

    design: int
    stratum: int
    together: bool | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"design": self.design, "stratum": self.stratum, "together": self.together}


def audit_note(event: Event) -> AuditNote | None:
    """The note of an answer to an audit question; ``None`` of other events."""
    note = event.payload.get("audit")
    if not isinstance(note, Mapping) or not note.keys() >= _NOTE:
        return None
    together = note["together"]
    return AuditNote(int(note["design"]), int(note["stratum"]), None if together is None else bool(together))


def noted_pairs(event: Event) -> list[AuditedPair]:
    """Pairs that the audit drew and whose relation was known without asking.

    Events of version 0.1 kept them with the next audit question.
    """
    if event.kind == "audit":
        noted = [event.payload["known"]] if "known" in event.payload else []
    else:
        noted = (event.payload.get("audit") or {}).get("known", [])
    return [AuditedPair(*(int(value) for value in pair)) for pair in noted]


def shared_pair(event: Event) -> tuple[int, int] | None:
    """A pair of the audit that asking chose by itself, so that it may hear the answer."""
    if event.kind != "audit" or "shared" not in event.payload:
        return None
    i, j = event.payload["shared"]
    return int(i), int(j)


def packed_design(design: Design) -> dict[str, Any]:
    """What a round's audit draws from, for JSON."""
    packed = zlib.compress(np.asarray(design.groups, dtype="<i4").tobytes())
    return {"groups": base64.b64encode(packed).decode("ascii"), "sizes": design.sizes.tolist()}


def unpacked_design(event: Event) -> Design | None:
    """What the audit of the event's round draws from; ``None`` where the event says nothing of that."""
    if event.kind != "audit" or "groups" not in event.payload:
        return None
    packed = base64.b64decode(event.payload["groups"])
    groups = np.frombuffer(zlib.decompress(packed), dtype="<i4").astype(np.int32)
    return Design(groups, np.array(event.payload["sizes"], dtype=np.int64))


def changes_groups(event: Event) -> bool | None:
    """Whether an answer changed a group; ``None`` for events that say nothing about that.

    "Same" between two groups joins them. An answer to the audit changes something where it contradicts the
    groups, and a recheck of other images where it contradicts the suspected answer.
    """
    if event.kind != "answer" or event.answer not in SIGNS:
        return None
    sign, note = SIGNS[event.answer], audit_note(event)
    if event.question_kind == "policy":
        return sign > 0
    if "doubted" in event.payload:
        return sign == -int(event.payload["doubted"][2])
    if note is None or note.together is None:
        return None
    return sign != 0 and (sign < 0) == note.together
