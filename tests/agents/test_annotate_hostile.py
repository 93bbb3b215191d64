"""What the annotation server refuses, and how it tells annotators and their pages apart."""

import contextlib
import json
import socket
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_world import opened, pool
from page_client import HOST, Browser, key_, questions
from starlette.testclient import TestClient

from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app
from reid_al_agents.annotate.server.middleware import LARGEST_BODY
from reid_al_agents.annotate.server.rate_limit import RateLimit
from reid_al_agents.annotate.server.serving import make_access
from reid_al_agents.annotate.server.slow_peers import DeadlineProtocol
from reid_al_env import InputError


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    features = pool(20, 5)
    np.savez(folder / "features.npz", features=features.features)
    with opened(folder, features) as made:
        made.session.questions("warm-up", 0)
        yield made


def make(world, access=None, **more):
    return create_app(world.session, world.refreshing, world.pictures, access or Access(b"s" * 32), **more)


@pytest.fixture(scope="module")
def app(world):
    return make(world)


@pytest.fixture
def tokens(tmp_path):
    """The access of anna and ben, and their tokens."""
    return make_access(tmp_path, "0.0.0.0", ("anna", "ben"), ("127.0.0.1",))


HOSTILE = [
    ("another origin", "post", "/api/undo", {"key": "k" * 8}, {"Origin": "http://evil.example"}, 403),
    ("no origin", "post", "/api/undo", {"key": "k" * 8}, {"Origin": None}, 403),
    ("origin null", "post", "/api/undo", {"key": "k" * 8}, {"Origin": "null"}, 403),
    ("no csrf token", "post", "/api/undo", {"key": "k" * 8}, {"X-CSRF-Token": ""}, 403),
    ("a forged csrf token", "post", "/api/undo", {"key": "k" * 8}, {"X-CSRF-Token": "0" * 64}, 403),
    ("a form", "post", "/api/undo", {"key": "k" * 8}, {"Content-Type": "text/plain"}, 415),
    (
        "a forged question",
        "post",
        "/api/answers",
        {"question": "A" * 22, "answer": "same", "key": "k" * 8},
        {},
        404,
    ),
    (
        "a path for a question",
        "post",
        "/api/answers",
        {"question": "../x", "answer": "same", "key": "k" * 8},
        {},
        422,
    ),
    ("no such answer", "post", "/api/answers", {"question": "A", "answer": "maybe", "key": "k" * 8}, {}, 422),
    ("a field too many", "post", "/api/undo", {"key": "k" * 8, "admin": True}, {}, 422),
    ("a short key", "post", "/api/undo", {"key": "k"}, {}, 422),
    ("a key of another alphabet", "post", "/api/undo", {"key": "a' OR 1=1 --"}, {}, 422),
    ("no number", "post", "/api/retract", {"key": "k" * 8, "event": "1; DROP TABLE"}, {}, 422),
    ("an event that is not there", "post", "/api/retract", {"key": "k" * 8, "event": 10**6}, {}, 404),
    (
        "an image against itself",
        "post",
        "/api/contradictions/settle",
        {"key": "k" * 8, "query": 1, "candidate": 1, "answer": "same"},
        {},
        404,
    ),
    (
        "an image that is not there",
        "post",
        "/api/contradictions/settle",
        {"key": "k" * 8, "query": 1, "candidate": 10**6, "answer": "same"},
        {},
        404,
    ),
    (
        "an identity that is gone",
        "post",
        "/api/identities/name",
        {"key": "k" * 8, "identity": "g99999", "name": "x"},
        {},
        409,
    ),
    ("nothing to undo", "post", "/api/undo", {"key": "k" * 8}, {}, 409),
    ("traversal by image", "get", "/api/images/..%2f..%2fetc%2fpasswd", {}, {}, (404, 422)),
    ("a negative image", "get", "/api/images/-1", {}, {}, 404),
    ("traversal by static file", "get", "/static/..%2f..%2fapp.py", {}, {}, 404),
    ("traversal with dots", "get", "/static/%2e%2e/%2e%2e/app.py", {}, {}, 404),
    ("an export that is none", "get", "/api/export/..%2fsecret", {}, {}, 404),
    ("another export that is none", "get", "/api/export/secret", {}, {}, 404),
    ("a wrong method", "put", "/api/answers", {}, {}, 405),
    ("a long address", "get", "/api/status?x=" + "x" * 5000, {}, {}, 413),
    ("a large count", "post", "/api/questions", {"count": 10**6}, {}, 422),
    ("questions by a link", "get", "/api/questions?count=50", {}, {}, 405),
    ("questions without a csrf token", "post", "/api/questions", {"count": 1}, {"X-CSRF-Token": ""}, 403),
    (
        "a csrf token that is not ASCII",
        "post",
        "/api/undo",
        {"key": "k" * 8},
        {"X-CSRF-Token": b"\xe9" * 64},
        403,
    ),
    ("a name from elsewhere", "post", "/api/sign-in", {"name": "x"}, {"Origin": "http://evil.example"}, 403),
    ("a name without an origin", "post", "/api/sign-in", {"name": "x"}, {"Origin": None}, 403),
    ("a name by a form", "post", "/api/sign-in", {"name": "x"}, {"Content-Type": "text/plain"}, 415),
    ("a name with markup", "post", "/api/sign-in", {"name": "<b>x</b>"}, {}, 400),
    ("a name of spaces", "post", "/api/sign-in", {"name": "   "}, {}, 400),
    ("no name", "post", "/api/sign-in", {}, {}, 400),
    ("a name that is half a character", "post", "/api/sign-in", {"name": "\ud800"}, {}, 422),
    ("a body nested 30,000 deep", "post", "/api/undo", b"[" * 30_000, {}, (400, 422)),
    ("a body that is no UTF-8", "post", "/api/undo", b'{"key": "\xff\xfe"}', {}, (400, 422)),
    (
        "a number of 5,000 digits",
        "post",
        "/api/retract",
        b'{"key": "kkkkkkkk", "event": 1' + b"0" * 5000 + b"}",
        {},
        (400, 422),
    ),
    (
        "not a number",
        "post",
        "/api/answers",
        b'{"question": "A", "answer": "same", "key": "kkkkkkkk", "seconds": NaN}',
        {},
        422,
    ),
    (
        "a pair that is not contradicted",
        "post",
        "/api/contradictions/settle",
        {"key": "k" * 8, "query": 1, "candidate": 2, "answer": "same"},
        {},
        409,
    ),
]


@pytest.mark.parametrize(
    ("what", "method", "path", "body", "headers", "status"), HOSTILE, ids=[h[0] for h in HOSTILE]
)
def test_hostile_requests_are_refused(app, what, method, path, body, headers, status):
    mallory = Browser(app, "mallory")  # who never answers: other tests of this session do
    usual = {
        "Origin": f"http://{HOST}",
        "X-CSRF-Token": mallory.session["csrf"],
        "Content-Type": "application/json",
    }
    sent = {name: value for name, value in {**usual, **headers}.items() if value is not None}
    content = body if isinstance(body, bytes) else json.dumps(body)
    reply = mallory.http.request(method, path, content=None if method == "get" else content, headers=sent)
    assert reply.status_code in (status if isinstance(status, tuple) else (status,)), reply.text
    error = reply.json()["error"]
    assert error
    assert "\n" not in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1@evil.example", "127.0.0.1.evil.example", "[::2]", ""]
)
def test_another_host_is_refused(app, host):
    reply = Browser(app).http.get("/api/session", headers={"Host": host})
    assert reply.status_code == 400
    assert reply.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "[::1]:8000"])
def test_the_names_of_this_machine_are_ours(app, host):
    assert Browser(app).http.get("/api/session", headers={"Host": host}).status_code == 200


def test_a_body_that_is_too_large_is_refused_with_and_without_its_length(app):
    anna = Browser(app)
    headers = {
        "Origin": f"http://{HOST}",
        "X-CSRF-Token": anna.session["csrf"],
        "Content-Type": "application/json",
    }
    large = b'{"key": "' + b"k" * (2 * LARGEST_BODY) + b'"}'
    assert anna.http.post("/api/undo", content=large, headers=headers).status_code == 413

    def chunks():
        for start in range(0, len(large), 4096):
            yield large[start : start + 4096]

    assert anna.http.post("/api/undo", content=chunks(), headers=headers).status_code == 413


# -- conflicts ---------------------------------------------------------------------------------------------


def test_a_question_that_another_annotator_has_cannot_be_answered(app):
    anna, ben = Browser(app), Browser(app, "ben")
    question = questions(anna, 1)[0]["id"]
    reply = ben.answer(question, "same")
    assert reply.status_code == 409
    assert "another person" in reply.json()["error"]
    assert anna.answer(question, "same").status_code == 200


def test_a_repeated_key_counts_once_and_not_for_anything_else(world, app):
    anna, ben = Browser(app), Browser(app, "ben")
    question, key = questions(anna)[0]["id"], key_()
    before = world.session.state.beliefs.answers
    first = anna.answer(question, "same", key).json()
    again = anna.answer(question, "same", key).json()
    assert (first["counted"], again["counted"]) == (True, False)
    assert first["event"] == again["event"]
    other = anna.answer(question, "different", key)
    assert other.status_code == 409
    assert "key" in other.json()["error"]
    assert ben.answer(question, "same", key).status_code == 409
    assert world.session.state.beliefs.answers == before + 1


# -- limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("varied", ["cookie", "x-forwarded-for"])
def test_too_many_requests_are_refused_whatever_a_peer_calls_itself(world, varied):
    http = TestClient(make(world, limit=RateLimit(per_second=0.001, burst=5)), base_url=f"http://{HOST}")
    statuses = [
        http.get("/api/session", headers={varied: f"{number}=10.0.0.{number}"}).status_code
        for number in range(6)
    ]
    assert statuses == [200] * 5 + [429]


def test_the_limit_of_a_peer_fills_up_again_and_is_its_own():
    limit = RateLimit(per_second=1.0, burst=2)
    assert [limit.take("10.0.0.1", now) for now in (0.0, 0.0, 0.0, 1.0, 1.0)] == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert limit.take("10.0.0.2", 1.0)
    assert [limit.take(f"2001:db8::{host}", 1.0) for host in (1, 2, 3)] == [True, True, False]  # one network


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ],
)
def test_a_peer_that_sends_too_slowly_is_cut_off(start):
    async def reply(scope, receive, send):
        while (await receive()).get("more_body"):
            pass

    class Impatient(DeadlineProtocol):
        request_seconds = 0.2

    config = uvicorn.Config(
        reply, host="127.0.0.1", port=0, http=Impatient, log_level="critical", lifespan="off"
    )
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    listener.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        with socket.create_connection(listener.getsockname(), timeout=20) as peer:
            peer.sendall(start)
            with contextlib.suppress(ConnectionResetError):
                assert peer.recv(1) == b""
    finally:
        server.should_exit = True
        thread.join()


# -- names and tokens --------------------------------------------------------------------------------------


def test_on_this_machine_no_token_and_no_cookie_is_needed(app):
    http = TestClient(app, base_url=f"http://{HOST}")
    session = http.get("/api/session").json()
    assert session["annotator"] == "me"
    headers = {"Origin": f"http://{HOST}", "X-CSRF-Token": session["csrf"]}
    assert http.post("/api/questions", json={"count": 1}, headers=headers).status_code == 200
    assert not http.cookies


@pytest.mark.parametrize("path", ["/", "/?as=eve", "/?token=x", "/api/session", "/api/status"])
def test_a_link_changes_nobodys_name(app, path):
    anna = Browser(app)
    link = anna.http.get(path, headers={"Sec-Fetch-Site": "cross-site"})
    assert "set-cookie" not in link.headers
    stranger = TestClient(app, base_url=f"http://{HOST}").get(
        path
    )  # as the browser leaves out a Strict cookie
    assert "set-cookie" not in stranger.headers
    assert anna.get("/api/session").json()["annotator"] == "anna"


def test_two_sessions_in_one_browser_keep_their_names(world):
    first, second = Browser(make(world), "anna"), Browser(make(world, Access(b"t" * 32)), "ben")
    second.http.cookies.update(first.http.cookies)
    first.http.cookies.update(second.http.cookies)
    assert first.get("/api/session").json()["annotator"] == "anna"
    assert second.get("/api/session").json()["annotator"] == "ben"
    assert first.session["session"] != second.session["session"]


def test_a_page_can_tell_that_another_session_took_its_port(world):
    before, after = Browser(make(world)), Browser(make(world, Access(b"t" * 32)))
    reply = after.post("/api/questions", {"count": 1}, **{"X-CSRF-Token": before.session["csrf"]})
    assert reply.status_code == 403
    assert reply.headers["reid-session"] == after.session["session"] != before.session["session"]


def test_a_restart_signs_nobody_out(world, tmp_path):
    anna = Browser(make(world, make_access(tmp_path, "127.0.0.1", (), ())[0]))
    again = TestClient(make(world, make_access(tmp_path, "127.0.0.1", (), ())[0]), base_url=f"http://{HOST}")
    again.cookies.update(anna.http.cookies)
    assert again.get("/api/session").json() == anna.session


def test_without_a_token_nothing_is_shown(world, tokens):
    access, by_name = tokens
    app = make(world, access)
    stranger = TestClient(app, base_url=f"http://{HOST}")
    for path in ("/api/session", "/api/images/0", "/api/export/pairs.csv", "/api/progress", "/openapi.json"):
        assert stranger.get(path).status_code == 401, path
    headers = {"Origin": f"http://{HOST}"}
    for who in ({"token": "wrong"}, {"token": "\xe9"}, {"name": "anna"}, {}):
        assert stranger.post("/api/sign-in", json=who, headers=headers).status_code == 401, who
    assert not stranger.cookies
    anna = Browser(app, token=by_name["anna"])
    assert anna.session["annotator"] == "anna"
    stranger.cookies.set(access.cookie_name, Access(b"t" * 32, by_name).cookie("ben"))
    assert stranger.get("/api/session").status_code == 401


def test_a_cookie_is_strict_and_out_of_reach_of_scripts(world, tokens):
    access, by_name = tokens
    headers = {"Origin": f"http://{HOST}"}
    http = TestClient(make(world, access), base_url=f"http://{HOST}")
    reply = http.post("/api/sign-in", json={"token": by_name["anna"]}, headers=headers)
    cookie = reply.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert access.session_id in cookie


def test_a_withdrawn_token_signs_its_annotator_out(world, tokens):
    access, by_name = tokens
    anna = Browser(make(world, access), token=by_name["anna"])
    secret = access._secret
    for remaining in ({"ben": by_name["ben"]}, {**by_name, "anna": "another token"}):
        http = TestClient(make(world, Access(secret, remaining)), base_url=f"http://{HOST}")
        http.cookies.update(anna.http.cookies)
        assert http.get("/api/session").status_code == 401


def test_tokens_are_kept_and_needed_beyond_this_machine(tmp_path):
    with pytest.raises(InputError, match="--annotators"):
        make_access(tmp_path, "0.0.0.0", (), ())
    first = make_access(tmp_path, "0.0.0.0", ("anna",), ())[1]
    assert make_access(tmp_path, "0.0.0.0", ("anna", "ben"), ())[1]["anna"] == first["anna"]
    assert (tmp_path / "tokens.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_the_first_annotator_revokes_a_token_for_good_and_nobody_else_does(world, tmp_path):
    place = tmp_path / "tokens"
    place.mkdir()
    access, tokens = make_access(place, "0.0.0.0", ("anna", "ben", "cleo"), ("127.0.0.1",))
    app = create_app(world.session, world.refreshing, world.pictures, access)
    anna, ben, cleo = (Browser(app, token=tokens[name]) for name in ("anna", "ben", "cleo"))
    assert anna.session["admin"]
    assert not ben.session["admin"]
    body = {"key": "k" * 8, "name": "ben"}
    assert cleo.post("/api/annotators/revoke", body).status_code == 403
    assert cleo.get("/api/annotators").status_code == 403
    assert anna.post("/api/annotators/revoke", {**body, "name": "anna"}).status_code == 409
    assert anna.get("/api/annotators").json() == {"names": ["anna", "ben", "cleo"]}
    assert anna.post("/api/annotators/revoke", body).json() == {"names": ["anna", "cleo"]}
    assert anna.post("/api/annotators/revoke", body).status_code == 409
    assert ben.get("/api/status").status_code == 401
    assert ben.http.post("/api/sign-in", json={"token": tokens["ben"]}).status_code in (401, 403)
    assert cleo.get("/api/status").status_code == 200
    assert set(json.loads((place / "tokens.json").read_text())) == {"anna", "cleo"}
    again = make_access(place, "0.0.0.0", ("anna", "ben"), ())[1]
    assert again["ben"] != tokens["ben"]


def test_who_needs_no_token_can_revoke_none(app):
    anna = Browser(app)
    assert not anna.session["admin"]
    assert anna.get("/api/annotators").status_code == 403


# -- headers -----------------------------------------------------------------------------------------------


def test_every_reply_carries_the_headers(app):
    anna = Browser(app)
    for path in ("/", "/api/session", "/api/images/0", "/static/style.css", "/nothing"):
        headers = anna.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["reid-session"] == anna.session["session"]


HEADERS = (
    "Host", "Origin", "Cookie", "X-CSRF-Token", "Content-Type", "Content-Length", "Range", "If-Range",
    "If-None-Match", "If-Modified-Since", "Accept", "Accept-Encoding", "Accept-Language", "Forwarded",
    "X-Forwarded-For", "X-Forwarded-Proto", "Authorization", "Referer", "Expect", "Connection",
    "Sec-Fetch-Site", "Reid-Session",
)  # fmt: skip
VALUE = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=200)


@settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    headers=st.dictionaries(st.sampled_from(HEADERS), VALUE, max_size=5),
    signature=VALUE,
    path=st.sampled_from(
        ["/", "/api/session", "/static/style.css", "/api/images/0", "/api/undo", "/api/sign-in"]
    ),
)
def test_no_header_makes_the_server_fail(app, headers, signature, path):
    access = Access(b"s" * 32)
    anna = access.cookie("anna").partition(".")[0]
    headers = {"Cookie": f"{access.cookie_name}={anna}.{signature}", "Origin": f"http://{HOST}", **headers}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    http = TestClient(app, base_url=f"http://{HOST}")
    method = "POST" if path in ("/api/undo", "/api/sign-in") else "GET"
    reply = http.request(method, path, headers=raw, content=b"{}" if method == "POST" else None)
    assert reply.status_code < 500


@pytest.mark.parametrize("signature", ["\xe9" * 64, "\xff", "", "0" * 63 + "\u0660"])
def test_a_cookie_with_a_forged_signature_signs_nobody_in(tokens, signature):
    access, _ = tokens
    assert access.annotator(f"{b'anna'.hex()}.{signature}") is None
    assert access.annotator(access.cookie("anna")) == "anna"
