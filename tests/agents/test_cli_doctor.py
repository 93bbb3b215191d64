"""``reid-al doctor``, and what a fault of the program itself leaves for a report."""

import json
import shutil
from importlib import metadata

import numpy as np
import pytest
from command_line import call, failed, succeeded

from reid_al_agents.cli import DEBUG, diagnosis
from reid_al_agents.cli.doctor import as_lines
from reid_al_agents.data import load_data
from reid_al_agents.vision.quality import separation

REQUIREMENTS = [
    "numpy>=1.26",
    "typer>=0.12 ; extra == 'agents'",
    "no-such-package>=3; extra == 'agents'",
    "reid-active-learning[agents] ; extra == 'annotate'",
    "fastapi>=0.1; extra == 'annotate'",
    'reid-active-learning[annotate,render]; extra == "all"',
    "pillow[none]>=10; python_version > '3' and extra == 'render'",
]


def test_it_says_what_is_installed_and_that_it_works():
    found = succeeded("doctor")
    assert found["versions"]["torch"] == metadata.version("torch")
    assert found["devices"]["cpu"] == "usable"
    assert found["faiss"]["works"] is True
    assert all(place["free_gib"] > 0 for place in found["disk"].values())
    assert set(found) == {
        "versions", "commit", "machine", "threads", "devices", "faiss", "disk", "extras", "problems"
    }  # fmt: skip


def test_as_text_it_can_be_pasted_from_standard_output():
    code, shown, told = call("doctor")
    assert (code, told) == (0, "")
    assert f"  torch {metadata.version('torch')}\n" in shown
    assert "Traceback" not in shown


def test_of_a_folder_it_says_how_well_its_features_separate(tmp_path):
    folder = tmp_path / "run"
    more = ["--backbone", "small_cnn", "--size", "32x16", "--refresh", "none", "--pool-size", "8"]
    succeeded("run", "synthetic:tiny?identities=14&cameras=3", *more, "--answers", "12", "--out", folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = succeeded("doctor", folder)["folder"]
    pool = json.loads((folder / "pool.json").read_text())["names"]
    assert (found["images"], found["answers"], found["left_out"]) == (len(pool), 12, 0)
    data = load_data("synthetic:tiny?identities=14&cameras=3")
    data = data.subset([data.names.tolist().index(name) for name in pool])
    last = max(folder.glob("rounds/*/features.npz"))
    assert found["separation"] == round(separation(np.load(last)["features"], data.cameras), 2)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    _, shown, _ = call("doctor", folder)
    assert f"  separation {found['separation']}\n" in shown
    _, _, problems = shown.partition("problems\n")
    assert f"{folder}: the start features hardly separate" in problems  # small_cnn without weights
    assert "holds no run and no session" in failed("doctor", tmp_path)
    assert "reid-al datasets check folder:PHOTOS" in failed("doctor", "folder:PHOTOS")


def test_extras_count_what_they_include():
    missing = diagnosis.extras(REQUIREMENTS)
    assert missing == {"agents": ["no-such-package"], "annotate": ["no-such-package"],
                       "all": ["no-such-package"], "render": []}  # fmt: skip


def test_what_will_not_work_is_a_problem(monkeypatch):
    class Broken:
        def __init__(self, dimensions):
            pass

        def add(self, points):
            pass

        def search(self, points, count):
            return None, np.zeros((4, 1), dtype=int)

    full = shutil._ntuple_diskusage(10 * 2**30, 9 * 2**30, 2**30)
    monkeypatch.setattr("faiss.IndexFlatL2", Broken)
    monkeypatch.setattr("shutil.disk_usage", lambda path: full)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    card = type("Card", (), {"name": "GPU", "total_memory": 8 * 2**30})
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda index: card)
    monkeypatch.setattr(diagnosis, "_requirements", lambda: REQUIREMENTS)
    found = diagnosis.examine()
    problems = "\n".join(found["problems"])
    assert "FAISS: does not find nearest neighbours" in problems
    assert "cuda:0: GPU, 8 GiB, cannot be used" in problems
    assert "temporary files: 1.0 GiB are free" in problems
    assert "the extra agents lacks no-such-package" in problems
    assert json.loads(json.dumps(found)) == found
    assert "problems" in as_lines(found)


class TestFault:
    """An exception that nothing expects: one line, where to report, and the block; exit code 1."""

    @pytest.fixture(autouse=True)
    def breaks(self, monkeypatch):
        def divide(*arguments, **more):
            raise ZeroDivisionError("of\nnothing")

        monkeypatch.setattr("reid_al_agents.workspace.export.export_folder", divide)
        monkeypatch.delenv(DEBUG, raising=False)

    def test_it_leaves_what_a_report_needs(self):
        code, shown, told = call("export", "somewhere")
        assert (code, shown) == (1, "")
        first, second, *block = told.splitlines()
        assert first == "reid-al: a fault of this program: ZeroDivisionError: of nothing"
        assert "report" in second
        assert block[0] == "  command reid-al export somewhere"
        assert any("python" in line and "numpy" in line for line in block)
        assert "Traceback" not in told

    def test_the_traceback_is_there_for_those_who_want_it(self, monkeypatch):
        monkeypatch.setenv(DEBUG, "1")
        monkeypatch.setattr("sys.argv", ["reid-al", "export", "somewhere"])
        from reid_al_agents.cli import main

        with pytest.raises(ZeroDivisionError):
            main()

    @pytest.mark.parametrize("error", [EOFError("cut short"), KeyError("k")], ids=["EOFError", "KeyError"])
    def test_no_error_reads_as_stopped(self, monkeypatch, error):
        def fail(*arguments, **more):
            raise error

        monkeypatch.setattr("reid_al_agents.workspace.export.export_folder", fail)
        code, _, told = call("export", "somewhere")
        assert code == 1
        assert "stopped" not in told

    def test_a_block_that_cannot_be_made_hides_nothing(self, monkeypatch):
        def fail():
            raise OSError("no /proc")

        monkeypatch.setattr(diagnosis, "short_block", fail)
        code, _, told = call("export", "somewhere")
        assert code == 1
        assert "ZeroDivisionError" in told
        assert "no /proc" in told
