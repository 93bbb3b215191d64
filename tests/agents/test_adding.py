"""Images that come and go: what was said stays byte for byte, and what is proposed for new ones is listed."""

import csv
import json
import os
import shutil
import zipfile

import numpy as np
import pytest

pytest.importorskip("fastapi")

from command_line import call, succeeded
from killing import reid_al
from living_world import NAMES, anna_answers, draw, image_table
from page_client import Browser

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.messages import Unknown
from reid_al_agents.annotate.refresh_process import refresh
from reid_al_agents.annotate.refresh_work import Work
from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.data import DataSettings, load_data
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.vision.extraction import embed
from reid_al_agents.workspace.assembly import load_model
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.lock import FolderLock
from reid_al_agents.workspace.proposals import _homes
from reid_al_agents.workspace.settings import RunConfig

EACH = 4
TRUTH = np.tile(np.arange(len(NAMES)), EACH)
"""Who is on the images of the start, sorted by name: ``0_0.png``, ``0_1.png``, ..."""


def settings(folder, **more):
    values = {
        "data": f"folder:{folder / 'data' / 'images'}", "backbone": "small_cnn", "size": (32, 16),
        "adapt": False, "refresh_steps": 2, "evaluate_on": "none",
    }  # fmt: skip
    return RunConfig(**{**values, **more})


def reopened(folder, config=None, **asked):
    asked = AnnotationSettings(gold_share=0.0, refresh_every=None, **asked)
    return open_session(config or settings(folder), asked, folder / "out")


@pytest.fixture
def session(tmp_path):
    """A session with answers, a name, a split and a merge; 24 images of six individuals."""
    image_table(tmp_path / "data", EACH)
    with reopened(tmp_path) as opened:
        anna_answers(opened, 14, TRUTH)
        made = opened.session
        made.acts.edit("name", "anna", "named", {"image": 0, "name": "Limpy"})
        made.acts.edit("split", "anna", "split", {"images": [3], "rest": 9, "kept": [15]})
        made.acts.edit("merge", "anna", "merged", {"a": 2, "b": 8})
    return tmp_path


def week_two(folder, identities=(0, 1, 7), numbers=(10, 11), name="week2"):
    """A folder of more photographs."""
    for number in numbers:
        for identity in identities:
            draw(folder / name / f"{number}_{identity}.png", identity, number)
    return folder / name


def state_of(folder, config=None):
    with reopened(folder, config) as opened:
        state = opened.session.state
        known = state.beliefs.constraints
        links = known.groups()[: len(TRUTH)].tolist(), known.group_conflicts().tolist()
        return links, dict(state.beliefs.names), state.features.names.tolist()


def refused(*arguments):
    """The line in which a command is refused, after notes about the data."""
    code, shown, told = call(*arguments)
    assert (code, shown) == (2, ""), told
    *notes, line = told.splitlines()
    assert all(note.startswith("note: ") for note in notes), told
    return line.removeprefix("reid-al: error: ")


def events_of(out):
    """All events in a folder's log."""
    folder = Folder(out)
    with EventStore(folder.events) as log:
        return log.events(folder.kept().run)


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


# -- what stays ---------------------------------------------------------------------------------------------


def test_answers_names_splits_and_merges_stay_byte_for_byte(session):
    out = session / "out"
    log, before = events_of(out), state_of(session)
    hashes, features = Folder(out).pool.content_hashes(), np.load(out / "features.npz")["features"]
    added = succeeded("add", week_two(session), "--to", out)
    assert (added["added"], added["images"]) == (6, 30)
    assert events_of(out)[:-1] == log
    after = state_of(session)
    assert after[:2] == before[:2]
    assert after[2] == [*before[2], *(f"week2/{n}_{i}.png" for n in (10, 11) for i in (0, 1, 7))]
    assert Folder(out).pool.content_hashes()[:24] == hashes
    stored = np.load(out / "features.npz")["features"]
    assert stored[:24].tobytes() == features.tobytes()  # not computed again
    images = load_data(f"folder:{session / 'week2'}")
    expected = embed(load_model(settings(session)), images, size=(32, 16))
    assert np.array_equal(stored[24:], expected)


def test_the_model_of_the_last_refresh_sees_the_new_images(session):
    out = session / "out"
    config = settings(session)
    with reopened(session) as opened:
        last = max(event.id for event in opened.session.state.keys.values())
        Folder(out).round(1).mkdir(parents=True)
        refresh(Work(str(out), str(opened.folder.events), 1, last, "cpu"))
        line = {"round": 1, "answers": 14, "folder": "rounds/001"}
        run = opened.session.state.run
        opened.store.append(Event("refresh/1", run, "refresh", "", 1.0, round=1, payload=line))
    before = np.load(out / "rounds" / "001" / "features.npz")["features"]
    start = np.load(out / "features.npz")["features"]
    succeeded("add", week_two(session), "--to", out)
    stored = np.load(out / "rounds" / "001" / "features.npz")["features"]
    model = load_model(config, weights=str(out / "rounds" / "001" / "weights.safetensors"))
    assert np.array_equal(stored[:24], before)
    assert np.array_equal(stored[24:], embed(model, load_data(f"folder:{session / 'week2'}"), size=(32, 16)))
    assert not np.array_equal(stored[:24], start)
    with reopened(session) as opened:  # and the next refresh learns from all of them
        Folder(out).round(2).mkdir(parents=True)
        refresh(Work(str(out), str(opened.folder.events), 2, 10**6, "cpu"))
    assert len(np.load(out / "rounds" / "002" / "features.npz")["features"]) == 30


def test_new_images_are_asked_about_and_exported_as_suggested(session):
    out = session / "out"
    succeeded("add", week_two(session, (0, 1, 2)), "--to", out)
    succeeded("export", out)
    new = [row for row in rows_of(out / "identities.csv") if row["name"].startswith("week2/")]
    assert len(new) == 6
    assert {row["confirmed"] for row in new} == {"0"}  # nothing counts before a person answers
    truth = np.concatenate([TRUTH, np.tile([0, 1, 2], 2)])
    with reopened(session) as opened:
        shown = opened.session.identities()
        assert not shown.confirmed[24:].any()
        app = create_app(opened.session, opened.refreshing, opened.pictures, Access(b"s" * 32), data="x")
        page = Browser(app, "ben")
        items = page.get("/api/identities", limit=100).json()["items"]
        cards = [page.get(f"/api/identities/{item['id']}").json() for item in items]
        said = {image["id"]: image["confirmed"] for card in cards for image in card["images"]}
        assert sorted(said) == list(range(30))
        assert not any(said[image] for image in range(24, 30))
        pairs = anna_answers(opened, 120, truth)
        assert any(max(pair[:2]) >= 24 for pair in pairs)
        opened.session.acts.edit("merge", "anna", "joined", {"a": 24, "b": 0, "images": [6, 12, 18]})
    succeeded("export", out)
    assert rows_of(out / "identities.csv")[24]["confirmed"] == "1"


def test_the_history_says_who_added_and_removed_which_images(session, monkeypatch):
    monkeypatch.setenv("LOGNAME", "bruno")
    out = session / "out"
    week_two(session)
    for command in (
        ("add", session / "week2", "--to", out),
        ("add", session / "week2", "--to", out),  # nothing is new
        ("remove", "0_0.png", "1_1.png", "--from", out),
        ("remove", "0_0.png", "--from", out),  # is removed already
        ("remove", "0_0.png", "--from", out, "--back"),
    ):
        succeeded(*command)
    with reopened(session) as opened:
        names = opened.session.state.features.names
        acts = opened.session.history.acts("bruno")
        told = [(act.kind, names[act.images].tolist()) for act in acts]
        assert all(act.counts and not act.retractable for act in acts)
    assert told == [
        ("restore", ["0_0.png"]),
        ("remove", ["0_0.png", "1_1.png"]),
        ("add", [f"week2/{n}_{i}.png" for n in (10, 11) for i in (0, 1, 7)]),
    ]
    assert acts[-1].events[0].payload["file"] == str(session / "week2")


def test_a_user_without_a_name_is_noted_too(session, monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nobody)
    succeeded("remove", "0_0.png", "--from", session / "out")
    assert events_of(session / "out")[-1].annotator == "reid-al"


@pytest.mark.parametrize("name", ["identities.csv", "wildlife.csv"])
def test_tables_of_a_session_that_has_grown_are_data_again_and_go_in_again(session, name):
    out, files = session / "out", session / "files"
    succeeded("add", week_two(session), "--to", out)
    exported = succeeded("export", out, "--out", files)
    assert exported["root"] == str(session)
    with reopened(session) as opened:
        pool = opened.session.state.data
    images = load_data(f"csv:{files / name}", DataSettings(root=exported["root"]))
    assert images.files.tolist() == pool.files.tolist()
    (matched, _), *_ = state_of(session)
    succeeded("import", out, files / name)
    assert state_of(session)[0][0] == matched  # nothing is joined that was not


def test_identities_that_a_table_gives_new_images_are_trusted_like_the_first(tmp_path):
    table = image_table(tmp_path / "data", 4)
    config = settings(tmp_path, data=table.source)
    with reopened(tmp_path, config, trust=0.98) as opened:
        said = [event for event in opened.session.state.keys.values() if event.kind == "identity"]
        assert len(said) == len(NAMES)
    lines = [("path", "identity")]
    for identity, name in ((0, "Limpy"), (8, "Newcomer")):
        for number in (10, 11):
            draw(tmp_path / "data" / "more" / f"{number}_{identity}.png", identity, number)
            lines.append((f"more/{number}_{identity}.png", name))
    with (tmp_path / "data" / "more.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    added = succeeded("add", tmp_path / "data" / "more.csv", "--to", tmp_path / "out")
    kinds = {tuple(p["images"]): (p["proposal"], [k["name"] for k in p["known"]]) for p in added["proposals"]}
    assert kinds["more/more/10_0.png", "more/more/11_0.png"] == ("Extension", ["Limpy"])
    with reopened(tmp_path, config, trust=0.98) as opened:
        state = opened.session.state
        said = [event for event in state.keys.values() if event.kind == "identity"]
        assert len(said) == len(NAMES) + 2
        groups = state.beliefs.constraints.groups()
        assert groups[24] == groups[26 - 1] == groups[0]
        assert state.beliefs.constraints.relation(24, 26) == -1
        assert set(state.beliefs.names.values()) == {*NAMES, "Newcomer"}
    with reopened(tmp_path, config, trust=0.98) as opened:
        again = [event for event in opened.session.state.keys.values() if event.kind == "identity"]
        assert len(again) == len(said)


# -- what is proposed ---------------------------------------------------------------------------------------


@pytest.fixture
def geometry(tmp_path):
    """A session on features whose identities are known, and more images of two of them and of strangers.

    So few images of the third are there that it is in two groups, until more come.
    """
    rng, centres = np.random.default_rng(0), np.eye(8)

    def make(file, counts, folder):
        names = [f"{who}_{number}.png" for who, count in counts.items() for number in range(count)]
        features = np.array([centres[int(name[0])] + rng.normal(0, 0.05, 8) for name in names])
        np.savez(tmp_path / file, features=features.astype(np.float32), paths=names)
        for place, name in enumerate(names):
            draw(tmp_path / folder / name, 20 + len(folder), place)

    make("f.npz", {0: 3, 1: 3, 2: 4, 5: 3}, "data/images")
    make("new.npz", {0: 2, 6: 4, 2: 3, 7: 4}, "week2")
    config = settings(tmp_path, features=str(tmp_path / "f.npz"), backbone=None, size=None)
    with reopened(tmp_path, config) as opened:
        opened.session.acts.edit("name", "anna", "named", {"image": 0, "name": "Limpy"})
    return tmp_path, config


def test_proposals_are_new_extension_and_merge(geometry):
    folder, config = geometry
    out = folder / "out"
    before = np.load(out / "features.npz")["features"]
    dry = succeeded("add", folder / "week2", "--to", out, "--features", folder / "new.npz", "--dry-run")
    assert dry["dry_run"]
    assert not (out / "changes.json").exists()
    added = succeeded("add", folder / "week2", "--to", out, "--features", folder / "new.npz")
    assert added["proposals"] == dry["proposals"]
    assert added["counts"] == {"New": 2, "Extension": 1, "Merge": 1}
    merge, extension, *strangers = added["proposals"]
    assert [image[:7] for image in merge["images"]] == ["week2/2"] * 3
    assert sorted(known["images"] for known in merge["known"]) == [
        ["2_0.png", "2_3.png"],
        ["2_1.png", "2_2.png"],
    ]
    assert extension["images"] == ["week2/0_0.png", "week2/0_1.png"]
    (known,) = extension["known"]
    assert (known["name"], known["images"]) == ("Limpy", ["0_0.png", "0_1.png", "0_2.png"])
    assert {image[:7] for each in strangers for image in each["images"]} == {"week2/6", "week2/7"}
    assert [each["known"] for each in strangers] == [[], []]
    assert [each["moved"] for each in added["proposals"]] == [[], [], [], []]
    assert all(0.5 < each["probability"] <= 1 for each in added["proposals"])
    assert extension["paths"] == [str(folder / name) for name in extension["images"]]
    assert np.array_equal(np.load(out / "features.npz")["features"][:13], before)
    succeeded("export", out)
    groups = {row["name"]: row["identity"] for row in rows_of(out / "identities.csv")}
    for each in added["proposals"]:  # the export suggests exactly what was listed
        listed = {*each["images"], *(name for known in each["known"] for name in known["images"])}
        assert {name for name in groups if groups[name] == groups[each["images"][0]]} == listed
    with reopened(folder, config) as opened:
        assert len(opened.session.state.features) == 26


def test_the_table_names_identities_and_counts(geometry, monkeypatch):
    folder, _ = geometry
    monkeypatch.setenv("COLUMNS", "120")
    code, _, told = call("add", folder / "week2", "--to", folder / "out", "--features", folder / "new.npz")
    assert code == 0
    assert "Extension" in told
    assert "Limpy" in told
    assert "proposed, and not confirmed until a person answers: 2 New, 1 Extension, 1 Merge" in told
    assert "added: 13; " in told


# -- which images are new -----------------------------------------------------------------------------------


def test_known_images_are_said_and_not_added_again(session):
    week = week_two(session)
    shutil.copy(session / "data" / "images" / "0_0.png", week / "copy.png")
    shutil.copy(week / "10_0.png", week / "zz.png")
    added = succeeded("add", week, "--to", session / "out")
    assert added["added"] == 6
    assert added["duplicates"] == {"week2/copy.png": "0_0.png", "week2/zz.png": "week2/10_0.png"}
    again = succeeded("add", f"folder:{week}", "--to", session / "out")
    assert (again["added"], again["known"], again["images"]) == (0, 8, 30)
    assert len(json.loads((session / "out" / "changes.json").read_text())["sources"]) == 1
    _, _, told = call("add", week, "--to", session / "out")
    assert "week2/copy.png is 0_0.png, which the folder has; not added again" in told
    assert "nothing is new" in told


def test_new_files_in_the_folder_of_the_start_join_behind_the_others(session):
    images = session / "data" / "images"
    draw(images / "0_00.png", 0, 50)  # sorted before most others
    before = state_of(session)
    added = succeeded("add", images, "--to", session / "out")
    assert (added["added"], added["known"]) == (1, 24)
    assert json.loads((session / "out" / "changes.json").read_text())["sources"] == []
    after = state_of(session)
    assert after[:2] == before[:2]
    assert after[2] == [*before[2], "0_00.png"]


def test_a_subfolder_of_the_start_is_no_second_source(session):
    images = session / "data" / "images"
    week_two(images)
    added = succeeded("add", images / "week2", "--to", session / "out")
    assert added["added"] == 6
    assert json.loads((session / "out" / "changes.json").read_text())["sources"] == []
    assert state_of(session)[2][24:26] == ["week2/10_0.png", "week2/10_1.png"]


def test_rows_that_a_table_gained_are_new(tmp_path):
    table = image_table(tmp_path / "data", 4)
    config = settings(tmp_path, data=table.source)
    with reopened(tmp_path, config) as opened:
        anna_answers(opened, 6)
    draw(tmp_path / "data" / "images" / "new.png", 9, 9)
    with (tmp_path / "data" / "table.csv").open("a") as file:
        file.write("images/new.png,Aaron\n")  # sorts before the others, whose numbers stay
    added = succeeded("add", table.source, "--to", tmp_path / "out")
    assert added["added"] == 1
    with reopened(tmp_path, config) as opened:
        features = opened.session.state.features
        assert features.names[24] == "images/new.png"
        assert features.identities[:24].tolist() == table.identities.tolist()
        assert features.identities[24] == len(NAMES)


def test_folders_of_one_name_and_names_that_are_taken(session):
    first, second = week_two(session), week_two(session / "elsewhere", (0, 1), (20,))
    shutil.move(second / "20_0.png", second / "10_0.png")  # like one of the other folder
    succeeded("add", first, "--to", session / "out")
    succeeded("add", second, "--to", session / "out")
    names = state_of(session)[2]
    assert names[24:] == [*(f"week2/{n}_{i}.png" for n in (10, 11) for i in (0, 1, 7)),
                          "week2-2/10_0.png", "week2-2/20_1.png"]  # fmt: skip
    assert len(set(names)) == len(names)


def test_moved_together_the_images_are_recognised_wherever_they_are(session, caplog):
    week, images = week_two(session), session / "data" / "images"
    succeeded("add", week, "--to", session / "out")
    before = state_of(session)
    for file in week.iterdir():
        shutil.move(file, images / f"w_{file.name}")
    week.rmdir()
    caplog.clear()
    assert state_of(session) == before
    assert "6 renamed (week2/10_0.png is w_10_0.png" in caplog.text
    assert "removed" not in caplog.text


def test_a_picture_that_was_replaced_can_join_as_another(session):
    images = session / "data" / "images"
    draw(images / "2_2.png", 77, 1)
    added = succeeded("add", images, "--to", session / "out")
    assert added["added"] == 1
    with reopened(session) as opened:
        state = opened.session.state
        assert state.features.names[24] == "2_2.png (2)"
        assert state.beliefs.excluded == {14}
        assert opened.pictures.encoded(24)[0] == (images / "2_2.png").read_bytes()


def test_damaged_images_are_named_or_skipped(session):
    week = week_two(session)
    (week / "bad.png").write_bytes(b"no picture")
    line = refused("add", week, "--to", session / "out")
    assert "1 of 7 images cannot be read" in line
    assert "bad.png" in line
    assert not (session / "out" / "changes.json").exists()
    assert succeeded("add", week, "--to", session / "out", "--skip-damaged")["added"] == 6
    (row,) = rows_of(session / "out" / "skipped-week2.csv")
    assert row["name"] == "week2/bad.png"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "--to", "OUT"], "unknown kind of data"),
        (["folder:nothing", "--to", "OUT"], "no such folder"),
        (["OUT", "--to", "OUT"], "holds a run or session; name new images, and the folder by --to"),
        (["WEEK", "--to", "WEEK"], "holds no run and no session"),
        (["WEEK", "--to", "OUT", "--features", "f.npz"], "--features: this folder was begun without"),
        (["synthetic:tiny", "--to", "OUT"], "in no files of their own"),
        (["WEEK"], "--to"),
    ],
    ids=["no data", "no folder", "the folder itself", "no session", "features", "rendered", "no --to"],
)
def test_bad_input_is_one_line(session, arguments, said):
    places = {"OUT": session / "out", "WEEK": week_two(session)}
    assert said in refused("add", *(places.get(word, word) for word in arguments))


def test_a_folder_in_use_is_left_alone(session):
    with FolderLock(session / "out"):
        assert "is open in" in refused("add", week_two(session), "--to", session / "out")
        assert "is open in" in refused("remove", "0_0.png", "--from", session / "out")


def test_own_features_must_come_along_and_fit(geometry):
    folder, _ = geometry
    add = ("add", folder / "week2", "--to", folder / "out")
    assert "--features: is missing" in refused(*add)
    np.savez(folder / "wide.npz", features=np.ones((13, 9), dtype=np.float32))
    assert "has 9 numbers an image where" in refused(*add, "--features", folder / "wide.npz")


# -- killed in the middle -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_step_the_images_are_in_or_not(session):
    check_stops(session, lambda add, out, step: not reid_al(*add, folder=out, kill_at=step).killed)


def test_stopped_at_any_file_the_images_are_in_or_not(session, monkeypatch):
    """As above without a process for each stop: it ends where a file would take its name."""

    class Stopped(BaseException):
        pass

    def stops(add, out, step):
        names = iter(range(1, step))

        def replace(source, target):
            if next(names, None) is None:
                raise Stopped
            os.rename(source, target)

        with monkeypatch.context() as patch:
            patch.setattr("reid_al_agents.files.os.replace", replace)
            return call(*add)[0] == 0

    check_stops(session, stops)


def check_stops(session, ends):
    """Stop an addition at its first, second, ... step, until one ends: the images are in or not."""
    week, out, kept = week_two(session), session / "out", session / "kept"
    shutil.copytree(out, kept)
    add = ("add", week, "--to", out)
    succeeded(*add)
    finished, changes = state_of(session), (out / "changes.json").read_bytes()
    seen = []
    for step in range(1, 100):
        shutil.rmtree(out)
        shutil.copytree(kept, out)
        over = ends(add, out, step)
        seen.append((out / "changes.json").exists())
        now = state_of(session)
        assert now == finished if seen[-1] else now[2] == finished[2][:24]
        succeeded(*add)
        assert (out / "changes.json").read_bytes() == changes
        assert state_of(session) == finished
        if over:
            break
    assert seen == sorted(seen)  # first not, then in
    assert set(seen) == {False, True}


def test_features_of_an_attempt_that_was_killed_are_not_those_of_other_images(session):
    out = session / "out"
    other = week_two(session, (3, 4), (30, 31, 32), "other")
    succeeded("add", week_two(session), "--to", out, "--dry-run")  # leaves its features, as a kill would
    assert len(np.load(out / "features.npz")["features"]) == 30
    succeeded("add", other, "--to", out)
    expected = embed(load_model(settings(session)), load_data(f"folder:{other}"), size=(32, 16))
    assert np.array_equal(np.load(out / "features.npz")["features"][24:], expected)


# -- images that go -----------------------------------------------------------------------------------------


def test_removed_images_are_not_asked_about_and_their_answers_and_names_stay(session):
    out = session / "out"
    with EventStore(out / "events.sqlite") as log:
        before = log.events(Folder(out).kept().run)
    gone = succeeded("remove", "0_0.png", session / "data" / "images" / "1_1.png", "--from", out)["removed"]
    assert gone == ["0_0.png", "1_1.png"]
    with EventStore(out / "events.sqlite") as log:
        after = log.events(Folder(out).kept().run)
    assert after[: len(before)] == before
    with reopened(session) as opened:
        state = opened.session.state
        assert state.beliefs.excluded == {0, 7}
        assert state.beliefs.answers == 14
        shown = opened.session.identities()
        limpy = {shown.name(shown.of_image(image)) for image in range(24) if TRUTH[image] == 0 and image}
        assert "Limpy" in limpy  # it was named by the image that went
        pairs = anna_answers(opened, 30, TRUTH)
        assert not {0, 7} & {image for pair in pairs for image in pair[:2]}
    assert (session / "data" / "images" / "0_0.png").is_file()
    again = succeeded("add", session / "data" / "images", "--to", out)
    assert again["removed"] == ["0_0.png", "1_1.png"]
    assert succeeded("remove", "0_0.png", "--from", out, "--back")["back"] == ["0_0.png"]
    with reopened(session) as opened:
        assert opened.session.state.beliefs.excluded == {7}


def test_removed_images_are_in_no_table_of_identities_and_on_no_page(session):
    out = session / "out"
    succeeded("export", out)
    before = {table: rows_of(out / table) for table in ("identities.csv", "wildlife.csv", "pairs.csv")}
    exported = succeeded("remove", "0_0.png", "1_1.png", "--from", out) and succeeded(
        "export", out, "--archives", "--market1501", session / "market"
    )
    assert exported["removed_images"] == 2
    assert exported["grouped_images"] == sum(
        int(row["group_size"]) > 1 for row in rows_of(out / "identities.csv")
    )
    rows, gone = rows_of(out / "identities.csv"), {"0_0.png", "1_1.png"}
    assert {row["name"] for row in rows} == {row["name"] for row in before["identities.csv"]} - gone
    sizes = {row["identity"]: int(row["group_size"]) for row in rows}
    assert sizes == {identity: sum(row["identity"] == identity for row in rows) for identity in sizes}
    kept = {row["image_id"]: row["path"] for row in rows_of(out / "wildlife.csv")}
    assert kept == {row["image_id"]: row["path"] for row in before["wildlife.csv"] if row["path"] not in gone}
    assert rows_of(out / "pairs.csv") == before["pairs.csv"]  # answers about them stay
    for archive in ("market1501.zip", "identities.zip", "camtrapdp.zip"):
        with zipfile.ZipFile(out / archive) as files:
            contents = [name for name in files.namelist() if name.endswith(("_0_0.png", "_1_1.png"))]
            tables = [files.read(name).decode() for name in files.namelist() if name.endswith(".csv")]
        assert not contents
        assert not any(name in table for name in gone for table in tables)
    with reopened(session) as opened:
        page = opened.session.export()
        assert page.make("identities.csv")[0] == (out / "identities.csv").read_text()
        shown = opened.session.identities()
        on_pages = [image for group in shown.ordered("size") for image in shown.images(group)]
        assert sorted(on_pages) == sorted(set(range(24)) - {0, 7})
        anna_answers(opened, 1, TRUTH)
        strips = opened.session.planner.groups  # beside questions
        assert not {0, 7} & {other for image in range(24) for other in strips.images(strips.of_image(image))}
        alone = next(image for image in (0, 7) if not shown.sizes[shown.of_image(image)])
        with pytest.raises(Unknown, match="is not there"):
            shown.find(f"i{alone}")
    succeeded("remove", "0_0.png", "1_1.png", "--from", out, "--back")
    succeeded("export", out)
    assert {row["name"] for row in rows_of(out / "identities.csv")} == {
        row["name"] for row in before["identities.csv"]
    }


def test_a_removed_image_is_not_said_to_have_changed(session, caplog):
    succeeded("remove", "0_0.png", "--from", session / "out")
    (session / "data" / "images" / "0_0.png").unlink()
    caplog.clear()
    state_of(session)
    assert "since the start" not in caplog.text


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (["0_0.png", "no.png", "non.png"], "no.png, non.png: none of the 24 images"),
        (["ALL"], "no image of its"),
    ],
    ids=["unknown", "all"],
)
def test_removing_what_is_not_there_or_all_is_refused(session, images, said):
    everything = session / "data" / "images"
    wanted = [everything if word == "ALL" else word for word in images]
    assert said in refused("remove", *wanted, "--from", session / "out")
    assert not (session / "out" / "changes.json").exists()


@pytest.mark.parametrize(
    ("formed", "homes"),
    [
        ([0, 0, 0, 1, 1, 2, 2], [0, 1]),  # nothing moved
        ([0, 0, 1, 1, 1, 1, 0], [0, 1]),  # one image moved; its identity stays
        ([0, 0, 1, 0, 0, 0, 1], [0, 0]),  # both came together
        ([1, 0, 2, 3, 4, 5, 5], [0, 3]),  # of equal parts the first, by number
    ],
    ids=["nothing", "an image", "a merge", "dissolved"],
)
def test_an_identity_is_where_most_of_its_images_are(formed, homes):
    assert _homes(np.array(formed), np.array([0, 0, 0, 1, 1])).tolist() == homes
