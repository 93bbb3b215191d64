"""Answers and identities from elsewhere, taken into a session that is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reid_al_agents.annotate.messages import Conflict, Json
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.state import State
from reid_al_agents.log.events import ABOUT_A_PAIR, Event
from reid_al_env import InputError
from reid_al_env.messages import Message, message_of


@dataclass(frozen=True)
class Importable:
    """What a file holds for a session.

    Attributes:
        file: Name of the file.
        events: All of it.
        new: What the session does not have yet.
    """

    file: str
    events: tuple[Event, ...]
    new: tuple[Event, ...]

    @property
    def summary(self) -> Json:
        """How much it is: answers by kind, identities with their images, and how much of it is new."""
        answers = Counter(event.answer for event in self.new if event.kind in ABOUT_A_PAIR)
        named = [event for event in self.new if event.kind == "identity"]
        edits = [event for event in self.new if event.kind not in (*ABOUT_A_PAIR, "identity")]
        return {
            "file": self.file,
            "events": len(self.events),
            "new": len(self.new),
            "answers": answers.total(),
            "same": answers["same"],
            "different": answers["different"],
            "identities": len(named),
            "images": sum(len(event.payload["images"]) for event in named),
            "edits": len(edits),
        }


def read_file(session: AnnotationSession, path: Path) -> Importable:
    """Read what :func:`.read_import` reads; nothing counts yet.

    Raises:
        InputError: Something in it cannot be used.
    """
    from reid_al_agents.log.formats import read_import

    state = session.state
    events = read_import(path, state.features.names, run=state.run, trust=state.settings.trust)
    with state.lock:
        fresh = [(event, _key(state, event)) for event in events]
    new = (event if key == event.key else replace(event, key=key) for event, key in fresh if key is not None)
    return Importable(path.name, tuple(events), tuple(new))


def _key(state: State, event: Event) -> str | None:
    """The key to store an event under; ``None`` where it counts already.

    What came by the page and was taken back as a whole can come again, under a key of its own.
    """
    number, key = 1, event.key
    while (stored := state.keys.get(key)) is not None:
        if stored.id in state.beliefs.events or "by" not in stored.payload:
            return None
        number += 1
        key = f"{event.key}#{number}"
    return key


def import_file(session: AnnotationSession, path: Path) -> int:
    """Take in what :func:`.read_import` reads, all or nothing; the same content counts once.

    Returns:
        How many answers and identities were new.

    Raises:
        InputError: Something in it cannot be used; nothing is taken in.
    """
    return session.take_in(read_file(session, path).new)


def read_upload(session: AnnotationSession, files: Sequence[Path]) -> Importable:
    """As :func:`read_file`, of an upload of one file; messages name the file and not where it lies.

    Raises:
        Conflict: It is not one file, or something in it cannot be used.
    """
    if len(files) != 1:
        raise Conflict(Message("import: {count} files; choose one at a time", count=len(files)))
    (path,) = files
    try:
        return read_file(session, path)
    except InputError as error:
        raise Conflict(message_of(error).replaced(str(path), path.name)) from None


def take_in_by(session: AnnotationSession, annotator: str, key: str, found: Importable) -> int:
    """Take in what an annotator imports, as one act of theirs that can be taken back.

    Returns:
        How many answers and identities were new.
    """
    act = {"act": key, "by": annotator, "file": found.file}
    return session.take_in(replace(event, payload={**event.payload, **act}) for event in found.new)
