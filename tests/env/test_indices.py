"""Actions and queries that are none are named in one line, and change nothing."""

import warnings

import gymnasium as gym
import numpy as np
import pytest

from reid_al_env import InputError, synthetic_features

ID = "ReIDActiveLearningSmall-v0"
FEATURES = synthetic_features(8, 5)  # 40 images, 10 candidates
NO_NUMBER = ["x", "a\nb", 3.7, 3.0, np.nan, np.float32(2), 1 + 2j, {"a": 1}, [1, [2]], [[1], [2, 3]], 2**80]
NO_QUERY = [*NO_NUMBER, -1, 40, np.uint64(2**63), np.array([1, 2]), [3], []]
NO_ACTION = [*NO_NUMBER, None, -1, 10, np.uint64(2**63), np.array([1, 2]), [3], []]
NO_QUERIES = [
    *NO_NUMBER,
    -1,
    40,
    [1, 2],
    [1, 2, 40],
    [-1, 2, 3],
    [0.0, 1.0, 2.0],
    [[1, 2, 3]],
    ["1", "2", "3"],
]
NO_ACTIONS = [
    [0.5, 1.9, 2],
    np.array([0.0, 1.0, 2.0]),
    np.array([np.nan, 1, 2]),
    [1, 2, 10],
    [1, 2, -1],
    [1, 2],
    [[1, 2, 3]],
    [[1], [2, 3], [4]],
    ["1", "2", "3"],
    [1, None, 2],
    np.array([1, 2, 2**63], dtype=np.uint64),
    1,
    None,
]


def single():
    return gym.make(ID, features=FEATURES).unwrapped  # Gymnasium's own checker asserts first


def batched():
    return gym.make_vec(ID, num_envs=3, vectorization_mode="vector_entry_point", features=FEATURES)


def refused(call, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=words) as caught:
            call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("query", NO_QUERY)
def test_a_query_that_is_none(query):
    env, twin = single(), single()
    for each in (env, twin):
        each.reset(seed=1)
    refused(
        lambda: env.reset(seed=5, options={"query": query}), r"query: .*expected a whole number in 0\.\.39"
    )
    assert env.step(2)[1] == twin.step(2)[1]
    assert env.reset()[1]["query"] == twin.reset()[1]["query"]


@pytest.mark.parametrize("action", NO_ACTION)
def test_an_action_that_is_none(action):
    env = single()
    env.reset(seed=1)
    refused(lambda: env.step(action), r"action: .*expected a whole number in 0\.\.9$")
    assert env.step(2)[0]["feedback"].tolist().count(0) == 9


@pytest.mark.parametrize("queries", NO_QUERIES)
def test_queries_that_are_none(queries):
    env, twin = batched(), batched()
    for each in (env, twin):
        each.reset(seed=1)
    refused(lambda: env.reset(seed=5, options={"query": queries}), r"query: .* in 0\.\.39$")
    assert env.step(np.arange(3))[1].tolist() == twin.step(np.arange(3))[1].tolist()
    assert env.reset()[1]["query"].tolist() == twin.reset()[1]["query"].tolist()


@pytest.mark.parametrize("actions", NO_ACTIONS)
def test_actions_that_are_none(actions):
    env = batched()
    env.reset(seed=1)
    refused(lambda: env.step(actions), r"actions: .*expected 3 whole numbers in 0\.\.9$")
    assert np.count_nonzero(env.step(np.arange(3))[0]["feedback"]) == 3


@pytest.mark.parametrize("kind", [int, bool, np.bool_, np.int64, np.uint8, np.array])
def test_every_whole_number_is_one(kind):
    env = single()
    assert env.reset(options={"query": kind(1)})[1]["query"] == 1
    assert env.step(kind(1))[0]["feedback"].nonzero()[0].tolist() == [1]


@pytest.mark.parametrize("kind", [list, tuple, np.array, np.uint64, np.int8])
def test_all_arrays_of_whole_numbers_are_actions_and_queries(kind):
    env = batched()
    assert env.reset(options={"query": kind([4, 5, 6])})[1]["query"].tolist() == [4, 5, 6]
    assert env.step(kind([4, 5, 6]))[0]["feedback"].nonzero()[1].tolist() == [4, 5, 6]
    mask = np.array([True, False, True])
    assert env.reset(options={"query": kind([7, 40 - 1, 9]), "reset_mask": mask})[1]["query"].tolist() == [
        7,
        0,
        9,
    ]
    assert env.reset(options={"query": np.int64(8)})[1]["query"].tolist() == [8, 8, 8]
