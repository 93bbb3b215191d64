"""What we write we can read: every export goes in again with the same result, all of it or nothing."""

import csv
import shutil

import numpy as np
import pytest

pytest.importorskip("fastapi")

from command_line import call, failed, succeeded
from living_world import NAMES, anna_answers, image_table

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.data import load_data
from reid_al_agents.data.rows import read_rows
from reid_al_agents.log.formats import events_jsonl, read_import
from reid_al_agents.log.known_identities import identities_in_table
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

ANSWERS = 14


def config(table, folder):
    return RunConfig(data=table.source, features=str(folder / "own.npz"), evaluate_on="none")


def begin(table, folder, out, **settings):
    asked = AnnotationSettings(gold_share=0.0, **settings)
    return open_session(config(table, folder), asked, out)


def events_of(out):
    """All events in a folder's log."""
    folder = Folder(out)
    with EventStore(folder.events) as log:
        return log.events(folder.kept().run)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A session with answers, an undo and every edit, and what was exported of it."""
    folder = tmp_path_factory.mktemp("world")
    table = image_table(folder / "data")
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(len(NAMES), 8))
    rows = centres[table.identities] + 0.7 * rng.normal(size=(len(table), 8))
    np.savez(folder / "own.npz", features=rows.astype(np.float32))
    with begin(table, folder, folder / "out") as opened:
        anna_answers(opened, ANSWERS)
        session = opened.session
        session.history.undo("anna", "undo-1")
        limpy, tom = (np.flatnonzero(table.identities == row).tolist() for row in table.identities[:2])
        session.acts.edit("merge", "ben", "m", {"a": limpy[0], "b": limpy[1], "images": []})
        session.acts.edit("merge", "ben", "m2", {"a": tom[0], "b": tom[1], "images": []})
        session.acts.edit("split", "ben", "s", {"images": [limpy[0]], "rest": tom[0], "kept": [tom[1]]})
        session.acts.edit("name", "ben", "n", {"image": limpy[0], "name": "Limpy the Great"})
    exported = succeeded(
        "export", folder / "out", "--out", folder / "files", "--market1501", folder / "market"
    )
    assert exported["answers"] == ANSWERS - 1
    return folder, table


def fresh(world, tmp_path):
    """A session about the same images, without answers."""
    folder, table = world
    with begin(table, folder, tmp_path / "fresh"):
        pass
    return tmp_path / "fresh"


def believed(world, out):
    folder, table = world
    with begin(table, folder, out) as opened:
        beliefs = opened.session.state.beliefs
        found = beliefs.constraints
        names = {name: np.flatnonzero(found.groups() == found.groups()[row]).tolist()
                 for row, name in beliefs.names.items()}  # fmt: skip
        return {
            "groups": found.groups().tolist(),
            "differ": found.group_conflicts().tolist(),
            "weights": sorted((*sorted((e.i, e.j)), e.sign, round(e.weight, 9)) for e in beliefs.evidence),
            "names": names,
            "delivered": opened.session.identities().labels.tolist(),
        }


def test_the_log_goes_in_again_with_the_same_result(world, tmp_path):
    out = fresh(world, tmp_path)
    before = believed(world, out)
    counts = succeeded("import", out, world[0] / "files" / "events.jsonl")["new"]
    assert list(counts.values()) == [ANSWERS - 1 + 4]
    after = believed(world, out)
    assert after == believed(world, world[0] / "out") != before
    assert after["names"]["Limpy the Great"]
    again = succeeded("import", out, world[0] / "files" / "events.jsonl")["new"]
    assert list(again.values()) == [0]


@pytest.mark.parametrize("file", ["pairs.csv", "labelstudio.json"])
def test_answers_go_in_again_with_the_same_weights(world, tmp_path, file):
    out = fresh(world, tmp_path)
    assert list(succeeded("import", out, world[0] / "files" / file)["new"].values()) == [ANSWERS - 1]
    answers = [event for event in events_of(world[0] / "out") if event.kind in ("answer", "undo")]
    (log := tmp_path / "answers.jsonl").write_text(events_jsonl(answers))
    other = fresh(world, tmp_path / "other")
    succeeded("import", other, log)
    assert believed(world, out) == believed(world, other)
    assert list(succeeded("import", out, world[0] / "files" / file)["new"].values()) == [0]


def test_answers_come_back_to_their_own_session_once(world, tmp_path):
    own = shutil.copytree(world[0] / "out", tmp_path / "own")
    files = [world[0] / "files" / name for name in ("pairs.csv", "labelstudio.json", "events.jsonl")]
    assert set(succeeded("import", own, *files)["new"].values()) == {0}


def together(labels, least=2):
    """The sets of images of groups of at least ``least``."""
    labels = np.asarray(labels)
    groups = (frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels))
    return {group for group in groups if len(group) >= least}


def confirmed_of(table):
    """The images of each identity that answers join to it, by their rows."""
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    members = {}
    for number, row in enumerate(rows):
        if row["confirmed"] == "1":
            members.setdefault(row["identity"], set()).add(number)
    assert {row["confirmed"] for row in rows} == {"0", "1"}
    return {frozenset(found) for found in members.values()}


@pytest.mark.parametrize("file", ["files/identities.csv", "files/wildlife.csv", "market"])
def test_suggestions_do_not_become_confirmed_by_going_out_and_in(world, tmp_path, file):
    own = shutil.copytree(world[0] / "out", tmp_path / "own")
    files = tmp_path / "again"
    succeeded("import", own, world[0] / file)
    succeeded("export", own, "--out", files)
    assert confirmed_of(files / "identities.csv") == confirmed_of(world[0] / "files" / "identities.csv")


def test_how_many_suggestions_are_left_out_is_said(world, caplog):
    table = world[0] / "files" / "identities.csv"
    with caplog.at_level("INFO"):
        identities_in_table(read_rows(table), ())
    with open(table, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["group_size"] != "1" and row["confirmed"] == "0"]
    naming = {row["identity"] for row in rows if row["label"] and row["n_confirmed"] == "0"}
    named = (
        f"identities.csv: {len(rows) - len(naming)} suggested images are left out, since no person has "
        "confirmed them; write 1"
    )
    assert named in caplog.text


def test_suggestions_in_a_folder_that_is_read_as_data_are_said(world):
    notes = load_data(f"market1501:{world[0] / 'market'}").notes
    assert any("images are suggestions of a model and count as known here" in note for note in notes)


def test_a_named_identity_keeps_its_name_where_all_of_it_is_suggested(tmp_path):
    table = tmp_path / "identities.csv"
    header = "name,identity,group_size,label,confirmed\n"
    table.write_text(header + "a,0,2,Limpy,0\nb,0,2,Limpy,0\nc,2,2,,0\nd,2,2,,0\ne,4,2,Tom,1\nf,4,2,Tom,1\n")
    found = identities_in_table(read_rows(table), ())
    assert [(each.name, each.images) for each in found] == [("Limpy", ("a",)), ("Tom", ("e", "f"))]


@pytest.mark.parametrize("file", ["files/identities.csv", "files/wildlife.csv", "market"])
def test_identities_go_in_again_as_links(world, tmp_path, file):
    out = fresh(world, tmp_path)
    succeeded("import", out, world[0] / file, "--trust", "0.9")
    before, after = believed(world, world[0] / "out"), believed(world, out)
    known = confirmed_of(world[0] / "files" / "identities.csv")
    assert together(after["groups"]) == known
    weights = {weight for *_, weight in after["weights"]}
    assert weights == {round(np.log(9), 9)}  # log-odds of 0.9
    if file != "market":
        assert set(after["names"]) == set(before["names"])
    delivered = np.array(after["delivered"])  # images that stood alone are unknown, and may join them
    assert len({delivered[min(group)] for group in known}) == len(known)
    assert all(len(set(delivered[list(group)])) == 1 for group in known)


def test_a_session_is_begun_with_earlier_answers(world, tmp_path):
    folder, table = world
    from reid_al_agents.annotate.imports import import_file

    with begin(table, folder, tmp_path / "out") as opened:
        assert import_file(opened.session, folder / "files" / "events.jsonl") == ANSWERS + 3
        assert import_file(opened.session, folder / "market") > 0
        assert import_file(opened.session, folder / "files" / "events.jsonl") == 0


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"key": 1}', "line 1: is no event"),
        ("a.jsonl", "nonsense", "line 1: is no event"),
        ("a.json", "{}", "no list of tasks"),
        ("a.json", '[{"data": {}}]', "task 1: is none of ours"),
        ("a.csv", "name,identity\nnobody.png,Mo\n", "image 'nobody.png' is none of the 24 images"),
        ("a.csv", "name,identity\nimages/0_0.png,Mo\nimages/0_0.png,Mo\n", "is listed twice"),
        ("a.csv", "x,y\n1,2\n", "line 1: found x, y; expected the columns name (or path) and identity"),
        ("missing.csv", None, "missing.csv: no such file"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_nothing_is_taken(world, tmp_path, name, content, words):
    own = shutil.copytree(world[0] / "out", tmp_path / "own")
    if content is not None:
        (tmp_path / name).write_text(content)
    good = world[0] / "files" / "labelstudio.json"
    before = events_of(own)
    assert words in failed("import", own, good, tmp_path / name)
    assert events_of(own) == before


def test_an_edit_that_does_not_name_its_images_is_refused(world, tmp_path):
    (file := tmp_path / "a.jsonl").write_text(events_jsonl(events_of(world[0] / "out")))
    with pytest.raises(InputError, match="does not name its images"):
        read_import(file, world[1].names, run="other")


def test_a_folder_without_its_map_is_refused(world, tmp_path):
    market = shutil.copytree(world[0] / "market", tmp_path / "market")
    (market / "names.csv").unlink()
    assert "has no names.csv" in failed("import", world[0] / "out", market)


def test_trust_has_its_range(world):
    code, _, told = call("import", world[0] / "out", world[0] / "files" / "identities.csv", "--trust", "1.5")
    assert code == 2
    assert "--trust" in told
