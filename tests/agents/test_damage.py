"""Damaged folders: one line that names the file and what to do, or no harm; never a traceback or a hang.

Counts of the last whole run stand in ``docs/security.md``.
"""

import functools
import itertools
import shutil

import pytest
from damaging import (
    ARGUMENTS,
    KINDS,
    Tally,
    command,
    damage,
    features_run,
    files_of,
    image_session,
    judge,
    results,
    settle,
)
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from reid_al_agents.files import read_json, read_state, write_state
from reid_al_agents.training.pool import load_or_make_start
from reid_al_env import InputError

MAKE = {"features": features_run, "images": image_session}
COMMANDS = {"features": ("run", "export"), "images": ("annotate", "export")}


@pytest.fixture(scope="session")
def worlds(tmp_path_factory):
    """Gives, by its kind, a folder and what each command leaves there where nothing is damaged."""

    @functools.cache
    def made(name):
        folder = tmp_path_factory.mktemp("damage") / name
        MAKE[name](folder)
        settle(folder)
        expected = {}
        for what in COMMANDS[name]:
            copy = shutil.copytree(folder, folder.with_name(f"{name}-{what}"))
            code, told = command(*ARGUMENTS[what](copy))
            assert code == 0, told
            expected[what] = results(copy)
        return folder, expected

    return made


def try_out(worlds, tmp_path, world, what, name, kind, place):
    folder, expected = worlds(world)
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    if not damage(copy / name, kind, place):
        return None
    return judge(what, copy, name, expected)


BOTH = {
    "config.json",
    "pool.json",
    "split.json",
    "metrics.jsonl",
    "events.sqlite",
    "groups.npz",
    "folder.lock.json",
}
OWN = {
    "features": {"policy.safetensors", "rounds/003/dqn.npz"},
    "images": {"start.safetensors", "rounds/002/weights.safetensors", "rounds/002/features.npz"},
}


@pytest.mark.parametrize("world", ["features", pytest.param("images", marks=pytest.mark.slow)])
def test_the_folders_hold_every_file_that_is_read(worlds, world):
    assert BOTH | OWN[world] <= set(files_of(worlds(world)[0]))


QUICK = ("cut in half", "emptied", "text", "nested 100,000 deep", "one byte flipped", "a folder")


@pytest.mark.parametrize("kind", QUICK)
def test_a_damaged_run_is_refused_or_not_harmed(worlds, tmp_path, kind):
    tally = Tally()
    for name in files_of(worlds("features")[0]):
        place = sum(map(ord, name + kind))
        outcome = try_out(worlds, tmp_path, "features", "run", name, kind, place)
        if outcome is not None:
            tally.take((name, kind, place), outcome)
    assert not tally.bad, "\n".join(tally.bad)


@pytest.mark.slow
@pytest.mark.parametrize("world", COMMANDS)
def test_every_file_damaged_in_every_way_before_every_command(worlds, tmp_path, world):
    tally = Tally()
    kinds = (*KINDS, "a folder")
    for name, kind, what in itertools.product(files_of(worlds(world)[0]), kinds, COMMANDS[world]):
        outcome = try_out(worlds, tmp_path, world, what, name, kind, sum(map(ord, name + kind)))
        if outcome is not None:
            tally.take((what, name, kind), outcome)
    print(world, dict(tally))
    assert not tally.bad, "\n".join(tally.bad)


@pytest.mark.slow
@pytest.mark.parametrize("world", COMMANDS)
def test_any_byte_of_any_file(worlds, tmp_path, world):
    tally = Tally()
    names = files_of(worlds(world)[0])

    @seed(29)
    @settings(
        max_examples=400,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.sampled_from(names),
        st.sampled_from(COMMANDS[world]),
        st.sampled_from(["one byte flipped", "one bit flipped", "a line end in the middle"]),
        st.integers(0, 2**31),
    )
    def flips(name, what, kind, place):
        outcome = try_out(worlds, tmp_path, world, what, name, kind, place)
        if outcome is not None:
            tally.take((what, name, kind, place), outcome)

    flips()
    print(world, dict(tally))
    assert not tally.bad, "\n".join(tally.bad[:20])


@pytest.mark.parametrize("kind", [*KINDS, "a folder", "deleted"])
@pytest.mark.parametrize("name", ["config.json", "pool.json", "split.json"])
def test_the_state_before_is_used_and_that_is_said(worlds, tmp_path, name, kind):
    folder, expected = worlds("features")
    copy = shutil.copytree(folder, tmp_path / "copy")
    content = (copy / name).read_bytes()
    if kind == "deleted":
        (copy / name).unlink()
    elif not damage(copy / name, kind, sum(map(ord, name + kind))):
        pytest.skip("nothing was changed")
    outcome = judge("export", copy, name, expected)
    assert outcome.word == "harmless", outcome.said
    assert outcome.said.count("the state before its last change is ") == 1
    assert (copy / name).read_bytes() == content
    assert judge("export", copy, name, expected).said.count("the state before") == 0


def test_of_a_setting_the_last_state_counts_and_the_one_before_is_used_after_damage(tmp_path):
    path = tmp_path / "config.json"
    for number in range(3):
        write_state(path, {"number": number})
    assert read_state(path, read_json) == {"number": 2}
    path.write_bytes(path.read_bytes()[:-9])
    assert read_state(path, read_json) == {"number": 1}
    assert read_state(path, read_json) == {"number": 1}
    assert (tmp_path / "config.json.damaged").is_file()
    (tmp_path / "config.json.before").write_text("damaged, too")
    assert read_state(path, read_json) == {"number": 1}
    path.write_text("damaged")
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        read_state(path, read_json)
    assert path.read_text() == "damaged"


@pytest.mark.parametrize("kind", QUICK)
def test_a_damaged_policy_state_gives_way_to_the_one_before(worlds, tmp_path, kind):
    folder, expected = worlds("features")
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert damage(copy / "rounds/003/dqn.npz", kind, 1000)
    outcome = judge("run", copy, "rounds/003/dqn.npz", expected)
    assert outcome.word == "harmless", outcome.said
    assert "rounds/003/dqn.npz" in outcome.said
    assert "the model before it is used" in outcome.said


@pytest.mark.slow
@pytest.mark.parametrize("what", ["annotate", "export"])
def test_damaged_features_give_way_to_the_weights_and_these_to_the_model_before(worlds, tmp_path, what):
    folder, expected = worlds("images")
    copy = shutil.copytree(folder, tmp_path / "copy")
    for name in ("features.npz", "weights.safetensors"):
        assert damage(copy / "rounds/002" / name, "cut in half")
    outcome = judge(what, copy, "rounds/002", expected)
    assert outcome.word == "harmless", outcome.said
    assert "the model before it is used until the next refresh" in outcome.said


def test_damaged_metrics_are_written_again_and_that_is_said(worlds, tmp_path):
    folder, expected = worlds("features")
    copy = shutil.copytree(folder, tmp_path / "copy")
    content = (copy / "metrics.jsonl").read_bytes()
    (copy / "metrics.jsonl").write_bytes(content[: len(content) // 2])
    outcome = judge("run", copy, "metrics.jsonl", expected)
    assert outcome.word == "harmless", outcome.said
    assert "metrics.jsonl is damaged; it is written again from the log" in outcome.said
    assert (copy / "metrics.jsonl").read_bytes() == content


class Start:
    """A pool that notes what becomes of its start."""

    def __init__(self):
        self.did = []

    def load_start(self, path):
        if path.read_text() != "start":
            raise InputError(f"{path}: is damaged; put it back")
        self.did.append("load")

    def adapt(self, seed):
        self.did.append(f"adapt {seed}")
        return {"train_loss": 1.0}

    def save_start(self, path):
        path.write_text("start")


def test_a_damaged_label_free_start_is_made_again_and_that_is_said(tmp_path, caplog):
    path, pool = tmp_path / "start.safetensors", Start()
    assert load_or_make_start(pool, path, 3) == {"train_loss": 1.0}
    assert load_or_make_start(pool, path, 3) == {}
    path.write_text("star")
    assert not caplog.text
    assert load_or_make_start(pool, path, 3) == {"train_loss": 1.0}
    assert f"{path}: is damaged; the label-free start is made again" in caplog.text
    assert pool.did == ["adapt 3000", "load", "adapt 3000"]
