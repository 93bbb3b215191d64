"""What a run's log says of what it did before, so that a loop goes on from there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reid_al_agents.log.events import TAKING_BACK, Event, counting
from reid_al_agents.log.tables import LABELS

Metrics = dict[str, Any]


class Past:
    """What a run did before.

    If annotators have answered since the last refresh, or the pool has other images than it had, all events
    are replayed and the round goes on. Otherwise an interrupted round is run again, with its logged answers.

    Args:
        events: The log, in order.
        changed_at: Id of the last event when images were added or removed; 0 if none ever were.

    Attributes:
        rounds: Metrics of each refresh, in order; the first is the start.
        pool_changed: Whether images were added or removed since the last refresh.
        replayed: Events to believe at once.
        logged: Events of an interrupted round that is run again.
        queries_before: Images that were queries before images were last added or removed.
    """

    def __init__(self, events: Sequence[Event], changed_at: int) -> None:
        self._events, self._changed_at = events, changed_at
        self.rounds: list[Metrics] = [dict(event.payload) for event in events if event.kind == "refresh"]
        last = max((event.id for event in events if event.kind == "refresh"), default=0)
        self.pool_changed = changed_at > 0 and changed_at >= last
        since = [event for event in events if event.id > last]
        goes_on = any(event.annotator != LABELS or event.kind in TAKING_BACK for event in since)
        self.replayed, self.logged = list(events), list[Event]()
        if not (self.pool_changed or goes_on):
            self.replayed, self.logged = [event for event in events if event.id <= last], since
        self.queries_before = _queries(self._until_change)

    @property
    def last(self) -> Metrics:
        """Metrics of the last refresh; empty before the start."""
        return self.rounds[-1] if self.rounds else {}

    @property
    def queries_since(self) -> set[int]:
        """Images that were queries after the pool changed, in a round that was broken off."""
        return _queries(self.replayed) - self.queries_before if self.pool_changed else set()

    @property
    def queries(self) -> int:
        """Number of queries so far, of a round that was broken off too where that goes on."""
        counted = int(self.last.get("queries", 0))
        return max(counted, len(_queries(self.replayed))) if self.pool_changed else counted

    def rounds_played(self, ends: Sequence[int], answers: int | None) -> int:
        """Rounds of asking that are done: by the loop itself, or by people's answers in their place.

        Where images came or went, rounds have other ends since, and count from the answers, or queries, that
        there were then.

        Args:
            ends: Where the rounds end, in answers or queries.
            answers: Number of answers believed; ``None`` where rounds end by queries.
        """
        if not self.rounds:
            return 0
        answered = sum(event.kind == "answer" for event in counting(self._until_change))
        earlier = len(self.queries_before) if answers is None else answered
        mine = [event.id for event in self._events if event.kind == "refresh" and "drawn" in event.payload]
        start = max([self._changed_at, *mine[:1]])  # the first line is that of the start
        played = sum(end <= earlier for end in ends) + sum(event > start for event in mine)
        if answers is None:
            return played
        now = int(self.last.get("answers", 0)) if self.logged else answers
        return max(played, sum(end <= now for end in ends))

    @property
    def _until_change(self) -> list[Event]:
        return [event for event in self._events if event.id <= self._changed_at]


def _queries(events: Iterable[Event]) -> set[int]:
    """The images that were queries."""
    return {event.query for event in events if event.kind == "answer" and event.query is not None}
