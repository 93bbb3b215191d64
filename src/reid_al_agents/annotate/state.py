"""What a session has heard and what follows from it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.fold import Beliefs, excluded_images
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_env import ConstraintGraph, FeatureSet


@dataclass
class State:
    """The events of a run, in memory, with the ledger that they add up to.

    Whoever reads or changes it holds ``lock``.

    Args:
        store: Where events are kept.
        run: The run.
        features: The pool as the present model sees it.
        settings: How people are asked.
        grouping: How groups are formed and asked about.
        known: Gives what is known before the first answer, but of these images nothing.
        clock: Seconds since 1970-01-01 UTC.
        sides: Which images can be compared; ``None`` where all can.

    Attributes:
        effective: Events that count, by id, in order.
        keys: All events by key.
        answered: Who answered, by question.
        answers: Answers that count.
        browsed: Those of them that the selector asked for.
        by_person: Answers that count, by person and id, in order.
        changes: How often anything has changed.
        round: Refreshes behind the model.
    """

    store: EventStore
    run: str
    features: FeatureSet
    settings: AnnotationSettings
    grouping: GroupSettings
    known: Callable[[Collection[int]], ConstraintGraph]
    clock: Callable[[], float]
    sides: Sides | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    effective: dict[int, Event] = field(default_factory=dict)
    keys: dict[str, Event] = field(default_factory=dict)
    answered: dict[str, set[str]] = field(default_factory=dict)
    answers: int = 0
    browsed: int = 0
    by_person: dict[str, dict[int, Event]] = field(default_factory=dict)
    changes: int = 0
    round: int = 0

    def __post_init__(self) -> None:
        self.beliefs = Beliefs(ConstraintGraph(len(self.features)), self.grouping.error_rate)
        self.load()

    @property
    def over(self) -> bool:
        """Whether as many answers as were wanted are there."""
        return self.settings.answers is not None and self.answers >= self.settings.answers

    def load(self) -> None:
        """Read all events, and work out what follows."""
        self.keys = {event.key: event for event in self.store.events(self.run)}
        self.effective, self.answered, self.by_person = {}, {}, {}
        self.answers = self.browsed = 0
        for event in self.store.effective(self.run):
            self._remember(event)
        self.replay()

    def replay(self) -> None:
        """Work out anew what follows from the events that count."""
        events = self.effective.values()
        known = self.known(excluded_images(events))
        seen = self.beliefs.model.seen
        self.beliefs = Beliefs.replay(known, events, self.grouping.error_rate, seen)
        self.changes += 1

    def take_in(self, event: Event) -> None:
        """Remember an event that is on disk; what follows from it is for the caller."""
        self.keys[event.key] = event
        self._remember(event)
        self.changes += 1

    def take_back(self, taking_back: Event, target: Event) -> None:
        """Let an event no longer count, by one that is on disk; what followed from it is undone."""
        self.keys[taking_back.key] = taking_back
        del self.effective[target.id]
        if target.kind == "answer":
            self._count(target, -1)
            del self.by_person[target.annotator][target.id]
        if target.question is not None:
            self.answered[target.question].discard(target.annotator)
        self.replay()

    def _remember(self, event: Event) -> None:
        self.effective[event.id] = event
        if event.kind == "answer":
            self._count(event, 1)
            self.by_person.setdefault(event.annotator, {})[event.id] = event
        if event.question is not None:
            self.answered.setdefault(event.question, set()).add(event.annotator)

    def _count(self, answer: Event, step: int) -> None:
        self.answers += step
        self.browsed += step * (answer.question_kind == "policy")
