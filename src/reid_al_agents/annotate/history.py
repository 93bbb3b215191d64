"""The history of a session: its acts, the latest first, and taking them back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reid_al_agents.annotate.dispatch import Dispatch
from reid_al_agents.annotate.messages import Conflict, Undone, Unknown
from reid_al_agents.annotate.state import State
from reid_al_agents.log.events import (
    RETRACTABLE,
    TAKING_BACK,
    UNDOABLE,
    Event,
    StoredQuestion,
    payload_images,
)
from reid_al_env.messages import Message


@dataclass(frozen=True)
class Act:
    """What an annotator did at once.

    Attributes:
        events: Its events, in order.
        counts: Whether it still counts.
        taken_back_by: Who took it back; ``None`` while it counts.
    """

    events: tuple[Event, ...]
    counts: bool
    taken_back_by: str | None

    @property
    def kind(self) -> str:
        """Kind of its event; ``confirm`` for the answers of one screen, ``import`` for those of a file.

        ``restore`` is the kind of images that were removed and taken in again.
        """
        first = self.events[0]
        if "by" in first.payload:
            return "import"
        if first.kind == "remove" and first.payload["back"]:
            return "restore"
        return "confirm" if first.question_kind == "screen" else first.kind

    @property
    def retractable(self) -> bool:
        """Whether it counts and can be taken back; images that were added or removed stay so."""
        return self.counts and self.events[0].kind in RETRACTABLE

    @property
    def annotator(self) -> str:
        """Who did it; of an import who imported it, whoever gave the answers in it."""
        return _author(self.events[0])

    @property
    def images(self) -> list[int]:
        """Images that it is about, in order, each once."""
        pairs = [image for event in self.events for image in (event.query, event.candidate)]
        about = [*pairs, *(image for event in self.events for image in payload_images(event))]
        if self.kind == "add":
            about = list(_added(self.events[0]))
        if self.events[0].kind == "remove":
            about = list(map(int, self.events[0].payload["images"]))
        return list(dict.fromkeys(image for image in about if image is not None))


class History:
    """Lists acts and takes them back.

    Args:
        state: State shared by the parts of the session.
        dispatch: Asks questions again whose answers were taken back.
    """

    def __init__(self, state: State, dispatch: Dispatch) -> None:
        self._state, self._dispatch = state, dispatch

    def acts(self, annotator: str | None = None) -> list[Act]:
        """All acts of annotators, or of one, the latest first; those taken back are marked."""
        with self._state.lock:
            events = list(self._state.keys.values())
        gone = {event.target: event.annotator for event in events if event.kind in TAKING_BACK}
        acts: dict[str, list[Event]] = {}
        for event in events:
            if _is_act(event) and annotator in (None, _author(event)):
                acts.setdefault(_act_of(event), []).append(event)
        return [
            Act(tuple(part), part[0].id not in gone, gone.get(part[0].id)) for part in reversed(acts.values())
        ]

    def undo(self, annotator: str, key: str, back_to: int | None = None) -> Undone:
        """Take back the annotator's latest act that still counts, or all from one event on, imports included.

        Args:
            annotator: The annotator.
            key: Idempotency key.
            back_to: Id of the first event to take back; ``None`` for the latest act.

        Raises:
            Conflict: There is nothing to take back.
        """
        state = self._state
        with state.lock:
            if key in state.keys:
                return self._undone_before(annotator, key)
            mine = [
                event
                for event in state.beliefs.events.values()
                if event.annotator == annotator and event.kind in UNDOABLE and "by" not in event.payload
            ]
            imported: list[Event] = []
            if back_to is not None:
                mine = [event for event in mine if event.id >= back_to]
                since = (event for event in state.beliefs.events.values() if event.id >= back_to)
                imported = [event for event in since if event.payload.get("by") == annotator]
            elif mine:
                mine = [event for event in mine if _act_of(event) == _act_of(mine[-1])]
            if not mine and not imported:
                raise Conflict("undo: there is nothing to take back")
            self._take_back("undo", annotator, key, mine[::-1])
            self._take_back("retract", annotator, f"{key}.i" if mine else key, imported[::-1])
            for event in reversed(mine[1:]):
                self._ask_again(event, annotator)
            first = (mine or imported)[0]
            return Undone(first, self._ask_again(first, annotator), len(mine) + len(imported))

    def retract(self, annotator: str, key: str, event: int) -> Event:
        """Take back an act of any annotator by one of its events; it stays in the log but no longer counts.

        Of an act that was confirmed on one screen, the event alone is taken back where it is an answer.

        Raises:
            Unknown: There is no such event, or it does not count any more.
        """
        state = self._state
        with state.lock:
            before = state.keys.get(key)
            if before is not None and before.kind == "retract" and before.target == event:
                return next(each for each in state.keys.values() if each.id == event)
            target = state.beliefs.events.get(event)
            if target is None or target.kind not in RETRACTABLE:
                raise Unknown(Message("event {event}: is none that counts", event=event))
            self._take_back("retract", annotator, key, [target])
            if target.question is not None:
                self._dispatch.put_back(target.question, None)
            return target

    def retract_act(self, annotator: str, key: str, event: int) -> Event:
        """Take back all events of an act by one of them; as :meth:`retract` otherwise."""
        state = self._state
        with state.lock:
            target = state.beliefs.events.get(event)
            if key in state.keys or target is None or "act" not in target.payload:
                return self.retract(annotator, key, event)
            parts = [each for each in state.beliefs.events.values() if _act_of(each) == _act_of(target)]
            self._take_back("retract", annotator, key, parts[::-1])
            return target

    def _undone_before(self, annotator: str, key: str) -> Undone:
        state = self._state
        before = state.keys[key]
        taken = next((event for event in state.keys.values() if event.id == before.target), None)
        if before.kind not in TAKING_BACK or before.annotator != annotator or taken is None:
            raise Conflict(Message("key {key!r}: was used for something else; make a new one", key=key))
        record = None if taken.question is None else state.store.question(taken.question)
        return Undone(taken, record, 1)

    def _ask_again(self, event: Event, annotator: str) -> StoredQuestion | None:
        return None if event.question is None else self._dispatch.put_back(event.question, annotator)

    def _take_back(self, kind: str, annotator: str, key: str, targets: Iterable[Event]) -> None:
        state = self._state
        now = state.clock()
        state.log_all(
            Event(
                key if not place else f"{key}.{place}",
                state.run,
                kind,
                annotator,
                now,
                target=target.id,
                round=state.round,
            )
            for place, target in enumerate(targets)
        )
        self._dispatch.changed(counts=False)


def _is_act(event: Event) -> bool:
    return event.kind in (*UNDOABLE, "add", "remove") or "by" in event.payload


def _added(event: Event) -> range:
    first = int(event.payload["first"])
    return range(first, first + int(event.payload["count"]))


def _author(event: Event) -> str:
    return str(event.payload.get("by", event.annotator))


def _act_of(event: Event) -> str:
    return str(event.payload.get("act", event.key))
