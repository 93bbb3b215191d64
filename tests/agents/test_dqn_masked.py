"""Masked DQN: the four places where plain DQN would leave the mask, and what it learns."""

import numpy as np
import pytest
import torch
from dqn_tasks import FewOpenEnv, corridor, random_observations
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.masking import MASKED_VALUE, bootstrap_values, greedy_actions, masked_values
from reid_al_agents.dqn.policies import GraphPolicy, MlpPolicy
from reid_al_env.env import observation_space
from reid_al_env.errors import InputError

FAST = {
    "learning_rate": 2e-3,
    "learning_starts": 50,
    "train_freq": 1,
    "target_update_interval": 1,
    "tau": 0.02,
    "exploration_fraction": 0.5,
    "batch_size": 32,
    "buffer_size": 2000,
    "device": "cpu",
    "seed": 0,
}


SMALL = {"hidden": 16, "rounds": 1}


def bare(items: int, policy="graph", **arguments) -> MaskedDQN:
    """A model without an environment, driven by hand."""
    model = MaskedDQN(policy, None, device="cpu", buffer_size=100, _init_setup_model=False, **arguments)
    model.observation_space = observation_space(items)
    model.action_space = spaces.Discrete(items)
    model.n_envs = 1
    torch.manual_seed(0)
    model._setup_model()
    model.set_logger(Logger(None, []))
    return model


def one_open(batch: int, items: int = 9) -> dict:
    observation = random_observations(0, batch=batch, items=items)
    observation["action_mask"][:] = 0
    observation["action_mask"][np.arange(batch), np.arange(batch) % items] = 1
    return observation


# --- values under a mask ---


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0, 1), double=st.booleans())
def test_bootstrap_values_equal_loops(seed, share, double):
    rng = np.random.default_rng(seed)
    values, chooser = rng.normal(size=(2, 6, 5)).astype(np.float32) * 100
    mask = (rng.random((6, 5)) < share).astype(np.int8)
    found = bootstrap_values(
        torch.from_numpy(values), torch.from_numpy(mask), torch.from_numpy(chooser) if double else None
    )
    for b in range(6):
        items = [a for a in range(5) if mask[b, a]]
        by = chooser if double else values
        best = max(items, key=lambda a: by[b, a], default=None)
        assert found[b, 0] == (0 if best is None else values[b, best])


def test_masked_values_are_finite_and_below_all_others():
    values = masked_values(torch.full((1, 3), -1e6), torch.tensor([[1, 0, 1]]))
    assert torch.isfinite(values).all()
    assert values[0, 1] == MASKED_VALUE < values[0, 0]


def test_nothing_open_gives_action_zero():
    assert greedy_actions(torch.tensor([[1.0, 2.0, 3.0]]), torch.zeros(1, 3)).tolist() == [0]


# --- the four places ---


def test_warm_up_keeps_to_the_mask():
    model = bare(9)
    model._last_obs = one_open(36)
    for _ in range(20):
        actions, stored = model._sample_action(learning_starts=1000, n_envs=36)
        np.testing.assert_array_equal(actions, np.arange(36) % 9)
        np.testing.assert_array_equal(stored, actions)


def test_exploration_keeps_to_the_mask_and_is_uniform_within_it():
    model = bare(9)
    model.exploration_rate = 1.0
    observation = random_observations(1, batch=1)
    observation["action_mask"][:] = [[1, 0, 1, 0, 0, 1, 0, 1, 0]]
    many = {key: np.repeat(value, 8000, axis=0) for key, value in observation.items()}
    actions, _ = model.predict(many, deterministic=False)
    shares = np.bincount(actions, minlength=9) / 8000
    np.testing.assert_allclose(shares, [0.25, 0, 0.25, 0, 0, 0.25, 0, 0.25, 0], atol=0.02)


def test_exploration_is_tossed_for_each_environment():
    model = bare(9)
    model.exploration_rate = 0.5
    observation = random_observations(1, batch=1)
    observation["action_mask"][:] = 1
    many = {key: np.repeat(value, 2000, axis=0) for key, value in observation.items()}
    greedy, _ = model.predict(many, deterministic=True)
    actions, _ = model.predict(many, deterministic=False)
    assert np.unique(greedy).size == 1
    assert (actions == greedy).mean() == pytest.approx(0.5 + 0.5 / 9, abs=0.04)


@pytest.mark.parametrize("policy", ["graph", "mlp"])
def test_greedy_choice_keeps_to_the_mask(policy):
    model = bare(9, policy)
    observation = one_open(36)
    actions, _ = model.predict(observation, deterministic=True)
    np.testing.assert_array_equal(actions, np.arange(36) % 9)
    assert actions.dtype == np.int64


@pytest.mark.parametrize("double_q", [True, False])
def test_targets_equal_loops(double_q):
    model = bare(9, double_q=double_q, n_steps=2)
    torch.nn.init.normal_(model.q_net.head[-1].weight)
    torch.nn.init.normal_(model.q_net_target.head[-1].weight)
    observation, following = random_observations(1, batch=20), random_observations(2, batch=20)
    following["action_mask"][3] = 0
    over = np.arange(20) % 5 == 0
    rewards = np.linspace(0, 1, 20)
    model.replay_buffer.add_batch(
        observation, following, np.zeros(20, int), rewards, over, np.zeros(20, bool), np.arange(20)
    )
    batch = model.replay_buffer._get_samples(np.arange(20))
    targets = model._targets(batch)
    with torch.no_grad():
        online, target = model.q_net(batch.next_observations), model.q_net_target(batch.next_observations)
    for b in range(20):
        open_items = np.flatnonzero(following["action_mask"][b])
        value = 0.0
        if len(open_items) and not over[b]:
            chooser = online if double_q else target
            value = float(target[b, max(open_items, key=lambda a: float(chooser[b, a]))])
        assert float(targets[b, 0]) == pytest.approx(rewards[b] + 0.9 * value, abs=1e-5)


@pytest.mark.parametrize(("double_q", "n_steps"), [(True, 1), (False, 2)])
def test_values_never_run_through_masked_actions(double_q, n_steps):
    """The masked item pays 5 in every stored step; the open one's values are still gamma^2, gamma, 1.

    The masked item's own value is learned too, as what it is: were the current Q read masked, the loss would
    be about the fill value.
    """
    model = bare(2, double_q=double_q, n_steps=n_steps, learning_rate=5e-3, policy_kwargs=SMALL)
    record = corridor()
    model.replay_buffer.add_batch(**record)
    for _ in range(700):
        model.train(1, 24)
        for new, old in zip(model.q_net.parameters(), model.q_net_target.parameters(), strict=True):
            old.data.lerp_(new.data, 0.1)
    observations = {key: torch.from_numpy(value) for key, value in record["observations"].items()}
    with torch.no_grad():
        values = model.q_net(observations).numpy()
    np.testing.assert_allclose(values[::2, 0], [0.81, 0.9, 1.0], atol=0.06)
    assert values[:, 1].min() > 3
    assert model.logger.name_to_value["train/loss"] < 1


# --- as an SB3 model ---


def test_single_observations_and_batches_agree():
    model = bare(9)
    observation = random_observations(2)
    together, state = model.predict(observation, deterministic=True)
    apart = [
        model.predict({k: v[i] for k, v in observation.items()}, deterministic=True)[0] for i in range(4)
    ]
    assert state is None
    assert apart[0].shape == ()
    np.testing.assert_array_equal(together, apart)


def test_adam_is_fused_unless_another_optimizer_is_named():
    assert bare(5).policy.optimizer.defaults["fused"]
    plain = bare(5, policy_kwargs={**SMALL, "optimizer_kwargs": {"eps": 1e-5}}).policy.optimizer.defaults
    assert not plain["fused"]
    assert plain["eps"] == 1e-5
    named = bare(5, policy_kwargs={**SMALL, "optimizer_class": torch.optim.SGD})
    assert type(named.policy.optimizer) is torch.optim.SGD


@pytest.mark.parametrize("policy", [GraphPolicy, MlpPolicy])
def test_save_and_load_through_sb3(policy, tmp_path):
    env = DummyVecEnv([FewOpenEnv] * 2)
    arguments = {**FAST, "target_update_interval": 2}
    model = MaskedDQN(policy, env, n_steps=3, double_q=False, **arguments).learn(80)
    model.save(tmp_path / "model.zip")
    loaded = MaskedDQN.load(tmp_path / "model.zip", env=env, device="cpu")
    observation = random_observations(0, items=FewOpenEnv.items)
    np.testing.assert_array_equal(
        model.predict(observation, deterministic=True)[0], loaded.predict(observation, deterministic=True)[0]
    )
    assert loaded.double_q is False
    assert loaded.replay_buffer.n_steps == 3
    loaded.learn(20, reset_num_timesteps=False)


def test_the_policy_alone_is_saved_and_loaded_through_sb3(tmp_path):
    policy = GraphPolicy(observation_space(9), spaces.Discrete(9), lambda _: 1e-3, hidden=8, rounds=1)
    policy.save(tmp_path / "policy.pt")
    loaded = GraphPolicy.load(tmp_path / "policy.pt")
    assert (loaded.hidden, loaded.rounds) == (8, 1)
    observation = random_observations(0)
    np.testing.assert_array_equal(policy.predict(observation)[0], loaded.predict(observation)[0])


def test_same_seed_same_weights():
    arguments = {**FAST, "target_update_interval": 2, "policy_kwargs": SMALL}
    first, second = (
        MaskedDQN("graph", DummyVecEnv([FewOpenEnv] * 2), **arguments).learn(120).q_net.state_dict()
        for _ in range(2)
    )
    for name, value in first.items():
        assert torch.equal(value, second[name])


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 1, (4,)),
        spaces.Dict({"similarity": spaces.Box(0, 1, (4, 4))}),
        spaces.Dict({"action_mask": spaces.MultiBinary(5)}),
    ],
)
def test_observations_without_a_mask_are_refused_in_one_line(space):
    model = MaskedDQN("graph", None, _init_setup_model=False)
    model.observation_space, model.action_space, model.n_envs = space, spaces.Discrete(3), 1
    with pytest.raises(InputError, match="no 'action_mask'") as caught:
        model._setup_model()
    assert "\n" not in str(caught.value)


def test_learns_what_neither_an_untrained_nor_an_unmasked_agent_can_do():
    """In the spirit of sb3-contrib's test of invalid actions; a perfect agent earns 8."""

    def score(agent):
        return evaluate_policy(agent, FewOpenEnv(), n_eval_episodes=25, warn=False)[0]

    masked = MaskedDQN("graph", FewOpenEnv(), policy_kwargs=SMALL, **{**FAST, "learning_rate": 4e-3})
    untrained = score(masked)
    unmasked = DQN("MultiInputPolicy", FewOpenEnv(), gamma=0.9, **FAST).learn(300)
    assert untrained < 4
    assert score(unmasked) < 4
    assert score(masked.learn(300)) > 6
