"""Leases: which annotators have which question on the screen."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from reid_al_agents.annotate.messages import PendingQuestion
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
        self._pending: dict[str, PendingQuestion] = {}
        self._leases: dict[str, dict[str, float]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __iter__(self) -> Iterator[PendingQuestion]:
        return iter(list(self._pending.values()))

    def get(self, question: str) -> PendingQuestion | None:
        """The open question of that id."""
        return self._pending.get(question)

    def add(self, questions: Iterable[PendingQuestion], *, first: bool = False) -> None:
        """Open stored questions; ``first`` puts them before all others."""
        new = {pending.record.id: pending for pending in questions}
        self._pending = {**new, **self._pending} if first else {**self._pending, **new}

    def remove(self, pending: PendingQuestion) -> None:
        """Close a question."""
        self._pending.pop(pending.record.id, None)
        self._leases.pop(pending.record.id, None)

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
                pending = PendingQuestion(
                    record, None, int(record.detail.get("needed", 1)), record.detail.get("only")
                )
                pending.answered |= answered.get(record.id, set())
                self._pending.setdefault(record.id, pending)
                self._leases.setdefault(record.id, {})[lease.annotator] = lease.expires_at

    def leased(self, annotator: str, now: float) -> list[PendingQuestion]:
        """Questions that an annotator has leased and not answered."""
        return [
            pending
            for pending in self._pending.values()
            if annotator not in pending.answered
            and self._leases.get(pending.record.id, {}).get(annotator, 0.0) > now
        ]

    def lease_first(
        self, questions: Iterable[PendingQuestion], annotator: str, now: float, count: int
    ) -> list[PendingQuestion]:
        """Lease to an annotator the first ``count`` of some questions that they may have and do not have yet.

        Args:
            questions: The most wanted first.
            annotator: The annotator.
            now: The time.
            count: Largest number of leases.

        Returns:
            The questions leased, by one transaction for each value of ``needed``.
        """
        free: list[PendingQuestion] = []
        for pending in sorted(questions, key=lambda pending: annotator in pending.skipped):
            if len(free) >= count:
                break
            if self._has_room(pending, annotator, now):
                free.append(pending)
        return self._lease(free, annotator, now)

    def renew(self, questions: Iterable[PendingQuestion], annotator: str, now: float) -> None:
        """Renew the leases of an annotator that are half over."""
        due = [
            pending
            for pending in questions
            if self._leases[pending.record.id][annotator] - now < self._seconds / 2
        ]
        self._lease(due, annotator, now)

    def _lease(self, questions: list[PendingQuestion], annotator: str, now: float) -> list[PendingQuestion]:
        given: set[str] = set()
        for needed in sorted({pending.needed for pending in questions}):
            ids = [pending.record.id for pending in questions if pending.needed == needed]
            given.update(self._store.lease(ids, annotator, now, self._seconds, needed))
        for question in given:
            self._leases.setdefault(question, {})[annotator] = now + self._seconds
        return [pending for pending in questions if pending.record.id in given]

    def skip(self, pending: PendingQuestion, annotator: str, now: float) -> None:
        """Put a question off: its lease ends, and the annotator is given it again only after all others."""
        pending.skipped.add(annotator)
        if self._leases.get(pending.record.id, {}).pop(annotator, None) is not None:
            self._store.lease([pending.record.id], annotator, now, 0.0, pending.needed)

    def may_answer(self, pending: PendingQuestion, annotator: str, now: float) -> bool:
        """Whether an annotator may answer a question.

        They may if they ever leased it, so that no late answer is lost, and while fewer others have it than
        are needed.
        """
        others = (pending.answered | self._having(pending, now)) - {annotator}
        given = annotator in self._leases.get(pending.record.id, {})
        return pending.only in (None, annotator) and (given or len(others) < pending.needed)

    def is_leased(self, pending: PendingQuestion, now: float) -> bool:
        """Whether any annotator has leased the question."""
        return bool(self._having(pending, now))

    def free(self, annotator: str, now: float) -> int:
        """Number of questions that an annotator may still be given."""
        return sum(
            annotator not in pending.skipped and self._has_room(pending, annotator, now, mine=True)
            for pending in self._pending.values()
        )

    def _has_room(self, pending: PendingQuestion, annotator: str, now: float, mine: bool = False) -> bool:
        """Whether an annotator may be given a question; ``mine``: or has it already."""
        if pending.only not in (None, annotator) or annotator in pending.answered:
            return False
        taken = len(pending.answered)
        for who, end in self._leases.get(pending.record.id, {}).items():
            if end > now and who not in pending.answered:
                if who == annotator and not mine:
                    return False
                taken += 1
        return taken < pending.needed

    def _having(self, pending: PendingQuestion, now: float) -> set[str]:
        return {who for who, end in self._leases.get(pending.record.id, {}).items() if end > now}

    def others_have(self, annotator: str, now: float) -> bool:
        """Whether other annotators have leased questions."""
        return any(
            end > now and who != annotator for leases in self._leases.values() for who, end in leases.items()
        )


def new_question(run: str, **values: object) -> StoredQuestion:
    """A question with a new random id; ``values`` are its other fields."""
    return StoredQuestion(id=secrets.token_urlsafe(16), run=run, **values)  # type: ignore[arg-type]
