"""The append-only table of events: what is written there stays, and an undo is one more row."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from reid_al_agents.log.checksum import EVENT_COLUMNS, checksum
from reid_al_agents.log.database import Database
from reid_al_agents.log.events import (
    RETRACTABLE,
    TAKING_BACK,
    UNDOABLE,
    Event,
    NothingToUndo,
)
from reid_al_agents.log.schema import events as table
from reid_al_agents.log.schema import last_event
from reid_al_agents.log.validation import event_row, load_json
from reid_al_env.errors import InputError

_Row = dict[str, Any]

_COLUMNS = (*EVENT_COLUMNS, "id")
_SELECT = select(*(table.c[name] for name in (*_COLUMNS, "checksum")))
_NOT_STORED = "events could not be stored"
_AT_ONCE = 2000  # rows of one INSERT statement's batch
_VALUES = 400  # values of one SELECT
_T = TypeVar("_T")


def is_effective() -> ColumnElement[bool]:
    """The condition that an event counts: it takes nothing back and was not taken back itself."""
    other = table.alias("taking_back")
    taken_back = select(other.c.id).where(other.c.run == table.c.run, other.c.target == table.c.id).exists()
    return table.c.kind.not_in(TAKING_BACK) & ~taken_back


class EventTable:
    """Reads and writes events; `EventStore` documents what its methods promise.

    Args:
        database: The store's database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._inserting = database.insert(table).on_conflict_do_nothing(index_elements=["run", "key"])
        self._inserting_one = self._inserting.returning(table.c.id)

    def append(self, event: Event, wait: bool) -> tuple[Event, bool]:
        """See `EventStore.append`."""
        row = event_row(event)
        with self._database.writing([event.run], _NOT_STORED, synced_later=not wait) as connection:
            stored, new = self._insert(connection, row)
        self._database.stored(stored.id, synced_later=not wait)
        return stored, new

    def append_many(self, events: Sequence[Event]) -> int:
        """See `EventStore.append_many`."""
        rows = [event_row(event) for event in events]
        if not rows:
            return 0
        runs = {row["run"] for row in rows}
        with self._database.writing(runs, _NOT_STORED) as connection:
            before = _count(connection, runs)
            for takes_back, part in groupby(rows, lambda row: row["kind"] in TAKING_BACK):
                some = list(part)
                if takes_back:
                    some = _unknown(connection, some)
                    _check_targets(connection, some)
                _insert_all(connection, self._inserting, some)
            new, last = _count(connection, runs) - before, last_event(connection)
        self._database.stored(last)
        return new

    def runs(self) -> list[str]:
        """See `EventStore.runs`."""
        with self._database.reading() as connection:
            return sorted(connection.execute(select(table.c.run).distinct()).scalars())

    def events(self, run: str, after: int, kind: str | None) -> list[Event]:
        """See `EventStore.events`."""
        wanted = (table.c.run == run) & (table.c.id > after)
        if kind is not None:
            wanted &= table.c.kind == kind
        return self._read(wanted)

    def _read(self, wanted: ColumnElement[bool]) -> list[Event]:
        with self._database.reading() as connection:
            rows = connection.execute(_SELECT.where(wanted).order_by(table.c.id)).all()
        return [_event(row, self._database.where) for row in rows]

    def _insert(self, connection: Connection, row: _Row) -> tuple[Event, bool]:
        # First recognise a repeated undo by its key: its target has been taken back and would be refused.
        if row["kind"] in TAKING_BACK and self._find(connection, row["run"], row["key"]) is None:
            _check_targets(connection, [row])
        inserted = connection.execute(self._inserting_one, row).first()
        if inserted is not None:
            stored = {**row, "id": inserted.id}
            return _event([stored[name] for name in (*_COLUMNS, "checksum")], self._database.where), True
        found = self._find(connection, row["run"], row["key"])
        assert found is not None  # nothing is ever deleted
        return found, False

    def _find(self, connection: Connection, run: str, key: str) -> Event | None:
        row = connection.execute(_SELECT.where(table.c.run == run, table.c.key == key)).first()
        return None if row is None else _event(row, self._database.where)


def _unknown(connection: Connection, rows: list[_Row]) -> list[_Row]:
    """The rows whose keys are not stored, each key once: a repeated undo would be refused for its target."""
    first = {(row["run"], row["key"]): row for row in reversed(rows)}
    known = set()
    for some in _parts(list(first)):
        runs, keys = zip(*some, strict=True)
        statement = select(table.c.run, table.c.key).where(table.c.run.in_(set(runs)), table.c.key.in_(keys))
        known |= {(run, key) for run, key in connection.execute(statement)}
    return [row for place, row in reversed(first.items()) if place not in known]


def _check_targets(connection: Connection, rows: Sequence[_Row]) -> None:
    """See that undos and retracts take back what they may; the run's lock keeps it true until the commit."""
    targets: dict[tuple[str, int], tuple[str, str, bool]] = {}
    for some in _parts(rows):
        statement = select(table.c.run, table.c.id, table.c.kind, table.c.annotator, is_effective()).where(
            table.c.id.in_({row["target"] for row in some})
        )
        for run, id_, *found in connection.execute(statement):
            targets[run, id_] = (found[0], found[1], bool(found[2]))
    for row in rows:
        place = row["run"], row["target"]
        _check_target(row, targets.get(place))
        kind, annotator, _ = targets[place]
        targets[place] = kind, annotator, False  # nothing is taken back twice


def _check_target(row: _Row, found: tuple[str, str, bool] | None) -> None:
    target, kind = row["target"], row["kind"]
    if found is None:
        raise NothingToUndo(f"{kind}: run '{row['run']}' has no event {target}; name one of its events")
    found_kind, annotator, effective = found
    allowed = UNDOABLE if kind == "undo" else RETRACTABLE
    if found_kind not in allowed:
        raise NothingToUndo(f"{kind}: event {target} is of kind {found_kind}; expected {', '.join(allowed)}")
    if kind == "undo" and annotator != row["annotator"]:
        raise NothingToUndo(
            f"undo: event {target} is {annotator}'s, not {row['annotator']}'s; retract it instead"
        )
    if not effective:
        raise NothingToUndo(f"{kind}: event {target} was taken back before; nothing is left to do")


def _parts(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Parts that fit into one statement: SQLite takes a limited number of values."""
    for start in range(0, len(values), _VALUES):
        yield values[start : start + _VALUES]


def _insert_all(
    connection: Connection, statement: postgresql.Insert | sqlite.Insert, rows: list[_Row]
) -> None:
    for start in range(0, len(rows), _AT_ONCE):
        connection.execute(statement, rows[start : start + _AT_ONCE])


def _count(connection: Connection, runs: set[str]) -> int:
    statement = select(func.count()).select_from(table).where(table.c.run.in_(runs))
    return int(connection.execute(statement).scalar_one())


def _event(row: Sequence[Any], where: str) -> Event:
    *values, id_, said = row
    if checksum(values) != said:
        raise InputError(
            f"{where}: event {id_} is damaged (it does not fit its checksum); restore the database from a "
            "backup"
        )
    # Filled past the frozen class's constructor, which takes twice as long: a run has 100,000 of these.
    event = object.__new__(Event)
    content = vars(event)
    content.update(zip(_COLUMNS, (*values, id_), strict=True))
    content["payload"] = load_json(content["payload"], f"{where}: event {id_}")
    return event
