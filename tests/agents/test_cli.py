"""The command line: the main jobs, going on with a folder, and one line with exit code 2 for bad input."""

import io
import itertools
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from command_line import FEW, SMALL, TINY, call, failed, process, succeeded
from living_world import image_table
from PIL import Image
from rich.console import Console

from reid_al_agents.cli.run import round_line
from reid_al_env import FeatureSet, LabelOracle, synthetic_features


def market(folder: Path, names=None, size=(24, 12)) -> Path:
    images = folder / "bounding_box_train"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names or [f"{i:04d}_c{c}s1_000{c}51_0{c}.jpg" for i in range(1, 13) for c in (1, 2, 3)]:
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(images / name)
    return folder


@pytest.fixture
def features(tmp_path):
    """A features file on which a run takes a fraction of a second."""
    path = tmp_path / "features.npz"
    synthetic_features(12, 6).save(path)
    return path


@pytest.fixture(scope="module")
def run_of_twenty(tmp_path_factory):
    """A folder with a run of 20 answers, not to be changed, and the arguments that made it."""
    folder = tmp_path_factory.mktemp("made")
    synthetic_features(12, 6).save(folder / "f.npz")
    arguments = ["run", folder / "f.npz", *FEW, "--selector", "random", "--answers", 20]
    succeeded(*arguments, "--out", folder / "run")
    return folder / "run", arguments


@pytest.fixture
def begun(run_of_twenty, tmp_path):
    """A copy of that run, and the arguments that made it."""
    made, arguments = run_of_twenty
    return shutil.copytree(made, tmp_path / "run"), arguments


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_from_crops_to_a_better_model_and_its_identities(tmp_path):
    """run, resume of a finished run, evaluate, export: each reads what the one before wrote."""
    folder = tmp_path / "run"
    paper = ["--nodes", "images", "--refresh", "triplet", "--refresh-steps", 4]
    result = succeeded("run", TINY, *SMALL, *FEW, *paper, "--answers", 60, "--rounds", 2, "--out", folder)
    assert [line["answers"] for line in result["rounds"]] == [0, 30, 60]
    assert all(0 <= line["map"] <= 100 for line in result["rounds"])
    kept = {path.name for path in folder.iterdir()}
    assert kept >= {
        "config.json",
        "metrics.jsonl",
        "policy.safetensors",
        "weights.safetensors",
        "report.html",
    }
    again = succeeded("run", folder)
    assert again["rounds"] == result["rounds"]

    files = ["--split", folder / "split.json", "--weights", folder / "weights.safetensors"]
    scores = succeeded("evaluate", TINY, *files, *SMALL)
    assert scores["map"] == pytest.approx(result["rounds"][-1]["map"])
    exported = succeeded("export", folder)
    assert exported["answers"] == 60
    assert len((folder / "pairs.csv").read_text().splitlines()) == 61
    pool = len((folder / "identities.csv").read_text().splitlines()) - 1
    assert 0 < exported["grouped_images"] <= pool


def test_embed_train_and_a_policy_used_on_other_data(tmp_path):
    embedded = succeeded("embed", TINY, *SMALL, "--out", tmp_path / "features.npz")
    features = FeatureSet.load(tmp_path / "features.npz")
    assert (embedded["images"], embedded["dimensions"]) == features.features.shape
    policy = tmp_path / "policy.safetensors"
    trained = succeeded("train", tmp_path / "features.npz", *FEW, "--steps", 120, "--out", policy)
    assert trained["answers"] == 120
    synthetic_features(20, 6).save(tmp_path / "other.npz")
    compared = ["--selectors", f"random,policy:{policy}", "--answers", "20,40", "--seeds", "1,2"]
    rows = succeeded("benchmark", tmp_path / "other.npz", *FEW, *compared, "--out", tmp_path / "out")["rows"]
    assert [(row["selector"], row["answers"]) for row in rows if row["seed"] == 2] == [
        ("random", 20), ("random", 40), ("policy:policy", 20), ("policy:policy", 40)
    ]  # fmt: skip
    assert {row["labels_before"] for row in rows} == {None, 120}
    assert all(row["pairwise_f1"] is not None and row["return"] is not None for row in rows)


def test_a_pool_smaller_than_the_episodes_of_the_paper_s_way_runs_between_groups(tmp_path):
    image_table(tmp_path / "data", names=[f"Rex {number}" for number in range(8)])
    few = [
        "run",
        f"csv:{tmp_path / 'data' / 'table.csv'}",
        *SMALL,
        "--answers",
        6,
        "--rounds",
        1,
        "--refresh",
        "none",
    ]
    assert succeeded(*few, "--out", tmp_path / "groups")["rounds"][-1]["answers"] == 6
    assert (
        "--pool-size: 30 with"
        in failed(*few, "--nodes", "images", "--out", tmp_path / "images").splitlines()[-1]
    )


def test_benchmark_on_images_writes_everything_and_logs_the_test_set(tmp_path):
    out = tmp_path / "bench"
    few = ["--selectors", "random", "--answers", "12,24", "--seed", 0, "--quick-every", 0]
    result = succeeded(
        "benchmark", TINY, *SMALL, *FEW, *few, "--refresh-steps", 2, "--all-labels", "--final", "--out", out
    )
    assert [(row["selector"], row["answers"]) for row in result["rows"]] == [
        ("start", 0), ("no answers", 0), ("all labels", 0), ("random", 12), ("random", 24)
    ]  # fmt: skip
    assert {p.name for p in out.iterdir()} >= {
        "results.json", "results.csv", "results.png", "report.html", "test_uses.jsonl"
    }  # fmt: skip
    assert "--final" in json.loads((out / "test_uses.jsonl").read_text())["command"]
    assert json.loads((out / "results.json").read_text())["rows"] == result["rows"]


@pytest.mark.parametrize("selectors", ["gain", "gain,random"])
def test_selectors_that_play_no_episodes_are_compared_too(tmp_path, selectors):
    synthetic_features(20, 6).save(tmp_path / "features.npz")
    asked = ["--selectors", selectors, "--answers", "20,40", "--seeds", "1,2", "--out", tmp_path / "out"]
    rows = succeeded("benchmark", tmp_path / "features.npz", "--pool-size", "12", "--k", "6", *asked)["rows"]
    assert {row["return"] for row in rows if row["selector"] == "gain"} == {None}
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert ("Return by query" in page) == ("random" in selectors)


def test_the_market_layout_needs_no_split_file(tmp_path):
    data = f"market1501:{market(tmp_path / 'market')}"
    result = succeeded("run", data, *SMALL, *FEW, "--selector", "random", "--answers", 6, "--no-adapt",
                       "--refresh-steps", 1, "--out", tmp_path / "run")  # fmt: skip
    assert result["rounds"][-1]["answers"] == 6


class TestGoingOn:
    """A folder knows its settings: no option need be typed again, and none may contradict them."""

    def test_by_the_folder_alone(self, begun):
        folder, _ = begun
        before = (folder / "metrics.jsonl").read_text()
        assert succeeded("run", folder)["rounds"][-1]["answers"] == 20
        assert succeeded("run", "--out", folder, "--resume")["rounds"][-1]["answers"] == 20
        assert succeeded("run", folder, "--out", folder)["out"] == str(folder)
        assert (folder / "metrics.jsonl").read_text() == before

    def test_with_the_options_of_the_start(self, begun):
        folder, arguments = begun
        assert succeeded(*arguments, "--out", folder, "--resume")["rounds"][-1]["answers"] == 20

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (["--answers", "30"], "--answers 30: this folder was started with --answers 20"),
            (["--k", "10"], "--k 10: this folder was started with --k 4"),
            (["--size", "64x32"], "--size 64x32: this folder was started without --size"),
            (["--split", "mine.json"], "--split mine.json: this folder was started without --split"),
            (["--warm"], "--warm: this folder was started without --warm"),
            (["--no-adapt"], "--no-adapt: this folder was started with --adapt"),
            (["--final"], "--final: "),
            (["--out", "elsewhere"], "--out: elsewhere is not"),
        ],
        ids=lambda value: value[0].lstrip("-") if isinstance(value, list) else "",
    )
    def test_a_contradiction_is_refused_by_its_name(self, begun, more, words):
        folder, _ = begun
        before = files(folder)
        line = failed("run", folder, *more)
        assert words in line
        assert "leave" in line
        assert files(folder) == before

    def test_other_data_are_a_contradiction(self, begun):
        folder, _ = begun
        line = failed("run", "other.npz", "--out", folder, "--resume")
        assert "DATA other.npz: this folder was started with DATA " in line

    def test_a_second_start_in_a_folder_that_holds_a_run(self, begun):
        folder, arguments = begun
        before = files(folder)
        assert "holds a run already; go on with --resume" in failed(*arguments, "--out", folder)
        assert "holds a run already" in failed(*arguments, "--seed", 5, "--out", folder)
        assert files(folder) == before

    def test_nothing_to_go_on_with(self, tmp_path):
        assert "holds no run to resume" in failed("run", "--out", tmp_path, "--resume")
        assert "folder:" in failed("run", tmp_path, "--out", tmp_path / "out")
        assert "--out: is missing" in failed("run", TINY)
        assert "--out: is missing" in failed("annotate")
        assert "DATA: is missing" in failed("run", "--out", tmp_path / "out")

    @pytest.mark.parametrize(
        "text", ["[]", "x", '{"k": 0}', '{"format": 2, "settings": {}}'],
        ids=["no-object", "no-json", "no-settings", "empty"],
    )  # fmt: skip
    def test_a_damaged_folder(self, begun, text):
        folder, _ = begun
        (folder / "config.json").write_text(text)
        code, _, told = call("run", folder)
        recovers = "format" not in text
        assert code == (0 if recovers else 2)
        assert ("the state before its last change is used" in told) == recovers
        (folder / "config.json").write_text(text)
        (folder / "config.json.before").unlink()
        assert str(folder) in failed("run", folder)

    def test_a_setting_out_of_range(self, begun):
        folder, _ = begun
        kept = json.loads((folder / "config.json").read_text())
        kept["settings"]["k"] = 0
        (folder / "config.json").write_text(json.dumps(kept))
        code, _, told = call("run", folder)
        assert code == 0
        assert (
            "config.json: was changed since it was written (its sha256 does not fit); the state before"
            in told
        )
        assert json.loads((folder / "config.json.damaged").read_text()) == kept
        del kept["sha256"]  # as the message says, if the change was meant
        (folder / "config.json").write_text(json.dumps(kept))
        assert "config.json: cannot be read (k: 0 is out of range; expected at least 1)" in failed(
            "run", folder
        )


class TestEndingEarly:
    """Fewer answers than were wanted: why, in text, in JSON and in the report."""

    def test_of_a_run(self, features, tmp_path):
        folder = tmp_path / "run"
        result = succeeded("run", features, *FEW, "--answers", 5000, "--out", folder)
        given = result["rounds"][-1]["answers"]
        assert given < 5000
        assert result["ending"].startswith(f"ended after {given:,} of 5,000 answers: ")
        assert "would bring" in result["ending"]
        assert result["ending"] in (folder / "report.html").read_text()
        code, _, told = call("run", folder)
        assert code == 0
        assert result["ending"] in told

    def test_of_a_run_whose_last_round_runs_out_of_questions(self, tmp_path):
        image_table(tmp_path / "data", names=[f"Rex {number}" for number in range(8)])
        data, out = f"csv:{tmp_path / 'data' / 'table.csv'}", tmp_path / "run"
        few = ["--rounds", 1, "--refresh", "none", "--answers", 900, "--out", out]
        result = succeeded("run", data, *SMALL, *few)
        assert 0 < result["rounds"][-1]["answers"] < 900
        assert "were left to compare in the last round; more rounds (--rounds)" in result["ending"]
        assert result["ending"] in (out / "report.html").read_text()
        assert succeeded("run", out)["ending"] == result["ending"]

    def test_of_one_that_is_stable(self, features, tmp_path):
        result = succeeded(
            "run", features, *FEW, "--until-stable", "--answers", 500, "--out", tmp_path / "run"
        )
        assert "ended after" in result["ending"]

    def test_of_a_comparison(self, features, tmp_path):
        few = ["--nodes", "images", "--selectors", "random", "--seed", 3, "--answers", 5000]
        result = succeeded("benchmark", features, *FEW, *few, "--out", tmp_path / "out")
        (ending,) = result["endings"]
        given = result["rows"][-1]["answers"]
        assert ending.startswith(f"random, seed 3: ended after {given:,} of 5,000 answers: ")
        assert "--budget" in ending

    def test_none_where_all_answers_were_given(self, run_of_twenty):
        assert succeeded("run", run_of_twenty[0])["ending"] is None


class TestStopped:
    """A run that is interrupted, or whose folder vanishes, in the middle of asking."""

    @pytest.fixture
    def at_the_tenth_answer(self, monkeypatch):
        def arrange(happens):
            answer, count = LabelOracle.answer, itertools.count(1)

            def answer_or_happen(self, queries, galleries):
                if next(count) == 3:
                    happens()
                return answer(self, queries, galleries)

            monkeypatch.setattr(LabelOracle, "answer", answer_or_happen)

        return arrange

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_by_a_signal(self, run_of_twenty, tmp_path, at_the_tenth_answer, number, code):
        whole, arguments = run_of_twenty
        at_the_tenth_answer(lambda: os.kill(os.getpid(), number))
        out = ["--out", tmp_path / "run"]
        ended, shown, told = call(*arguments, *out)
        assert (ended, shown) == (code, "")
        assert told.splitlines()[-1] == f"reid-al: stopped; reid-al run {tmp_path / 'run'} goes on"
        assert "Traceback" not in told
        succeeded("run", *out, "--resume")
        kept = [np.load(folder / "groups.npz")["groups"] for folder in (whole, tmp_path / "run")]
        assert np.array_equal(*kept)

    def test_by_a_folder_that_vanishes(self, run_of_twenty, tmp_path, at_the_tenth_answer):
        _, arguments = run_of_twenty
        at_the_tenth_answer(lambda: shutil.rmtree(tmp_path / "run"))
        code, shown, told = call(*arguments, "--out", tmp_path / "run")
        assert (code, shown) == (2, "")
        assert told.splitlines()[-1].startswith("reid-al: error: ")
        assert "Traceback" not in told


class TestBadInput:
    """One line that says what, where and how to mend it; exit code 2; no traceback."""

    def test_as_a_process(self, tmp_path):
        done = process("run", f"market1501:{tmp_path}", "--k", "0", "--out", tmp_path / "out")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "reid-al: error: --k: 0 is out of range; expected at least 1\n"

    def test_missing_folder(self, tmp_path):
        assert "nowhere" in failed("run", f"market1501:{tmp_path / 'nowhere'}", "--out", tmp_path / "out")

    def test_folder_without_images(self, tmp_path):
        (tmp_path / "empty").mkdir()
        assert "empty" in failed("run", f"folder:{tmp_path / 'empty'}", "--out", tmp_path / "out")

    def test_file_name_that_does_not_fit(self, tmp_path):
        market(tmp_path / "m", ["0001_c1s1_000451_03.jpg", "portrait.jpg"])
        assert "portrait.jpg" in failed("run", f"market1501:{tmp_path / 'm'}", "--out", tmp_path / "out")

    def test_image_that_does_not_decode(self, tmp_path):
        folder = market(tmp_path / "m")
        (folder / "bounding_box_train" / "0001_c1s1_000151_01.jpg").write_bytes(b"not a picture")
        line = failed("embed", f"market1501:{folder}", *SMALL, "--out", tmp_path / "f.npz")
        assert "0001_c1s1_000151_01.jpg" in line

    @pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (0.0, "zero")], ids=["nan", "zero"])
    def test_features_that_cannot_be_used(self, tmp_path, value, word):
        features = np.ones((50, 4), dtype=np.float32)
        features[7] = value
        np.savez(tmp_path / "bad.npz", features=features, identities=np.arange(50) // 5)
        assert word in failed("run", tmp_path / "bad.npz", *FEW, "--out", tmp_path / "out")

    def test_pool_size_of_all_images(self, features, tmp_path):
        line = failed("run", features, "--pool-size", 72, "--out", tmp_path / "out")
        assert "--pool-size: 72 with" in line

    def test_weights_of_another_architecture(self, tmp_path):
        from reid_al_agents.vision import build_backbone, save_weights

        save_weights(build_backbone("small_cnn"), tmp_path / "w.safetensors", {})
        line = failed("run", TINY, "--backbone", "resnet18", "--weights", tmp_path / "w.safetensors",
                      *FEW, "--out", tmp_path / "out")  # fmt: skip
        assert "w.safetensors" in line
        assert "resnet18" in line

    def test_output_that_cannot_be_written(self, tmp_path):
        (tmp_path / "file").write_text("x")
        line = failed("run", TINY, *SMALL, *FEW, "--out", tmp_path / "file" / "run")
        assert "cannot be written" in line

    @pytest.mark.parametrize("command", ["embed", "train"])
    def test_a_file_in_a_folder_that_is_not_there(self, command, tmp_path):
        line = failed(command, TINY, "--out", tmp_path / "nowhere" / "file")
        assert "nowhere does not exist" in line

    @pytest.mark.parametrize(
        ("option", "value", "words"),
        [
            ("--selector", "oracle", "oracle"),
            ("--size", "large", "--size: 'large' is not HEIGHTxWIDTH, whole numbers with x between"),
            ("--size", "4x4", "--size: (4, 4) is out of range; expected 8 to 2048, in pixels"),
            ("--size", "99999999x99999999", "--size"),
            ("--backbone", "vgg", "vgg"),
            ("--refresh", "magic", "--refresh: 'magic' is unknown; choose one of cluster, triplet, none"),
            ("--weights", "none.pth", "none.pth"),
            ("--split", "none.json", "none.json"),
            ("--device", "tpu", "tpu"),
            ("--metric", "l3", "--metric: 'l3' is unknown"),
            ("--pool-size", "3000", "--pool-size: 3000 with 40 images"),
            ("--answers", "many", "--answers"),
            ("--answers", "0", "--answers: 0 is out of range; expected at least 1"),
            ("--seed", "-1", "--seed: -1 is out of range"),
            ("--seed", "99999999999", "--seed"),
            ("--nonsense", "1", "nonsense"),
        ],
    )
    def test_bad_options(self, tmp_path, option, value, words):
        assert words in failed("run", TINY, *SMALL, *FEW, "--out", tmp_path / "out", option, value)

    def test_settings_that_do_not_go_together_are_named_as_typed(self, tmp_path):
        line = failed("run", TINY, "--answers", 2, "--rounds", 3, "--out", tmp_path / "out")
        assert "--answers: 2 cannot be cut into 3 rounds" in line

    def test_missing_argument_and_unknown_command(self):
        assert "DATA" in failed("embed", "--out", "f.npz")
        assert "fly" in failed("fly")

    def test_a_person_named_by_a_huge_number(self, tmp_path):
        folder = tmp_path / "people" / ("9" * 20)
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (12, 24), (i * 40, 9, 9)).save(folder / f"{i}.png")
        made = succeeded("embed", f"folder:{tmp_path / 'people'}", *SMALL, "--out", tmp_path / "f.npz")
        assert made["images"] == 3

    def test_unknown_data(self, tmp_path):
        assert "market1501:DIR" in failed("run", "webcam:0", "--out", tmp_path / "out")


def test_without_arguments_the_help_is_shown():
    code, shown, _ = call()
    assert code == 0
    assert "annotate" in shown


def test_the_line_of_a_round_says_whether_it_is_worth_going_on():
    metrics = {"round": 2, "answers": 1667, "groups": 900, "changed_groups": 301, "changes_watched": 790}
    metrics |= {"audit_precision": [0.94, 0.875, 0.981], "audit_recall": None, "seconds": 61.2}
    assert round_line(metrics) == (
        "round 2: 1667 answers, 900 groups, 301 of 790 answers changed one, precision 94 % (88 to 98) (61 s)"
    )
    assert (
        round_line({"round": 0, "rank1": 48.3, "map": 27.0, "seconds": 4.0})
        == "start, rank-1 48.3, mAP 27.0 (4 s)"
    )


def test_the_end_of_the_input_leaves_a_terminal_as_q_does(tmp_path):
    pytest.importorskip("fastapi")
    from live_world import opened, pool

    from reid_al_agents.annotate.terminal import answer_here

    def ended():
        raise EOFError

    shown = io.StringIO()
    with opened(tmp_path, pool(8, 4)) as made:
        answer_here(made, "anna", console=Console(file=shown, width=120), key=ended)
        assert made.session.state.beliefs.answers == 0
    assert shown.getvalue().count("Same one?") == 1
