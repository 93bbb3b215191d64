"""RLlib's PPO with its module for action masks; needs ``pip install ".[rl]"``.

The module expects the mask and the rest of the observation under two names, which a small wrapper provides.
"""

import importlib.util
import sys

import gymnasium as gym
import numpy as np

import reid_al_env
from reid_al_env import FlattenGraph

if importlib.util.find_spec("ray") is None:
    print('RLlib is not installed, so there is nothing to show: pip install "ray[rllib]"')
    sys.exit()

from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.examples.rl_modules.classes.action_masking_rlm import ActionMaskingTorchRLModule
from ray.tune.registry import register_env


class RLlibNames(gym.Wrapper):
    """``{"action_mask": ..., "observations": ...}`` from the mask in the info and the flattened graph."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        mask = gym.spaces.Box(0.0, 1.0, (int(env.action_space.n),), np.float32)
        self.observation_space = gym.spaces.Dict(action_mask=mask, observations=env.observation_space)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        """See the wrapped environment."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._named(observation, info), info

    def step(self, action: int) -> tuple[dict, float, bool, bool, dict]:
        """See the wrapped environment."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        assert not info["invalid_action"], "RLlib's module picked a masked item"
        return self._named(observation, info), reward, terminated, truncated, info

    @staticmethod
    def _named(observation: np.ndarray, info: dict) -> dict:
        return {"action_mask": info["action_mask"].astype(np.float32), "observations": observation}


def make(config: dict) -> gym.Env:
    env = reid_al_env.ReIDActiveLearningEnv(pool_size=10, budget=5, k=5, metric="cosine", **config)
    return RLlibNames(FlattenGraph(env))


def main(iterations: int = 3) -> None:
    register_env("reid", make)
    config = (
        PPOConfig()
        .environment("reid")
        .env_runners(num_env_runners=0, num_envs_per_env_runner=4)
        .training(train_batch_size_per_learner=500, minibatch_size=125, num_epochs=2)
        .rl_module(rl_module_spec=RLModuleSpec(module_class=ActionMaskingTorchRLModule))
        .debugging(seed=0, log_level="ERROR")
    )
    algorithm = config.build_algo()
    for number in range(iterations):
        result = algorithm.train()["env_runners"]
        print(
            f"iteration {number}: mean return {result['episode_return_mean']:.2f}, nothing masked was picked"
        )
    algorithm.stop()


if __name__ == "__main__":
    main()
