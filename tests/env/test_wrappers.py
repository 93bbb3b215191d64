"""The graph and the vector say what the observation says."""

from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import reid_al_env
from reid_al_env import FlattenGraph, FlattenGraphVector, GraphObservation, InputError, StaticNodeFeatures

DRAWS = find_spec("PIL") is not None and find_spec("pygame") is not None  # the checker draws all modes

ID = "ReIDActiveLearningSmall-v0"
MODES = ["SameStep", "NextStep", "Disabled"]


@pytest.mark.parametrize("wrapper", [GraphObservation, FlattenGraph])
def test_gymnasium_checker_has_nothing_to_say_but_that_it_is_a_wrapper(wrapper, recwarn):
    check_env(wrapper(gym.make(ID, render_mode="ansi").unwrapped), skip_render_check=not DRAWS)
    said = [str(warning.message) for warning in recwarn]
    assert all("different from the unwrapped version" in words for words in said), said


def test_the_graph_holds_all_that_the_observation_holds():
    plain, graph = gym.make(ID), GraphObservation(gym.make(ID))
    seen, info = plain.reset(seed=4)
    shown, graph_info = graph.reset(seed=4)
    column = {name: place for place, name in enumerate(graph.node_names)}
    for action in (0, 3, 3, 6):
        assert shown in graph.observation_space
        dense = np.zeros_like(seen["similarity"])
        dense[shown.edge_links[:, 0], shown.edge_links[:, 1]] = shown.edges[:, 0]
        assert dense.tobytes() == seen["similarity"].tobytes()
        assert len(shown.edges) == np.count_nonzero(dense)
        assert shown.nodes[:, column["is_query"]].tolist() == [1.0] + [0.0] * 10
        for name in ("feedback", "action_mask"):
            assert shown.nodes[1:, column[name]].tolist() == seen[name].tolist()
            assert shown.nodes[0, column[name]] == 0
        assert (shown.nodes[:, column["remaining"]] == seen["remaining"]).all()
        assert graph_info["remaining"] == seen["remaining"][0]
        assert (graph_info["action_mask"] == info["action_mask"]).all()
        seen, reward, _, _, info = plain.step(action)
        shown, graph_reward, _, _, graph_info = graph.step(action)
        assert reward == graph_reward
    assert graph.get_wrapper_attr("action_masks")().tolist() == (seen["action_mask"] > 0).tolist()


def test_node_features_go_into_the_nodes():
    more = StaticNodeFeatures(np.arange(2000, dtype=np.float32).reshape(1000, 2), ("a", "b"))
    env = GraphObservation(gym.make(ID, node_features=more))
    shown, info = env.reset(seed=0)
    assert env.node_names[-2:] == ("a", "b")
    images = np.concatenate(([info["query"]], info["candidates"]))
    assert (shown.nodes[:, -2:] == more.values[images]).all()
    assert shown in env.observation_space


def test_a_graph_without_edges():
    """A candidate is as far as any, so that its similarity is 0, until it is called a match."""
    features = reid_al_env.FeatureSet(np.array([[1.0, 0], [0, 1.0], [1, 1]]), np.array([0, 1, 0]))
    env = GraphObservation(gym.make(ID, features=features, pool_size=1, k=1, metric="euclidean"))
    shown, _ = env.reset(options={"query": 0})
    assert (shown.edges.shape, shown.edges.dtype) == ((0, 1), np.float32)
    assert (shown.edge_links.shape, shown.edge_links.dtype) == ((0, 2), np.int64)
    assert shown in env.observation_space
    shown, *_ = env.step(0)
    assert shown.edges.tolist() == [[1.0], [1.0]]
    assert shown.edge_links.tolist() == [[0, 1], [1, 0]]
    assert shown in env.observation_space


def test_the_vector_is_the_graph_row_by_row():
    plain, flat = gym.make(ID), FlattenGraph(gym.make(ID))
    seen, _ = plain.reset(seed=1)
    shown, info = flat.reset(seed=1)
    for action in (2, 5):
        assert shown.tolist() == seen["similarity"].ravel().tolist()
        assert shown in flat.observation_space
        assert "action_mask" in info
        seen, *_ = plain.step(action)
        shown, _, _, _, info = flat.step(action)


@pytest.mark.parametrize("mode", MODES)
def test_the_vectors_of_a_batch(mode):
    def make():
        return gym.make_vec(
            ID, num_envs=3, vectorization_mode="vector_entry_point", autoreset_mode=mode, budget=2
        )

    plain, flat = make(), FlattenGraphVector(make())
    seen, _ = plain.reset(seed=1)
    shown, _ = flat.reset(seed=1)
    for action in (2, 5, 1):
        assert (shown == seen["similarity"].reshape(3, -1)).all()
        assert shown in flat.observation_space
        assert (flat.action_masks() == plain.action_masks()).all()
        seen, _, terminated, _, infos = plain.step(np.full(3, action))
        shown, _, _, _, flat_infos = flat.step(np.full(3, action))
        for row in np.flatnonzero(infos.get("_final_obs", [])):
            expected = infos["final_obs"][row]["similarity"].ravel()
            assert (flat_infos["final_obs"][row] == expected).all()
        if mode == "Disabled" and terminated.any():
            options = {"reset_mask": terminated}
            seen, shown = plain.reset(options=dict(options))[0], flat.reset(options=dict(options))[0]


@pytest.mark.parametrize("wrapper", [GraphObservation, FlattenGraph])
def test_specs_of_wrapped_environments_go_to_json(wrapper):
    spec = wrapper(gym.make(ID, budget=3)).spec
    again = gym.make(gym.envs.registration.EnvSpec.from_json(spec.to_json()))
    assert isinstance(again, wrapper)
    again.reset(seed=0)
    assert [again.step(a)[2] for a in range(3)] == [False, False, True]


@pytest.mark.parametrize("wrapper", [GraphObservation, FlattenGraph])
def test_other_observations_are_refused(wrapper):
    with pytest.raises(InputError, match="expected those of ReIDActiveLearning"):
        wrapper(gym.make("CartPole-v1"))
