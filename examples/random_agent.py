"""A random agent that respects the mask, on the default synthetic features."""

import gymnasium as gym

import reid_al_env  # noqa: F401 -- importing registers the environment

env = gym.make("ReIDActiveLearning-v0")
observation, info = env.reset(seed=0)
total, terminated = 0.0, False
while not terminated:
    action = env.action_space.sample(info["action_mask"])
    observation, reward, terminated, truncated, info = env.step(action)
    total += reward
print(f"query {info['query']}: return {total:.2f}")
