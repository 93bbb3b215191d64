"""The annotation server over HTTP: what it gives, what it keeps, and all that it refuses."""

import json
import uuid

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from live_world import opened, pool
from starlette.testclient import TestClient

from reid_al_agents.annotate.server.access import COOKIE, Access, Allowance
from reid_al_agents.annotate.server.app import create_app
from reid_al_agents.annotate.server.guard import LARGEST_BODY
from reid_al_agents.annotate.server.serving import make_access
from reid_al_env import InputError

HOST = "127.0.0.1:8000"


class Browser:
    """What the page does, as one person."""

    def __init__(self, app, name="anna", enter=None):
        self.http = TestClient(app, base_url=f"http://{HOST}")
        self.http.get(enter or f"/?as={name}")
        self.session = self.http.get("/api/session").json()

    def get(self, path, **params):
        return self.http.get(path, params=params)

    def post(self, path, body, **headers):
        usual = {"Origin": f"http://{HOST}", "X-CSRF-Token": self.session.get("csrf", "")}
        return self.http.post(path, json=body, headers={**usual, **headers})

    def answer(self, question, answer, key=None, **more):
        return self.post(
            "/api/answers", {"question": question, "answer": answer, "key": key or key_(), **more}
        )


def key_():
    return uuid.uuid4().hex


@pytest.fixture
def world(tmp_path):
    features = pool(20, 5)
    np.savez(tmp_path / "features.npz", features=features.features)
    with opened(tmp_path, features) as made:
        made.session.questions("warm-up", 0)
        yield made


@pytest.fixture
def app(world):
    access = Access(b"s" * 32, port=8000)
    return create_app(world.session, world.refreshing, world.pictures, access, data="test pool")


def questions(browser, count=4):
    """Questions, once the first batch is planned."""
    for _ in range(10_000):
        got = browser.get("/api/questions", count=count).json()
        if got["questions"] or got["waiting"] != "planning":
            return got["questions"]
    raise AssertionError("nothing was ever planned")


def right(world, question):
    features = world.session.state.features
    same = features.identities[question["query"]["id"]] == features.identities[question["candidate"]["id"]]
    return "same" if same else "different"


def test_a_session_by_the_page_of_the_contract(world, app):
    anna = Browser(app)
    assert anna.session["annotator"] == "anna"
    assert anna.session["languages"] == ["de", "en"]
    first = questions(anna)
    assert len(first) == 4
    assert {"id", "kind", "query", "candidate", "query_group", "candidate_group", "probability"} == set(
        first[0]
    )
    have = [question["id"] for question in first[1:]]
    done = anna.answer(first[0]["id"], right(world, first[0]), want=4, have=have, seconds=1.5).json()
    assert done["counted"]
    assert done["status"]["answers_total"] == 1
    assert not {question["id"] for question in done["questions"]} & {*have, first[0]["id"]}
    assert world.session.state.store.events("run")[-1].seconds == 1.5
    undone = anna.post("/api/undo", {"key": key_()}).json()
    assert undone["question"]["id"] == first[0]["id"]
    assert anna.get("/api/status").json()["answers_total"] == 0
    assert questions(anna)[0]["id"] == first[0]["id"]


def test_the_pages_agree_on_how_many_identities_there_are_and_where_they_were_seen(world, app, monkeypatch):
    monkeypatch.setattr("reid_al_agents.annotate.server.views._TOTALS_EVERY", 0.0)
    anna = Browser(app)
    for question in questions(anna, 6):
        anna.answer(question["id"], right(world, question))
    formed = [item for item in anna.get("/api/identities", limit=200).json()["items"] if item["size"] > 1]
    assert anna.get("/api/status").json()["groups"] == len(formed) > 5
    cameras = world.session.state.features.cameras
    for item in formed:
        images = anna.get(f"/api/identities/{item['id']}").json()["images"]
        assert item["cameras"] == sorted({int(cameras[image["id"]]) for image in images})


def test_no_time_is_left_once_the_goal_is_passed(tmp_path):
    with opened(tmp_path, pool(20, 5), answers=3) as world:
        app = create_app(world.session, world.refreshing, world.pictures, Access(b"s" * 32, port=8000))
        anna = Browser(app)
        left = []
        for question in questions(anna, 3):
            status = anna.answer(question["id"], right(world, question)).json()["status"]
            left.append(status["seconds_left"])
        assert left[1] is not None
        assert left[2] is None


def test_images_tell_when_they_were_taken_where_their_files_know(tmp_path):
    from PIL import Image

    from reid_al_agents.annotate.pictures import Pictures
    from reid_al_agents.data import ImageSet

    picture, paths = Image.new("RGB", (8, 16)), [str(tmp_path / f"{name}.jpg") for name in "abc"]
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    picture.save(paths[0], exif=exif)
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    picture.save(paths[1], exif=exif)
    picture.save(paths[2])
    pictures = Pictures(ImageSet(["a", "b", "c"], [-1] * 3, source="test", paths=paths), (16, 8))
    assert [pictures.taken(image) for image in range(3)] == ["2024-05-06T07:08:09", None, None]


def test_images_come_by_number_with_their_type_and_are_kept(app, world):
    anna = Browser(app)
    reply = anna.get("/api/images/3")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/png"
    assert "immutable" in reply.headers["cache-control"]
    assert reply.content[:4] == b"\x89PNG"


def test_the_pages_and_tables_are_there(world, app):
    anna = Browser(app)
    for question in questions(anna, 8):
        anna.answer(question["id"], right(world, question))
    assert anna.get("/").text.startswith("<!doctype html>")
    progress = anna.get("/api/progress").json()
    assert progress["annotators"][0]["name"] == "anna"
    sheet = anna.get("/api/identities", limit=5).json()
    assert len(sheet["items"]) == 5
    identity = sheet["items"][0]
    full = anna.get(f"/api/identities/{identity['id']}").json()
    assert full["size"] == len(full["images"]) >= len(identity["images"])
    renamed = anna.post("/api/identities/name", {"key": key_(), "identity": identity["id"], "name": "Ada"})
    assert renamed.status_code == 200
    assert anna.get("/api/identities", sort="name", limit=1).json()["items"][0]["name"] == "Ada"
    rest = full["images"][1:]
    split = {"key": key_(), "identity": identity["id"], "images": [image["id"] for image in rest]}
    assert anna.post("/api/identities/split", split).status_code == 200
    assert anna.get("/api/contradictions").status_code == 200


def test_two_people_never_see_one_pair(world, app):
    anna, ben = Browser(app), Browser(app, "ben")
    assert not {q["id"] for q in questions(anna, 10)} & {q["id"] for q in questions(ben, 10)}
    assert ben.get("/api/status").json()["annotators"] == 0


def test_a_row_is_answered_one_by_one(world, app):
    anna = Browser(app)
    questions(anna, 1)
    row = anna.get("/api/questions", count=5, layout="row").json()["rows"][0]
    picks = []
    for item in row["items"]:
        reply = anna.answer(item["id"], "different", layout="row").json()
        assert reply["counted"]
        picks.append(reply["status"]["picks"])
    assert len(row["items"]) == 5
    assert [pick["used"] for pick in picks[:4]] == [1, 2, 3, 4]
    assert {pick["budget"] for pick in picks[:4]} == {5}


def test_every_reply_carries_the_headers(app):
    anna = Browser(app)
    for path in ("/", "/api/session", "/api/images/0", "/static/style.css", "/nothing"):
        headers = anna.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


HOSTILE = [
    ("another host", "get", "/api/session", {}, {"Host": "evil.example"}, 403),
    ("another port", "get", "/api/session", {}, {"Host": "127.0.0.1:9"}, 403),
    ("a host in disguise", "get", "/api/session", {}, {"Host": "127.0.0.1@evil.example"}, 403),
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
    ("a long address", "get", "/api/questions?layout=" + "x" * 5000, {}, {}, 413),
    ("a large count", "get", "/api/questions?count=1000000", {}, {}, 422),
]


@pytest.mark.parametrize(
    ("what", "method", "path", "body", "headers", "status"), HOSTILE, ids=[h[0] for h in HOSTILE]
)
def test_hostile_requests_are_refused(app, what, method, path, body, headers, status):
    anna = Browser(app)
    usual = {
        "Origin": f"http://{HOST}",
        "X-CSRF-Token": anna.session["csrf"],
        "Content-Type": "application/json",
    }
    sent = {name: value for name, value in {**usual, **headers}.items() if value is not None}
    content = json.dumps(body) if method != "get" else None
    reply = anna.http.request(method, path, content=content, headers=sent)
    assert reply.status_code in (status if isinstance(status, tuple) else (status,)), reply.text
    told = reply.json()["error"]
    assert told
    assert "\n" not in told
    assert "Traceback" not in told


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


def test_a_replayed_key_counts_once_and_a_stolen_one_not_at_all(world, app):
    anna, ben = Browser(app), Browser(app, "ben")
    question, key = questions(anna)[0], key_()
    first = anna.answer(question["id"], "same", key).json()
    again = anna.answer(question["id"], "same", key).json()
    assert (first["counted"], again["counted"]) == (True, False)
    assert first["event"] == again["event"]
    assert ben.answer(question["id"], "different", key).status_code == 409
    assert world.session.state.answers == 1


def test_too_many_requests_are_refused(world):
    access = Access(b"s" * 32, port=8000)
    app = create_app(
        world.session,
        world.refreshing,
        world.pictures,
        access,
        allowance=Allowance(per_second=0.001, burst=5),
    )
    http = TestClient(app, base_url=f"http://{HOST}")
    assert [http.get("/api/session").status_code for _ in range(6)] == [401] * 5 + [429]


def test_who_has_no_token_sees_nothing(world, tmp_path):
    access, tokens = make_access(tmp_path, "0.0.0.0", 8000, ("anna", "ben"), ("127.0.0.1",))
    app = create_app(world.session, world.refreshing, world.pictures, access)
    stranger = TestClient(app, base_url=f"http://{HOST}")
    for path in ("/api/session", "/api/questions", "/api/images/0", "/api/export/pairs.csv", "/api/progress"):
        assert stranger.get(path).status_code == 401, path
    assert stranger.get("/?token=wrong").status_code == 401
    assert stranger.get("/?as=anna").cookies.get(COOKIE) is None
    anna = Browser(app, enter=f"/?token={tokens['anna']}")
    assert anna.session["annotator"] == "anna"
    forged = Access(b"t" * 32, tokens, port=8000).cookie("ben")
    stranger.cookies.set(COOKIE, forged)
    assert stranger.get("/api/session").status_code == 401
    cookie = anna.http.get(f"/?token={tokens['anna']}", follow_redirects=False).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_tokens_are_kept_and_needed_beyond_this_machine(tmp_path):
    with pytest.raises(InputError, match="--annotators"):
        make_access(tmp_path, "0.0.0.0", 8000, (), ())
    first = make_access(tmp_path, "0.0.0.0", 8000, ("anna",), ())[1]
    assert make_access(tmp_path, "0.0.0.0", 8000, ("anna", "ben"), ())[1]["anna"] == first["anna"]
    assert (tmp_path / "tokens.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_a_refresh_runs_beside_the_answers_and_its_model_is_taken_up(world, app):
    anna = Browser(app)
    for question in questions(anna, 6):
        anna.answer(question["id"], right(world, question))
    held = questions(anna, 2)
    assert anna.post("/api/refresh", {"key": key_()}).status_code == 200
    world.refreshing.wait()
    status = anna.get("/api/status").json()
    assert status["refresh"] is None
    assert status["model"] == {"round": 1, "answers": 6}
    assert [q["id"] for q in questions(anna, 2)] == [q["id"] for q in held]
    assert anna.get("/api/progress").json()["rounds"][0]["map"] == 0.5
    assert anna.answer(held[0]["id"], right(world, held[0])).json()["counted"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("fail", "the loss became nan"),
        ("die", "worker stopped"),
        ("garble", "the answers are kept"),
    ],
)
def test_a_refresh_that_fails_is_told_and_nothing_is_lost(world, app, tmp_path, how, words):
    (tmp_path / how).touch()
    anna = Browser(app)
    question = questions(anna)[0]
    anna.answer(question["id"], right(world, question))
    anna.post("/api/refresh", {"key": key_()})
    world.refreshing.wait()
    status = anna.get("/api/status").json()
    assert status["refresh"]["state"] == "failed"
    assert words in status["refresh"]["message"]
    assert status["answers_total"] == 1
    assert questions(anna)


def test_what_nobody_expected_is_one_line_of_json_too(world, app, monkeypatch):
    anna = Browser(app)
    monkeypatch.setattr(world.session, "questions", None)
    http = TestClient(
        app, base_url=f"http://{HOST}", raise_server_exceptions=False, cookies=anna.http.cookies
    )
    reply = http.get("/api/questions")
    assert reply.status_code == 500
    assert "send it again" in reply.json()["error"]


def test_only_one_refresh_runs_and_it_stops_with_the_server(world, app, tmp_path):
    (tmp_path / "hold").touch()
    anna = Browser(app)
    assert anna.post("/api/refresh", {"key": key_()}).status_code == 200
    assert anna.post("/api/refresh", {"key": key_()}).status_code == 409
    world.refreshing.close()
    assert not world.refreshing.running


def test_answers_are_taken_when_a_refresh_would_be_due_but_none_is_wanted(tmp_path):
    with opened(tmp_path, pool(20, 5), refresh="none", refresh_every=1) as world:
        app = create_app(world.session, world.refreshing, world.pictures, Access(b"s" * 32, port=8000))
        anna = Browser(app)
        for _ in range(3):
            question = questions(anna, 1)[0]
            assert anna.answer(question["id"], right(world, question)).json()["counted"]
        assert anna.post("/api/refresh", {"key": key_()}).status_code == 409
        assert not world.refreshing.running


def test_every_path_is_in_the_description(app):
    anna = Browser(app)
    described = anna.get("/openapi.json").json()["paths"]
    assert {"/api/answers", "/api/undo", "/api/questions", "/api/identities/split"} <= set(described)
