"""State shared by the parts of a session: the log, the beliefs, and the pool's features."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs, Known
from reid_al_agents.clustering.sides import Sides, sides_of
from reid_al_agents.data import Corrections, ImageSet
from reid_al_agents.log.events import TAKING_BACK, Event
from reid_al_agents.log.store import EventStore
from reid_al_env import FeatureSet


@dataclass
class State:
    """State shared by the parts of a session; hold ``lock`` to read or change it.

    Args:
        store: The event store.
        run: Id of the run in the store.
        features: Features of the pool under the current model.
        settings: Annotation settings.
        grouping: Settings of groups and questions.
        known: See :data:`.Known`.
        clock: Seconds since 1970-01-01 UTC.
        data: The images as the data describe them; ``None`` for bare features.
        round: Number of refreshes that led to the current model.
        absent: Images whose files are gone, or that were removed.
        removed: Those that were removed.

    Attributes:
        beliefs: What follows from the events.
        keys: All events by key.
    """

    store: EventStore
    run: str
    features: FeatureSet
    settings: AnnotationSettings
    grouping: GroupSettings
    known: Known
    clock: Callable[[], float]
    data: ImageSet | None = None
    round: int = 0
    absent: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()
    lock: threading.RLock = field(default_factory=threading.RLock)
    keys: dict[str, Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen: tuple[ImageSet, Corrections, ImageSet, Sides | None] | None = None
        self.beliefs = Beliefs(self.known, self.grouping.error_rate, absent=self.absent)
        self.load()

    @property
    def images(self) -> ImageSet | None:
        """The images with what annotators corrected; ``None`` for bare features."""
        data, corrections = self.data, self.beliefs.corrections
        if data is None:
            return None
        if self._seen is None or self._seen[:2] != (data, corrections):
            images = data.corrected(corrections)
            self._seen = data, corrections, images, sides_of(images.sides)
        return self._seen[2]

    @property
    def sides(self) -> Sides | None:
        """Which images can be compared; ``None`` where all can."""
        return None if self.images is None or self._seen is None else self._seen[3]

    @property
    def over(self) -> bool:
        """Whether the label budget is used up."""
        return self.settings.answers is not None and self.beliefs.answers >= self.settings.answers

    def load(self) -> None:
        """Read the log's new events and replay the beliefs."""
        for event in self.store.events(self.run, after=max((e.id for e in self.keys.values()), default=0)):
            self.keys[event.key] = event
        self.beliefs.restart(self.keys.values())

    def log(self, event: Event, *, wait: bool = True) -> tuple[Event, int | None, bool]:
        """Store an event and apply it to the beliefs.

        Args:
            event: The event.
            wait: See :meth:`.EventStore.append`.

        Returns:
            The event as stored; the answer that closes its pair, see :meth:`.Beliefs.apply`; and whether the
            event is new.
        """
        stored, new = self.store.append(event, wait=wait)
        closes = None
        if new:
            self.keys[stored.key] = stored
            closes = self.beliefs.apply(stored)
        return stored, closes, new

    def log_all(self, events: Iterable[Event]) -> list[Event]:
        """Store several events, all or none, and apply them.

        Returns:
            The events that are new, as stored.
        """
        last = max((event.id for event in self.keys.values()), default=0)
        self.store.append_many(events)
        stored = self.store.events(self.run, after=last)
        self.keys |= {event.key: event for event in stored}
        if any(event.kind in TAKING_BACK for event in stored):
            self.beliefs.restart(self.keys.values())  # once for all of them
        else:
            for event in stored:
                self.beliefs.apply(event)
        return stored

    def announce(self, round_: int, payload: dict[str, Any], probability: float | None) -> None:
        """Store an audit event and apply it to the beliefs; see :data:`.Announce`."""
        design = f"{round_}/{len(self.features)}"  # a pool that has grown has another
        key = f"audit/{design if 'groups' in payload else uuid.uuid4().hex}"
        event = Event(
            key, self.run, "audit", "", self.clock(), round=round_, probability=probability, payload=payload
        )
        with self.lock:
            self.log(event)
