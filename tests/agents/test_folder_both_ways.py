"""One folder: a run goes on by hand, a session goes on with labels, and one process has it at a time."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.experiment.run import run
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.archives import ARCHIVES
from reid_al_agents.workspace.assembly import assemble
from reid_al_agents.workspace.export import export_folder
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.lock import FolderLock
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

CONFIG = RunConfig(
    data="synthetic:tiny", backbone="small_cnn", size=(32, 16), refresh_steps=2, adapt=False, pool_size=8,
    k=4, evaluate_on="none", answers=24, rounds=2,
)  # fmt: skip
ASKED = AnnotationSettings(gold_share=0.0, refresh_every=None)


class Stopped(Exception):  # noqa: N818 - it stands for a kill
    pass


def labels_answer(folder, config=CONFIG, *, resume=False, rounds=9):
    """Let labels answer, and stop after a number of rounds."""
    split = folder / "split.json"
    described = replace(config, split=str(split)) if split.is_file() else config
    played = 0

    def stop(metrics):
        nonlocal played
        played += 1
        if played > rounds:
            raise Stopped

    pool = assemble(described, keep_split=split)
    return run(config, pool, folder, resume=resume, on_round=stop)


def anna_answers(opened, answers):
    """Answer rightly; the pairs."""
    session, labels = opened.session, opened.session.state.features.identities
    pairs = []
    while len(pairs) < answers:
        served = session.questions("anna", 1)
        if served.waiting == "planning":
            opened.executor.submit(lambda: None).result()  # after the batch that is being planned
            continue
        (question,) = served.questions
        same = labels[question.query] == labels[question.candidate]
        word = "same" if same else "different"
        session.answer("anna", question.id, word, f"anna-{session.state.beliefs.answers}", 1.5)
        pairs.append((question.query, question.candidate, same))
    return pairs


def events(folder):
    with EventStore(folder / "events.sqlite") as log:
        return log.events(Folder(folder).kept().run)


@pytest.fixture
def _no_page(monkeypatch):
    monkeypatch.setattr("reid_al_agents.experiment.run.write_run_page", lambda *args, **options: None)


@pytest.mark.usefixtures("_no_page")
def test_a_run_goes_on_by_hand_and_then_with_labels_again(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Stopped):
        labels_answer(folder, rounds=1)
    assert [event.annotator for event in events(folder) if event.kind == "answer"] == ["labels"] * 12
    with open_session(Folder(folder).settings(), ASKED, folder) as opened:
        assert opened.session.state.round == 2  # the start and one refresh
        assert opened.session.state.beliefs.answers == 12
        pairs = anna_answers(opened, 5)
    again = labels_answer(folder, resume=True)
    answers = [event for event in events(folder) if event.kind == "answer"]
    assert [event.annotator for event in answers] == ["labels"] * 12 + ["anna"] * 5 + ["labels"] * 7
    assert again.rounds[-1]["answers"] == len(answers) == 24
    asked = [
        frozenset((event.query, event.candidate)) for event in answers if event.question_kind == "policy"
    ]
    assert len(set(asked)) == len(asked)
    exported = export_folder(folder, tmp_path / "out")
    rows = (tmp_path / "out" / "pairs.csv").read_text().splitlines()
    source = rows[0].split(",").index("source")
    assert [row.split(",")[source] for row in rows[1:]].count("person") == len(pairs)
    assert exported["answers"] == 24
    table = [row.split(",") for row in (tmp_path / "out" / "identities.csv").read_text().splitlines()[1:]]
    identities = [int(row[1]) for row in table]
    assert identities == np.load(folder / "groups.npz")["groups"].tolist()


@pytest.mark.usefixtures("_no_page")
def test_a_session_goes_on_with_labels_and_then_by_hand_again(tmp_path):
    folder = tmp_path / "session"
    config = replace(CONFIG, answers=None, rounds=6)
    with open_session(config, ASKED, folder) as opened:
        anna_answers(opened, 6)
    result = labels_answer(folder, replace(config, answers=30), resume=True)
    assert result.rounds[-1]["answers"] == 30
    assert Folder(folder).settings().answers == 30
    with open_session(Folder(folder).settings(), ASKED, folder) as opened:
        assert opened.session.state.beliefs.answers == 30
        assert opened.session.state.round == len(result.rounds)
        anna_answers(opened, 2)
    answers = [event.annotator for event in events(folder) if event.kind == "answer"]
    assert answers == ["anna"] * 6 + ["labels"] * 24 + ["anna"] * 2


@pytest.mark.usefixtures("_no_page")
def test_an_answer_that_is_taken_back_by_hand_is_not_used_by_the_run(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Stopped):
        labels_answer(folder, rounds=1)
    with open_session(CONFIG, ASKED, folder) as opened:
        last = [event for event in opened.session.counting() if event.kind == "answer"][-1]
        opened.session.history.retract("anna", "taken-back", last.id)
    again = labels_answer(folder, resume=True)
    assert again.rounds[-1]["answers"] == 24
    assert sum(event.kind == "answer" for event in events(folder)) == 25


def test_another_process_is_told_who_has_the_folder(tmp_path):
    with FolderLock(tmp_path):
        holder = json.loads((tmp_path / "folder.lock.json").read_text())
        with pytest.raises(
            InputError, match=rf"is open in process {holder['pid']} on .* since .*wait for it"
        ):
            FolderLock(tmp_path)
        with pytest.raises(InputError, match="is open in process"):
            open_session(CONFIG, ASKED, tmp_path)
    FolderLock(tmp_path).release()


def test_the_lock_of_a_killed_process_does_not_last(tmp_path):
    code = (
        "import sys, pathlib; from reid_al_agents.workspace.lock import FolderLock; "
        "lock = FolderLock(pathlib.Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(InputError, match=f"is open in process {process.pid} on"):
        FolderLock(tmp_path)
    process.kill()
    process.communicate()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize("lost", ["config.json", "events.sqlite", "pool.json"])
@pytest.mark.usefixtures("_no_page")
def test_a_folder_that_has_lost_a_part_is_refused_in_one_line(tmp_path, lost):
    labels_answer(tmp_path, replace(CONFIG, answers=6, rounds=1))
    for path in tmp_path.glob(f"{lost}*"):
        path.unlink()
    with pytest.raises(InputError, match=rf"{lost}: .*put the folder's own back"):
        labels_answer(tmp_path, replace(CONFIG, answers=6, rounds=1), resume=lost != "config.json")
    if lost != "pool.json":
        with pytest.raises(InputError, match="put the folder's own back"):
            open_session(replace(CONFIG, answers=6, rounds=1), ASKED, tmp_path)


def test_the_export_of_a_folder_says_how_sure_it_is_as_the_page_does(tmp_path):
    folder = tmp_path / "session"
    with open_session(CONFIG, ASKED, folder) as opened:
        anna_answers(opened, 24)
        on_the_page = opened.session.export().make("identities.csv")[0]
    counts = export_folder(folder, tmp_path / "out")
    rows = list(csv.DictReader((tmp_path / "out" / "identities.csv").open()))
    for row, page in zip(rows, csv.DictReader(io.StringIO(on_the_page)), strict=True):
        assert row["confirmed"] == page["confirmed"]
        assert (row["probability"] == "") == (page["probability"] == "")
        assert row["probability"] == "" or 0 <= float(row["probability"]) <= 1
    assert sum(row["confirmed"] == "1" for row in rows) == counts["confirmed_images"] > 0
    written = export_folder(folder, tmp_path / "sure", confirmed_only=True, archives=True)
    assert [Path(each).name for each in written["archives"]] == list(ARCHIVES)
    assert all(zipfile.is_zipfile(each) for each in written["archives"])
    sure = list(csv.DictReader((tmp_path / "sure" / "identities.csv").open()))
    assert {row["name"] for row in sure if row["group_size"] != "1"} == {
        row["name"] for row in rows if row["confirmed"] == "1"
    }
