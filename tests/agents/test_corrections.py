"""Side and time of single images, corrected by annotators: acts in the log that count at once."""

from __future__ import annotations

import csv
import io
import itertools
import json

import numpy as np
import pytest
from command_line import succeeded
from live_world import drawn, pool, truth
from live_world import session as made_session
from living_world import anna_answers, draw
from page_client import questions

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.messages import Conflict
from reid_al_agents.annotate.refresh_process import refresh
from reid_al_agents.annotate.refresh_work import Work
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.cli.reopen import find_place
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.data import Corrections, ImageSet, load_data
from reid_al_agents.experiment.loop import Loop
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.training.image_pool import ImagePool
from reid_al_agents.training.pool import known_of
from reid_al_agents.workspace.export import export_folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError, LabelOracle


def images_of(count=4, **columns):
    pixels = np.zeros((count, 4, 4, 3), np.uint8)
    names = [f"{number}.png" for number in range(count)]
    return ImageSet(names, [-1] * count, source="test", pixels=pixels, **columns)


def test_sides_by_hand():
    images = images_of(sides=[0, 1, -1, 0], side_names=["left", "right"])
    now = images.corrected(Corrections(sides={0: "right", 2: "front", 3: ""}))
    assert now.sides.tolist() == [1, 1, 2, -1]
    assert now.side_names == ("left", "right", "front")
    assert images.sides.tolist() == [0, 1, -1, 0]
    assert images.corrected(Corrections()).sides.tolist() == images.sides.tolist()


def test_sides_that_were_numbers_or_unknown():
    numbered = images_of(sides=[7, 10**17, -1, 7]).corrected(Corrections(sides={2: "7", 1: "left"}))
    assert [numbered.side_names[side] for side in numbered.sides] == ["7", "left", "7", "7"]
    unknown = images_of()
    assert unknown.sides is None
    now = unknown.corrected(Corrections(sides={1: "left"}))
    assert (now.sides.tolist(), now.side_names) == ([-1, 0, -1, -1], ("left",))
    assert now.corrected(Corrections(sides={1: " unknown "})).sides is None


def test_times_by_hand():
    now = images_of().corrected(Corrections(times={2: "2026-01-31 14:05", 0: "2026:01:30 10:00:00"}))
    assert [str(time) for time in now.times] == ["2026-01-30T10:00:00", "NaT", "2026-01-31T14:05:00", "NaT"]
    assert now.subset([2, 0]).times.tolist() == now.times[[2, 0]].tolist()
    assert now.corrected(Corrections(times={0: "", 2: ""})).times is None


def describing(id_, payload, annotator="anna"):
    return Event(f"key-{id_}", "run", "describe", annotator, float(id_), payload=payload, id=id_)


def test_of_two_corrections_the_later_counts_until_it_is_taken_back():
    log = [
        describing(1, {"images": [0, 1], "side": "left"}),
        describing(2, {"images": [1], "side": "right", "time": "2026-01-31"}),
        Event("bad", "run", "answer", "anna", 3.0, query=2, candidate=3, answer="bad_query", id=3),
    ]
    believed = Beliefs.replay(known_of(images_of(), 4), log, 0.02)
    assert believed.corrections == Corrections(frozenset([2]), {0: "left", 1: "right"}, {1: "2026-01-31"})
    believed.apply(Event("undo", "run", "undo", "anna", 4.0, target=2, id=4))
    assert believed.corrections == Corrections(frozenset([2]), {0: "left", 1: "left"}, {})


# -- a session that is open ---------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as opened:
        yield opened


def engine_of(live):
    return live.planner.current_engine()


def test_a_corrected_session_is_that_of_corrected_data(store, tmp_path):
    """Sides that annotators gave leave a session in the same state as sides that the data gave."""
    features = pool()
    sides = np.arange(len(features)) % 2
    live = made_session(store, features, images=drawn(features))
    live.questions("anna", 4)
    live.acts.describe("anna", "left-0001", np.flatnonzero(sides == 0).tolist(), side="left")
    live.acts.describe("ben", "right-001", np.flatnonzero(sides == 1).tolist(), side="right")
    told = drawn(features)
    given = ImageSet(
        told.names, told.identities, told.cameras, source="test", sides=sides,
        pixels=told.read(range(len(told)), (16, 8)),
    )  # fmt: skip
    with EventStore(tmp_path / "other.sqlite") as other:
        expected = made_session(other, features, images=given)
        ours, theirs = engine_of(live).visual, expected.planner.engine.visual
        np.testing.assert_array_equal(ours.points, theirs.points)
        assert (ours.similarities != theirs.similarities).nnz == 0
        assert live.identities().labels.tolist() == expected.identities().labels.tolist()


def test_what_a_correction_rules_out_is_withdrawn_and_never_asked(store):
    features = pool(10, 5)
    live = made_session(store, features, images=drawn(features))
    served = live.questions("anna", 6).questions
    one = served[0]
    live.acts.describe("anna", "left-0001", [one.query], side="left")
    assert live.is_open(one.id, "anna")  # the other may show the left, too
    live.acts.describe("anna", "right-001", [one.candidate], side="right")
    assert not live.is_open(one.id, "anna")
    rng = np.random.default_rng(0)
    sides = rng.integers(0, 2, len(features))
    for number, word in enumerate(("left", "right")):
        live.acts.describe("anna", f"all-{word:<6}", np.flatnonzero(sides == number).tolist(), side=word)
    asked = []
    while len(asked) < 40 and (got := live.questions("anna", 1).questions):
        asked.append((got[0].query, got[0].candidate))
        live.answer("anna", got[0].id, truth(features, got[0]), f"answer-{len(asked):04}")
    assert len(asked) > 20
    assert Sides(sides).comparable(*np.array(asked).T).all()


def test_a_correction_is_attributed_listed_and_taken_back(store):
    live = made_session(store, images=drawn(pool()))
    live.acts.describe("anna", "left-0001", [3, 5], side="left", time="2026-01-31 14:05:09")
    assert live.state.sides.sides[[3, 4, 5]].tolist() == [0, -1, 0]
    (act,) = live.history.acts()
    assert (act.kind, act.images, act.events[0].annotator) == ("describe", [3, 5], "anna")
    again = made_session(store, images=drawn(pool()))  # opened again
    assert again.state.sides.sides[[3, 4, 5]].tolist() == [0, -1, 0]
    again.history.undo("anna", "undo-0001")
    assert again.state.sides is None
    assert again.state.images.times is None
    assert engine_of(again).visual.sides is None


def test_a_refreshed_model_compares_by_corrected_sides(store):
    live = made_session(store, images=drawn(pool()))
    live.acts.describe("anna", "left-0001", [3, 5], side="left")
    live.adopt(pool(seed=1), 1)
    assert live.planner.engine.visual.sides.sides[[3, 4, 5]].tolist() == [0, -1, 0]


def test_the_same_request_counts_once(store):
    live = made_session(store, images=drawn(pool()))
    first = live.acts.describe("anna", "left-0001", [3], side="left")
    assert live.acts.describe("anna", "left-0001", [3], side="left").event == first.event
    assert len(live.history.acts()) == 1


@pytest.mark.parametrize(
    ("told", "complaint"),
    [({}, "says nothing"), ({"time": "yesterday"}, "time 'yesterday' cannot be read")],
    ids=["nothing", "no time"],
)
def test_what_cannot_be_used_is_refused(store, told, complaint):
    live = made_session(store, images=drawn(pool()))
    with pytest.raises(Conflict, match=complaint):
        live.acts.describe("anna", "wrong-001", [3], **told)
    assert live.history.acts() == []
    bare = made_session(store, None)
    with pytest.raises(Conflict, match="features only"):
        bare.acts.describe("anna", "wrong-002", [3], side="left")


# -- a folder -----------------------------------------------------------------------------------------------

MINUTES = ("08:00", "08:01", "20:00", "20:01")


@pytest.fixture
def folder(tmp_path):
    """A session about twelve images of three animals at two stations 111 km apart, some corrected."""
    rows = []
    for number in range(4):
        for identity in range(3):
            path = f"images/{number}_{identity}.png"
            draw(tmp_path / "data" / path, identity, number)
            rows.append((path, f"{identity % 2}", "10", f"2026-01-31 {MINUTES[number]}:00"))
    with (tmp_path / "data" / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "lat", "lon", "time"), *rows])
    with opened_in(tmp_path) as opened:
        acts = opened.session.acts
        acts.describe("anna", "side-0001", [0, 1], side="left")
        acts.describe("anna", "side-0002", [2], side="right")
        acts.describe("ben", "time-0001", [3, 4, 5], time="2026-02-28 12:00:00")
        anna_answers(opened, 4, np.tile(np.arange(3), 4))
    return tmp_path


def settings_of(folder, speed=5.0):
    return RunConfig(
        data=f"csv:{folder / 'data' / 'table.csv'}", backbone="small_cnn", size=(32, 16), adapt=False,
        refresh_steps=2, evaluate_on="none", max_speed=speed,
    )  # fmt: skip


def opened_in(folder, name="out", speed=5.0):
    asked = AnnotationSettings(gold_share=0.0, refresh_every=None)
    return open_session(settings_of(folder, speed), asked, folder / name)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def expected_pairs(folder):
    data = load_data(settings_of(folder).data, settings_of(folder).reading())
    return data.corrected(Corrections(times=dict.fromkeys([3, 4, 5], "2026-02-28 12:00:00"))).known_different


def test_speed_excludes_in_a_session_with_corrected_times(folder):
    with opened_in(folder) as opened:
        state = opened.session.state
        pairs = expected_pairs(folder)
        assert len(pairs) > 0
        assert np.array_equal(*np.isin(pairs, [3, 4, 5]).T)  # a month later one may be anywhere
        assert all(state.beliefs.constraints.relation(i, j) == -1 for i, j in pairs.tolist())


def test_a_session_goes_on_with_another_speed(folder):
    def differing(opened):
        relation = opened.session.state.beliefs.constraints.relation
        return {pair for pair in itertools.combinations(range(12), 2) if relation(*pair) == -1}

    typed = {"data": str(folder / "new")}
    with opened_in(folder, "new", None) as opened:
        anna_answers(opened, 4, np.tile(np.arange(3), 4))
        without = differing(opened)
    found = {}
    for speed in (5.0, 500.0):
        place = find_place({**typed, "max_speed": speed}, None, resume=False)
        with open_session(place.config, AnnotationSettings(), place.folder) as opened:
            assert opened.session.state.beliefs.answers == 4
            found[speed] = differing(opened)
        assert find_place(typed, None, resume=False).config.max_speed == speed  # it was kept
    assert without < found[500.0] < found[5.0]
    with pytest.raises(InputError, match="--k 3: this folder was started with --k"):
        find_place({**typed, "k": 3}, None, resume=False)


def test_corrections_are_exported_and_read_in_again(folder, tmp_path):
    export_folder(folder / "out", tmp_path / "files")
    (identities, wildlife) = (
        rows_of((tmp_path / "files" / name).read_text("utf-8")) for name in ("identities.csv", "wildlife.csv")
    )
    assert [row["side"] for row in identities] == ["left", "left", "right", *[""] * 9]
    assert [row["orientation"] for row in wildlife] == [row["side"] for row in identities]
    assert identities[4]["time"] == wildlife[4]["date"] == "2026-02-28T12:00:00"
    assert identities[6]["time"] == "2026-01-31T20:00:00"
    with opened_in(folder) as opened:
        content, _ = opened.session.export().make("identities.csv")
    assert [row["side"] for row in rows_of(content)] == [row["side"] for row in identities]
    with opened_in(folder, "second") as other:
        state = other.session.state
        assert state.sides is None
        from reid_al_agents.annotate.imports import import_file

        import_file(other.session, tmp_path / "files" / "events.jsonl")
        assert state.sides.sides.tolist() == [0, 0, 1, *[-1] * 9]
        assert str(state.images.times[4]) == "2026-02-28T12:00:00"


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({"images": [0]}, "says nothing"),
        ({"images": [], "side": "left"}, "no images"),
        ({"images": [0], "time": "soon"}, "cannot be read"),
        ({"images": [0], "side": 3}, "says nothing"),
    ],
    ids=["nothing", "of none", "no time", "a number"],
)
def test_a_line_that_describes_nothing_is_refused(folder, tmp_path, payload, complaint):
    line = {"key": "k", "run": "r", "kind": "describe", "annotator": "anna", "at": 1.0, "id": 1}
    names = {str(image): "images/0_0.png" for image in payload["images"]}
    (tmp_path / "events.jsonl").write_text(json.dumps({**line, "payload": payload, "image_names": names}))
    with opened_in(folder, "second") as other:
        from reid_al_agents.annotate.imports import import_file

        with pytest.raises(InputError, match=rf"line 1.*{complaint}"):
            import_file(other.session, tmp_path / "events.jsonl")


def test_a_refresh_learns_from_what_was_corrected(folder, monkeypatch):
    seen = {}
    monkeypatch.setattr(ImagePool, "refresh", lambda self, known, seed, **more: seen.update(pool=self) or {})
    with EventStore(folder / "out" / "events.sqlite") as log:
        last = max(event.id for event in log.events(log.runs()[0]))
    refresh(Work(str(folder / "out"), str(folder / "out" / "events.sqlite"), 1, last, "cpu"))
    assert seen["pool"].sides.tolist() == [0, 0, 1, *[-1] * 9]
    assert seen["pool"].known_different.tolist() == expected_pairs(folder).tolist()


def test_new_images_are_compared_by_corrected_sides(folder):
    draw(folder / "more" / "x.png", 1, 9)
    added = succeeded("add", folder / "more", "--to", folder / "out")
    assert added["added"] == 1
    with opened_in(folder) as opened:
        assert opened.session.state.sides.sides.tolist() == [0, 0, 1, *[-1] * 10]


def test_a_run_that_goes_on_compares_by_corrected_sides():
    features = pool()
    log = [
        describing(1, {"images": list(range(20)), "side": "left"}),
        describing(2, {"images": [0], "side": ""}),
    ]
    config = RunConfig("memory", refresh="none", evaluate_on="none", answers=4)
    images = drawn(features)
    loop = Loop(FeaturePool(features, images=images), config, LabelOracle(features.identities), events=log)
    assert loop.pool.sides[:21].tolist() == [-1, *[0] * 19, -1]
    assert images.sides is None


# -- over HTTP ----------------------------------------------------------------------------------------------


@pytest.fixture
def browser(folder):
    pytest.importorskip("fastapi")
    from page_client import Browser

    from reid_al_agents.annotate.server.access import Access
    from reid_al_agents.annotate.server.app import create_app

    with opened_in(folder) as opened:
        app = create_app(opened.session, opened.refreshing, opened.pictures, Access(b"s" * 32))
        yield Browser(app)


def test_the_page_is_told_what_speed_and_sides_rule_out(browser):
    assert browser.session["filters"] == ["side", "speed"]
    assert browser.session["max_speed"] == 5.0
    assert [side["name"] for side in browser.session["sides"]] == ["left", "right"]
    question = questions(browser, 1)[0]
    apart = question["travel"]
    assert 0 <= apart["km"] < 112
    assert apart["km"] <= 5 * apart["hours"]  # what is further apart is not asked


def test_a_correction_over_http(browser):
    key = "key-000000000001"
    told = {"key": key, "images": [7, 8], "side": "front", "time": "2026-03-01T10:00"}
    for _ in range(2):  # the reply may be lost
        reply = browser.post("/api/images/describe", told).json()
        assert [(image["side"], image["time"]) for image in reply["images"]] == [
            ("front", "2026-03-01T10:00:00")
        ] * 2
        assert {"id": 2, "name": "front"} in reply["pool"]["sides"]
    acts = browser.get("/api/history").json()["items"]
    assert (acts[0]["kind"], acts[0]["side"], acts[0]["count"]) == ("describe", "front", 2)
    named = browser.get("/api/identities", side=2, since="2026-03-01", until="2026-03-01").json()
    assert 1 <= named["total"] <= 2
    assert {image["id"] for item in named["items"] for image in item["images"]} >= {7, 8}
    forgotten = browser.post("/api/images/describe", {"key": "key-000000000002", "images": [7], "time": ""})
    assert forgotten.json()["images"][0]["time"] is None


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"images": [12], "side": "left"}, 404),
        ({"images": [], "side": "left"}, 422),
        ({"images": [0]}, 409),
        ({"images": [0], "time": "noon"}, 409),
        ({"images": [0], "side": "x" * 101}, 422),
    ],
    ids=["no such image", "of none", "nothing", "no time", "too long"],
)
def test_what_cannot_be_used_is_refused_over_http(browser, told, status):
    assert browser.post("/api/images/describe", {"key": "key-000000000003", **told}).status_code == status
