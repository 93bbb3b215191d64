"""Runs whose pool changes: images join and leave, files are renamed, and labels go on answering."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("fastapi")

from command_line import call, succeeded
from killing import reid_al
from living_world import draw

from reid_al_agents.experiment.image_questions import _among
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.folder import Folder
from reid_al_env import ConstraintGraph, FeatureSet

SMALL = [
    "--backbone",
    "small_cnn",
    "--size",
    "32x16",
    "--refresh-steps",
    "2",
    "--no-adapt",
    "--pool-size",
    "8",
]
RUN = [*SMALL, "--rounds", "3"]


def individuals(folder, names, each=4, first=0):
    """A folder per individual; the colour tells them apart."""
    for name in names:
        for number in range(first, first + each):
            draw(folder / name / f"{number}.png", sum(name.encode()), number)
    return folder


@pytest.fixture
def begun(tmp_path):
    """A run that is over: pool, validation and test are of different individuals."""
    data = individuals(tmp_path / "data", [f"x{letter}" for letter in "bcdefghijklm"])
    succeeded("run", f"folder:{data}", *RUN, "--out", tmp_path / "run")
    return tmp_path


def events_of(out):
    with EventStore(out / "events.sqlite") as log:
        return log.events(Folder(out).kept().run)


def pair_of(event):
    return event.query, event.candidate


def parts_of(out):
    split = json.loads((out / "split.json").read_text())
    return {name: split[f"{name}_identities"] for name in ("pool", "validation", "test")}


def names_of(parts, out, part):
    numbered = json.loads((out / "identities.json").read_text())["identities"]
    return [numbered[number] for number in parts[part]]


def test_a_run_that_is_over_goes_on_with_images_that_were_added(begun):
    out = begun / "run"
    before, names = events_of(out), Folder(out).pool.names().tolist()
    parts = parts_of(out)
    known = names_of(parts, out, "pool")[0]
    more = individuals(begun / "more", [known, "newcomer", "xa"], first=20)
    added = succeeded("add", more, "--to", out)
    assert added["added"] == 12
    assert events_of(out)[:-1] == before  # the last says who added them
    went_on = succeeded("run", out)
    after = events_of(out)
    assert after[: len(before)] == before
    assert Folder(out).pool.names().tolist()[: len(names)] == names
    answers = [event for event in after if event.kind == "answer"]
    assert len(answers) > sum(event.kind == "answer" for event in before)
    assert any(max(event.query, event.candidate) >= len(names) for event in answers)
    for event in answers:  # right by their individuals, and about the images they name
        first, second = (
            name.removeprefix("more/").split("/")[0] for name in (event.query_name, event.candidate_name)
        )
        assert (event.answer == "same") == (first == second)
    assert max(Counter(event.key for event in after).values()) == 1
    assert len(np.load(out / "groups.npz")["groups"]) == len(names) + 12
    assert parts_of(out) == parts
    again = succeeded("run", out)
    assert again["rounds"] == went_on["rounds"]
    assert events_of(out) == after


def test_images_of_individuals_that_are_scored_on_stay_out(begun):
    out = begun / "run"
    scored = names_of(parts_of(out), out, "validation")[0]
    more = individuals(begun / "more", [scored, "newcomer"], each=2, first=20)
    added = succeeded("add", more, "--to", out)
    assert added["added"] == 2
    assert added["scored"] == [f"more/{scored}/20.png", f"more/{scored}/21.png"]


def test_an_individual_whose_name_comes_first_moves_no_other(begun):
    """Names are numbered in sorted order: without a record, validation would be other individuals now."""
    out = begun / "run"
    individuals(begun / "data", ["aardvark"])
    before = succeeded("run", out)["rounds"][-1]["map"]
    assert succeeded("run", out)["rounds"][-1]["map"] == before
    added = succeeded("add", begun / "data", "--to", out)
    assert added["added"] == 4
    succeeded("run", out)
    labels = {event.query_name.split("/")[0] for event in events_of(out) if event.kind == "answer"}
    assert not labels & set(names_of(parts_of(out), out, "validation"))


def test_the_data_of_the_start_offered_again_bring_nothing_that_is_scored_on(begun):
    added = succeeded("add", begun / "data", "--to", begun / "run")
    assert added["added"] == 0
    assert added["known"] + len(added["scored"]) == 48


def test_killed_in_a_round_a_run_goes_on_with_images_that_were_added(tmp_path):
    data = individuals(tmp_path / "data", [f"x{letter}" for letter in "bcdefghijklm"])
    out = tmp_path / "run"
    arguments = ["run", f"folder:{data}", *RUN, "--out", out]
    for kill_at in range(60, 400, 7):
        if not reid_al(
            *arguments, *(["--resume"] if out.is_dir() else []), folder=out, kill_at=kill_at
        ).killed:
            pytest.fail("it was to be killed between two refreshes")
        events = events_of(out)
        last = max((place for place, event in enumerate(events) if event.kind == "refresh"), default=0)
        if last and len(events) > last + 5:
            break
    more = individuals(tmp_path / "more", ["newcomer"], first=20)
    assert succeeded("add", more, "--to", out)["added"] == 4
    succeeded("run", out)
    after = events_of(out)
    assert after[: len(events)] == events
    assert max(Counter(event.key for event in after).values()) == 1
    answers = [event for event in after if event.kind == "answer"]
    chosen = [frozenset(pair_of(event)) for event in answers if event.question_kind == "policy"]
    assert len(set(chosen)) == len(chosen)  # nothing is asked twice
    assert len(answers) == len(Folder(out).pool.names())  # as many as images, also of the new ones


def test_a_run_recognises_files_that_were_renamed_replaced_or_removed(tmp_path):
    data, out = individuals(tmp_path / "data", [f"x{letter}" for letter in "bcdefghijklm"]), tmp_path / "run"
    assert reid_al("run", f"folder:{data}", *RUN, "--out", out, folder=out, kill_at=60).killed
    pool, before = Folder(out).pool.names().tolist(), events_of(out)
    assert len(before) < len(pool)
    renamed = pool[0].replace(".png", "_renamed.png")
    (data / pool[0]).rename(data / renamed)
    draw(data / pool[1], 77, 1)
    (data / pool[2]).unlink()
    code, _, told = call("run", out)
    assert code == 0, told
    assert f"1 renamed ({pool[0]} is {renamed})" in told
    assert f"1 replaced by another picture ({pool[1]})" in told
    assert f"1 removed ({pool[2]})" in told
    after = events_of(out)
    assert after[: len(before)] == before
    asked = {image for event in after[len(before) :] if event.kind == "answer" for image in pair_of(event)}
    assert 0 in asked
    assert not {1, 2} & asked
    assert len(np.load(out / "groups.npz")["groups"]) == len(pool)


def test_a_run_of_an_earlier_version_keeps_hashes_from_its_next_start_on(begun):
    out = begun / "run"
    hashes = (out / "hashes.json").read_bytes()
    (out / "hashes.json").unlink()
    succeeded("run", out)
    assert (out / "hashes.json").read_bytes() == hashes


def test_images_removed_from_a_run_are_not_asked_about(begun):
    out, pool = begun / "run", Folder(begun / "run").pool.names().tolist()
    before = events_of(out)
    succeeded("remove", pool[0], pool[5], "--from", out)
    succeeded("add", individuals(begun / "more", ["newcomer"], first=20), "--to", out)
    succeeded("run", out)
    since = [event for event in events_of(out)[len(before) :] if event.kind == "answer"]
    assert since
    assert not {0, 5} & {image for event in since for image in (event.query, event.candidate)}


PAPER = [*SMALL, "--nodes", "images", "--budget", "4", "--k", "4", "--rounds", "3", "--parallel", "2"]


def queries_of(events):
    return [event.query for event in events if event.kind == "answer"]


@pytest.fixture
def between_images(tmp_path):
    """A run between images that is over: every image of its pool was the query once."""
    data = individuals(tmp_path / "data", [f"x{letter}" for letter in "bcdefghijklm"])
    succeeded("run", f"folder:{data}", *PAPER, "--out", tmp_path / "run")
    return tmp_path


def test_a_run_between_images_goes_on_with_a_pass_over_the_images_that_were_added(between_images):
    out = between_images / "run"
    before, pool = events_of(out), Folder(out).pool.names().tolist()
    added = succeeded("add", individuals(between_images / "more", ["newcomer"], first=20), "--to", out)
    assert (added["added"], added["proposals"]) == (4, [])
    assert len(Folder(out).pool.names()) == len(pool) + 4
    succeeded("run", out)
    after = events_of(out)
    assert after[: len(before)] == before
    since = after[len(before) :]
    new, asked = set(range(len(pool), len(pool) + 4)), set(queries_of(since))
    assert asked & new
    assert not asked & set(queries_of(before))  # one that had nothing left to ask about may be a query now
    assert {image for event in since if event.kind == "answer" for image in pair_of(event)} >= new
    assert any(min(pair_of(event)) < len(pool) for event in since if event.kind == "answer")
    exported = succeeded("export", out)  # also of images whose identities follow from answers alone
    assert exported["removed_images"] == 0
    again = succeeded("run", out)
    assert events_of(out) == after
    assert again["rounds"][-1]["queries"] >= len(set(queries_of(after)))


def test_images_removed_from_a_run_between_images_are_neither_queries_nor_candidates(tmp_path):
    data, out = individuals(tmp_path / "data", [f"x{letter}" for letter in "bcdefghijklm"]), tmp_path / "run"
    assert reid_al("run", f"folder:{data}", *PAPER, "--out", out, folder=out, kill_at=100).killed
    before, pool = events_of(out), Folder(out).pool.names().tolist()
    asked = queries_of(before)
    left = [image for image in range(len(pool)) if image not in asked]
    assert asked
    assert len(left) > 3
    gone = {left[0], asked[0]}  # one that was to be a query still, and one that was
    succeeded("remove", *(pool[image] for image in gone), "--from", out)
    succeeded("run", out)
    after = events_of(out)
    assert after[: len(before)] == before
    since = [event for event in after[len(before) :] if event.kind == "answer"]
    assert not gone & {image for event in since for image in pair_of(event)}
    assert set(left) - gone >= set(queries_of(since))
    for event in since:
        first, second = (name.split("/")[0] for name in (event.query_name, event.candidate_name))
        assert (event.answer == "same") == (first == second)


@pytest.mark.slow  # three processes each, two of them killed
@pytest.mark.parametrize("closure", [True, False], ids=["implied answers", "every pick asked"])
def test_a_run_between_images_that_was_killed_after_images_came_asks_nothing_twice(between_images, closure):
    out = between_images / "run"
    if not closure:
        data = f"folder:{between_images / 'data'}"
        out = between_images / "open"
        succeeded("run", data, *PAPER, "--no-closure", "--out", out)
    pool = len(Folder(out).pool.names())
    more = individuals(between_images / "more", ["xx", "xy", "xz"], first=20)
    assert succeeded("add", more, "--to", out)["added"] == 12
    altered = len(events_of(out))
    assert all(reid_al("run", out, folder=out, kill_at=kill_at).killed for kill_at in (35, 45))
    assert altered < len(events_of(out))
    succeeded("run", out)
    queries = queries_of(events_of(out)[altered:])
    assert set(queries) >= set(range(pool, pool + 12)) if not closure else set(queries)
    assert not set(queries) & set(queries_of(events_of(out)[:altered]))
    assert max(Counter(queries).values()) <= 4  # the budget


def test_what_is_known_among_some_images_is_what_was_known_among_all():
    rng = np.random.default_rng(0)
    for _ in range(20):
        people, graph = rng.integers(0, 4, 16), ConstraintGraph(16)
        for i, j in rng.integers(0, 16, (24, 2)):
            if i != j:
                graph.add(i, j, int(rng.choice([0, 1 if people[i] == people[j] else -1])))
        kept = np.sort(rng.choice(16, 11, replace=False))
        among = _among(kept, graph)
        for a, b in itertools.combinations(range(11), 2):
            assert among.relation(a, b) == graph.relation(kept[a], kept[b])
            if graph.relation(kept[a], kept[b]) == 0:  # else it is closed anyway
                assert among.asked(a, np.array([b]))[0] == graph.asked(int(kept[a]), kept[[b]])[0]


def test_a_run_on_features_is_refused_in_a_line_that_says_what_to_do(tmp_path):
    rng = np.random.default_rng(0)
    FeatureSet(rng.normal(size=(40, 8)), np.repeat(np.arange(10), 4)).save(tmp_path / "rows.npz")
    succeeded("run", tmp_path / "rows.npz", "--answers", "5", "--pool-size", "5", "--out", tmp_path / "run")
    for words in (["add", tmp_path / "rows.npz", "--to"], ["remove", "3", "--from"]):
        code, _, told = call(*words, tmp_path / "run")
        assert code == 2
        assert "holds features only, about which labels answer at no cost; put the wanted rows into" in told
