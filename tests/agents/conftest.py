"""Fixtures of several test modules."""

import signal
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


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """Put back what SIGINT and SIGTERM do, which the command line's ``main`` changes for its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
