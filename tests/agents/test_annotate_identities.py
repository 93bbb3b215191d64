"""Identities over HTTP: how sure each image is, on the page and in the files."""

import csv
import io

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from live_world import opened, pool, session
from page_client import Browser, key_, questions

from reid_al_agents.annotate.identity_filter import IdentityFilter, Pool
from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app


@pytest.fixture
def world(tmp_path):
    features = pool(12, 5, noise=0.4)
    np.savez(tmp_path / "features.npz", features=features.features)
    with opened(tmp_path, features) as made:
        made.session.questions("warm-up", 0)
        yield made


@pytest.fixture
def anna(world):
    access = Access(b"s" * 32)
    return Browser(create_app(world.session, world.refreshing, world.pictures, access, data="test pool"))


def answer(world, browser, count):
    """Answer rightly."""
    identities = world.session.state.features.identities
    for _ in range(count):
        (question,) = questions(browser, 1)
        same = identities[question["query"]["id"]] == identities[question["candidate"]["id"]]
        browser.answer(question["id"], "same" if same else "different")


def listed(browser, **wanted):
    return browser.get("/api/identities", limit=200, **wanted).json()["items"]


def confirm_some(browser):
    """Confirm two images of the largest identity."""
    (largest, *_) = listed(browser)
    same = [image["id"] for image in largest["images"][:2]]
    body = {"identity": largest["id"], "same": same, "key": key_()}
    assert browser.post("/api/identities/confirm", body).status_code == 200


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_what_is_suggested_has_a_probability_on_the_page_and_in_the_tables(world, anna):
    answer(world, anna, 8)
    confirm_some(anna)
    shown = {}
    for item in listed(anna):
        for image in anna.get(f"/api/identities/{item['id']}").json()["images"]:
            shown[image["name"]] = image
            assert (image["probability"] is None) == (image["confirmed"] or item["size"] == 1)
    assert {image["confirmed"] for image in shown.values()} == {True, False}
    for file, name in (("identities.csv", "name"), ("wildlife.csv", "path")):
        for row in table(anna.get(f"/api/export/{file}").text):
            image = shown[row[name]]
            assert row["confirmed"] == str(int(image["confirmed"]))
            likely = image["probability"]
            assert row["probability"] == ("" if likely is None else str(likely))


def test_without_suggestions_an_identity_is_what_answers_have_joined(world, anna):
    answer(world, anna, 8)
    confirm_some(anna)
    kept = world.session.export().confirmed_only()
    joined = world.session.state.beliefs.constraints.groups()
    for group in np.unique(kept.groups):
        images = np.flatnonzero(kept.groups == group)
        assert len(images) == 1 or (kept.confirmed[images].all() and len(set(joined[images])) == 1)
    assert kept.confirmed.any()


def true_parts(world, item, browser):
    """Images of an identity that show its first image's individual, and the others."""
    images = browser.get(f"/api/identities/{item['id']}").json()["images"]
    identities = world.session.state.features.identities
    first = identities[images[0]["id"]]
    ids = [image["id"] for image in images]
    return [each for each in ids if identities[each] == first], [
        each for each in ids if identities[each] != first
    ]


def test_a_group_is_confirmed_by_one_screen_as_many_answers_and_undone_by_one_step(world, anna):
    (largest, *_) = listed(anna)
    same, _ = true_parts(world, largest, anna)
    body = {"identity": largest["id"], "same": same, "key": key_(), "seconds": 6.0}
    assert anna.post("/api/identities/confirm", body).status_code == 200
    answers = [event for event in world.session.counting() if event.kind == "answer"]
    assert len(answers) == len(same) - 1
    assert {event.answer for event in answers} == {"same"}
    assert {(event.annotator, event.question_kind, event.seconds) for event in answers} == {
        ("anna", "screen", 6.0 / len(same))
    }
    assert len({event.query for event in answers}) == 1
    found = world.session.identities()
    assert found.confirmed[same].all()
    again = anna.post("/api/identities/confirm", body)  # the reply was lost
    assert again.status_code == 200
    assert world.session.state.beliefs.answers == len(same) - 1
    undone = anna.post("/api/undo", {"key": key_()}).json()["undone"]
    assert undone == {"kind": "confirm", "answer": None, "count": len(same) - 1}
    assert not world.session.identities().confirmed[same].any()


def test_a_confirmed_screen_splits_off_what_does_not_belong_and_leaves_the_rest_open(world, anna):
    (largest, *_) = listed(anna)
    images = [image["id"] for image in anna.get(f"/api/identities/{largest['id']}").json()["images"]]
    same, different, open_ = images[:2], images[2:3], images[3:]
    body = {"identity": largest["id"], "same": same, "different": different, "key": key_()}
    assert anna.post("/api/identities/confirm", body).status_code == 200
    known = world.session.state.beliefs.constraints
    assert known.relation(*same) == 1
    assert known.relation(same[0], different[0]) == known.relation(same[1], different[0]) == -1
    assert all(known.relation(same[0], image) == 0 for image in open_)
    anna.post("/api/undo", {"key": key_()})
    assert world.session.state.beliefs.constraints.relation(*same) == 0
    stale = {"identity": largest["id"], "same": [*images, 999_999], "key": key_()}
    assert anna.post("/api/identities/confirm", stale).status_code == 409


def test_the_review_begins_with_a_wrong_merge_and_ends(world, anna):
    identities = world.session.state.features.identities
    for person in range(2, 12):  # all others are told
        first, *rest = np.flatnonzero(identities == person).tolist()
        world.session.acts.edit("merge", "anna", f"p{person}", {"a": first, "b": rest[0], "images": rest[1:]})
    first, second = (np.flatnonzero(identities == person).tolist() for person in (0, 1))
    payload = {"a": first[0], "b": second[0], "images": [*first[1:], *second[1:]]}
    world.session.acts.edit("merge", "anna", "wrong", payload)
    shown = anna.get("/api/review", part="confirmed").json()["identity"]
    ids = [image["id"] for image in shown["images"]]
    assert set(ids) == {*first, *second}
    likely = world.session.identities().probabilities[ids]
    assert (np.diff(likely) >= 0).all()
    body = {"identity": shown["id"], "same": first, "different": second, "key": key_()}
    assert anna.post("/api/identities/confirm", body).status_code == 200
    after = world.session.identities()
    assert not {after.of_image(image) for image in first} & {after.of_image(image) for image in second}
    left = anna.get("/api/review").json()["total"]
    for count in range(left, 0, -1):
        reply = anna.get("/api/review").json()
        assert reply["total"] == count
        images = [image["id"] for image in reply["identity"]["images"]]
        anna.post(
            "/api/identities/confirm", {"identity": reply["identity"]["id"], "same": images, "key": key_()}
        )
    assert anna.get("/api/review").json() == {"total": 0, "identity": None}


def test_any_number_of_identities_is_merged_at_once_and_the_name_is_chosen(world, anna):
    three = [item["id"] for item in listed(anna)[:3]]
    images = [image["id"] for key in three for image in anna.get(f"/api/identities/{key}").json()["images"]]
    for key, name in zip(three, ("Limpy", "Anna", ""), strict=True):
        anna.post("/api/identities/name", {"identity": key, "name": name, "key": key_()})
    refused = anna.post("/api/identities/merge", {"identities": three, "key": key_()})
    assert (refused.status_code, "Limpy, Anna" in refused.json()["error"]) == (409, True)
    body = {"identities": three, "name": "Anna", "key": key_()}
    assert anna.post("/api/identities/merge", body).status_code == 200
    assert anna.post("/api/identities/merge", body).status_code == 200
    found = world.session.identities()
    (group,) = {found.of_image(image) for image in images}
    assert found.names == {group: "Anna"}
    # The name that was given up does not come back with a part.
    members = found.images(group)
    anna.post("/api/identities/split", {"identity": found.key(group), "images": members[:2], "key": key_()})
    assert list(world.session.identities().names.values()) == ["Anna"]
    for _ in range(2):
        anna.post("/api/undo", {"key": key_()})
    after = world.session.identities()
    assert len({after.of_image(image) for image in images}) == 3
    assert sorted(after.names.values()) == ["Anna", "Limpy"]


def test_a_name_is_of_one_identity_in_any_case(world, anna):
    first, second = (item["id"] for item in listed(anna)[:2])
    anna.post("/api/identities/name", {"identity": first, "name": "Limpy", "key": key_()})
    reply = anna.post("/api/identities/name", {"identity": second, "name": " limpy", "key": key_()}).json()
    assert (reply["event"], reply["taken"]["id"], reply["taken"]["name"]) == (None, first, "Limpy")
    assert list(world.session.identities().names.values()) == ["Limpy"]
    same = anna.post("/api/identities/name", {"identity": first, "name": "LIMPY", "key": key_()}).json()
    assert same["event"]
    anna.post("/api/identities/name", {"identity": first, "name": "", "key": key_()})
    assert world.session.identities().names == {}


def test_lists_are_searched_and_filtered(world, anna):
    items = listed(anna)
    first, second, third = (item["id"] for item in items[:3])
    anna.post("/api/identities/name", {"identity": first, "name": "Limpy", "key": key_()})
    anna.post("/api/identities/hide", {"identity": second, "hidden": True, "key": key_()})

    def ids(**wanted):
        return {item["id"] for item in listed(anna, **wanted)}

    everyone = {item["id"] for item in items}
    assert ids() == everyone - {second}
    assert ids(show="hidden") == {second}
    assert ids(show="named") == ids(search="limp") == {first}
    assert ids(show="unnamed") == everyone - {first, second}
    singles = {item["id"] for item in items if item["size"] == 1}
    assert ids(show="single") == singles - {second}
    assert ids(show="suggested") == everyone - singles - {second}
    name = items[2]["images"][0]["name"]
    assert ids(search=name.upper()) == {third}
    for camera in (0, 1):
        assert ids(camera=camera) == {
            item["id"] for item in items if camera in item["cameras"] and item["id"] != second
        }
    assert ids(side=0) == ids(since="2020-01-01") == ids(show="conflicting") == set()
    anna.post("/api/identities/hide", {"identity": second, "hidden": False, "key": key_()})
    assert ids() == everyone
    assert anna.get("/api/identities", since="yesterday").status_code == 422


def test_an_image_of_the_date_and_camera_that_is_wanted_is_one_and_the_same(world):
    found = world.session.identities()
    days = {0: "2024-05-01", 1: "2024-05-02"}
    cameras = np.zeros(len(found.labels), dtype=np.int64)
    cameras[0] = 1
    pool_ = Pool([str(i) for i in range(len(cameras))], cameras, None, lambda image: days.get(image, ""))

    def groups(**wanted):
        return set(np.flatnonzero(IdentityFilter(**wanted).select(found, pool_)).tolist())

    assert groups(since="2024-05-01", until="2024-05-01") == {found.of_image(0)}
    assert groups(since="2024-05-01") == {found.of_image(0), found.of_image(1)}
    assert groups(camera=1, until="2024-05-01") == {found.of_image(0)}
    assert groups(camera=0, until="2024-05-01") == set()


def test_the_history_lists_every_act_with_its_author_and_goes_back_to_any(world, anna):
    answer(world, anna, 3)
    before = world.session.state.beliefs.constraints.groups().tolist()
    first = listed(anna)[0]
    anna.post("/api/identities/name", {"identity": first["id"], "name": "Limpy", "key": key_()})
    same = [image["id"] for image in first["images"]]
    anna.post("/api/identities/confirm", {"identity": first["id"], "same": same, "key": key_()})
    answer(world, anna, 2)
    acts = anna.get("/api/history").json()
    assert acts["total"] == 7
    assert [act["kind"] for act in acts["items"]] == ["answer", "answer", "confirm", "name"] + ["answer"] * 3
    assert all(act["annotator"] == "anna" and act["mine"] and act["counts"] for act in acts["items"])
    assert acts["items"][3]["name"] == "Limpy"
    assert acts["items"][2]["count"] == len(same)
    done = anna.post("/api/undo", {"key": key_(), "back_to": acts["items"][3]["id"]}).json()
    assert done["undone"]["count"] == 2 + (len(same) - 1) + 1
    assert world.session.state.beliefs.constraints.groups().tolist() == before
    assert world.session.identities().names == {}
    after = anna.get("/api/history").json()["items"]
    assert [act["counts"] for act in after] == [False] * 4 + [True] * 3
    assert after[0]["taken_back_by"] == "anna"
    assert anna.get("/api/history", mine=True, limit=1).json()["total"] == 7


def test_of_others_an_act_is_taken_back_whole_and_nothing_else(world, anna):
    ben = Browser(anna.http.app, "ben")
    first = listed(ben)[0]
    same = [image["id"] for image in first["images"]]
    ben.post("/api/identities/confirm", {"identity": first["id"], "same": same, "key": key_()})
    answer(world, ben, 1)
    assert anna.post("/api/undo", {"key": key_()}).status_code == 409
    assert anna.get("/api/history", mine=True).json()["total"] == 0
    act = anna.get("/api/history").json()["items"][1]
    assert (act["kind"], act["annotator"], act["mine"]) == ("confirm", "ben", False)
    assert anna.post("/api/retract", {"key": key_(), "event": act["id"], "whole": True}).status_code == 200
    assert world.session.state.beliefs.answers == 1
    acts = anna.get("/api/history").json()["items"]
    assert [(each["counts"], each["taken_back_by"]) for each in acts] == [(True, None), (False, "anna")]


def test_all_of_it_is_the_same_after_a_restart(world, anna, tmp_path):
    first, second, third = (item["id"] for item in listed(anna)[:3])
    same = [image["id"] for image in anna.get(f"/api/identities/{first}").json()["images"]]
    anna.post("/api/identities/hide", {"identity": third, "hidden": True, "key": key_()})
    anna.post("/api/identities/confirm", {"identity": first, "same": same, "key": key_()})
    anna.post("/api/identities/merge", {"identities": [first, second], "key": key_()})
    anna.post("/api/undo", {"key": key_()})
    again = session(world.store, world.session.state.features)
    beliefs, mine = again.state.beliefs, world.session.state.beliefs
    assert beliefs.hidden == mine.hidden != set()
    assert beliefs.constraints.groups().tolist() == mine.constraints.groups().tolist()
    assert [act.kind for act in again.history.acts()] == ["merge", "confirm", "hide"]
