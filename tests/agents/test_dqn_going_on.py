"""SB3's ways of going on with a model: what is saved and loaded goes on as if there had been no stop."""

import copy

import gymnasium as gym
import numpy as np
import pytest
import torch

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.vec_env import SB3VecEnv
from reid_al_env.errors import InputError

SMALL = {
    "n_steps": 3,
    "learning_starts": 20,
    "buffer_size": 90,  # full before the end
    "batch_size": 16,
    "target_update_interval": 8,
    "train_freq": 1,
    "exploration_initial_eps": 0.3,
    "exploration_final_eps": 0.3,
    "policy_kwargs": {"hidden": 8, "rounds": 1},
    "device": "cpu",
    "seed": 0,
}


def make_env(num_envs: int = 4) -> SB3VecEnv:
    return SB3VecEnv(
        gym.make_vec(
            "reid_al_env:ReIDActiveLearning-v0",
            num_envs=num_envs,
            vectorization_mode="vector_entry_point",
            pool_size=8,
            budget=5,
            k=4,
            autoreset_mode="SameStep",
        )
    )


def learned(steps: int = 64, num_envs: int = 4, **changes) -> MaskedDQN:
    """A model that has learned for a while; 64 answers end in the middle of episodes of five."""
    return MaskedDQN("graph", make_env(num_envs), **{**SMALL, **changes}).learn(steps)


def state(model: MaskedDQN) -> list[bytes]:
    """All that learning on depends on, and has led to."""
    networks = [*model.q_net.state_dict().values(), *model.q_net_target.state_dict().values()]
    moments = [
        value for each in model.policy.optimizer.state_dict()["state"].values() for value in each.values()
    ]
    sampled = copy.deepcopy(model.replay_buffer).sample(50)
    drawn = [*sampled.observations.values(), *sampled.next_observations.values(), sampled.rewards]
    numbers = [model.num_timesteps, model._n_updates, model._n_calls, str(model.rng.bit_generator.state)]
    return [value.numpy().tobytes() for value in (*networks, *moments, *drawn)] + [repr(numbers).encode()]


def test_a_second_learn_goes_on_as_one_would_have():
    whole, parts = learned(160), learned(64)
    parts.learn(96, reset_num_timesteps=False)
    assert state(parts) == state(whole)


def test_going_on_from_a_saved_model_and_replay_equals_the_unbroken_run(tmp_path):
    unbroken = learned()
    unbroken.save(tmp_path / "model.zip")
    unbroken.save_replay_buffer(tmp_path / "new folder" / "replay.npz")
    env = copy.deepcopy(unbroken.get_env())
    unbroken.learn(96, reset_num_timesteps=False)
    resumed = MaskedDQN.load(tmp_path / "model.zip", env=env, device="cpu", force_reset=False)
    resumed.load_replay_buffer(tmp_path / "new folder" / "replay.npz")
    resumed.learn(96, reset_num_timesteps=False)
    assert state(resumed) == state(unbroken)


def test_an_open_file_takes_a_replay_buffer_too(tmp_path):
    model, other = learned(), learned(20)
    with (tmp_path / "replay").open("wb") as file:
        model.save_replay_buffer(file)
    with (tmp_path / "replay").open("rb") as file:
        other.load_replay_buffer(file)
    assert state(other)[-2] == state(model)[-2]
    with np.load(tmp_path / "replay", allow_pickle=False) as saved:
        assert all(saved[name].dtype != object for name in saved)


def returns_stay_within_episodes(model: MaskedDQN) -> bool:
    """Whether no return runs on where a transition's successor does not begin where it ended."""
    replay = model.replay_buffer
    successor = replay.storage["successor"][: replay.size()]
    linked = np.flatnonzero(successor != -1)
    ended = replay._observations("next", linked, None)
    begun = replay._observations("observation", successor[linked], None)
    return len(linked) > 0 and all(torch.equal(ended[key], begun[key]) for key in ended)


def reset_by_learn(model, tmp_path):
    model.learn(24)


def reset_by_set_env(model, tmp_path):
    model.set_env(make_env())
    model.learn(24, reset_num_timesteps=False)


def reset_by_load(model, tmp_path):
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "replay.npz")
    loaded = MaskedDQN.load(tmp_path / "model.zip", env=make_env(), device="cpu")
    loaded.load_replay_buffer(tmp_path / "replay.npz")
    loaded.learn(24, reset_num_timesteps=False)
    return loaded


@pytest.mark.parametrize(
    "reset", [reset_by_learn, reset_by_set_env, reset_by_load], ids=["learn", "set_env", "load"]
)
def test_whatever_resets_the_environment_breaks_off_the_returns(reset, tmp_path):
    model = learned(buffer_size=500)
    assert model.replay_buffer.streams  # episodes are under way
    model = reset(model, tmp_path) or model
    assert model.num_timesteps in (24, 88)
    assert model.replay_buffer.size() == 88
    assert returns_stay_within_episodes(model)


@pytest.mark.parametrize("num_envs", [2, 7])
def test_a_replay_goes_on_with_another_number_of_environments(num_envs, tmp_path):
    model = learned(buffer_size=500)
    model.save(tmp_path / "model.zip")
    model.save_replay_buffer(tmp_path / "replay.npz")
    loaded = MaskedDQN.load(tmp_path / "model.zip", env=make_env(num_envs), device="cpu")
    loaded.load_replay_buffer(tmp_path / "replay.npz")
    loaded.learn(10 * num_envs, reset_num_timesteps=False)
    assert loaded.replay_buffer.size() == 64 + 10 * num_envs
    assert returns_stay_within_episodes(loaded)


def test_a_replay_that_does_not_fit_is_refused_in_one_line(tmp_path):
    model = learned()
    model.save_replay_buffer(tmp_path / "replay.npz")
    (tmp_path / "text").write_text("no archive")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    small = learned(20, buffer_size=50)
    before = state(small)
    for path, target in (("replay.npz", small), ("text", small), ("other.npz", small), ("none.npz", small)):
        with pytest.raises(InputError, match=f"{path}: is not a replay buffer that fits") as caught:
            target.load_replay_buffer(tmp_path / path)
        assert "\n" not in str(caught.value)
    assert state(small) == before
    with pytest.raises(InputError, match="cannot be written"):
        model.save_replay_buffer(tmp_path / "text" / "replay.npz")
