"""A PostgreSQL server of the tests' own: a temporary folder, a user that is not root, reached by a socket."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

USER = "reid"
_numbers = itertools.count()


def find_program(name: str) -> str | None:
    """The newest of Debian's versions where it is not on the PATH."""
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True
    )
    candidates = [shutil.which(name), *(shutil.which(name, path=str(folder)) for folder in folders)]
    return next((found for found in candidates if found), None)


def why_not() -> str | None:
    """The reason why there can be no server here, None where there can."""
    missing = [name for name in ("initdb", "pg_ctl") if find_program(name) is None]
    if missing:
        return f"{' and '.join(missing)} not found; install Debian's package postgresql"
    if not hasattr(os, "geteuid"):
        return "needs a system with user ids"
    return None


def new_schema(socket: str) -> str:
    """Address of an empty place in the server; the tests of one server do not see each other."""
    import psycopg

    name = f"t{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(host=socket, user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return schema_address(socket, name)


def schema_address(socket: str, schema: str, user: str = USER) -> str:
    """Address of a place in the server as one of its users sees it."""
    options = quote(f"-csearch_path={schema}")
    return f"postgresql+psycopg://{user}@/postgres?host={quote(socket, safe='')}&options={options}"


@contextmanager
def running_server() -> Iterator[str]:
    """Yields the folder of the server's socket."""
    # Not pytest's own temporary folder: another user may not enter it, and its path is too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="reid-pg-"))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # as which PostgreSQL refuses to run
        import pwd  # Windows has none, and its tests import this module too

        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def run(name: str, *arguments: str) -> None:
        program = find_program(name)
        assert program is not None
        # Into a file: the server would keep a pipe open and the wait for its end would never end.
        with (folder / "output").open("ab") as output:
            subprocess.run(
                [program, *arguments], check=True, stdout=output, stderr=output, cwd=folder, **user
            )

    data = str(folder / "data")
    # The server itself is never killed here, so that it need not wait for the disk.
    settings = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off -c max_connections=60"
    try:
        run("initdb", "-D", data, "-U", USER, "--auth=trust", "--no-sync", "-E", "UTF8")
        run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield str(folder)
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
