"""What every run promises: the same seed gives the same bytes, and no kill at any moment changes them."""

from pathlib import Path

import numpy as np
import pytest
from killing import Ended, events_of, reid_al, remains_of

from reid_al_env import synthetic_features

SMALL = ["--pool-size", "12", "--k", "6"]
RUNS = {
    "gain": [*SMALL, "--answers", "60", "--rounds", "3", "--noise", "0.05", "--audit", "0.2"],
    "dqn": [*SMALL, "--answers", "45", "--rounds", "3", "--selector", "dqn", "--budget", "3"],
    "images": [*SMALL, "--nodes", "images", "--selector", "entropy", "--answers", "60", "--rounds", "2"],
}


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("promises") / "features.npz"
    synthetic_features(16, 6, noise=0.5, seed=1).save(path)
    return path


def finish(data: object, out: Path, options: list[str], kill_at: int | None = None) -> Ended:
    """Begin a run, or go on with it, until it ends or kills itself."""
    begun = ["--resume"] if (out / "config.json").is_file() else []
    return reid_al("run", data, "--out", out, *options, *begun, kill_at=kill_at)


def finish_killed(data: object, out: Path, options: list[str], kills: int, whole: Ended, seed: int) -> None:
    """End a run that is killed as often, at steps that are drawn, and see after each kill what is on disk."""
    rng = np.random.default_rng(seed)
    expected: list[object] = []
    acknowledged = done = 0
    for _ in range(10 * kills):
        ended = finish(data, out, options, int(rng.integers(1, 2 * whole.steps // kills)))
        done += ended.killed
        acknowledged += ended.appended
        if (out / "events.sqlite").is_file() and (out / "config.json").is_file():
            stored = events_of(out)
            assert stored[: len(expected)] == expected, "nothing that was on disk is lost"
            assert len(stored) >= acknowledged, "what an append returned for is on disk"
            expected = stored
        if done == kills:
            break
    assert done == kills
    assert not finish(data, out, options).killed


@pytest.mark.parametrize("name", RUNS)
def test_the_same_seed_gives_the_same_bytes_and_so_does_a_run_that_is_killed_five_times(
    tmp_path: Path, features: Path, name: str
) -> None:
    whole = finish(features, tmp_path / "whole", RUNS[name])
    assert finish(features, tmp_path / "again", RUNS[name]).steps == whole.steps
    left = remains_of(tmp_path / "whole")
    assert remains_of(tmp_path / "again") == left
    assert not finish(features, tmp_path / "other", [*RUNS[name], "--seed", "1"]).killed
    assert events_of(tmp_path / "other") != left["events"]
    finish_killed(features, tmp_path / "killed", RUNS[name], 5, whole, seed=0)
    assert remains_of(tmp_path / "killed") == left
