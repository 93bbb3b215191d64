"""The command line as a process: the main jobs, and one line with exit code 2 for bad input."""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_al_agents.cli import main
from reid_al_env import FeatureSet, synthetic_features

TINY = "synthetic:tiny?identities=14&cameras=3"
SMALL = ["--backbone", "small_cnn", "--size", "64x32"]
FEW = ["--pool-size", "8", "--budget", "4", "--k", "4"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def reid_al(*arguments, folder=None):
    command = [sys.executable, "-m", "reid_al_agents.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=ENVIRONMENT, check=False, timeout=300
    )


def succeeded(*arguments):
    """Run a command in this process, which spares the seconds of importing, and return its JSON."""
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
        patch.setattr(sys, "argv", ["reid-al", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    return json.loads(shown.getvalue())


@pytest.fixture
def failed(monkeypatch, capsys):
    """Run a command in this process and return the one line that it fails with."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["reid-al", *map(str, arguments)])
        capsys.readouterr()  # what came before is not this command's
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        assert ended.value.code == 2, shown.err
        assert shown.out == ""
        lines = [line for line in shown.err.splitlines() if line.strip()]
        assert len(lines) == 1, shown.err
        assert lines[0].startswith("reid-al: error: ")
        return lines[0]

    return run


def market(folder: Path, names=None, size=(24, 12)) -> Path:
    images = folder / "bounding_box_train"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in names or [f"{i:04d}_c{c}s1_000{c}51_0{c}.jpg" for i in range(1, 13) for c in (1, 2, 3)]:
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(images / name)
    return folder


def test_from_crops_to_a_better_model_and_its_identities(tmp_path):
    """embed, run, resume of a finished run, evaluate, export: each reads what the one before wrote."""
    run = [
        TINY,
        *SMALL,
        *FEW,
        "--nodes",
        "images",
        "--refresh",
        "triplet",
        "--answers",
        60,
        "--rounds",
        2,
        "--refresh-steps",
        4,
        "--out",
        tmp_path / "run",
    ]
    result = succeeded("run", *run)
    assert [line["answers"] for line in result["rounds"]] == [0, 30, 60]
    assert all(0 <= line["map"] <= 100 for line in result["rounds"])
    kept = {path.name for path in (tmp_path / "run").iterdir()}
    assert kept >= {
        "config.json",
        "metrics.jsonl",
        "pairs.sqlite",
        "policy.safetensors",
        "weights.safetensors",
        "report.html",
        "split.json",
    }
    again = succeeded("run", *run, "--resume")
    assert again["rounds"] == result["rounds"]

    split = tmp_path / "run" / "split.json"
    weights = tmp_path / "run" / "weights.safetensors"
    scores = succeeded("evaluate", TINY, "--split", split, "--weights", weights, *SMALL)
    assert scores["map"] == pytest.approx(result["rounds"][-1]["map"])
    done = reid_al("export", tmp_path / "run", "--json")  # as a process: nothing but the object on stdout
    exported = json.loads(done.stdout)
    assert done.returncode == 0
    assert exported["answers"] == 60
    assert len((tmp_path / "run" / "pairs.csv").read_text().splitlines()) == 61
    pool = len((tmp_path / "run" / "identities.csv").read_text().splitlines()) - 1
    assert 0 < exported["grouped_images"] <= pool


def test_embed_train_and_a_policy_used_on_other_data(tmp_path):
    embedded = succeeded("embed", TINY, *SMALL, "--out", tmp_path / "features.npz")
    features = FeatureSet.load(tmp_path / "features.npz")
    assert (embedded["images"], embedded["dimensions"]) == features.features.shape
    policy = tmp_path / "policy.safetensors"
    trained = succeeded("train", tmp_path / "features.npz", *FEW, "--steps", 120, "--out", policy)
    assert trained["answers"] == 120
    synthetic_features(20, 6).save(tmp_path / "other.npz")
    rows = succeeded(
        "benchmark",
        tmp_path / "other.npz",
        *FEW,
        "--selectors",
        f"random,policy:{policy}",
        "--answers",
        "40",
        "--seed",
        1,
        "--out",
        tmp_path / "bench",
    )["rows"]
    assert [row["selector"] for row in rows] == ["random", "policy:policy"]
    assert [row["answers"] for row in rows] == [40, 40]
    assert [row["labels_before"] for row in rows] == [None, 120]
    assert all(row["pairwise_f1"] is not None and row["return"] is not None for row in rows)


def test_benchmark_on_images_writes_everything_and_logs_the_test_set(tmp_path):
    out = tmp_path / "bench"
    arguments = [TINY, *SMALL, *FEW, "--selectors", "random,entropy", "--answers", "12,24", "--seeds", "0,1"]
    result = succeeded("benchmark", *arguments, "--refresh-steps", 3, "--all-labels", "--final", "--out", out)
    names = [(row["selector"], row["answers"]) for row in result["rows"] if row["seed"] == 0]
    assert names == [
        ("start", 0), ("no answers", 0), ("all labels", 0),
        ("random", 12), ("random", 24), ("entropy", 12), ("entropy", 24)
    ]  # fmt: skip
    assert {p.name for p in out.iterdir()} >= {
        "results.json", "results.csv", "results.png", "report.html", "test_uses.jsonl"
    }  # fmt: skip
    assert "--final" in json.loads((out / "test_uses.jsonl").read_text())["command"]
    assert json.loads((out / "results.json").read_text())["rows"] == result["rows"]


def test_the_market_layout_needs_no_split_file(tmp_path):
    data = f"market1501:{market(tmp_path / 'market')}"
    result = succeeded("run", data, *SMALL, *FEW, "--selector", "random", "--answers", 20,
                       "--refresh-steps", 2, "--out", tmp_path / "run")  # fmt: skip
    assert result["rounds"][-1]["answers"] == 20


class TestBadInput:
    """One line that says what, where and how to mend it; exit code 2; no traceback."""

    @pytest.fixture
    def fails_on(self, failed, tmp_path):
        return lambda data: failed("run", data, *SMALL, *FEW, "--out", tmp_path / "out")

    def test_as_a_process(self, tmp_path):
        done = reid_al("run", f"market1501:{tmp_path / 'nowhere'}", "--out", tmp_path / "out")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

    def test_missing_folder(self, fails_on, tmp_path):
        assert "nowhere" in fails_on(f"market1501:{tmp_path / 'nowhere'}")

    def test_folder_without_images(self, fails_on, tmp_path):
        (tmp_path / "empty").mkdir()
        assert "empty" in fails_on(f"folder:{tmp_path / 'empty'}")

    def test_file_name_that_does_not_fit(self, fails_on, tmp_path):
        market(tmp_path / "m", ["0001_c1s1_000451_03.jpg", "portrait.jpg"])
        assert "portrait.jpg" in fails_on(f"market1501:{tmp_path / 'm'}")

    def test_image_that_does_not_decode(self, failed, tmp_path):
        folder = market(tmp_path / "m")
        (folder / "bounding_box_train" / "0001_c1s1_000151_01.jpg").write_bytes(b"not a picture")
        line = failed("embed", f"market1501:{folder}", *SMALL, "--out", tmp_path / "f.npz")
        assert "0001_c1s1_000151_01.jpg" in line

    def test_nan_and_zero_features(self, fails_on, tmp_path):
        for value, word in ((np.nan, "NaN"), (0.0, "zero")):
            features = np.ones((50, 4), dtype=np.float32)
            features[7] = value
            np.savez(tmp_path / "bad.npz", features=features, identities=np.arange(50) // 5)
            assert word in fails_on(tmp_path / "bad.npz")

    def test_pool_size_of_all_images(self, failed, tmp_path):
        synthetic_features(6, 5).save(tmp_path / "f.npz")
        line = failed("run", tmp_path / "f.npz", "--pool-size", 30, "--out", tmp_path / "out")
        assert "pool_size" in line

    def test_weights_of_another_architecture(self, failed, tmp_path):
        from reid_al_agents.vision import build_backbone, save_weights

        save_weights(build_backbone("small_cnn"), tmp_path / "w.safetensors", {})
        line = failed("run", TINY, "--backbone", "resnet18", "--weights", tmp_path / "w.safetensors",
                      *FEW, "--out", tmp_path / "out")  # fmt: skip
        assert "w.safetensors" in line
        assert "resnet18" in line

    def test_output_that_cannot_be_written(self, failed, tmp_path):
        (tmp_path / "file").write_text("x")
        line = failed("run", TINY, *SMALL, *FEW, "--out", tmp_path / "file" / "run")
        assert "cannot be written" in line

    def test_resume_with_another_configuration(self, failed, tmp_path):
        synthetic_features(12, 6).save(tmp_path / "f.npz")
        arguments = ["run", tmp_path / "f.npz", *FEW, "--selector", "random", "--out", tmp_path / "out"]
        succeeded(*arguments, "--answers", 20)
        assert "answers=20, now it is 30" in failed(*arguments, "--answers", 30, "--resume")
        assert "holds a run already" in failed(*arguments, "--answers", 20)

    @pytest.mark.parametrize(
        ("more", "word"),
        [
            (["--selector", "oracle"], "oracle"),
            (["--size", "large"], "--size"),
            (["--backbone", "vgg"], "vgg"),
            (["--refresh", "magic"], "magic"),
            (["--weights", "none.pth"], "none.pth"),
            (["--split", "none.json"], "none.json"),
            (["--device", "tpu"], "tpu"),
            (["--metric", "l3"], "l3"),
            (["--pool-size", "3000"], "pool_size"),
            (["--answers", "many"], "--answers"),
            (["--answers", "0"], "answers"),
            (["--seed", "-1"], "--seed"),
            (["--seed", "99999999999"], "seed"),
            (["--size", "99999999x99999999"], "--size"),
            (["--nonsense", "1"], "nonsense"),
        ],
    )
    def test_bad_options(self, failed, tmp_path, more, word):
        assert word in failed("run", TINY, *SMALL, *FEW, "--out", tmp_path / "out", *more)

    def test_missing_option_and_unknown_command(self, failed):
        assert "--out" in failed("run", TINY)
        assert "fly" in failed("fly")

    def test_a_refused_command_changes_nothing(self, failed, tmp_path):
        out = tmp_path / "out"
        arguments = ["run", TINY, *SMALL, *FEW, "--selector", "random", "--refresh", "none", "--out", out]
        succeeded(*arguments, "--answers", 20)
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        failed(*arguments, "--answers", 20, "--seed", 5)
        failed(*arguments, "--answers", 20, "--seed", 5, "--resume")
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

    @pytest.mark.parametrize(
        ("name", "text"), [("config.json", "[]"), ("metrics.jsonl", "{}"), ("config.json", "x")]
    )
    def test_resume_of_a_damaged_folder(self, failed, tmp_path, name, text):
        synthetic_features(12, 6).save(tmp_path / "f.npz")
        arguments = ["run", tmp_path / "f.npz", *FEW, "--selector", "random", "--out", tmp_path / "out"]
        succeeded(*arguments, "--answers", 20)
        (tmp_path / "out" / name).write_text(text)
        assert "out" in failed(*arguments, "--answers", 20, "--resume")

    def test_a_person_named_by_a_huge_number(self, tmp_path):
        folder = tmp_path / "people" / ("9" * 20)
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (12, 24), (i * 40, 9, 9)).save(folder / f"{i}.png")
        assert (
            succeeded("embed", f"folder:{tmp_path / 'people'}", *SMALL, "--out", tmp_path / "f.npz")["images"]
            == 3
        )

    def test_unknown_data(self, fails_on):
        assert "market1501:DIR" in fails_on("webcam:0")


def test_help_of_every_command(monkeypatch, capsys):
    def shown(*arguments):
        monkeypatch.setattr(sys, "argv", ["reid-al", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        return capsys.readouterr().out

    listed = shown("--help")
    for command in ("demo", "embed", "train", "run", "benchmark", "evaluate", "export"):
        assert command in listed
        assert "--json" in shown(command, "--help")


def test_the_line_of_a_round_says_whether_it_is_worth_going_on():
    from reid_al_agents.cli.run import _line

    metrics = {"round": 2, "answers": 1667, "groups": 900, "changed_groups": 301, "changes_watched": 790}
    metrics |= {"audit_precision": [0.94, 0.875, 0.981], "audit_recall": None, "seconds": 61.2}
    assert _line(metrics) == (
        "round 2: 1667 answers, 900 groups, 301 of 790 answers changed one, precision 94 % (88 to 98) (61 s)"
    )
    assert (
        _line({"round": 0, "rank1": 48.3, "map": 27.0, "seconds": 4.0})
        == "start, rank-1 48.3, mAP 27.0 (4 s)"
    )
