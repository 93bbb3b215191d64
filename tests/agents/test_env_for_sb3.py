"""The environment passes Stable-Baselines3's own checker."""

import warnings

import gymnasium as gym
from stable_baselines3.common.env_checker import check_env

import reid_al_env  # noqa: F401 -- importing registers the environment


def test_stable_baselines3_has_the_one_remark_that_is_allowed():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(gym.make("ReIDActiveLearning-v0").unwrapped)
    messages = [str(warning.message) for warning in caught]
    assert all("similarity has an unconventional shape" in message for message in messages), messages
