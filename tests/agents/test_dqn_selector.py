"""The selector that learns in the loop: mask, seeds, exact resume, and policies on disk."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from dqn_tasks import FewOpenEnv, random_observations
from gymnasium.vector import SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from reid_al_agents.dqn.policy_file import load_policy, save_policy
from reid_al_agents.dqn.selector import DQNSelector
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.files import write_tensors
from reid_al_env.errors import InputError

QUICK = DQNSettings(
    hidden=8, rounds=1, batch_size=16, warm_up=10, exploration_answers=40, n_steps=2, buffer_size=60
)
KINDS = ["graph", "mlp"]


def play(selector: DQNSelector, steps: int, seed: int, envs: int = 3) -> list:
    """Let a selector learn on a fresh environment; return all its actions."""
    env = SyncVectorEnv([FewOpenEnv] * envs, autoreset_mode="SameStep")
    observation, _ = env.reset(seed=seed)
    rng, taken = np.random.default_rng(seed), []
    for _ in range(steps):
        actions = selector.select(observation, rng)
        following, rewards, terminated, _, infos = env.step(actions)
        true = {key: value.copy() for key, value in following.items()}
        for i in np.flatnonzero(terminated):
            for key, values in true.items():
                values[i] = infos["final_obs"][i][key]
        selector.observe(observation, actions, rewards, true, terminated)
        observation = following
        taken.append(actions.tolist())
    return taken


def weights(selector: DQNSelector) -> dict:
    model = selector.model
    return {**model.q_net.state_dict(), **{f"t.{k}": v for k, v in model.q_net_target.state_dict().items()}}


def same(first: dict, second: dict) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def selector(seed: int = 0, items: int = FewOpenEnv.items, **changes) -> DQNSelector:
    return DQNSelector(items, dataclasses.replace(QUICK, **changes), seed=seed)


# --- choosing ---


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), learning=st.booleans())
def test_never_picks_a_masked_item(seed, learning):
    observation = random_observations(seed, batch=30)
    agent = selector(items=9)
    agent.learning = learning
    actions = agent.select(observation, np.random.default_rng(seed))
    left = observation["action_mask"].any(axis=1)
    assert actions.dtype == np.int64
    assert observation["action_mask"][np.arange(30), actions][left].all()
    assert (actions[~left] == 0).all()


def test_exploration_falls_from_one_to_the_final_rate():
    plan = DQNSettings(warm_up=50, exploration_answers=100, exploration_final=0.1)
    rates = [plan.exploration_rate(answers) for answers in (0, 49, 50, 100, 150, 10_000)]
    assert rates == pytest.approx([1, 1, 1, 0.55, 0.1, 0.1])
    at_once = DQNSettings(warm_up=0, exploration_answers=0, exploration_final=0.1)
    assert at_once.exploration_rate(0) == pytest.approx(0.1)


def test_a_frozen_selector_is_greedy_and_learns_nothing():
    agent = DQNSelector(FewOpenEnv.items, QUICK, learning=False)
    before = {name: value.clone() for name, value in weights(agent).items()}
    rng = np.random.default_rng(0)
    untouched = rng.bit_generator.state
    observation = random_observations(0, items=FewOpenEnv.items)
    agent.select(observation, rng)
    play(agent, 20, seed=0)
    assert agent.answers == 0
    assert agent.exploration_rate == 0
    assert rng.bit_generator.state == untouched
    assert same(before, weights(agent))


# --- learning ---


def test_gradient_steps_follow_the_answers():
    agent = selector(updates_per_answer=0.4)
    for answers in range(3, 60, 3):
        play(agent, 1, seed=answers)
        assert agent.answers == answers
        assert agent.model._n_updates == int(max(answers - 10, 0) * 0.4)


def test_rows_in_which_nothing_was_asked_are_left_out():
    agent = selector(items=9)
    observation = random_observations(0)
    actions, rewards = np.array([0, 1, 2, 3]), np.array([0.1, 0.2, 0.3, 0.4])
    valid = np.array([True, False, False, True])
    agent.observe(observation, actions, rewards, observation, np.zeros(4, bool), valid)
    replay = agent.model.replay_buffer
    assert agent.answers == replay.size() == 2
    assert replay.storage["action"][:2].tolist() == [0, 3]
    np.testing.assert_allclose(replay.storage["reward"][:2], [0.1, 0.4], rtol=1e-6)
    assert replay.streams == {0: 0, 3: 1}


def test_same_seed_same_bytes_and_other_seed_others():
    agents = [selector(seed=seed) for seed in (1, 1, 2)]
    actions = [play(agent, 25, seed=5) for agent in agents]
    assert actions[0] == actions[1] != actions[2]
    assert same(weights(agents[0]), weights(agents[1]))


def test_global_generators_stay_untouched():
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002 - the state that must not change
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    play(selector(), 15, seed=0)
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


@pytest.mark.parametrize(
    "change",
    [
        {"policy": "cnn"},
        {"hidden": 0},
        {"learning_rate": float("nan")},
        {"gamma": 1.5},
        {"warm_up": -1},
    ],
)
def test_settings_out_of_range(change):
    with pytest.raises(InputError, match=next(iter(change))):
        DQNSettings(**change)


# --- checkpoints ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [2, 12, 25])  # in the warm-up, learning, and with a full ring
def test_resume_goes_on_with_the_same_bytes(kind, steps, tmp_path):
    straight = selector(policy=kind)
    play(straight, steps, seed=1)
    straight.save_checkpoint(tmp_path)
    resumed = selector(seed=99, policy=kind)
    resumed.load_checkpoint(tmp_path)
    assert resumed.exploration_rate == straight.exploration_rate
    assert play(straight, 12, seed=2) == play(resumed, 12, seed=2)
    assert same(weights(straight), weights(resumed))
    assert straight.answers == resumed.answers


def test_a_checkpoint_replaces_the_one_before(tmp_path):
    agent = selector()
    for seed in range(2):
        play(agent, 8, seed=seed)
        agent.save_checkpoint(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dqn.npz"]
    resumed = selector()
    resumed.load_checkpoint(tmp_path)
    assert resumed.answers == 48


def test_checkpoints_hold_no_pickle(tmp_path):
    selector().save_checkpoint(tmp_path)
    with np.load(tmp_path / "dqn.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file)


@pytest.mark.parametrize("change", [{"hidden": 9}, {"gamma": 0.5}, {"policy": "mlp"}])
def test_resume_with_other_settings_is_refused(change, tmp_path):
    selector().save_checkpoint(tmp_path)
    name = next(iter(change))
    with pytest.raises(InputError, match=f"written with {name}") as caught:
        selector(**change).load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no archive", b""])
def test_resume_without_a_readable_checkpoint(content, tmp_path):
    if content is not None:
        (tmp_path / "dqn.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"dqn\.npz") as caught:
        selector().load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_shape_is_refused(tmp_path):
    selector().save_checkpoint(tmp_path)
    path = tmp_path / "dqn.npz"
    with np.load(path) as file:
        arrays = dict(file)
    del arrays["q_net.embed.0.weight"]
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="checkpoint of another model"):
        selector().load_checkpoint(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        selector().save_checkpoint(tmp_path / "file")


# --- policies ---


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_policy_chooses_the_same(kind, tmp_path):
    agent = selector(policy=kind)
    play(agent, 15, seed=0)
    agent.save(tmp_path / "policy.safetensors", {"k": 15, "budget": 10, "metric": "cosine"})
    loaded = DQNSelector.load(tmp_path / "policy.safetensors", pool_size=FewOpenEnv.items)
    agent.learning = False
    observation = random_observations(4, batch=40, items=FewOpenEnv.items)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(agent.select(observation, rng), loaded.select(observation, rng))
    assert not loaded.learning
    assert loaded.settings.policy == kind


def test_the_header_says_what_was_seen(tmp_path):
    save_policy(selector().model, tmp_path / "p.safetensors", {"metric": "cosine"})
    loaded = load_policy(tmp_path / "p.safetensors")
    assert loaded.seen == {"pool_size": FewOpenEnv.items, "metric": "cosine"}
    assert loaded.network == {"hidden": 8, "rounds": 1}
    assert loaded.kind == "graph"


@pytest.mark.parametrize("items", [10, 60])
def test_a_graph_policy_serves_any_pool_size(items, tmp_path):
    agent = selector()
    agent.save(tmp_path / "p.safetensors")
    loaded = DQNSelector.load(tmp_path / "p.safetensors", pool_size=items)
    observation = random_observations(0, items=items)
    actions = loaded.select(observation, np.random.default_rng(0))
    assert observation["action_mask"][np.arange(4), actions].all()


def test_an_mlp_policy_serves_its_own_pool_size_only(tmp_path):
    selector(policy="mlp").save(tmp_path / "p.safetensors")
    with pytest.raises(InputError, match="MLP policy for pool_size 12, not 60"):
        load_policy(tmp_path / "p.safetensors", pool_size=60)


def test_a_shipped_policy_goes_on_learning_without_random_questions(tmp_path):
    agent = selector()
    play(agent, 10, seed=0)
    agent.save(tmp_path / "p.safetensors")
    further = DQNSelector.load(
        tmp_path / "p.safetensors", pool_size=FewOpenEnv.items, settings=QUICK, learning=True
    )
    assert same(further.model.q_net.state_dict(), agent.model.q_net.state_dict())
    assert further.exploration_rate == QUICK.exploration_final
    play(further, 10, seed=1)
    assert not same(further.model.q_net.state_dict(), agent.model.q_net.state_dict())


def test_missing_policy_file(tmp_path):
    with pytest.raises(InputError, match=r"no\.safetensors: no such file"):
        load_policy(tmp_path / "no.safetensors")


def test_a_file_that_is_no_policy(tmp_path):
    (tmp_path / "text.safetensors").write_text("not tensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("text", "other"):
        with pytest.raises(InputError, match="is no policy file") as caught:
            load_policy(tmp_path / f"{name}.safetensors")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "2"}, "version 2"),
        ({"policy": "cnn"}, "policy cnn"),
        ({"network": "{"}, r"is no policy file \(Expecting property name"),
        ({"seen": "{}"}, r"is no policy file \('pool_size'\)"),
        ({"network": json.dumps({"hidden": 16, "rounds": 1})}, "do not fit"),
    ],
)
def test_a_policy_file_with_a_wrong_header(changes, message, tmp_path):
    path = tmp_path / "p.safetensors"
    selector().save(path)
    header = {
        "format": "reid-al-policy",
        "version": "1",
        "policy": "graph",
        "network": json.dumps({"hidden": 8, "rounds": 1}),
        "seen": json.dumps({"pool_size": 12}),
    }
    write_tensors(path, load_file(path), {**header, **changes})
    with pytest.raises(InputError, match=message) as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)
