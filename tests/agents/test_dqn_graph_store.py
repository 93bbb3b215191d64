"""Graphs in the replay come back bit for bit, in a tenth of the memory."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.dqn.graph_store import GraphStore
from reid_al_agents.dqn.replay import NStepDictReplay
from reid_al_env import ConstraintGraph, FeatureSet, synthetic_features
from reid_al_env.env import observation_space
from reid_al_env.errors import InputError

NODES = 7


class Dense:
    """The ring with every graph whole: what the store is compared with."""

    def __init__(self, size):
        self.before = np.zeros((size, NODES, NODES), np.float32)
        self.after = np.zeros((size, NODES, NODES), np.float32)
        self.filled = np.zeros(size, dtype=bool)

    def put(self, slots, before, after):
        self.before[slots], self.after[slots], self.filled[slots] = before, after, True

    def equals(self, store):
        slots = np.flatnonzero(self.filled)
        return all(
            found.tobytes() == kept[slots].tobytes()
            for found, kept in (
                (store.get("before", slots), self.before),
                (store.get("after", slots), self.after),
            )
        )


def symmetric(rng, count, density=0.6):
    graphs = np.triu(rng.random((count, NODES, NODES)) * (rng.random((count, NODES, NODES)) < density), 1)
    return (graphs + graphs.swapaxes(1, 2)).astype(np.float32)


def answered(rng, graphs):
    """The graphs after an answer: another row 0, and some pairs of gallery items removed."""
    after = graphs.copy()
    row = rng.random((len(graphs), NODES)).astype(np.float32)
    row[:, 0] = 0
    after[:, 0] = after[:, :, 0] = row
    removed = np.triu(rng.random(after.shape) < 0.15, 1)[:, 1:, 1:]
    after[:, 1:, 1:][removed | removed.swapaxes(1, 2)] = 0
    return after


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    size=st.integers(4, 23),
    ending=st.sampled_from([0.0, 0.2, 1.0]),
    wild=st.sampled_from([0.0, 0.3]),
)
def test_any_play_comes_back_bit_for_bit(seed, size, ending, wild):
    """Streams that pause, episodes that end anywhere, and steps that change the graph as no answer would."""
    rng = np.random.default_rng(seed)
    store, dense, position = GraphStore(size, NODES, np.dtype(np.float32)), Dense(size), 0
    graphs = symmetric(rng, 4)
    for _ in range(40):
        streams = rng.permutation(4)[: rng.integers(1, 5)]
        over = rng.random(len(streams)) < ending
        graphs[streams[over]] = symmetric(rng, over.sum())
        before = graphs[streams]
        after = answered(rng, before)
        odd = rng.random(len(streams)) < wild
        after[odd] = symmetric(rng, odd.sum())
        slots = (position + np.arange(len(streams))) % size
        store.put(slots, streams, before, after)
        dense.put(slots, before, after)
        graphs[streams] = after
        position += len(streams)
        assert dense.equals(store)
    copy = GraphStore(size, NODES, np.dtype(np.float32))
    copy.load_arrays({name: array.copy() for name, array in store.arrays(int(dense.filled.sum())).items()})
    assert dense.equals(copy)
    before, streams = symmetric(rng, 4), np.arange(4)
    for each in (store, copy):
        each.put((position + streams) % size, streams, before, before)
    dense.put((position + streams) % size, before, before)
    assert dense.equals(store)
    assert dense.equals(copy)


def test_what_is_overwritten_makes_room():
    """However long the play, no more first graphs are kept than transitions and streams can refer to."""
    rng = np.random.default_rng(0)
    store = GraphStore(20, NODES, np.dtype(np.float32))
    for step in range(200):
        slots = (4 * step + np.arange(4)) % 20
        store.put(slots, np.arange(4), symmetric(rng, 4), symmetric(rng, 4))
        if step == 20:
            reserved = store.nbytes
    assert store.nbytes == reserved


def test_a_graph_whose_first_row_is_not_its_first_column_is_refused():
    graphs = np.zeros((1, NODES, NODES), np.float32)
    wrong = graphs.copy()
    wrong[0, 0, 3] = 0.5
    with pytest.raises(InputError, match="row 0"):
        GraphStore(5, NODES, np.dtype(np.float32)).put(np.array([0]), np.array([0]), graphs, wrong)


ENVIRONMENTS = {
    "paper": {"pool_size": 30, "budget": 10, "k": 15},
    "small k": {"pool_size": 12, "budget": 8, "k": 4},
    "can't tell": {"pool_size": 12, "budget": 6, "k": 5, "oracle": lambda i, j: (i + j) % 3 - 1},
    "cross camera": {"pool_size": 12, "budget": 6, "k": 5, "cross_camera": True},
    "known answers": {"pool_size": 12, "budget": 6, "k": 5, "constraints": True},
}


def world():
    features = synthetic_features(20, 5, seed=1)
    return FeatureSet(features.features, features.identities, np.arange(len(features)) % 2)


@pytest.mark.parametrize("name", ENVIRONMENTS)
@pytest.mark.parametrize("n_steps", [1, 3])
def test_replay_of_the_environment_equals_one_with_whole_graphs(name, n_steps):
    features, arguments = world(), dict(ENVIRONMENTS[name])
    if "constraints" in arguments:
        known = ConstraintGraph(len(features))
        for i in range(0, len(features) - 7, 3):
            known.add(i, i + 7, 1 if features.identities[i] == features.identities[i + 7] else -1)
        arguments["constraints"] = known
    env = gym.make_vec(
        "reid_al_env:ReIDActiveLearning-v0",
        num_envs=5,
        vectorization_mode="vector_entry_point",
        autoreset_mode="SameStep",
        features=features,
        **arguments,
    )
    size, pool_size = 83, arguments["pool_size"]
    space = observation_space(pool_size)
    whole = spaces.Dict({("graph" if key == "similarity" else key): each for key, each in space.items()})
    compact, dense = (
        NStepDictReplay(size, each, spaces.Discrete(pool_size), device="cpu", n_steps=n_steps, seed=3)
        for each in (space, whole)
    )
    assert list(compact.stores) == ["similarity"]
    assert not dense.stores
    observation, _ = env.reset(seed=2)
    rng = np.random.default_rng(4)
    for _ in range(60):
        masks = observation["action_mask"]
        actions = (rng.random(masks.shape) * (masks + 0.1)).argmax(axis=1)  # a masked one now and then
        following, rewards, over, cut, infos = env.step(actions)
        true = {key: value.copy() for key, value in following.items()}
        for i in np.flatnonzero(over):
            for key, values in true.items():
                values[i] = infos["final_obs"][i][key]
        rest = (actions, rewards, over, cut, np.arange(5))
        compact.add_batch(observation, true, *rest)
        dense.add_batch(renamed(observation), renamed(true), *rest)
        observation = following
    first, second = compact.sample(200), dense.sample(200)
    for ours, theirs in zip(first, second, strict=True):
        if isinstance(ours, dict):
            for key, value in ours.items():
                other = theirs["graph" if key == "similarity" else key]
                assert value.numpy().tobytes() == other.numpy().tobytes()
                assert value.dtype == other.dtype
        else:
            assert ours.numpy().tobytes() == theirs.numpy().tobytes()


def renamed(observation):
    return {("graph" if key == "similarity" else key): value for key, value in observation.items()}


def test_a_million_transitions_take_less_than_a_gigabyte():
    """Measured where the ring is full, in the paper's setting of ten answers a query."""
    size = 3_000
    replay = NStepDictReplay(size, observation_space(30), spaces.Discrete(30), device="cpu")
    env = gym.make_vec(
        "reid_al_env:ReIDActiveLearning-v0",
        num_envs=50,
        vectorization_mode="vector_entry_point",
        autoreset_mode="SameStep",
    )
    observation, _ = env.reset(seed=0)
    for _ in range(80):
        actions = observation["action_mask"].argmax(axis=1)
        following, rewards, over, cut, infos = env.step(actions)
        true = following if not over.any() else stacked(infos["final_obs"])
        replay.add_batch(observation, true, actions, rewards, over, cut, np.arange(50))
        observation = following
    assert replay.full
    per_transition = (replay.nbytes - streams_of(replay)) / size
    assert per_transition * 1_000_000 < 1e9


def stacked(final):
    """The true successors where all episodes end at once, as they do with one budget."""
    return {key: np.stack([each[key] for each in final]) for key in final[0]}


def streams_of(replay):
    """Bytes of the last graph of each environment, which do not grow with the ring."""
    return sum(array.nbytes for array in replay.stores["similarity"]._streams.values())
