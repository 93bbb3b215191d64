"""Leases: which annotators have which question on the screen."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from reid_al_agents.annotate.messages import Held
from reid_al_agents.log.events import StoredQuestion
from reid_al_agents.log.store import EventStore


class Leases:
    """Questions that are open, in the order in which they are to be asked, and their leases.

    Leases are stored, too, so that a server that is killed and restarted does not give a question to a second
    annotator while the first still has it on the screen.

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
        """Open stored questions; ``first`` puts them before all others."""
        new = {held.record.id: held for held in questions}
        self._held = {**new, **self._held} if first else {**self._held, **new}

    def remove(self, held: Held) -> None:
        """Close a question."""
        self._held.pop(held.record.id, None)
        self._leases.pop(held.record.id, None)

    def restore(self, now: float, answered: dict[str, set[str]]) -> None:
        """Restore the open questions and their leases from the store.

        Args:
            now: The time.
            answered: Annotators that answered, by question.
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
        """Questions that an annotator has leased and not answered."""
        return [
            held
            for held in self._held.values()
            if annotator not in held.answered
            and self._leases.get(held.record.id, {}).get(annotator, 0.0) > now
        ]

    def lease_first(self, questions: Iterable[Held], annotator: str, now: float, count: int) -> list[Held]:
        """Lease to an annotator the first ``count`` of some questions that they may have and do not have yet.

        Args:
            questions: The most wanted first.
            annotator: The annotator.
            now: The time.
            count: Largest number of leases.

        Returns:
            The questions leased, by one transaction for each value of ``needed``.
        """
        free: list[Held] = []
        for held in questions:
            if len(free) >= count:
                break
            having = self._having(held, now)
            may = annotator not in held.answered | having and held.only in (None, annotator)
            if may and len(held.answered | having) < held.needed:
                free.append(held)
        return self._lease(free, annotator, now)

    def renew(self, questions: Iterable[Held], annotator: str, now: float) -> None:
        """Renew the leases of an annotator that are half over."""
        due = [
            held for held in questions if self._leases[held.record.id][annotator] - now < self._seconds / 2
        ]
        self._lease(due, annotator, now)

    def _lease(self, questions: list[Held], annotator: str, now: float) -> list[Held]:
        given: set[str] = set()
        for needed in sorted({held.needed for held in questions}):
            ids = [held.record.id for held in questions if held.needed == needed]
            given.update(self._store.lease(ids, annotator, now, self._seconds, needed))
        for question in given:
            self._leases.setdefault(question, {})[annotator] = now + self._seconds
        return [held for held in questions if held.record.id in given]

    def may_answer(self, held: Held, annotator: str, now: float) -> bool:
        """Whether an annotator may answer a question.

        They may if they ever leased it, so that no late answer is lost, and while fewer others have it than
        are needed.
        """
        others = (held.answered | self._having(held, now)) - {annotator}
        given = annotator in self._leases.get(held.record.id, {})
        return held.only in (None, annotator) and (given or len(others) < held.needed)

    def is_leased(self, held: Held, now: float) -> bool:
        """Whether any annotator has leased the question."""
        return bool(self._having(held, now))

    def free(self, annotator: str, now: float) -> int:
        """Number of questions that an annotator may still be given."""
        return sum(
            held.only in (None, annotator)
            and annotator not in held.answered
            and len(held.answered | self._having(held, now)) < held.needed
            for held in self._held.values()
        )

    def _having(self, held: Held, now: float) -> set[str]:
        return {who for who, end in self._leases.get(held.record.id, {}).items() if end > now}

    def others_have(self, annotator: str, now: float) -> bool:
        """Whether other annotators have leased questions."""
        return any(
            end > now and who != annotator for leases in self._leases.values() for who, end in leases.items()
        )


def new_question(run: str, **values: object) -> StoredQuestion:
    """A question with a new random id; ``values`` are its other fields."""
    return StoredQuestion(id=secrets.token_urlsafe(16), run=run, **values)  # type: ignore[arg-type]
