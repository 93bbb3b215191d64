"""Who has which question before them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from reid_al_agents.annotation.events import Question
from reid_al_agents.annotation.store import EventStore
from reid_al_agents.live.records import Held


class Board:
    """Questions that are open, in the order in which they are to be asked, and their leases.

    Leases are kept in the store as well, so that a server that was killed gives nobody a question that
    another person still has on the screen.

    Args:
        store: Where questions and leases are kept.
        run: The run.
        lease_seconds: How long a lease lasts.
    """

    def __init__(self, store: EventStore, run: str, lease_seconds: float) -> None:
        self._store, self._run, self._seconds = store, run, lease_seconds
        self._held: dict[str, Held] = {}
        self._leases: dict[str, dict[str, float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(list(self._held.values()))

    def get(self, question: str) -> Held | None:
        """The open question of that id."""
        return self._held.get(question)

    def add(self, questions: Iterable[Held], *, first: bool = False) -> None:
        """Put up questions that the store has; ``first`` puts them before all others."""
        new = {held.record.id: held for held in questions}
        self._held = {**new, **self._held} if first else {**self._held, **new}

    def remove(self, held: Held) -> None:
        """Take a question down."""
        self._held.pop(held.record.id, None)
        self._leases.pop(held.record.id, None)

    def restore(self, now: float, answered: dict[str, set[str]]) -> None:
        """Put up what people have before them according to the store.

        Args:
            now: The time.
            answered: Who answered, by question.
        """
        leases = [
            lease
            for lease in self._store.leases(self._run, now)
            if lease.annotator not in answered.get(lease.question, ())
        ]
        found = self._store.questions({lease.question for lease in leases})
        for lease in leases:
            if lease.question in found:
                record = found[lease.question]
                held = Held(record, None, int(record.detail.get("needed", 1)), record.detail.get("only"))
                held.answered |= answered.get(record.id, set())
                self._held.setdefault(record.id, held)
                self._leases.setdefault(record.id, {})[lease.annotator] = lease.expires_at

    def leased(self, annotator: str, now: float) -> list[Held]:
        """What this person has before them and has not answered."""
        return [
            held
            for held in self._held.values()
            if annotator not in held.answered
            and self._leases.get(held.record.id, {}).get(annotator, 0.0) > now
        ]

    def lease(self, held: Held, annotator: str, now: float) -> bool:
        """Give a question to a person, or give it for longer; False if others have it."""
        if annotator in held.answered or held.only not in (None, annotator):
            return False
        mine = self._leases.setdefault(held.record.id, {})
        others = self._having(held, now) | held.answered
        if len(others - {annotator}) >= held.needed:
            return False
        if not self._store.lease(held.record.id, annotator, now=now, seconds=self._seconds, most=held.needed):
            return False
        mine[annotator] = now + self._seconds
        return True

    def renew(self, held: Held, annotator: str, now: float) -> None:
        """Let a lease last longer once half of it is over."""
        if self._leases[held.record.id][annotator] - now < self._seconds / 2:
            self.lease(held, annotator, now)

    def is_leased(self, held: Held, now: float) -> bool:
        """Whether anybody has the question before them."""
        return bool(self._having(held, now))

    def free(self, now: float) -> int:
        """Questions that anybody may still be given."""
        return sum(
            held.only is None and len(held.answered | self._having(held, now)) < held.needed
            for held in self._held.values()
        )

    def _having(self, held: Held, now: float) -> set[str]:
        return {who for who, end in self._leases.get(held.record.id, {}).items() if end > now}

    def others_have(self, annotator: str, now: float) -> bool:
        """Whether anything is open that other people have before them."""
        return any(
            end > now and who != annotator for leases in self._leases.values() for who, end in leases.items()
        )


def new_question(run: str, **values: object) -> Question:
    """A question with a new random id; ``values`` are its other fields."""
    return Question(id=secrets.token_urlsafe(16), run=run, **values)  # type: ignore[arg-type]
