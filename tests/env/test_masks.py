"""An agent that does not keep to the mask hears of it, once."""

import warnings

import gymnasium as gym
import numpy as np
import pytest

import reid_al_env  # noqa: F401 -- importing registers the environments
from reid_al_env.masks import MANY

IDS = ("ReIDActiveLearningSmall-v0", "ReIDCatalogueSmall-v0")
MORE = {"ReIDActiveLearningSmall-v0": {}, "ReIDCatalogueSmall-v0": {"questions": 2000, "identities": 5}}


def told(caught):
    return sum("masked actions" in str(each.message) for each in caught)


@pytest.mark.parametrize("name", IDS)
def test_many_masked_actions_bring_one_warning(name):
    env, invalid = gym.make(name, **MORE[name]).unwrapped, 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        while invalid < 3 * MANY:
            observation, _ = env.reset(seed=invalid)
            over = False
            while not over:
                closed = np.flatnonzero(observation["action_mask"] == 0)
                action = closed[-1] if len(closed) else 0
                observation, _, over, _, infos = env.step(action)
                invalid += infos["invalid_action"]
                assert told(caught) == (invalid >= MANY)


@pytest.mark.parametrize("name", IDS)
def test_the_batch_warns_likewise(name):
    env = gym.make_vec(name, num_envs=4, vectorization_mode="vector_entry_point", **MORE[name])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        observation, _ = env.reset(seed=0)
        for _ in range(2 * MANY):
            observation = env.step(observation["action_mask"].argmin(axis=1))[0]
        assert told(caught) == 1
        env = gym.make_vec(name, num_envs=4, vectorization_mode="vector_entry_point", **MORE[name])
        observation, _ = env.reset(seed=0)
        for _ in range(2 * MANY):
            observation = env.step(observation["action_mask"].argmax(axis=1))[0]
        assert told(caught) == 1
