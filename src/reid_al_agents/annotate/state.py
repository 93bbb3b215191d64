"""What the parts of a session share: its log, what is believed, and the pool as the present model sees it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs, Known
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_env import FeatureSet


@dataclass
class State:
    """Shared by the parts of a session; whoever reads or changes it holds ``lock``.

    Args:
        store: Where events are kept.
        run: The run.
        features: The pool as the present model sees it.
        settings: How people are asked.
        grouping: How groups are formed and asked about.
        known: Gives what is known before the first answer.
        clock: Seconds since 1970-01-01 UTC.
        sides: Which images can be compared; ``None`` where all can.
        round: Refreshes behind the model.

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
    sides: Sides | None = None
    round: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    keys: dict[str, Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.beliefs = Beliefs(self.known, self.grouping.error_rate)
        self.load()

    @property
    def over(self) -> bool:
        """Whether as many answers as were wanted are there."""
        return self.settings.answers is not None and self.beliefs.answers >= self.settings.answers

    def load(self) -> None:
        """Take in the events of the log that are not known yet."""
        for event in self.store.events(self.run, after=max((e.id for e in self.keys.values()), default=0)):
            self.keys[event.key] = event
        self.beliefs.restart(self.keys.values())

    def log(self, event: Event, *, wait: bool = True) -> tuple[Event, int | None, bool]:
        """Put an event on disk and believe it.

        Args:
            event: The event.
            wait: See :meth:`.EventStore.append`.

        Returns:
            The event as it is on disk; the answer that closes its pair, see :meth:`.Beliefs.apply`; and
            whether it is new.
        """
        stored, new = self.store.append(event, wait=wait)
        closes = None
        if new:
            self.keys[stored.key] = stored
            closes = self.beliefs.apply(stored)
        return stored, closes, new

    def announce(self, round_: int, payload: dict[str, Any], probability: float | None) -> None:
        """Log and believe an event of the audit; see :data:`.Announce`."""
        key = f"audit/{round_}" if "groups" in payload else f"audit/{uuid.uuid4().hex}"
        event = Event(
            key, self.run, "audit", "", self.clock(), round=round_, probability=probability, payload=payload
        )
        with self.lock:
            self.log(event)
