"""A catalogue small enough to learn in within seconds, and its fixed tasks."""

import gymnasium as gym
import numpy as np
import torch

from reid_al_agents.dqn.question_network import QuestionQNetwork

TINY, TINY_TEST = "TinyCatalogue-v0", "TinyCatalogueTest-v0"
for name, tasks in ((TINY, "train"), (TINY_TEST, "test")):
    if name not in gym.registry:
        gym.register(
            name,
            entry_point="reid_al_env.catalogue.env:ReIDCatalogueEnv",
            vector_entry_point="reid_al_env.catalogue.vector_env:ReIDCatalogueVectorEnv",
            kwargs={"identities": 10, "budget": 15, "questions": 40, "tasks": tasks},
        )


def batch(count, mode="SameStep"):
    return gym.make_vec(
        TINY, num_envs=count, vectorization_mode="vector_entry_point", autoreset_mode=mode
    ).unwrapped


def network(seed=0, hidden=16, rounds=2):
    env = batch(1)
    torch.manual_seed(seed)
    built = QuestionQNetwork(env.single_observation_space, env.single_action_space, hidden, rounds)
    torch.nn.init.normal_(built.head[-1].weight)  # values that differ by more than rounding
    return built


def some_states(count=6, steps=4, seed=0):
    """Observations after a few random questions, by key, each (count, ...)."""
    env, rng = batch(count), np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    for _ in range(steps):
        observation = env.step(any_open(observation, rng))[0]
    return observation


def any_open(observation, rng):
    return (rng.random(observation["action_mask"].shape) * observation["action_mask"]).argmax(axis=1)


def mean_return(choose, count=60):
    """Mean return of ``count`` episodes of pools that training has not seen."""
    env = batch(count, "Disabled")
    observation, _ = env.reset(seed=50_000)
    over, total = np.zeros(count, dtype=bool), np.zeros(count)
    while not over.all():
        observation, rewards, terminated, _, _ = env.step(choose(observation))
        total += np.where(over, 0.0, rewards)
        over |= terminated
    return float(total.mean())
