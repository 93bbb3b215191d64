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
