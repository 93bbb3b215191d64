"""Where an event store is, and how a message says that something is wrong there."""

import os
from dataclasses import dataclass

from sqlalchemy import exc, make_url
from sqlalchemy.engine import URL

from reid_al_env.errors import InputError

_EXPECTED = "expected a file, sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")

# The first text found in the database's own message decides what to advise.
_HINTS = (
    ("locked", "another program keeps it locked; close that one or try again"),
    ("lock timeout", "another program keeps it locked; close that one or try again"),
    ("not a database", "it is some other file; name another one"),
    ("malformed", "it is damaged; restore it from a backup, or save what `sqlite3 FILE .recover` finds"),
    ("disk is full", "make room on the disk"),
    ("readonly", "make the file and its folder writable"),
    ("read-only", "name a server that takes writes"),
    ("unable to open", "check that it is a file and that its folder is writable"),
    ("refused", "check host and port, and that the server runs"),
    ("No such file or directory", "check host and port, and that the server runs"),
    ("timeout", "check host and port, and that the server answers"),
    ("could not translate host name", "check the host's name"),
    ("failed to resolve host", "check the host's name"),
    ("password", "check user and password"),
    ("does not exist", "create it first (`createdb`), or check user and database"),
    ("permission denied", "give this user the right to create and write tables (`GRANT`)"),
)


@dataclass(frozen=True)
class Address:
    """Where an event store is.

    Attributes:
        url: For SQLAlchemy.
        shown: For messages; holds no password.
    """

    url: URL
    shown: str

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self.url.get_backend_name() == "sqlite"

    def explain(self, what: str, error: Exception) -> str:
        """Say in one line what went wrong and how to mend it.

        Args:
            what: What could not be done.
            error: What the database said.

        Returns:
            The line, without the password.
        """
        cause = getattr(error, "orig", None) or error
        if isinstance(cause, UnicodeDecodeError):  # SQLite quotes damaged bytes in its message
            cause = cause.object.decode(errors="replace")
        reason = " ".join(str(cause).split()) or type(cause).__name__
        for secret in _secrets(self.url):
            reason = reason.replace(secret, "***")
        if isinstance(error, ImportError):  # psycopg, or the C library it stands on
            return f'{self.shown}: {what} ({reason}); pip install "reid-active-learning[postgres]"'
        place = "check that it is an event store, its folder writable and the disk not full"
        general = place if self.is_sqlite else "check the server and its log"
        hint = next((advice for sign, advice in _HINTS if sign in reason), general)
        return f"{self.shown}: {what} ({reason}); {hint}"


def read_address(url: str | os.PathLike[str]) -> Address:
    """Understand what was given as the place of an event store.

    Args:
        url: Path of an SQLite file, or an SQLAlchemy address.

    Returns:
        The address; its password is not shown.

    Raises:
        InputError: It is neither.
    """
    text = os.fspath(url)
    if "://" not in text:
        if text.endswith(os.sep) or not text:
            raise InputError(f"'{text}': is no file; {_EXPECTED}")
        return Address(URL.create("sqlite", database=text), text)
    scheme = text.partition("://")[0]
    try:
        parsed = make_url(text)
    except (exc.ArgumentError, ValueError):  # neither is shown: the message may hold the password
        raise InputError(
            f"{scheme}://…: cannot be read as a database's address; {_EXPECTED}, "
            "with %40, %3A and %2F for @, : and / in a password"
        ) from None
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise InputError(f"{scheme}://: would be kept in memory only and lost; {_EXPECTED}")
        if parsed.query:  # mode=ro, vfs=…: what we promise of the file would no longer hold
            raise InputError(f"{scheme}:///{parsed.database}: takes nothing after a '?'; {_EXPECTED}")
        return Address(parsed, str(parsed.database))
    if parsed.drivername not in _POSTGRESQL:
        raise InputError(f"{scheme}://…: is no kind of store; {_EXPECTED}")
    parsed = parsed.set(drivername="postgresql+psycopg")
    return Address(parsed, parsed.set(query={}).render_as_string(hide_password=True))


def _secrets(url: URL) -> list[str]:
    in_query = url.query.get("password", ())
    found = [in_query] if isinstance(in_query, str) else list(in_query)
    if url.password:
        found.append(str(url.password))
    return [secret for secret in found if secret]
