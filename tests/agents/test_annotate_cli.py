"""``reid-al annotate`` and what it leaves, from the command line; and answering in a terminal."""

import contextlib
import csv
import io
import json
import sys

import numpy as np
import pytest

pytest.importorskip("fastapi")

from live_world import opened, pool, truth
from postgres_server import new_schema
from rich.console import Console

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.server.serving import addresses, free_port
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.annotate.terminal import TerminalOracle, answer_here
from reid_al_agents.cli import main
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError, ReIDActiveLearningEnv, synthetic_features

TINY = "synthetic:tiny?identities=14&cameras=3"
SMALL = ["--backbone", "small_cnn", "--size", "64x32", "--no-open", "--refresh", "none"]


def reid_al(*arguments):
    """Run a command in this process; its exit code, and what it printed."""
    shown, told = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["reid-al", *map(str, arguments)])
        with (
            contextlib.redirect_stdout(shown),
            contextlib.redirect_stderr(told),
            pytest.raises(SystemExit) as ended,
        ):
            main()
    return ended.value.code, shown.getvalue(), told.getvalue()


def config(**changes):
    usual = {
        "data": TINY,
        "backbone": "small_cnn",
        "size": (64, 32),
        "refresh": "none",
        "evaluate_on": "none",
    }
    return RunConfig(**{**usual, **changes})


def answered(folder, count, store=None):
    """A session in ``folder`` in which somebody has answered, as the command would leave it."""
    with open_session(config(), AnnotationSettings(gold_share=0.0), folder, store=store) as made:
        done = 0
        while done < count:
            for question in made.session.questions("anna", 1).questions:
                said = truth(made.session.state.features, question)
                made.session.answer("anna", question.id, said, f"key-{done:04d}")
                done += 1
        return made.session.state.beliefs.answers


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "--annotators"),
        (["--annotators", "a/b"], "annotator 'a/b'"),
        (["--overlap", "0"], "overlap"),
        (["--lease", "0"], "lease"),
        (["--selector", "nonsense"], "selector"),
        (["--selector", "greedy"], "greedy needs labels"),
        (["--store", "mysql://nowhere/x"], "mysql"),
        (["--import", "missing.csv"], "missing.csv"),
    ],
)
def test_bad_input_is_one_line(tmp_path, arguments, words):
    code, shown, told = reid_al(
        "annotate", TINY, "--out", tmp_path / "out", *SMALL, "--port", "0", *arguments
    )
    lines = [line for line in told.splitlines() if line.startswith("reid-al: error: ")]
    assert code == 2, told
    assert shown == ""
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in told


def test_features_cannot_be_shown(tmp_path):
    path = tmp_path / "features.npz"
    synthetic_features(10, 4).save(path)
    code, _, told = reid_al("annotate", path, "--out", tmp_path / "out", *SMALL, "--port", "0")
    assert code == 2
    assert "has no images to show" in told


def test_a_session_goes_on_only_with_the_same_images_and_settings(tmp_path):
    folder = tmp_path / "session"
    assert answered(folder, 12) == 12
    assert answered(folder, 0) == 12
    with (
        pytest.raises(InputError, match="started with"),
        open_session(config(seed=1), AnnotationSettings(), folder),
    ):
        pass
    names = json.loads((folder / "pool.json").read_text())["names"]
    (folder / "pool.json").write_text(json.dumps(names[::-1]))
    with (
        pytest.raises(InputError, match="other images"),
        open_session(config(), AnnotationSettings(), folder),
    ):
        pass


def test_a_team_s_session_lives_in_postgresql_and_goes_on_there(tmp_path, postgres_socket):
    folder, store = tmp_path / "session", new_schema(postgres_socket)
    assert answered(folder, 12, store) == 12
    with open_session(config(), AnnotationSettings(gold_share=0.0), folder, store=store) as again:
        live = again.session
        assert live.state.beliefs.answers == 12
        before = list(live.state.beliefs.constraints.must_links)
        while not (given := live.questions("ben", 1).questions):  # the first batch is being planned
            pass
        (question,) = given
        live.answer("ben", question.id, truth(live.state.features, question), "ben-00000001")
        live.history.undo("ben", "ben-00000002")
        assert list(live.state.beliefs.constraints.must_links) == before
    assert not list(folder.glob("*.sqlite"))
    assert "store" in json.loads((folder / "config.json").read_text())
    code, shown, told = reid_al("export", folder, "--out", tmp_path / "out", "--store", store, "--json")
    assert code == 0, told
    assert json.loads(shown)["answers"] == 12


def test_a_person_at_a_terminal_is_an_oracle_like_any_other(tmp_path):
    features = pool(8, 4)
    with opened(tmp_path, features) as made:
        shown, keys = io.StringIO(), iter("y?Bn q")
        person = TerminalOracle(made.pictures, Console(file=shown, width=120), lambda: next(keys))
        env = ReIDActiveLearningEnv(features, pool_size=6, budget=4, k=3, oracle=person)
        env.reset(seed=0)
        assert [env.step(action)[-1]["answer"] for action in range(3)] == [1, -1, 0]
        assert shown.getvalue().count("Same one?") == 3
        with pytest.raises(KeyboardInterrupt):
            env.step(3)


def test_a_folder_without_a_run_or_session_cannot_be_exported(tmp_path):
    code, shown, told = reid_al("export", tmp_path)
    assert code == 2
    assert shown == ""
    assert "holds no run and no session" in told


def test_everything_can_be_exported_and_pairs_come_back_in(tmp_path):
    folder, out = tmp_path / "session", tmp_path / "out"
    answered(folder, 20)
    more = ["--market1501", tmp_path / "market", "--image-prefix", "http://pictures/", "--json"]
    code, shown, told = reid_al("export", folder, "--out", out, *more)
    assert code == 0, told
    assert json.loads(shown)["answers"] == 20
    pairs = list(csv.DictReader((out / "pairs.csv").open()))
    assert len(pairs) == 20
    assert {row["answer"] for row in pairs} <= {"1", "-1"}
    for name in ("identities.csv", "wildlife.csv", "events.jsonl", "labelstudio.xml"):
        assert (out / name).read_text().strip()
    tasks = json.loads((out / "labelstudio.json").read_text())
    assert all(task["data"]["query"].startswith("http://pictures/") for task in tasks)
    assert any((tmp_path / "market" / "bounding_box_train").iterdir())
    with open_session(config(), AnnotationSettings(), tmp_path / "other") as other:
        from reid_al_agents.annotate.imports import import_file

        assert import_file(other.session, out / "pairs.csv") == 20
        assert import_file(other.session, out / "pairs.csv") == 0
        known = other.session.state.beliefs.constraints
        assert len(known.must_links) + len(known.cannot_links) == 20


def test_answering_in_a_terminal(tmp_path):
    features = pool(20, 5)
    np.savez(tmp_path / "features.npz", features=features.features)
    keys = iter(["y", "?", "n", "\x7f", "\x1b[C", " ", "C", "q"])
    shown = io.StringIO()
    with opened(tmp_path, features) as made:
        console = Console(file=shown, width=100, force_terminal=True, color_system="truecolor")
        answer_here(made, "anna", console=console, key=lambda: next(keys))
        said = [event.answer for event in made.session.counting() if event.kind == "answer"]
        assert said == ["same", "same", "cannot_tell", "incomparable"]
        assert [event.kind for event in made.store.events("run")].count("undo") == 1
    assert "▀" in shown.getvalue()
    assert "taken back: different" in shown.getvalue()


def test_without_a_terminal_it_says_so(tmp_path, monkeypatch):
    def none():
        raise OSError(6, "No such device or address", "/dev/tty")

    monkeypatch.setattr("click.getchar", none)
    shown = io.StringIO()
    with opened(tmp_path, pool(20, 5)) as made, pytest.raises(InputError, match="no terminal to read keys"):
        answer_here(made, "anna", console=Console(file=shown, width=100))
    names = made.pictures.images.names
    assert sum(str(name) in shown.getvalue() for name in names) == 2  # the two that are compared


def test_addresses_say_where_and_with_which_token():
    assert addresses("127.0.0.1", 8010, None, ()) == {"": "http://127.0.0.1:8010/"}
    assert addresses("0.0.0.0", 80, {"anna": "t"}, ("lab.example",)) == {
        "anna": "http://lab.example:80/?token=t"
    }
    assert free_port("127.0.0.1", 0) > 0


def test_a_session_without_answers_begins_again_with_other_settings(tmp_path, monkeypatch):
    """A first look without weights, stopped at once, is no reason to choose another folder."""
    monkeypatch.setattr("reid_al_agents.annotate.server.serving.serve", lambda *_: None)
    annotate = ["annotate", TINY, "--out", tmp_path / "out", "--refresh", "none", "--no-open", "--port", 0]
    small = ["--backbone", "small_cnn", "--size"]
    assert reid_al(*annotate, *small, "64x32")[0] == 0
    before = np.load(tmp_path / "out" / "features.npz")["features"]
    assert reid_al(*annotate, *small, "32x16")[0] == 0
    assert Folder(tmp_path / "out").settings().size == (32, 16)
    after = np.load(tmp_path / "out" / "features.npz")["features"]
    assert not np.array_equal(before, after)
    assert reid_al("annotate", tmp_path / "out", "--seed", 7, "--no-open", "--port", 0)[0] == 0
    kept = Folder(tmp_path / "out").kept()
    assert (kept.settings.seed, kept.settings.size) == (7, (32, 16))
    with EventStore(tmp_path / "out" / "events.sqlite") as log:
        event = Event("k", kept.run, "name", "anna", 1.0, payload={"image": 0, "name": "Limpy"})
        log.append(event)
    code, _, told = reid_al(*annotate, *small, "64x32")
    assert code == 2
    assert "--size 64x32: this folder was started with --size 32x16" in told


def test_known_identities_that_are_not_used_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("reid_al_agents.annotate.server.serving.serve", lambda *_: None)
    annotate = ["annotate", TINY, "--out", tmp_path / "out", *SMALL, "--no-open", "--port", 0]
    _, _, told = reid_al(*annotate)
    assert "images have known identities, which are not used; --trust 0.98 takes them in" in told
