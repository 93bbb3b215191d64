"""The SB3 adapter against SB3's own vector environment, and with the algorithms it is for."""

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
from dqn_tasks import FewOpenEnv
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.vec_env import SB3VecEnv
from reid_al_env import StaticNodeFeatures, synthetic_features
from reid_al_env.errors import InputError


def short() -> gym.Env:
    """Cut off after four steps, if a masked pick has not ended it before."""
    return TimeLimit(FewOpenEnv(), 4)


def batched(num_envs: int = 3, **arguments) -> gym.vector.VectorEnv:
    return gym.make_vec(
        "reid_al_env:ReIDActiveLearning-v0",
        num_envs=num_envs,
        vectorization_mode="vector_entry_point",
        **{"pool_size": 8, "budget": 3, "k": 4, "autoreset_mode": "SameStep", **arguments},
    )


def watched() -> tuple[list, Callable]:
    """A list and a callback that puts there, for each step taken, whether its action was masked."""
    invalid: list = []

    def watch(local, _):
        invalid.extend(info["invalid_action"] for info in local["infos"])
        return True

    return invalid, watch


def equal(first, second) -> None:
    assert first.keys() == second.keys()
    for key in first:
        np.testing.assert_array_equal(first[key], second[key])


def test_agrees_with_sb3s_own_vector_environment():
    ours = SB3VecEnv(SyncVectorEnv([short] * 3, autoreset_mode="SameStep"))
    theirs = DummyVecEnv([lambda: Monitor(short())] * 3)
    assert ours.seed(7) == theirs.seed(7)
    equal(ours.reset(), theirs.reset())
    rng, ended = np.random.default_rng(0), 0
    for _ in range(30):
        open_items = [np.flatnonzero(mask) for mask in theirs.env_method("action_masks")]
        np.testing.assert_array_equal(ours.env_method("action_masks"), theirs.env_method("action_masks"))
        actions = np.array([rng.choice(items) if rng.random() < 0.8 else 0 for items in open_items])
        observation, rewards, dones, infos = ours.step(actions)
        expected = theirs.step(actions)
        equal(observation, expected[0])
        np.testing.assert_array_equal(rewards, expected[1])
        np.testing.assert_array_equal(dones, expected[2])
        assert rewards.dtype == expected[1].dtype
        for info, other in zip(infos, expected[3], strict=True):
            assert info.keys() == other.keys()
            assert info["TimeLimit.truncated"] is bool(other["TimeLimit.truncated"])
            if "terminal_observation" in info:
                equal(info["terminal_observation"], other["terminal_observation"])
                assert info["episode"]["r"] == other["episode"]["r"]
                assert info["episode"]["l"] == other["episode"]["l"]
                assert info["episode"]["t"] >= 0
        ended += dones.sum()
    assert ended > 5


def test_infos_of_the_last_step_and_of_the_reset_are_kept_apart():
    env = SB3VecEnv(batched())
    env.seed(0)
    env.reset()
    first = [info["query"] for info in env.reset_infos]
    for step in range(3):
        masks = np.stack(env.env_method("action_masks"))
        _, _, dones, infos = env.step(masks.argmax(axis=1))
        assert dones.tolist() == [step == 2] * 3
    assert [info["query"] for info in infos] == first
    assert all(info["terminal_observation"]["remaining"] == 0 for info in infos)
    assert not any(info["TimeLimit.truncated"] for info in infos)
    assert all(
        "picked" in info and "terminal_observation" not in new
        for info, new in zip(infos, env.reset_infos, strict=True)
    )
    assert not set(first) & {info["query"] for info in env.reset_infos}


def test_infos_are_read_like_a_list():
    env = SB3VecEnv(batched())
    env.reset()
    _, _, _, infos = env.step(np.stack(env.env_method("action_masks")).argmax(axis=1))
    queries = [info["query"] for info in infos]
    assert len(infos) == 3
    assert [infos[i]["query"] for i in (0, 1, 2)] == queries
    assert [info["query"] for info in infos[1:]] == queries[1:]
    assert infos[-1] is infos[2]
    infos[1]["added"] = True  # as SB3's wrappers do
    assert infos[1]["added"]
    with pytest.raises(IndexError):
        infos[3]


def test_episode_returns_reach_sb3s_logger():
    model = MaskedDQN("graph", SB3VecEnv(batched()), learning_starts=100, train_freq=1, device="cpu", seed=0)
    model.learn(30)
    assert len(model.ep_info_buffer) == 9  # three environments, three answers an episode, ten steps
    assert {each["l"] for each in model.ep_info_buffer} == {3}
    assert all(each["r"] >= 0 for each in model.ep_info_buffer)
    model.dump_logs()


def test_seeds_are_used_once():
    env = SB3VecEnv(batched())
    starts = []
    for seed in (4, 4, None):
        if seed is not None:
            env.seed(seed)
        env.reset()
        starts.append([info["query"] for info in env.reset_infos])
    assert starts[0] == starts[1] != starts[2]


def test_options_reach_the_environment():
    env = SB3VecEnv(batched())
    env.set_options({"query": 5})
    env.reset()
    assert [info["query"] for info in env.reset_infos] == [5, 5, 5]
    env.set_options([{"query": 1}, {"query": 2}, {"query": 3}])
    with pytest.raises(InputError, match="options: differ"):
        env.reset()


def test_attributes():
    env = SB3VecEnv(batched())
    assert env.has_attr("action_masks")
    assert not env.has_attr("no_such_attribute")
    assert env.get_attr("num_envs", indices=[0, 2]) == [3, 3]
    assert env.env_is_wrapped(TimeLimit) == [False] * 3
    env.reset()
    assert env.env_method("action_masks", indices=1)[0].shape == (8,)
    with pytest.raises(InputError, match="only for all 3"):
        env.set_attr("render_mode", "ansi", indices=0)


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_another_reset_mode_is_refused(mode):
    with pytest.raises(InputError, match="expected SameStep"):
        SB3VecEnv(batched(autoreset_mode=mode))


def test_maskable_ppo_finds_the_masks_and_never_leaves_them():
    env = SB3VecEnv(batched(num_envs=2))
    assert is_masking_supported(env)
    invalid, watch = watched()
    model = MaskablePPO("MultiInputPolicy", env, n_steps=16, batch_size=16, n_epochs=1, device="cpu", seed=0)
    model.learn(64, callback=watch)
    assert len(invalid) == 64
    assert not any(invalid)
    assert get_action_masks(env).shape == (2, 8)


def test_maskable_ppo_learns_under_gymnasiums_statistics_and_sb3_reads_them():
    env = SB3VecEnv(RecordEpisodeStatistics(batched(num_envs=2)))
    assert is_masking_supported(env)
    assert env.get_attr("num_envs") == [2, 2]
    invalid, watch = watched()
    model = MaskablePPO("MultiInputPolicy", env, n_steps=16, batch_size=16, n_epochs=1, device="cpu", seed=0)
    model.learn(64, callback=watch)
    assert not any(invalid)
    assert [episode["l"] for episode in model.ep_info_buffer] == [3] * 20


def test_masked_dqn_learns_on_the_batched_environment_and_never_leaves_the_mask():
    env = SB3VecEnv(batched(num_envs=4))
    invalid, watch = watched()
    model = MaskedDQN(
        "graph",
        env,
        n_steps=2,
        learning_starts=20,
        buffer_size=200,
        target_update_interval=4,
        device="cpu",
        seed=0,
    )
    model.learn(80, callback=watch)
    assert len(invalid) == 80
    assert not any(invalid)
    stored = model.replay_buffer.storage
    ended = np.flatnonzero(stored["terminated"][:80])
    assert len(ended) > 20
    assert (stored["next.remaining"][ended] == 0).all()  # the terminal observation, not the next episode's
    assert model._n_updates > 0


@pytest.mark.filterwarnings("ignore:.*(groups|questions) has an unconventional shape")
@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", ["ReIDCatalogueSmall-v0", "ReIDCatalogueNoisy-v0"])
def test_the_catalogue_passes_sb3s_checker_but_for_the_shapes(name):
    check_env(gym.make(f"reid_al_env:{name}").unwrapped)


def test_maskable_ppo_learns_in_the_catalogue_and_never_leaves_the_mask():
    env = SB3VecEnv(
        gym.make_vec(
            "reid_al_env:ReIDCatalogueSmall-v0",
            num_envs=2,
            vectorization_mode="vector_entry_point",
            autoreset_mode="SameStep",
            identities=6,
        )
    )
    invalid, watch = watched()
    model = MaskablePPO("MultiInputPolicy", env, n_steps=48, batch_size=32, n_epochs=1, device="cpu", seed=0)
    model.learn(96, callback=watch)
    assert len(invalid) == 96
    assert not any(invalid)


@pytest.mark.filterwarnings("ignore:.*(similarity|node_features) has an unconventional shape")
@pytest.mark.filterwarnings("error::UserWarning")
def test_node_features_pass_sb3s_checker_and_reach_the_learner():
    images = synthetic_features(12, 6, seed=4)
    numbers = np.arange(len(images), dtype=np.float32)[:, None]  # each image tells its own index
    described = {"features": images, "node_features": StaticNodeFeatures(numbers, ("index",))}
    check_env(gym.make("reid_al_env:ReIDActiveLearning-v0", pool_size=8, **described).unwrapped)
    env = SB3VecEnv(batched(num_envs=4, **described))
    ends: list = []

    def watch(local, _):
        ends.extend(info for info in local["infos"] if "terminal_observation" in info)
        return True

    model = MaskedDQN("graph", env, learning_starts=20, buffer_size=200, device="cpu", seed=0)
    model.learn(40, callback=watch)
    assert len(ends) >= 12
    for info in ends:
        seen = info["terminal_observation"]["node_features"][:, 0]
        assert seen.tolist() == [info["query"], *info["candidates"]]
    stored = model.replay_buffer.storage
    assert (stored["observation.node_features"][:40] == stored["next.node_features"][:40]).all()
    assert model._n_updates > 0
