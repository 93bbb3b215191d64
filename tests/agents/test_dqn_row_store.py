"""Questions of a catalogue in the replay: bit for bit, in a tenth of the memory."""

import gymnasium as gym
import numpy as np
import pytest
from catalogue_world import any_open, batch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.dqn import row_store
from reid_al_agents.dqn.replay import NStepDictReplay
from reid_al_agents.dqn.row_store import RowStore

PLACES, WIDTH = 5, 2


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_matrices_come_back_bit_for_bit_whatever_is_overwritten(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    size, streams = data.draw(st.integers(2, 8)), data.draw(st.integers(1, 2))
    store = RowStore(size, PLACES, WIDTH, np.dtype(np.float32))
    values = np.array([0.0, -0.0, 1.5, np.nan], dtype=np.float32)
    kept: dict[int, dict[str, np.ndarray]] = {}
    last = {stream: rng.choice(values, (PLACES, WIDTH)) for stream in range(streams)}
    for step in range(data.draw(st.integers(1, 20))):
        stream = int(rng.integers(streams))
        before = last[stream] if rng.random() < 0.7 else rng.choice(values, (PLACES, WIDTH))
        after = before[rng.permutation(PLACES)].copy()
        after[rng.integers(PLACES)] = rng.choice(values, WIDTH)
        slot = step % size
        store.put(np.array([slot]), np.array([stream]), before[None], after[None])
        kept[slot], last[stream] = {"before": before, "after": after}, after
        if rng.random() < 0.3:
            again = RowStore(size, PLACES, WIDTH, np.dtype(np.float32))
            again.load_arrays({name: part.copy() for name, part in store.arrays(len(kept)).items()})
            store = again
        for each, matrices in kept.items():
            for part, matrix in matrices.items():
                assert store.get(part, np.array([each]))[0].tobytes() == matrix.tobytes()
        referred = np.concatenate([*store._columns["before"], *store._columns["after"], *store._last])
        uses = np.bincount(referred[referred >= 0], minlength=len(store._uses))
        assert (uses == store._uses).all()  # so that nothing is freed too early and nothing is never freed
        assert sorted(store._free) == np.flatnonzero(uses == 0).tolist()


def test_different_rows_with_equal_hashes_stay_apart(monkeypatch):
    monkeypatch.setattr(row_store, "_hashes", lambda bits: np.zeros(bits.shape[:2], dtype=np.uint64))
    store = RowStore(2, PLACES, WIDTH, np.dtype(np.float32))
    before = np.arange(2 * PLACES * WIDTH, dtype=np.float32).reshape(2, PLACES, WIDTH)
    after = before[:, ::-1].copy()
    after[0, 2] = 99
    store.put(np.arange(2), np.arange(2), before, after)
    assert store.get("before", np.arange(2)).tobytes() == before.tobytes()
    assert store.get("after", np.arange(2)).tobytes() == after.tobytes()


def filled(size, steps, environments=4, name="ReIDCatalogue-v0", **more):
    """A replay after random play, and all transitions that were added."""
    env = gym.make_vec(
        name,
        num_envs=environments,
        vectorization_mode="vector_entry_point",
        autoreset_mode="SameStep",
        **more,
    )
    replay = NStepDictReplay(size, env.single_observation_space, env.single_action_space, "cpu")
    rng, added = np.random.default_rng(0), []
    seen, _ = env.reset(seed=0)
    for _ in range(steps):
        actions = any_open(seen, rng)
        after, rewards, terminated, _, infos = env.step(actions)
        true_after = {key: value.copy() for key, value in after.items()}
        for row in np.flatnonzero(terminated):
            for key, value in infos["final_obs"][row].items():
                true_after[key][row] = value
        nothing = np.zeros(environments, dtype=bool)
        replay.add_batch(seen, true_after, actions, rewards, terminated, nothing, np.arange(environments))
        added += [
            ({k: v[row] for k, v in seen.items()}, {k: v[row] for k, v in true_after.items()})
            for row in range(environments)
        ]
        seen = after
    return replay, added


def test_the_replay_gives_back_what_the_catalogue_showed():
    replay, added = filled(100, 60, name="ReIDCatalogueSmall-v0", budget=9)
    held = added[-100:]
    order = (np.arange(len(added)) % 100)[-100:]
    sampled = replay._get_samples(order)
    for number, (before, after) in enumerate(held):
        for key, value in before.items():
            shown = sampled.observations[key][number].numpy()
            assert shown.tobytes() == value.astype(shown.dtype).tobytes(), key
            shown = sampled.next_observations[key][number].numpy()
            assert shown.tobytes() == after[key].astype(shown.dtype).tobytes(), key


def test_a_million_transitions_fit_in_a_gigabyte():
    replay, added = filled(2400, 800)  # four whole episodes side by side, and a ring that went round
    assert len(added) == 3200
    assert replay.full
    assert replay.nbytes / replay.buffer_size < 1000


@pytest.mark.parametrize(("low", "high", "kind"), [(-1, 127, "int8"), (-1, 128, "int16"), (0, 255, "int16")])
def test_integers_take_as_few_bytes_as_their_space_needs(low, high, kind):
    space = spaces.Dict(
        {"groups": spaces.Box(low, high, (3,), np.int64), "action_mask": spaces.MultiBinary(11)}
    )
    replay = NStepDictReplay(4, space, spaces.Discrete(11), "cpu")
    assert replay.storage["observation.groups"].dtype == kind
    assert replay.storage["observation.action_mask"].shape == (4, 2)


def test_other_rows_are_refused():
    env = batch(1)
    replay = NStepDictReplay(4, env.single_observation_space, env.single_action_space, "cpu")
    arrays = replay.arrays()
    with pytest.raises(ValueError, match="rows"):
        replay.load_arrays({**arrays, "questions.rows": np.zeros((3, 2), dtype=np.float32)})
