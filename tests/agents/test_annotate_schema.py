"""Whatever the API's own description allows, and more, the server answers with sense."""

import pytest

pytest.importorskip("fastapi")
schemathesis = pytest.importorskip("schemathesis", reason='needs schemathesis; pip install -e ".[dev]"')

from hypothesis import HealthCheck, given, settings  # noqa: E402
from served import Person, Server  # noqa: E402

EXAMPLES = 25
HOW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
)
ALLOWED = {200, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429}


@pytest.mark.slow
def test_whatever_is_asked_the_answer_is_one_of_those_that_make_sense(tmp_path):
    with Server(tmp_path, identities=12) as server:
        person = Person(server, "anna")
        schema = schemathesis.openapi.from_dict(person.get("/openapi.json"))
        headers = {"Origin": server.base, "X-CSRF-Token": person.csrf, "Cookie": person.cookie}
        seen = {}
        for found in schema.get_all_operations():
            probe(found.ok(), server.base, headers, seen)
        assert person.get("/api/status")["images"] == 72  # it still stands
    assert len(seen) >= 15
    assert not set().union(*seen.values()) <= {422}, seen


def probe(operation, base, headers, seen):
    @HOW
    @given(case=operation.as_strategy())
    def ask(case):
        reply = case.call(base_url=base, headers=headers, timeout=30)
        seen.setdefault(operation.label, set()).add(reply.status_code)
        assert reply.status_code in ALLOWED, (operation.label, reply.status_code, reply.content[:300])
        if reply.status_code >= 400:
            assert "Traceback" not in reply.text
            assert reply.json()["error"]

    ask()
