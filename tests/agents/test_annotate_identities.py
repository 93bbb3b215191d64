"""Identities over HTTP: how sure each image is, on the page and in the files."""

import csv
import io

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")

from live_world import opened, pool
from page_client import Browser, questions

from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app


@pytest.fixture
def world(tmp_path):
    features = pool(12, 5, noise=0.8)
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


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_what_is_suggested_has_a_probability_on_the_page_and_in_the_tables(world, anna):
    answer(world, anna, 8)
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
    kept = world.session.export().confirmed_only()
    joined = world.session.state.beliefs.constraints.groups()
    for group in np.unique(kept.groups):
        images = np.flatnonzero(kept.groups == group)
        assert len(images) == 1 or (kept.confirmed[images].all() and len(set(joined[images])) == 1)
    assert kept.confirmed.any()
