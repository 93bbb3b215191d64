"""Every reader of a folder alone, so that thousands of damaged files can be tried in seconds."""

import contextlib
import shutil
import sqlite3

import numpy as np
import pytest
import torch
from damaging import KINDS, Tally, damage, features_run
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from reid_al_agents.data import DataSettings, load_split
from reid_al_agents.dqn.checkpoint import read_state
from reid_al_agents.dqn.policy_file import load_policy
from reid_al_agents.files import read_arrays, write_arrays
from reid_al_agents.log.formats import read_pairs_csv
from reid_al_agents.log.store import EventStore
from reid_al_agents.vision import build_backbone, save_weights
from reid_al_agents.vision.checkpoint import read_checkpoint
from reid_al_agents.workspace.export import export_folder
from reid_al_agents.workspace.features import read_features
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.pool_changes import PoolChanges, Source, read_changes, write_changes
from reid_al_env import InputError


def _tensors(tensors):
    return {name: (tuple(x.shape), x.dtype, x.numpy().tobytes()) for name, x in sorted(tensors.items())}


def _arrays(arrays):
    return {name: (x.shape, x.dtype, x.tobytes()) for name, x in sorted(arrays.items())}


class Readers:
    """What each file of a folder is read as; a value that can be compared."""

    def __init__(self, folder):
        self.folder, self._names = folder, Folder(folder).pool.names()
        export_folder(folder, folder)
        write_arrays(folder / "features.npz", {"features": np.arange(60, dtype=np.float32).reshape(20, 3)})
        save_weights(build_backbone("small_cnn", seed=0), folder / "weights.safetensors", {"size": "64x32"})
        checkpoint = next(folder.glob("rounds/*/dqn.npz"))
        checkpoint.rename(folder / "dqn.npz")
        with contextlib.closing(sqlite3.connect(folder / "events.sqlite")) as log:
            log.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            log.execute("PRAGMA journal_mode = DELETE")
        source = Source("folder:WEEK2", "WEEK2", DataSettings())
        write_changes(folder / "changes.json", PoolChanges((source,), (), (), (3, 7), 14))
        self.names = [
            *(
                "changes.json",
                "config.json",
                "pool.json",
                "split.json",
                "events.sqlite",
                "policy.safetensors",
                "dqn.npz",
            ),
            *("features.npz", "weights.safetensors", "pairs.csv"),
        ]

    def read(self, folder, name):
        read = getattr(self, "_" + name.partition(".")[0])
        return read(folder)

    def _config(self, folder):
        kept = Folder(folder).kept()
        return kept.settings, kept.run, kept.store, kept.fingerprint, dict(kept.origin)

    def _changes(self, folder):
        return read_changes(folder / "changes.json")

    def _pool(self, folder):
        return Folder(folder).pool.check_names(self._names)

    def _split(self, folder):
        return load_split(folder / "split.json")

    def _events(self, folder):
        kept = Folder(folder).kept()
        with EventStore(folder / "events.sqlite") as log:
            return Folder(folder).read_log(log, kept)

    def _policy(self, folder):
        loaded = load_policy(folder / "policy.safetensors")
        return (
            loaded.kind,
            dict(loaded.network),
            dict(loaded.seen),
            _tensors(loaded.policy.q_net.state_dict()),
        )

    def _dqn(self, folder):
        return read_state(folder), _arrays(read_arrays(folder / "dqn.npz"))

    def _features(self, folder):
        return read_features(folder, 20).tolist()

    def _weights(self, folder):
        found = read_checkpoint(folder / "weights.safetensors")
        return found.header, _tensors(found.entries[""])

    def _pairs(self, folder):
        """Other programs write it, so it has no digest: it may be read as something else, but not crash."""
        read_pairs_csv(folder / "pairs.csv", self._names, run="other")


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers") / "run"
    features_run(folder)
    return Readers(folder)


def try_reader(readers, copy, name, kind, place, expected):
    if not damage(copy / name, kind, place):
        return "undamaged", ""
    try:
        value = readers.read(copy, name)
    except InputError as error:
        clear = name in str(error) and "\n" not in str(error)
        return ("refused" if clear else "unclear"), str(error)
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"
    return ("harmless" if value == expected else "silently wrong"), ""


def fuzz(readers, tmp_path, examples):
    copy = tmp_path / "copy"
    shutil.copytree(readers.folder, copy)
    expected = {name: readers.read(readers.folder, name) for name in readers.names}
    tally = Tally()

    @seed(29)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(readers.names), st.sampled_from(sorted(KINDS)), st.integers(0, 2**31))
    def one(name, kind, place):
        word, said = try_reader(readers, copy, name, kind, place, expected[name])
        tally[word] += 1
        if word not in ("refused", "harmless", "undamaged"):
            tally.bad.append(f"{name}, {kind}, {place}: {word}: {said[:300]}")
        for path in copy.glob(f"{name}*"):  # SQLite's, too
            path.unlink()
        shutil.copy(readers.folder / name, copy / name)

    with torch.random.fork_rng(devices=[]):
        one()
    print(dict(tally))
    assert not tally.bad, "\n".join(tally.bad[:20])


def test_readers_of_damaged_files(readers, tmp_path):
    fuzz(readers, tmp_path, 300)


@pytest.mark.slow
def test_readers_of_very_many_damaged_files(readers, tmp_path):
    fuzz(readers, tmp_path, 5000)
