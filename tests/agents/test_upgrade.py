"""Folders of version 0.1 are brought up to date when opened: nothing is lost, misread or asked again."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from killing import events_of

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.data import make_split, save_split
from reid_al_agents.experiment.run import run
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.workspace.export import export_folder
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError, synthetic_features

PAIRS = """
CREATE TABLE answers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    run TEXT NOT NULL,
    round INTEGER NOT NULL,
    step INTEGER NOT NULL,
    query INTEGER NOT NULL CHECK (query >= 0),
    candidate INTEGER NOT NULL CHECK (candidate >= 0 AND candidate <> query),
    query_name TEXT NOT NULL,
    candidate_name TEXT NOT NULL,
    answer INTEGER NOT NULL CHECK (answer IN (-1, 0, 1)),
    selector TEXT NOT NULL,
    source TEXT NOT NULL,
    annotator TEXT NOT NULL,
    shown_at REAL NOT NULL,
    answered_at REAL NOT NULL,
    probability REAL
)
"""
"""What version 0.1 wrote, to the letter, as are the names below."""

COLUMNS = (
    *("key", "run", "round", "step", "query", "candidate", "query_name", "candidate_name", "answer"),
    *("selector", "source", "annotator", "shown_at", "answered_at", "probability"),
)
SETTINGS = (
    *(
        "data",
        "split",
        "weights",
        "backbone",
        "size",
        "nodes",
        "selector",
        "refresh",
        "adapt",
        "refresh_steps",
    ),
    *("warm", "answers", "rounds", "until_stable", "audit", "parallel", "budget", "pool_size", "k", "margin"),
    *("metric", "empty_negatives", "cross_camera", "closure", "noise", "evaluate_on", "seed"),
)
SIGNS = {"same": 1, "different": -1, "cannot_tell": 0}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upgrade") / "features.npz"
    synthetic_features(16, 6, noise=0.5, seed=1).save(path)
    return path


def config(data: Path, **changes: Any) -> RunConfig:
    usual = {"refresh": "none", "evaluate_on": "none", "pool_size": 12, "k": 6, "answers": 30, "rounds": 2}
    return RunConfig(str(data), **{**usual, **changes})


def pool(data: Path) -> FeaturePool:
    features = FeatureSet.load(data)
    return FeaturePool(features, make_split(features, 0))


def old_run(data: Path, out: Path, kept: int | None = None, **changes: Any) -> list[Event]:
    """A run as version 0.1 left it, with its first ``kept`` answers; returns these answers.

    Made from a run of now: what version 0.1 kept, in the files and columns it had.
    """
    run(config(data, **changes), pool(data), out)
    folder = Folder(out)
    settings = folder.kept()
    with EventStore(folder.events) as log:
        events = log.events(settings.run)
    answers = [event for event in events if event.kind == "answer"][:kept]
    rounds = [event.payload for event in events if event.kind == "refresh"]
    done = [line for line in rounds if line["answers"] <= len(answers)]
    for path in out.glob("events.sqlite*"):
        path.unlink()
    content = {name: settings.settings.as_dict()[name] for name in SETTINGS}
    origin = {"fingerprint": settings.fingerprint, "command": "reid-al run", "commit": "a651fe8"}
    folder.config.write_text(json.dumps({**content, **origin}))
    lines = [{name: value for name, value in line.items() if name != "folder"} for line in done]
    folder.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_split(make_split(FeatureSet.load(data), 0), folder.split)
    write_pairs(out / "pairs.sqlite", answers)
    if folder.round(len(rounds)).is_dir():
        (out / "checkpoint").mkdir()
        folder.round(len(rounds)).rename(out / "checkpoint" / str(len(done)))
    return answers


def write_pairs(path: Path, answers: list[Event]) -> None:
    with sqlite3.connect(path) as log:
        log.execute(PAIRS)
        log.execute(f"PRAGMA application_id = {0x52654964}")
        log.execute("PRAGMA user_version = 2")
        for event in answers:
            assert event.answer is not None
            told = (f"run/{event.key}", "run", event.round, event.step, event.query, event.candidate)
            names = (event.query_name, event.candidate_name, SIGNS[event.answer], event.selector)
            row = (*told, *names, "labels", "", event.shown_at, event.at, event.probability)
            marks = ", ".join("?" * len(COLUMNS))
            log.execute(f"INSERT INTO answers ({', '.join(COLUMNS)}) VALUES ({marks})", row)
    log.close()


def asked(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("round", "query", "candidate", "answer", "probability")
    return [tuple(event[name] for name in names) for event in events if event["kind"] == "answer"]


@pytest.mark.parametrize("changes", [{}, {"nodes": "images", "selector": "random"}], ids=["groups", "images"])
def test_a_finished_run_keeps_its_answers_and_has_nothing_left_to_ask(
    tmp_path: Path, data: Path, changes: dict[str, Any]
) -> None:
    before = old_run(data, tmp_path / "run", **changes)
    result = run(config(data, **changes), pool(data), tmp_path / "run", resume=True)
    assert [line["answers"] for line in result.rounds] == [0, 15, 30]
    stored = events_of(tmp_path / "run")
    assert asked(stored) == [(e.round, e.query, e.candidate, e.answer, e.probability) for e in before]
    assert {event["annotator"] for event in stored if event["kind"] == "answer"} == {"labels"}
    assert export_folder(tmp_path / "run", tmp_path / "out")["answers"] == 30
    again = run(config(data, **changes), pool(data), tmp_path / "run", resume=True)
    assert again.rounds == result.rounds
    assert events_of(tmp_path / "run") == stored


@pytest.mark.parametrize("kept", [0, 7, 15, 22])
def test_a_run_that_was_killed_goes_on_and_asks_nothing_twice(tmp_path: Path, data: Path, kept: int) -> None:
    before = old_run(data, tmp_path / "run", kept)
    result = run(config(data), pool(data), tmp_path / "run", resume=True)
    assert [line["answers"] for line in result.rounds] == [0, 15, 30]
    after = asked(events_of(tmp_path / "run"))
    assert after[:kept] == [(e.round, e.query, e.candidate, e.answer, e.probability) for e in before]
    # Version 0.1 chose other questions: all answers of the round that it left unfinished stay.
    assert 30 <= len(after) <= 30 + kept
    repeated = [pair[1:3] for pair in after]
    assert len(set(repeated)) == len(repeated)


def test_a_session_keeps_its_answers_and_its_questions(tmp_path: Path) -> None:
    images = "synthetic:tiny?identities=6&cameras=2"
    settings = RunConfig(images, backbone="small_cnn", size=(32, 16), refresh="none", evaluate_on="none")
    folder = Folder(tmp_path / "session")
    with open_session(settings, AnnotationSettings(), folder.path) as made:
        for number in range(5):
            while not (given := made.session.questions("anna", 1).questions):
                pass  # a batch is being planned
            made.session.answer("anna", given[0].id, "different", f"key-{number}")
    name = folder.kept().run
    with EventStore(folder.events) as log:
        before = log.events(name)
    content = {name: settings.as_dict()[name] for name in SETTINGS}
    for path in folder.path.glob("config.json*"):
        path.unlink()
    (folder.path / "annotate.json").write_text(json.dumps(content))
    with sqlite3.connect(folder.events) as log_file:
        for table in ("events", "questions"):
            log_file.execute(f"UPDATE {table} SET run = 'annotate'")
            log_file.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        log_file.execute("UPDATE meta SET value = '1' WHERE name = 'schema_version'")
    log_file.close()
    with open_session(settings, AnnotationSettings(), folder.path) as made:
        assert made.session.state.beliefs.answers == 5
        assert made.session.history.undo("anna", "undo").question is not None
    with EventStore(folder.events) as log:
        assert log.events("annotate")[: len(before)] == [replace(event, run="annotate") for event in before]
    assert export_folder(folder.path, tmp_path / "out")["answers"] == 4


def test_a_folder_that_is_none_of_ours_is_refused_in_one_line(tmp_path: Path, data: Path) -> None:
    old_run(data, tmp_path / "run")
    (tmp_path / "run" / "pairs.sqlite").unlink()
    with sqlite3.connect(tmp_path / "run" / "pairs.sqlite") as other:
        other.execute("CREATE TABLE answers (x)")
    with pytest.raises(InputError, match=r"pairs\.sqlite: is no pair log of version 0\.1") as error:
        run(config(data), pool(data), tmp_path / "run", resume=True)
    assert "\n" not in str(error.value)
