"""Fixtures of several test modules."""

from collections.abc import Iterator

import pytest
from postgres_server import running_server, why_not


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[str]:
    """Folder of the socket of a real PostgreSQL server that lives as long as the tests."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    pytest.importorskip("psycopg", reason='needs psycopg; pip install "reid-active-learning[postgres]"')
    with running_server() as folder:
        yield folder
