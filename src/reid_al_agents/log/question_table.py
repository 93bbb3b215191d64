"""The tables of questions and of their leases."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select, union

from reid_al_agents.log.checksum import QUESTION_COLUMNS, checksum
from reid_al_agents.log.database import Database
from reid_al_agents.log.event_table import is_effective
from reid_al_agents.log.events import Lease, StoredQuestion
from reid_al_agents.log.schema import events, leases
from reid_al_agents.log.schema import questions as table
from reid_al_agents.log.validation import load_json, question_row
from reid_al_env.errors import InputError

_DETAIL = QUESTION_COLUMNS.index("detail")
_SELECT = select(*(table.c[name] for name in (*QUESTION_COLUMNS, "checksum")))
_AT_ONCE = 500  # ids in one statement: older SQLite takes 999 values

# The statements of a lease are built once: to build them takes longer than SQLite takes for them.
_SOME: BindParameter[Sequence[str]] = bindparam("ids", expanding=True)
_LOCK = select(table.c.id).where(table.c.id.in_(_SOME)).order_by(table.c.id).with_for_update()
_OTHERS = union(
    select(leases.c.question, leases.c.annotator).where(
        leases.c.question.in_(_SOME),
        leases.c.annotator != bindparam("who"),
        leases.c.expires_at > bindparam("now"),
    ),
    select(events.c.question, events.c.annotator).where(
        events.c.question.in_(_SOME),
        events.c.annotator != bindparam("who"),
        events.c.kind == "answer",
        is_effective(),
    ),
)
_EXPIRED = delete(leases).where(leases.c.question.in_(_SOME), leases.c.expires_at <= bindparam("now"))


class QuestionTable:
    """Reads and writes questions and leases; `EventStore` documents what its methods promise.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = database.insert(leases)
        later = {"expires_at": insert.excluded.expires_at}
        self._renewing = insert.on_conflict_do_update(index_elements=["question", "annotator"], set_=later)
        self._adding = database.insert(table).on_conflict_do_nothing(index_elements=["id"])

    def add(self, questions: Sequence[StoredQuestion]) -> None:
        """See `EventStore.add_questions`."""
        rows = sorted((question_row(question) for question in questions), key=lambda row: row["run"])
        runs = {row["run"] for row in rows}
        if not rows:
            return
        with self._database.writing(runs, "questions could not be stored", passing=True) as connection:
            for run, part in groupby(rows, lambda row: row["run"]):
                last = select(func.coalesce(func.max(table.c.number), 0)).where(table.c.run == run)
                first = 1 + int(connection.execute(last).scalar_one())
                connection.execute(
                    self._adding, [{**row, "number": number} for number, row in enumerate(part, first)]
                )

    def find(self, ids: Sequence[str]) -> dict[str, StoredQuestion]:
        """See `EventStore.questions`."""
        found = {}
        with self._database.reading() as connection:
            for part in _parts(ids):
                for row in connection.execute(_SELECT.where(table.c.id.in_(part))):
                    found[row[0]] = _question(row, self._database.where)
        return {id_: found[id_] for id_ in ids if id_ in found}

    def lease(self, ids: Sequence[str], annotator: str, now: float, seconds: float, most: int) -> list[str]:
        """See `EventStore.lease`."""
        ids = list(dict.fromkeys(ids))
        with self._database.writing([], "questions could not be leased", passing=True) as connection:
            _lock(connection, ids)
            others = _others(connection, ids, annotator, now)
            free = [id_ for id_ in ids if len(others[id_]) < most]
            for part in _parts(free):
                connection.execute(_EXPIRED, {"ids": part, "now": now})
                lease = {"annotator": annotator, "leased_at": now, "expires_at": now + seconds}
                connection.execute(self._renewing, [{"question": id_, **lease} for id_ in part])
        return free

    def leases(self, run: str, now: float) -> list[Lease]:
        """See `EventStore.leases`."""
        statement = (
            select(leases.c.question, leases.c.annotator, leases.c.leased_at, leases.c.expires_at)
            .join(table, table.c.id == leases.c.question)
            .where(table.c.run == run, leases.c.expires_at > now)
            .order_by(leases.c.leased_at, table.c.number, leases.c.annotator)
        )
        with self._database.reading() as connection:
            return [Lease(*row) for row in connection.execute(statement)]


def _lock(connection: Connection, ids: Sequence[str]) -> None:
    """Keep other processes from leasing these questions until the transaction ends.

    SQLite has locked the whole file by then and knows no FOR UPDATE. PostgreSQL locks the rows, always in
    the order of the ids, which rules out deadlocks; later statements see what the last holder did.
    """
    known: set[str] = set()
    for part in _parts(sorted(ids)):
        known.update(connection.execute(_LOCK, {"ids": part}).scalars())
    unknown = next((id_ for id_ in ids if id_ not in known), None)
    if unknown is not None:
        raise InputError(f"question {unknown!r} is not in the store; add it before it is leased")


def _others(connection: Connection, ids: Sequence[str], annotator: str, now: float) -> dict[str, set[str]]:
    """Other annotators that have leased or answered each question, by one statement: one state of the tables.

    An annotator who answered and still has the lease counts once.
    """
    others: dict[str, set[str]] = defaultdict(set)
    for part in _parts(ids):
        for question, other in connection.execute(_OTHERS, {"ids": part, "who": annotator, "now": now}):
            others[question].add(other)
    return others


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))


def _question(row: Sequence[Any], where: str) -> StoredQuestion:
    *values, said = row
    if checksum(values) != said:
        raise InputError(
            f"{where}: question {values[0]!r} is damaged (it does not fit its checksum); "
            "restore the database from a backup"
        )
    values[_DETAIL] = load_json(values[_DETAIL], f"{where}: question {values[0]!r}")
    return StoredQuestion(*values)
