"""Tables of the event store, their version, and how an older store is brought up to date."""

from collections.abc import Callable

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.types import TypeEngine

from reid_al_agents.log.checksum import EVENT_COLUMNS, QUESTION_COLUMNS, checksum
from reid_al_env.errors import InputError

SCHEMA_VERSION = 2
"""Version 1 had no checksums."""

_APPLICATION = "reid-al event store"

_REAL: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")  # PostgreSQL's REAL has 7 digits only
_WHOLE: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

_metadata = MetaData()

meta = Table("meta", _metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

questions = Table(
    "questions",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("run", Text, nullable=False),
    Column("number", _WHOLE, nullable=False),  # the order in which the run's questions were added
    Column("round", _WHOLE, nullable=False),
    Column("query", _WHOLE, nullable=False),
    Column("candidate", _WHOLE, nullable=False),
    Column("kind", Text, nullable=False),
    Column("selector", Text, nullable=False),
    Column("probability", _REAL),
    Column("detail", Text, nullable=False),
    Column("created_at", _REAL, nullable=False),
    Column("checksum", _WHOLE, nullable=False),
    UniqueConstraint("run", "number"),
)

leases = Table(
    "leases",
    _metadata,
    Column("question", Text, primary_key=True),
    Column("annotator", Text, primary_key=True),
    Column("leased_at", _REAL, nullable=False),
    Column("expires_at", _REAL, nullable=False),
)

events = Table(
    "events",
    _metadata,
    Column("id", _WHOLE, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("annotator", Text, nullable=False),
    Column("at", _REAL, nullable=False),
    Column("shown_at", _REAL),
    Column("seconds", _REAL),
    Column("question", Text),
    Column("query", _WHOLE),
    Column("candidate", _WHOLE),
    Column("query_name", Text, nullable=False),
    Column("candidate_name", Text, nullable=False),
    Column("answer", Text),
    Column("question_kind", Text),
    Column("selector", Text),
    Column("probability", _REAL),
    Column("round", _WHOLE),
    Column("step", _WHOLE),
    Column("target", _WHOLE),
    Column("payload", Text, nullable=False),
    Column("checksum", _WHOLE, nullable=False),
    UniqueConstraint("run", "key"),
    UniqueConstraint("run", "target"),  # nothing is taken back twice; rows without a target do not collide
    Index("events_of_run", "run", "id"),
    Index("events_of_annotator", "run", "annotator", "id"),
    Index("events_of_question", "question"),
    sqlite_autoincrement=True,  # an id is never given again
)


def _add_checksums(connection: Connection) -> None:
    """Version 1 to 2: what is stored counts as sound from here on."""
    for table, columns in ((events, EVENT_COLUMNS), (questions, QUESTION_COLUMNS)):
        connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN checksum BIGINT NOT NULL DEFAULT 0"))
        rows = connection.execute(select(table.c.id, *(table.c[name] for name in columns)))
        sums = [{"row": id_, "sum": checksum(values)} for id_, *values in rows]
        change = update(table).where(table.c.id == bindparam("row")).values(checksum=bindparam("sum"))
        for start in range(0, len(sums), _AT_ONCE):
            connection.execute(change, sums[start : start + _AT_ONCE])


_AT_ONCE = 2000  # rows of one UPDATE statement's batch

MIGRATIONS: dict[int, Callable[[Connection], None]] = {1: _add_checksums}
"""What brings a store of the version that is the key to the next one."""


def is_blank(connection: Connection) -> bool:
    """Whether the database (of PostgreSQL: its current schema) holds no table at all."""
    return not inspect(connection).get_table_names()


def last_event(connection: Connection) -> int:
    """The highest id of an event; 0 where there is none."""
    return int(connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one())


def create_tables(connection: Connection) -> None:
    """Make the tables in a blank database."""
    _metadata.create_all(connection)
    version = {"name": "schema_version", "value": str(SCHEMA_VERSION)}
    connection.execute(insert(meta), [{"name": "application", "value": _APPLICATION}, version])


def stored_version(connection: Connection, where: str) -> int:
    """Read the version of a store.

    Args:
        connection: An open connection to it.
        where: The store's address, for messages.

    Returns:
        Its version, 1 or more.

    Raises:
        InputError: It is another program's database, or of a newer version than this program knows.
    """
    found = _read_meta(connection)
    if found.get("application") != _APPLICATION or not found.get("schema_version", "").isdigit():
        raise InputError(
            f"{where}: is a database but not an event store; name another file or an empty database"
        )
    version = int(found["schema_version"])
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{where}: event store of version {version}, this program reads version {SCHEMA_VERSION}; "
            "upgrade reid-active-learning"
        )
    return version


def migrate(connection: Connection, version: int) -> None:
    """Bring a store of `version` up to date; every event stays."""
    for old in range(version, SCHEMA_VERSION):
        MIGRATIONS[old](connection)
    if version < SCHEMA_VERSION:
        change = update(meta).where(meta.c.name == "schema_version")
        connection.execute(change.values(value=str(SCHEMA_VERSION)))


def _read_meta(connection: Connection) -> dict[str, str]:
    inspector = inspect(connection)
    if not inspector.has_table(meta.name):
        return {}
    if {column["name"] for column in inspector.get_columns(meta.name)} != {"name", "value"}:
        return {}  # another program's table of that name
    rows = connection.execute(select(meta.c.name, meta.c.value))
    return {str(name): str(value) for name, value in rows}
