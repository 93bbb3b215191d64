"""The event store: an append-only log of runs and sessions, in SQLite or PostgreSQL."""

import os
from collections.abc import Iterable
from types import TracebackType

from reid_al_agents.log.events import Event, Lease, NothingToUndo, StoredQuestion
from reid_al_env.errors import InputError

__all__ = ["Event", "EventStore", "Lease", "NothingToUndo", "StoredQuestion"]


class EventStore:
    """Append-only store of the events of annotation runs, with their questions and leases.

    What `append` and `append_many` return for is on disk: neither a killed process nor a power cut loses it.
    Nothing is ever changed or deleted except leases; an undo is an event of its own. Threads of one process
    may share a store; processes, and with PostgreSQL machines, open one each and may write at the same time.

    The events of a run have rising ids in the order in which they became visible, on both databases: reading
    on with `events(run, after=last_id)` misses none.

    Args:
        url: Path of an SQLite file (or `sqlite:///FILE`), made if it is not there, in a folder that exists;
            or `postgresql+psycopg://USER:PASSWORD@HOST/DATABASE`, whose tables are made if it has none.

    Attributes:
        where: The address as messages may show it, without password.

    Raises:
        InputError: It cannot be opened or written, is not an event store, or is of a newer version; or
            SQLAlchemy or the database's driver is not installed. One line that says how to mend it.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        try:
            from reid_al_agents.log.database import Database
            from reid_al_agents.log.event_table import EventTable
            from reid_al_agents.log.question_table import QuestionTable
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("reid_al"):
                raise
            raise InputError(
                f'the event store needs {error.name}; pip install "reid-active-learning[annotate]"'
            ) from error
        self._database = Database(url)
        self.where = self._database.where
        self._events, self._questions = EventTable(self._database), QuestionTable(self._database)

    def append(self, event: Event, *, wait: bool = True) -> tuple[Event, bool]:
        """Write one event to disk, once for each run and key.

        An `undo` takes back an effective `answer`, `merge`, `split` or `name` of the same annotator, a
        `retract` one of any annotator, or an `import`. If several take back one event at once, one succeeds.

        Args:
            event: The event; its `id` is ignored.
            wait: Whether to wait for the disk. Otherwise the event outlives the process at once, and a power
                cut after the next `sync`, which serves all that were written before it.

        Returns:
            The event as it is stored, with its id, and True; or the one that was stored with this key before,
            whatever it says, and False.

        Raises:
            NothingToUndo: The target is not in the run, cannot be taken back, or was before.
            InputError: The event is not storable, or the database refuses it.
        """
        return self._events.append(event, wait)

    def sync(self) -> None:
        """Return once all events written before this call are on disk.

        Raises:
            InputError: The disk refuses.
        """
        self._database.sync()

    def append_many(self, events: Iterable[Event]) -> int:
        """Write events to disk in one transaction: all of them or none.

        Args:
            events: The events, stored in this order.

        Returns:
            How many were new; those whose key was stored before are left as they were.

        Raises:
            NothingToUndo: As in `append`; then none is stored.
            InputError: An event is not storable, or the database refuses; then none is stored.
        """
        return self._events.append_many(list(events))

    def runs(self) -> list[str]:
        """Read the names of the runs that have events, sorted."""
        return self._events.runs()

    def events(self, run: str, *, after: int = 0, kind: str | None = None) -> list[Event]:
        """Read what happened, undone or not, in order.

        Args:
            run: The run.
            after: Only events with a greater id than this.
            kind: Only those of this kind.

        Returns:
            The events by rising id.
        """
        return self._events.events(run, after, kind)

    def add_questions(self, questions: Iterable[StoredQuestion]) -> None:
        """Write questions, in this order; one whose id is known stays as it is.

        Args:
            questions: The questions.

        Raises:
            InputError: A question is not storable, or the database refuses; then none is stored.
        """
        self._questions.add(list(questions))

    def question(self, id: str) -> StoredQuestion | None:  # noqa: A002
        """Read one question by its id; None where there is none."""
        return self.questions([id]).get(id)

    def questions(self, ids: Iterable[str]) -> dict[str, StoredQuestion]:
        """Read many questions.

        Args:
            ids: Their ids.

        Returns:
            StoredQuestion by id, in the order of `ids`; ids of no question are left out.
        """
        return self._questions.find(list(ids))

    def lease(
        self, questions: Iterable[str], annotator: str, now: float, seconds: float, most: int = 1
    ) -> list[str]:
        """Lease those of several questions that are free, in one transaction with one wait for the disk.

        Args:
            questions: Ids, the most wanted first; a few dozen, since other processes wait for all of them.
            annotator: The annotator.
            now: The time, in seconds since 1970-01-01 UTC.
            seconds: How long the leases hold from `now` on.
            most: How many different annotators may have each before them or have answered it.

        Returns:
            The ids leased or renewed, in the order given.

        Raises:
            InputError: One of the questions does not exist, or the database refuses; then none is leased.
        """
        return self._questions.lease(list(questions), annotator, now, seconds, most)

    def leases(self, run: str, now: float) -> list[Lease]:
        """Read the leases that have not expired.

        Args:
            run: The run.
            now: The time; what has expired by then is left out.

        Returns:
            The leases, oldest first; those taken at once in the order the questions were added.
        """
        return self._questions.leases(run, now)

    def close(self) -> None:
        """Close the store; it cannot be used afterwards. Closing twice is harmless."""
        self._database.close()

    def __enter__(self) -> "EventStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
