"""Images that come by the page join the session that is open, as ``reid-al add`` does to a closed one."""

from __future__ import annotations

import hashlib
import shutil
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi")

from command_line import succeeded
from living_world import NAMES, anna_answers, draw, image_table
from page_client import Browser, key_
from test_importing_page import put

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.workspace.settings import RunConfig

TRUTH = np.tile(np.arange(len(NAMES)), 4)
ALL = np.concatenate([TRUTH, [0, 1, 7, 0, 1, 7]])
"""Who is on the images of the start, and on those of week two, sorted by name."""


def reopened(folder, name="out", config=None, **asked):
    settings = {
        "data": f"folder:{folder / 'data' / 'images'}", "backbone": "small_cnn", "size": (32, 16),
        "adapt": False, "refresh_steps": 2, "evaluate_on": "none", **(config or {}),
    }  # fmt: skip
    asked = AnnotationSettings(gold_share=0.0, refresh_every=None, **asked)
    return open_session(RunConfig(**settings), asked, folder / name)


@pytest.fixture
def begun(tmp_path):
    """A session with answers, a name and a split; 24 images of six individuals."""
    image_table(tmp_path / "data", 4)
    with reopened(tmp_path) as opened:
        anna_answers(opened, 12, TRUTH)
        opened.session.acts.edit("name", "anna", "named", {"image": 0, "name": "Limpy"})
        opened.session.acts.edit("split", "anna", "split", {"images": [3], "rest": 9, "kept": [15]})
    return tmp_path


def page_of(opened):
    app = create_app(opened.session, opened.refreshing, opened.pictures, Access(b"s" * 32))
    inner = app
    while not hasattr(inner, "state"):  # under the checks of requests
        inner = inner._app if hasattr(inner, "_app") else inner.app
    return Browser(app), inner.state.additions


def week_two(folder, name="week2", numbers=(10, 11)):
    for number in numbers:
        for identity in (0, 1, 7):
            draw(folder / name / f"{number}_{identity}.png", identity, number)
    return folder / name


def send(browser, folder, prefix="week2/"):
    upload = key_()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = prefix + path.relative_to(folder).as_posix()
            assert put(browser, name, path.read_bytes(), upload=upload).status_code == 200
    return upload


def offer(browser, additions, folder, **more):
    reply = browser.post("/api/additions", {"key": key_(), "upload": send(browser, folder, **more)})
    assert reply.status_code == 200, reply.json()
    additions.wait()
    return browser.get("/api/additions").json()


def accept(browser, additions):
    reply = browser.post("/api/additions/accept", {"key": key_()})
    additions.wait()
    return reply


def test_the_proposals_are_those_of_the_command_and_nothing_counts_yet(begun):
    images = week_two(begun)
    expected = succeeded("add", images, "--to", begun / "out", "--dry-run")
    log = hashlib.sha256((begun / "out" / "events.sqlite").read_bytes()).digest()
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        now = offer(anna, additions, images)
        assert now["addition"]["state"] == "proposed"
        found = now["found"]
        assert (found["new"], found["known"], found["counts"]) == (6, 0, expected["counts"])
        for ours, theirs in zip(found["proposals"], expected["proposals"], strict=True):
            assert ours["kind"] == theirs["proposal"]
            assert ours["probability"] == pytest.approx(theirs["probability"], abs=1e-4)
            assert [image["name"] for image in ours["images"]] == theirs["images"]
            assert [known["name"] for known in ours["known"]] == [known["name"] for known in theirs["known"]]
        shown = anna.get(found["proposals"][0]["images"][0]["small"])
        assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
        assert len(opened.session.state.features) == 24
    assert hashlib.sha256((begun / "out" / "events.sqlite").read_bytes()).digest() == log
    with reopened(begun) as opened:  # it was never accepted
        page_of(opened)
        assert len(opened.session.state.features) == 24
        assert not list((begun / "out" / "uploaded").iterdir())


def test_accepted_images_join_the_open_session(begun):
    with reopened(begun) as opened:
        state = opened.session.state
        before = state.beliefs.constraints.groups().tolist(), dict(state.beliefs.names), state.beliefs.answers
        log = opened.store.events(state.run)
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        assert accept(anna, additions).status_code == 200
        assert anna.get("/api/additions").json() == {"addition": None, "found": None}
        assert accept(anna, additions).status_code == 409
        assert anna.get("/api/status").json()["images"] == 30
        groups = state.beliefs.constraints.groups()
        assert (groups[:24].tolist(), dict(state.beliefs.names), state.beliefs.answers) == before
        *since, added = [event for event in opened.store.events(state.run) if event.kind != "audit"]
        assert since == [event for event in log if event.kind != "audit"]
        assert (added.kind, added.annotator) == ("add", "anna")
        assert added.payload == {"file": "week2", "first": 24, "count": 6}
        act = anna.get("/api/history").json()["items"][0]
        assert (act["kind"], act["annotator"], act["file"], act["count"]) == ("add", "anna", "week2", 6)
        assert [image["id"] for image in act["images"]] == list(range(24, 24 + len(act["images"])))
        assert act["counts"]
        assert not act["retractable"]
        assert anna.post("/api/retract", {"event": act["id"], "key": key_()}).status_code == 404
        assert len(opened.session.identities().labels) == 30
        assert anna.get("/api/images/29?size=small").status_code == 200
        asked = anna_answers(opened, 60, ALL)
        assert any(max(pair[:2]) >= 24 for pair in asked)
        groups = state.beliefs.constraints.groups().tolist()
        features = state.features.features.copy()
        assert "week2/10_0.png" in opened.session.export().make("identities.csv")[0]
    with reopened(begun) as opened:  # the same after another start
        assert opened.session.state.beliefs.constraints.groups().tolist() == groups
        np.testing.assert_array_equal(opened.session.state.features.features, features)


def test_who_added_images_is_logged_where_there_were_any(begun):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        images = week_two(begun)
        old = begun / "old"
        old.mkdir()
        draw(old / "again.png", 0, 0)  # a copy of the pool's 0_0.png
        assert offer(anna, additions, old)["found"]["new"] == 0
        assert accept(anna, additions).status_code == 200
        assert opened.store.events(opened.session.state.run, kind="add") == []
        offer(anna, additions, images)
        assert accept(anna, additions).status_code == 200
        (added,) = opened.store.events(opened.session.state.run, kind="add")
        assert (added.annotator, added.payload["first"], added.payload["count"]) == ("anna", 24, 6)


def test_the_session_is_as_if_the_command_had_added_them(begun):
    shutil.copytree(begun / "out", begun / "other")
    images = week_two(begun)
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, images)
        accept(anna, additions)
        ours = opened.session.identities()
        named = opened.session.state.features.names.tolist()
    succeeded("add", images, "--to", begun / "other")
    with reopened(begun, "other") as opened:
        theirs = opened.session.identities()
        assert opened.session.state.features.names.tolist() == named
        assert theirs.labels.tolist() == ours.labels.tolist()
        np.testing.assert_array_equal(theirs.probabilities, ours.probabilities)


def test_a_session_that_is_moved_keeps_its_images(begun):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        accept(anna, additions)
    shutil.rmtree(begun / "week2")
    (begun / "out").rename(begun / "moved")
    with reopened(begun, "moved") as opened:
        page_of(opened)
        assert not opened.pictures.images.gone.any()
        assert len(opened.pictures.images) == 30


def test_images_that_joined_are_never_deleted(begun):
    """Not even where the file that says that they joined is an older one, as after a backup was put back."""
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        accept(anna, additions)
        offer(anna, additions, week_two(begun, "week3", (20, 21)), prefix="week3/")
    assert sorted(each.name for each in (begun / "out" / "uploaded").iterdir()) == [
        "week2", "week3", "week3.pending",
    ]  # fmt: skip
    (begun / "out" / "changes.json").unlink()
    with reopened(begun) as opened:
        page_of(opened)
        assert len(opened.session.state.features) == 24
        assert [each.name for each in (begun / "out" / "uploaded").iterdir()] == ["week2"]
        assert len(list((begun / "out" / "uploaded" / "week2").iterdir())) == 6


def test_what_the_session_has_already_is_not_added_again(begun):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        now = offer(anna, additions, begun / "data" / "images", prefix="")
        assert (now["found"]["new"], now["found"]["known"]) == (0, 24)
        assert now["found"]["proposals"] == []
        accept(anna, additions)
        assert len(opened.session.state.features) == 24
        images = week_two(begun)
        for expected in ((6, 0), (0, 6)):
            now = offer(anna, additions, images)
            assert (now["found"]["new"], now["found"]["known"]) == expected
            accept(anna, additions)
        assert len(opened.session.state.features) == 30


def test_discarded_images_leave_nothing(begun):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        assert anna.post("/api/additions/discard", {"key": key_()}).json() == {
            "addition": None,
            "found": None,
        }
        assert not list((begun / "out" / "uploaded").iterdir())
        assert accept(anna, additions).status_code == 409
        assert anna.get("/api/additions/images/24").status_code == 404
        assert not opened.folder.pool.changes().sources


def test_damaged_images_are_named_and_files_without_images_are_refused(begun):
    images = week_two(begun)
    (images / "torn.png").write_bytes((images / "10_0.png").read_bytes()[:100])
    (images / "notes.txt").write_text("no image")
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        now = offer(anna, additions, images)
        assert (now["found"]["new"], now["found"]["damaged"]) == (6, ["week2/torn.png"])
        assert now["found"]["others"] == 1
        anna.post("/api/additions/discard", {"key": key_()})
        (begun / "texts").mkdir()
        (begun / "texts" / "notes.txt").write_text("no image")
        now = offer(anna, additions, begun / "texts", prefix="texts/")
        assert now["addition"]["state"] == "failed"
        assert "no images in it" in now["addition"]["message"]
        assert str(begun) not in now["addition"]["message"]
        assert offer(anna, additions, images)["addition"]["state"] == "proposed"  # another try


def test_one_set_of_images_at_a_time_and_none_while_the_model_learns(begun, monkeypatch):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        reply = anna.post("/api/additions", {"key": key_(), "upload": send(anna, week_two(begun))})
        assert (reply.status_code, "other pictures" in reply.json()["error"]) == (409, True)
        monkeypatch.setattr(type(opened.refreshing), "running", True)
        reply = accept(anna, additions)
        assert (reply.status_code, "the model is learning" in reply.json()["error"]) == (409, True)
        assert anna.get("/api/additions").json()["addition"]["state"] == "proposed"


@pytest.mark.slow  # the refresh runs in a process that imports torch
def test_a_model_that_was_refreshed_meanwhile_gives_the_features(begun):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        opened.refreshing.start()
        opened.refreshing.wait()
        assert opened.session.state.round == 1
        accept(anna, additions)
        features = opened.session.state.features.features.copy()
    assert features.shape[0] == 30
    with reopened(begun) as opened:
        np.testing.assert_array_equal(opened.session.state.features.features, features)


def test_annotators_go_on_while_images_join(begun):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        failures, done = [], threading.Event()

        def answer(who):
            try:
                while not done.is_set():
                    for question in opened.session.questions(who, 2).questions:
                        same = ALL[question.query] == ALL[question.candidate]
                        key = f"{who}-{question.id}"
                        opened.session.answer(who, question.id, "same" if same else "different", key)
                    opened.session.identities()
            except Exception as error:  # it would be lost in its thread
                failures.append(error)

        people = [threading.Thread(target=answer, args=(who,)) for who in ("ben", "cleo")]
        for person in people:
            person.start()
        accept(anna, additions)
        done.set()
        for person in people:
            person.join()
        assert failures == []
        assert opened.session.planner.failure is None
        assert len(opened.session.identities().labels) == 30
        asked = anna_answers(opened, 30, ALL)
        answered = opened.session.state.beliefs.answers
        assert answered >= 12 + len(asked)


@pytest.mark.slow  # the refresh runs in a process that imports torch
def test_the_model_learns_from_the_images_that_joined(begun):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))
        accept(anna, additions)
        anna_answers(opened, 10, ALL)
        opened.refreshing.start()
        opened.refreshing.wait()
        assert opened.refreshing.state is None
        assert (opened.session.state.round, len(opened.session.state.features)) == (1, 30)


def test_a_failure_after_they_joined_does_not_delete_them(begun, monkeypatch):
    with reopened(begun) as opened:
        anna, additions = page_of(opened)
        offer(anna, additions, week_two(begun))

        def fail(*_):
            raise RuntimeError("out of memory")

        monkeypatch.setattr(opened.session, "grow", fail)
        accept(anna, additions)
        now = anna.get("/api/additions").json()["addition"]
        assert (now["state"], now["message"]) == ("failed", "out of memory")
    with reopened(begun) as opened:
        page_of(opened)
        assert len(opened.session.state.features) == 30
        assert not opened.pictures.images.gone.any()


def test_features_made_elsewhere_take_no_images_by_the_page(begun):
    np.savez(begun / "own.npz", features=np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32))
    with reopened(begun, "own", {"features": str(begun / "own.npz"), "refresh": "none"}) as opened:
        anna, _ = page_of(opened)
        reply = anna.post("/api/additions", {"key": key_(), "upload": send(anna, week_two(begun))})
        assert (reply.status_code, "use reid-al add" in reply.json()["error"]) == (409, True)
