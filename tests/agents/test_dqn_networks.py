"""The graph network's features by loops; what the networks may and may not depend on."""

import numpy as np
import pytest
import torch
from dqn_tasks import random_observations
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.preprocessing import preprocess_obs

from reid_al_agents.dqn.graph_features import FEATURES, gallery_graph, node_features
from reid_al_agents.dqn.networks import GraphQNetwork
from reid_al_agents.dqn.policies import GraphPolicy, MlpPolicy
from reid_al_env.env import observation_space


def tensors(observation: dict) -> dict:
    return {key: torch.from_numpy(value) for key, value in observation.items()}


def network(items: int, seed: int = 0) -> GraphQNetwork:
    torch.manual_seed(seed)
    built = GraphQNetwork(observation_space(items), spaces.Discrete(items), 16, 2)
    torch.nn.init.normal_(built.head[-1].weight)  # values that differ by more than rounding
    return built


def permuted(observation: dict, order: np.ndarray) -> dict:
    nodes = np.concatenate([[0], order + 1])
    return {
        "similarity": observation["similarity"][:, nodes][:, :, nodes],
        "feedback": observation["feedback"][:, order],
        "action_mask": observation["action_mask"][:, order],
        "remaining": observation["remaining"],
    }


def features_by_loops(observation: dict, b: int, i: int) -> list[float]:
    """The features of item i of episode b, read off the definitions."""
    similarity, feedback = observation["similarity"][b].astype(float), observation["feedback"][b]
    items = range(len(feedback))
    row = {j: similarity[0, j + 1] for j in items}
    near = {j: similarity[i + 1, j + 1] for j in items}
    matches = [j for j in items if feedback[j] == 1]
    others = [j for j in items if feedback[j] == -1]
    open_items = [j for j in items if observation["action_mask"][b, j]]
    links = [j for j in items if near[j] > 0]
    higher = sum(row[j] > row[i] for j in items)
    equal = sum(row[j] == row[i] for j in items)
    least_match = min((near[j] for j in matches), default=1.0)
    most_other = max((near[j] for j in others), default=0.0)
    return [
        row[i],
        float(row[i] > 0),
        (higher + (equal - 1) / 2) / len(items),
        float(i in matches),
        float(i in others),
        float(i in open_items),
        max((near[j] for j in matches), default=0.0),
        sum(near[j] for j in matches) / max(len(matches), 1),
        least_match,
        most_other,
        sum(near[j] for j in others) / max(len(others), 1),
        most_other - least_match,
        len(links) / len(items),
        max((near[j] for j in open_items), default=0.0),
        sum(near[j] for j in open_items) / max(len(links), 1),
        float(observation["remaining"][b, 0]),
        len(matches) / (len(matches) + 1),
        len(others) / (len(others) + 1),
        max(row.values()),
        sum(row.values()) / len(items),
    ]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), items=st.integers(1, 8))
def test_features_equal_loops(seed, items):
    observation = random_observations(seed, items=items)
    found = node_features(gallery_graph(tensors(observation))).numpy()
    expected = [[features_by_loops(observation, b, i) for i in range(items)] for b in range(4)]
    assert found.shape == (4, items, FEATURES)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_values_move_with_the_items(seed):
    observation = random_observations(seed)
    order = np.random.default_rng(seed).permutation(9)
    with torch.no_grad():
        values = network(9)(tensors(observation)).numpy()
        moved = network(9)(tensors(permuted(observation, order))).numpy()
    np.testing.assert_allclose(moved, values[:, order], atol=1e-5)
    assert np.ptp(values) > 1e-3


def test_the_same_weights_serve_any_pool_size():
    built = network(10)
    for items in (1, 10, 60):
        with torch.no_grad():
            values = built(tensors(random_observations(0, items=items)))
        assert values.shape == (4, items)
        assert torch.isfinite(values).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_batch_is_its_rows(seed):
    observation = random_observations(seed, batch=6)
    with torch.no_grad():
        together = network(9)(tensors(observation))
        apart = [network(9)(tensors({k: v[i : i + 1] for k, v in observation.items()}))[0] for i in range(6)]
    np.testing.assert_allclose(together, torch.stack(apart), atol=1e-5)


@pytest.mark.parametrize("key", ["similarity", "feedback", "action_mask", "remaining"])
def test_every_part_of_the_observation_reaches_the_graph_network(key):
    observation = random_observations(3)
    changed = {**observation, key: random_observations(4)[key]}
    with torch.no_grad():
        assert not torch.allclose(network(9)(tensors(observation)), network(9)(tensors(changed)), atol=1e-4)


def test_the_paper_network_sees_the_graph_alone():
    torch.manual_seed(0)
    policy = MlpPolicy(observation_space(9), spaces.Discrete(9), lambda _: 1e-3)
    linear = [layer for layer in policy.q_net.layers if isinstance(layer, torch.nn.Linear)]
    assert [layer.in_features for layer in linear] == [100, 256, 256, 256]
    assert linear[-1].out_features == 9
    observation = random_observations(3)
    changed = {**random_observations(4), "similarity": observation["similarity"]}
    with torch.no_grad():
        np.testing.assert_array_equal(policy.q_net(tensors(observation)), policy.q_net(tensors(changed)))


def test_no_answers_and_no_links_give_finite_values_and_gradients():
    observation = random_observations(0)
    observation["similarity"][:] = 0
    observation["feedback"][:] = 0
    built = network(9)
    built(tensors(observation)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in built.parameters() if p.grad is not None)


def test_sb3_hands_all_keys_over_intact():
    """The int8 Box is no image and the MultiBinary no one-hot: each value arrives as it is."""
    observation = random_observations(5)
    observation["feedback"][0, :3] = [-1, 0, 1]
    policy = GraphPolicy(observation_space(9), spaces.Discrete(9), lambda _: 1e-3)
    handed, batched = policy.obs_to_tensor(observation)
    assert batched
    prepared = preprocess_obs(handed, observation_space(9))
    for key, value in observation.items():
        np.testing.assert_array_equal(handed[key].numpy(), value)
        np.testing.assert_array_equal(prepared[key].numpy(), value.astype(np.float32))
        assert prepared[key].dtype == torch.float32
