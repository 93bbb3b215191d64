"""The annotation server over HTTP: what it gives, what it keeps, and all that it refuses."""

import asyncio
import logging
import socket
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

import uvicorn
from annotate_mock import AnnotateMock
from live_world import opened, pool
from page_client import HOST, Browser, key_, questions
from starlette.testclient import TestClient

from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app
from reid_al_agents.annotate.server.serving import free_port, not_cut_off
from reid_al_env import InputError


@pytest.fixture
def world(tmp_path):
    features = pool(20, 5)
    np.savez(tmp_path / "features.npz", features=features.features)
    with opened(tmp_path, features) as made:
        made.session.questions("warm-up", 0)
        yield made


@pytest.fixture
def app(world):
    access = Access(b"s" * 32)
    return create_app(world.session, world.refreshing, world.pictures, access, data="test pool")


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
    named = ("id", "kind", "query", "candidate", "query_group", "candidate_group", "probability", "alike")
    assert set(first[0]) == {*named, "travel"}
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
    monkeypatch.setattr("reid_al_agents.annotate.server.responses._TOTALS_EVERY", 0.0)
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
        app = create_app(world.session, world.refreshing, world.pictures, Access(b"s" * 32))
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
    row = anna.post("/api/questions", {"count": 5, "layout": "row"}).json()["rows"][0]
    assert len(row["items"]) == 5
    for item in row["items"]:
        assert anna.answer(item["id"], "different", layout="row").json()["counted"]


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
    anna.http = TestClient(
        app, base_url=f"http://{HOST}", raise_server_exceptions=False, cookies=anna.http.cookies
    )
    reply = anna.post("/api/questions", {"count": 1})
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
        app = create_app(world.session, world.refreshing, world.pictures, Access(b"s" * 32))
        anna = Browser(app)
        for _ in range(3):
            question = questions(anna, 1)[0]
            assert anna.answer(question["id"], right(world, question)).json()["counted"]
        assert anna.post("/api/refresh", {"key": key_()}).status_code == 409
        assert not world.refreshing.running
        assert anna.get("/api/status").json()["questions_left"] is None
        assert anna.get("/api/session").json()["learns"] is False
        assert anna.get("/api/status").json()["model"] is None


def test_every_path_is_in_the_description(app):
    anna = Browser(app)
    described = anna.get("/openapi.json").json()["paths"]
    assert {"/api/answers", "/api/undo", "/api/questions", "/api/identities/split"} <= set(described)


@pytest.mark.parametrize("refuses", ["append", "sync"])
def test_an_answer_that_the_disk_refuses_is_to_be_sent_again(world, app, monkeypatch, refuses):
    anna = Browser(app)
    question, key = questions(anna)[0]["id"], key_()
    with monkeypatch.context() as full:

        def fail(*args, **named):
            raise InputError("events.sqlite: cannot be written (disk full); free some space")

        full.setattr(world.store, refuses, fail)
        reply = anna.answer(question, "same", key)
    assert reply.status_code == 503  # which the page keeps and repeats; it drops what is refused with 4xx
    assert "disk full" in reply.json()["error"]
    assert anna.answer(question, "same", key).status_code == 200
    assert [event.key for event in world.store.events("run", kind="answer")] == [key]


def test_an_answer_is_on_disk_before_it_is_acknowledged(world, app, monkeypatch):
    done = []
    monkeypatch.setattr(world.store, "sync", lambda: done.append(world.store.events("run", kind="answer")))
    anna = Browser(app)
    question = questions(anna)[0]["id"]
    assert anna.answer(question, "same").status_code == 200
    ((event,),) = done
    assert event.question == question


def test_the_stand_in_for_the_server_speaks_as_the_server_does(world, app):
    """What the page's tests rely on: each reply of the stand-in has the fields of the real one."""
    mock = AnnotateMock(identities=4)
    anna = Browser(app)
    for question in questions(anna, 8):
        anna.answer(question["id"], right(world, question))
    questions(anna, 1)  # planned by now
    row = {"count": 5, "layout": "row"}
    real = {
        "/api/session": anna.session,
        "/api/status": anna.get("/api/status").json(),
        "/api/progress": anna.get("/api/progress").json(),
        "/api/identities": anna.get("/api/identities", limit=3).json(),
        "/api/questions": anna.post("/api/questions", {"count": 1}).json(),
        "rows": anna.post("/api/questions", row).json()["rows"],
    }
    stand_in = {
        **{path: mock.get(path, {}) for path in ("/api/session", "/api/status", "/api/progress")},
        "/api/identities": mock.identities(0, 3, "size"),
        "/api/questions": mock.questions(1, "pair"),
        "rows": mock.questions(5, "row")["rows"],
    }
    for name, reply in real.items():
        assert fields(stand_in[name]) == fields(reply), name


def fields(reply):
    """Names of all fields, however deep; of a list those of its first item, of what may be absent none."""
    if isinstance(reply, list):
        return fields(reply[0]) if reply and isinstance(reply[0], dict) else None
    if not isinstance(reply, dict):
        return None
    optional = ("audit", "refresh", "rounds", "agreement")
    return {name: None if name in optional else fields(value) for name, value in reply.items()}


def test_a_stop_says_nothing_of_the_requests_that_it_cuts_off(caplog):
    begun = threading.Event()

    async def hangs(scope, receive, send):
        begun.set()
        await asyncio.sleep(60)

    port = free_port("127.0.0.1", 0)
    config = uvicorn.Config(
        hangs, port=port, lifespan="off", log_level="warning", timeout_graceful_shutdown=0, log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert begun.wait(30)
        server.should_exit = True
        thread.join(30)
    said = [record for record in caplog.records if record.name == "uvicorn.error"]
    assert any("Exception" in record.getMessage() for record in said)
    assert not any(map(not_cut_off, said))
    assert not_cut_off(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "a fault", (), None))
