"""What every run promises: the same seed gives the same bytes, and no kill at any moment changes them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from killing import Ended, events_of, reid_al, remains_of
from live_world import pool, session, truth

from reid_al_agents.log.store import EventStore
from reid_al_env import InputError, synthetic_features

ON_FEATURES = ["--pool-size", "12", "--k", "6"]
TRAINS = [
    "--backbone",
    "small_cnn",
    "--size",
    "32x16",
    "--refresh-steps",
    "8",
    "--pool-size",
    "12",
    "--k",
    "6",
]
RUNS = {
    "gain": [*ON_FEATURES, "--answers", "60", "--rounds", "3", "--noise", "0.05", "--audit", "0.2"],
    "dqn": [*ON_FEATURES, "--answers", "45", "--rounds", "3", "--selector", "dqn", "--budget", "3"],
    "images": [
        *ON_FEATURES,
        "--nodes",
        "images",
        "--selector",
        "entropy",
        "--answers",
        "60",
        "--rounds",
        "2",
    ],
    "cluster": [*TRAINS, "--answers", "30", "--rounds", "3"],
    "triplet": [*TRAINS, "--answers", "30", "--rounds", "2", "--refresh", "triplet", "--nodes", "images"],
}
Whole = Callable[[str], tuple[Path, Ended]]


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("promises") / "features.npz"
    synthetic_features(16, 6, noise=0.5, seed=1).save(path)
    return path


@pytest.fixture(scope="session")
def whole(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Folders of runs that were never killed, by name."""
    done: dict[str, tuple[Path, Ended]] = {}

    def of(name: str) -> tuple[Path, Ended]:
        if name not in done:
            out = tmp_path_factory.mktemp(name) / "whole"
            done[name] = out, finish(name, features, out)
        return done[name]

    return of


def finish(name: str, features: Path, out: Path, *more: str, kill_at: int | None = None) -> Ended:
    """Begin a run, or go on with it, until it ends or kills itself."""
    begun = ["--resume"] if (out / "config.json").is_file() else []
    data = features if RUNS[name][0] == ON_FEATURES[0] else "synthetic:tiny?identities=14&cameras=3"
    options = [*RUNS[name], *more, *begun]
    return reid_al("run", data, "--out", out, *options, folder=out, kill_at=kill_at)


@pytest.mark.parametrize("name", ["gain", "dqn", "images", "cluster"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, features: Path, whole: Whole, name: str) -> None:
    out, ended = whole(name)
    left = remains_of(out)
    assert left["events"]
    assert finish(name, features, tmp_path / "again").steps == ended.steps
    assert remains_of(tmp_path / "again") == left
    finish(name, features, tmp_path / "other", "--seed", "1")
    other = remains_of(tmp_path / "other")
    assert other.keys() == left.keys()
    assert other["events"] != left["events"]


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        ("gain", 5),
        ("dqn", 2),
        ("images", 2),
        ("cluster", 2),
        pytest.param("gain", 20, marks=pytest.mark.slow),
        pytest.param("dqn", 20, marks=pytest.mark.slow),
        pytest.param("cluster", 20, marks=pytest.mark.slow),
        pytest.param("triplet", 20, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_killed_loses_no_answer_and_ends_as_one_that_was_not(
    tmp_path: Path, features: Path, whole: Whole, name: str, kills: int
) -> None:
    unbroken, ended = whole(name)
    out, rng = tmp_path / "killed", np.random.default_rng(kills)
    known: list[object] = []
    acknowledged = done = 0
    for _ in range(10 * kills):
        killed = finish(name, features, out, kill_at=int(rng.integers(1, max(2 * ended.steps // kills, 20))))
        done += killed.killed
        acknowledged += killed.appended
        if (out / "events.sqlite").is_file() and (out / "config.json").is_file():
            stored = events_of(out)
            assert stored[: len(known)] == known, "what was on disk is still there"
            assert len(stored) >= acknowledged, "what an append returned for is on disk"
            known = stored
        if done == kills:
            break
    assert done == kills
    assert not finish(name, features, out).killed
    assert remains_of(out) == remains_of(unbroken)


def test_what_a_session_cannot_log_is_not_believed_and_can_be_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, pool(8, 4))
        beliefs, features = live.state.beliefs, live.state.features
        for number in range(3):
            question = live.questions("anna", 1).questions[0]
            live.answer("anna", question.id, truth(features, question), f"key-{number}")
        question = live.questions("anna", 1).questions[0]
        stored, changes, groups = store.events("run"), beliefs.changes, beliefs.constraints.groups()

        def full(event: object, **_: object) -> None:
            raise InputError("events.sqlite: the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(store, "append", full)
            patch.setattr(store, "append_many", full)
            for say in (
                lambda: live.answer("anna", question.id, truth(features, question), "key-3"),
                lambda: live.history.undo("anna", "undo"),
                lambda: live.acts.edit("merge", "anna", "merge", {"a": 0, "b": 1, "images": []}),
                lambda: live.acts.edit("name", "anna", "name", {"image": 0, "name": "Ada"}),
            ):
                with pytest.raises(InputError, match="disk is full"):
                    say()
        assert store.events("run") == stored
        assert beliefs.changes == changes
        assert list(beliefs.events) == [event.id for event in stored]
        assert np.array_equal(beliefs.constraints.groups(), groups)
        assert not beliefs.names
        assert live.answer("anna", question.id, truth(features, question), "key-3").counted
        assert beliefs.answers == 4
