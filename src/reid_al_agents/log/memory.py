"""An event log in memory, for comparisons that keep no folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from reid_al_agents.log.events import Event


class EventLog(Protocol):
    """What takes in events: an :class:`~reid_al_agents.log.store.EventStore`, or a :class:`MemoryLog`."""

    def append(self, event: Event) -> tuple[Event, bool]:
        """Keep an event, once for each run and key; as it is kept, and whether it is new."""
        ...

    def append_many(self, events: Iterable[Event]) -> int:
        """Keep events, all or none; how many are new."""
        ...

    def events(self, run: str, *, after: int = 0, kind: str | None = None) -> list[Event]:
        """The events of a run with greater ids than ``after``, by rising id."""
        ...


class MemoryLog:
    """Keeps events in a list; nothing is on disk."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._by_key: dict[tuple[str, str], Event] = {}

    def append(self, event: Event) -> tuple[Event, bool]:
        """See :class:`EventLog`."""
        key = event.run, event.key
        if key in self._by_key:
            return self._by_key[key], False
        stored = replace(event, id=len(self._events) + 1)
        self._events.append(stored)
        self._by_key[key] = stored
        return stored, True

    def append_many(self, events: Iterable[Event]) -> int:
        """See :class:`EventLog`."""
        return sum(self.append(event)[1] for event in events)

    def events(self, run: str, *, after: int = 0, kind: str | None = None) -> list[Event]:
        """See :class:`EventLog`."""
        return [event for event in self._events[after:] if event.run == run and kind in (None, event.kind)]
