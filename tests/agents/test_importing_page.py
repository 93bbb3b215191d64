"""Answers and identities that come by the page: uploaded in parts, shown before they count."""

from __future__ import annotations

import pytest

pytest.importorskip("fastapi")

import live_world
from page_client import HOST, Browser, key_

from reid_al_agents.annotate.messages import Conflict, Unknown
from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app
from reid_al_agents.annotate.server.middleware import LARGEST_PART
from reid_al_agents.annotate.uploads import Uploads

NAMES = live_world.pool().names


@pytest.fixture
def world(tmp_path):
    features = live_world.pool()
    with live_world.opened(tmp_path, features, images=live_world.drawn(features)) as opened:
        yield opened


@pytest.fixture
def anna(world):
    return browser_of(world)


def browser_of(world, access=None, **who):
    app = create_app(world.session, world.refreshing, world.pictures, access or Access(b"s" * 32))
    return Browser(app, **who)


def put(browser, name, content, *, upload=None, offset=0, **headers):
    usual = {
        "Origin": f"http://{HOST}",
        "X-CSRF-Token": browser.session.get("csrf", ""),
        "Content-Type": "application/octet-stream",
    }
    return browser.http.put(
        f"/api/uploads/{upload or key_()}",
        params={"name": name, "offset": offset},
        content=content,
        headers={**usual, **headers},
    )


def uploaded(browser, name, text):
    upload = key_()
    reply = put(browser, name, text.encode(), upload=upload)
    assert reply.status_code == 200, reply.json()
    return upload


def told(world):
    """The events that count, but for what the audit notes by itself."""
    return [event for event in world.session.counting() if event.kind != "audit"]


def pairs(*rows):
    lines = [f"{NAMES[a]},{NAMES[b]},{answer},ben" for a, b, answer in rows]
    return "query_name,candidate_name,answer,annotator\n" + "\n".join(lines) + "\n"


def test_answers_are_shown_before_they_count(world, anna):
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same"), (2, 3, "different"), (4, 5, "cannot_tell")))
    shown = anna.post("/api/imports/check", {"key": key_(), "upload": upload}).json()
    assert shown == {
        "file": "pairs.csv", "events": 3, "new": 3, "answers": 3, "same": 1, "different": 1,
        "identities": 0, "images": 0, "edits": 0,
    }  # fmt: skip
    assert told(world) == []
    taken = anna.post("/api/imports", {"key": key_(), "upload": upload}).json()
    assert taken["new"] == 3
    known = world.session.state.beliefs.constraints
    assert [known.relation(*pair) for pair in ((0, 1), (2, 3), (4, 5))] == [1, -1, 0]
    assert not (world.folder.path / "uploads" / upload).exists()
    again = uploaded(anna, "copy.csv", pairs((0, 1, "same"), (2, 3, "different"), (4, 5, "cannot_tell")))
    assert anna.post("/api/imports/check", {"key": key_(), "upload": again}).json()["new"] == 0


def test_identities_are_counted_with_their_images(world, anna):
    text = "path,identity\n" + "".join(f"{NAMES[i]},{'Limpy' if i < 3 else 'Anna'}\n" for i in range(5))
    upload = uploaded(anna, "catalogue.csv", text)
    shown = anna.post("/api/imports/check", {"key": key_(), "upload": upload}).json()
    assert (shown["identities"], shown["images"], shown["answers"]) == (2, 5, 0)
    anna.post("/api/imports", {"key": key_(), "upload": upload})
    assert sorted(world.session.state.beliefs.names.values()) == ["Anna", "Limpy"]
    assert len(set(world.session.state.beliefs.constraints.groups()[:3])) == 1


def test_an_import_is_one_act_of_whoever_imported_it(world, anna):
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same"), (2, 3, "different")))
    anna.post("/api/imports", {"key": key_(), "upload": upload})
    (act,) = anna.get("/api/history").json()["items"]
    assert (act["kind"], act["annotator"], act["mine"], act["file"]) == ("import", "anna", True, "pairs.csv")
    assert act["count"] == 4
    assert anna.post("/api/undo", {"key": key_()}).status_code == 409  # Backspace is for what one did oneself
    reply = anna.post("/api/retract", {"key": key_(), "event": act["id"], "whole": True})
    assert reply.status_code == 200
    assert told(world) == []
    assert anna.get("/api/history").json()["items"][0]["taken_back_by"] == "anna"
    for _ in range(2):  # it can come again, once
        again = uploaded(anna, "pairs.csv", pairs((0, 1, "same"), (2, 3, "different")))
        anna.post("/api/imports", {"key": key_(), "upload": again})
        assert [event.answer for event in told(world)] == ["same", "different"]


def test_going_back_takes_back_what_one_imported_since(world, anna):
    anna.post("/api/images/describe", {"key": key_(), "images": [1], "side": "left"})
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same")))
    anna.post("/api/imports", {"key": key_(), "upload": upload})
    anna.post("/api/images/describe", {"key": key_(), "images": [2], "side": "left"})
    items = anna.get("/api/history").json()["items"]
    assert [act["kind"] for act in items] == ["describe", "import", "describe"]
    body = {"key": key_(), "back_to": items[1]["id"]}
    for _ in range(2):  # the reply may be lost
        assert anna.post("/api/undo", body).status_code == 200
        assert [event.payload["images"] for event in told(world)] == [[1]]
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same")))
    anna.post("/api/imports", {"key": key_(), "upload": upload})
    alone = {"key": key_(), "back_to": anna.get("/api/history").json()["items"][0]["id"]}
    for _ in range(2):
        assert anna.post("/api/undo", alone).status_code == 200
        assert len(told(world)) == 1


def test_a_request_that_is_sent_again_counts_once(world, anna):
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same")))
    body = {"key": key_(), "upload": upload}
    first = anna.post("/api/imports", body).json()
    assert anna.post("/api/imports", body).json()["new"] == first["new"] == 1


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (
            "pairs.csv",
            "query_name,candidate_name,answer\nnot there,x,same\n",
            "pairs.csv: line 2: query_name 'not",
        ),
        ("pairs.csv", "a,b\n1,2\n", "pairs.csv: line 1: found a, b; expected"),
        ("events.jsonl", "{\n", "events.jsonl: line 1: is no event"),
        ("photo.jpg", "\x00", "photo.jpg: "),
    ],
    ids=["no such image", "other columns", "no event", "a photograph"],
)
def test_what_cannot_be_read_is_said_in_one_line_without_a_path(world, anna, name, text, complaint):
    upload = uploaded(anna, name, text)
    for path in ("/api/imports/check", "/api/imports"):
        reply = anna.post(path, {"key": key_(), "upload": upload})
        assert reply.status_code == 409
        assert reply.json()["error"].startswith(complaint)
        assert str(world.folder.path) not in reply.text
        assert "\n" not in reply.json()["error"]
    assert told(world) == []


def test_a_file_comes_in_parts_that_may_come_twice(world, anna):
    upload, text = key_(), pairs(*((i, i + 1, "different") for i in range(0, 60, 2))).encode()
    half = len(text) // 2
    assert put(anna, "pairs.csv", text[:half], upload=upload).json() == {"size": half}
    assert put(anna, "pairs.csv", text[half:], upload=upload, offset=half).json() == {"size": len(text)}
    assert put(anna, "pairs.csv", text[:half], upload=upload).json() == {"size": len(text)}
    assert anna.post("/api/imports/check", {"key": key_(), "upload": upload}).json()["new"] == 30
    missing = put(anna, "other.csv", b"x", upload=upload, offset=5)
    assert (missing.status_code, missing.json()["error"]) == (
        409, "other.csv: the part before byte 5 is missing; send the file again",
    )  # fmt: skip


def test_a_part_has_a_limit_and_a_type(anna):
    assert put(anna, "big.jpg", bytes(LARGEST_PART)).status_code == 200
    assert put(anna, "big.jpg", bytes(LARGEST_PART + 1)).status_code == 413
    assert put(anna, "a.csv", b"x", **{"Content-Type": "text/plain"}).status_code == 415
    assert put(anna, "a.csv", b"x", Origin="http://elsewhere").status_code == 403
    assert put(anna, "a.csv", b"x", **{"X-CSRF-Token": "wrong"}).status_code == 403


def test_an_upload_is_discarded(world, anna):
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same")))
    headers = {
        "Origin": f"http://{HOST}",
        "X-CSRF-Token": anna.session["csrf"],
        "Content-Type": "application/json",
    }
    assert anna.http.delete(f"/api/uploads/{upload}", headers=headers).status_code == 200
    assert not (world.folder.path / "uploads" / upload).exists()
    assert anna.post("/api/imports", {"key": key_(), "upload": upload}).status_code == 404


def test_only_the_admin_of_several_people_may_add(world):
    access = Access(b"s" * 32, {"anna": "token-a", "ben": "token-b"}, admin="anna")
    anna, ben = (browser_of(world, access, token=token) for token in ("token-a", "token-b"))
    assert (anna.session["may_add"], ben.session["may_add"]) == (True, False)
    assert put(ben, "pairs.csv", b"x").status_code == 403
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same")))
    assert ben.post("/api/imports", {"key": key_(), "upload": upload}).status_code == 403
    assert ben.get("/api/additions").status_code == 403
    assert anna.get("/api/additions").json() == {"addition": None, "found": None}


# -- names of files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../out.csv",
        "a/../../out.csv",
        "/etc/passwd",
        "a\\b.csv",
        "..",
        "/",
        "line\nbreak.csv",
        "n" * 201,
        "nul\0.csv",
    ],
    ids=["above", "above later", "absolute", "backslash", "dots", "root", "line break", "too long", "nul"],
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    uploads = Uploads(tmp_path / "uploads")
    with pytest.raises(Conflict, match="rename it"):
        uploads.write("upload-1", "anna", name, 0, b"x")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_uploads_belong_to_whoever_began_them_and_have_limits(tmp_path, monkeypatch):
    uploads = Uploads(tmp_path / "uploads")
    uploads.write("upload-1", "anna", "week2/Zoë 1.jpg", 0, b"abc")
    assert [path.read_bytes() for path in uploads.files("upload-1", "anna")] == [b"abc"]
    with pytest.raises(Unknown):
        uploads.write("upload-1", "ben", "x.jpg", 0, b"x")
    with pytest.raises(Unknown):
        uploads.folder("upload-1", "ben")
    monkeypatch.setattr("reid_al_agents.annotate.uploads.MOST_BYTES", 5)
    with pytest.raises(Conflict, match="too large"):
        uploads.write("upload-1", "anna", "y.jpg", 0, b"abc")
    uploads.write("upload-1", "anna", "y.jpg", 0, b"ab")
    monkeypatch.setattr("reid_al_agents.annotate.uploads.MOST_FILES", 2)
    uploads.write("upload-1", "anna", "y.jpg", 0, b"cd")
    with pytest.raises(Conflict, match="too large"):
        uploads.write("upload-1", "anna", "z.jpg", 0, b"")
    assert Uploads(tmp_path / "uploads")  # another process
    assert not (tmp_path / "uploads").exists()


def test_the_log_says_who_imported_and_who_answered(world, anna):
    upload = uploaded(anna, "pairs.csv", pairs((0, 1, "same")))
    anna.post("/api/imports", {"key": "import-key", "upload": upload})
    (event,) = told(world)
    assert event.annotator == "ben"
    assert {"by": "anna", "act": "import-key", "file": "pairs.csv"}.items() <= event.payload.items()
