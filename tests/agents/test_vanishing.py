"""A folder that vanishes during ``run``: one line, exit code 2, and nothing is made again; as a process."""

import os
import shutil
import subprocess
import sys

import pytest
from command_line import ENVIRONMENT

from reid_al_env import synthetic_features

VANISHING = """
import os, shutil, sys
from reid_al_agents.cli import main
from reid_al_agents.experiment import loop

folder, moment, how = sys.argv[1], sys.argv[2], sys.argv[3]
plain = getattr(loop.Loop, moment)

def vanish(self, *arguments):
    result = plain(self, *arguments)
    if self.rounds and os.path.isdir(folder):
        os.rename(folder, folder + "-away") if how == "moved" else shutil.rmtree(folder)
    return result

setattr(loop.Loop, moment, vanish)
sys.argv = ["reid-al", *sys.argv[4:]]
main()
"""


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        slow("begin", "moved"),
        slow("begin", "deleted"),
        slow("play_round", "moved"),
        ("play_round", "deleted"),
        slow("keep", "moved"),
        slow("keep", "deleted"),
    ],
)
def test_a_folder_that_vanishes_ends_the_run_in_one_line(tmp_path, moment, how):
    data, folder = tmp_path / "features.npz", tmp_path / "run"
    synthetic_features(12, 3, noise=0.5, seed=1).save(data)
    options = ["--refresh", "none", "--pool-size", "8", "--k", "4", "--answers", "12", "--rounds", "2"]
    done = subprocess.run(
        [sys.executable, "-c", VANISHING, folder, moment, how, "run", data, "--out", folder, *options],
        capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("reid-al: error: ")]
    assert len(errors) == 1
    assert str(folder) in errors[0]
    assert "Traceback" not in done.stderr
    assert not folder.exists()
    if how == "moved":
        shutil.move(os.fspath(folder) + "-away", folder)
        again = subprocess.run(
            [sys.executable, "-m", "reid_al_agents.cli", "run", folder],
            capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=120,
        )  # fmt: skip
        assert again.returncode == 0, again.stderr
