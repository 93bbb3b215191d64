"""Steps per second, for ``throughput.py``: subjects that are timed in turns, a few steps at a time."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

import gymnasium as gym
import numpy as np
from gymnasium.utils.performance import benchmark_vector_step
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from reid_al_env import EpisodeSettings, Inquiry, synthetic_features

ID = "ReIDActiveLearning-v0"
KEPT = 64  # observations that stay alive, as in a learner that holds its last ones

Pool = Callable[[], float]  # steps a second of one round


def batched(num_envs: int, mode: str = "SameStep", cold: bool = False) -> VectorEnv:
    """Our batched environment; ``cold`` has so many images that no query comes twice in the benchmark."""
    features = synthetic_features(4000) if cold else None
    return gym.make_vec(
        ID,
        num_envs=num_envs,
        vectorization_mode="vector_entry_point",
        autoreset_mode=mode,
        features=features,
    )


def subjects(num_envs: int, seed: int) -> dict[str, Pool]:
    """Everything that is compared, by name, each after its first ``reset`` and warmed up."""
    rng = np.random.default_rng(seed)
    cart = gym.make_vec(
        "CartPole-v1",
        num_envs=num_envs,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )
    own = SyncVectorEnv([lambda: gym.make(ID)] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    warm, next_step = batched(num_envs), batched(num_envs, "NextStep")
    cold = batched(num_envs, cold=True)
    for env in (cart, own, warm, next_step, cold):
        env.reset(seed=seed)
    for env in (warm, next_step):
        _valid_steps(env, 60, rng)  # every image has been the query by then
    found: dict[str, Pool] = {
        "batched, SameStep, warm": lambda: _valid_steps(warm, 100, rng),
        "batched, NextStep, warm": lambda: _valid_steps(next_step, 100, rng),
        "batched, SameStep, cold": lambda: _valid_steps(cold, 20, rng),
        "CartPole-v1 in SyncVectorEnv": lambda: _any_steps(cart, 20, rng),
        "our single in SyncVectorEnv": lambda: _valid_steps(own, 10, rng),
        "floor": lambda: floor(warm, 400),
        "CartPole-v1 single": lambda: _single_steps(gym.make("CartPole-v1"), 6000, rng),
        "our single": _own_single(rng),
        "benchmark_vector_step, ours": lambda: benchmark_vector_step(batched(num_envs), 1, seed),
        "benchmark_vector_step, CartPole-v1": lambda: benchmark_vector_step(cart, 1, seed),
    }
    found["our single"]()  # remembers its first graphs
    return found


def interleaved(found: dict[str, Pool], rounds: int) -> dict[str, list[float]]:
    """Steps a second of each subject in each of ``rounds`` rounds, one subject after the other."""
    rates: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name, subject in found.items():
            rates[name].append(subject())
    return rates


def ratio(rates: dict[str, list[float]], above: str, below: str) -> float:
    """Median over rounds of one subject's rate by another's in the same round."""
    return statistics.median(a / b for a, b in zip(rates[above], rates[below], strict=True))


def floor(env: VectorEnv, steps: int) -> float:
    """Steps a second of handing out fresh observations and nothing else.

    Arrays of the observation's shapes and types are filled with ``np.copyto`` from a source that is touched
    each time, and the last :data:`KEPT` stay alive.
    """
    source = {name: np.ones(space.shape, space.dtype) for name, space in env.observation_space.items()}
    kept: deque[dict[str, np.ndarray]] = deque(maxlen=KEPT)
    start = time.perf_counter()
    for _ in range(steps):
        fresh = {}
        for name, values in source.items():
            values.flat[0] = 1
            fresh[name] = np.empty_like(values)
            np.copyto(fresh[name], values)
        kept.append(fresh)
    return steps * env.num_envs / (time.perf_counter() - start)


def _valid_steps(env: VectorEnv, steps: int, rng: np.random.Generator) -> float:
    """Random picks that the mask allows, chosen outside the time; autoreset is inside."""
    observation, kept = env.step(np.zeros(env.num_envs, dtype=np.int64))[0], deque(maxlen=KEPT)
    spent = 0.0
    for _ in range(steps):
        mask = observation["action_mask"]
        actions = (rng.random(mask.shape, dtype=np.float32) * mask).argmax(axis=1)
        start = time.perf_counter()
        observation = env.step(actions)[0]
        spent += time.perf_counter() - start
        kept.append(observation)
    return steps * env.num_envs / spent


def _any_steps(env: VectorEnv, steps: int, rng: np.random.Generator) -> float:
    actions = rng.integers(env.single_action_space.n, size=(steps, env.num_envs))
    start = time.perf_counter()
    for chosen in actions:
        env.step(chosen)
    return steps * env.num_envs / (time.perf_counter() - start)


def _single_steps(env: gym.Env, steps: int, rng: np.random.Generator) -> float:
    """Random actions of a single environment, its resets included."""
    env.reset(seed=0)
    actions = rng.integers(env.action_space.n, size=steps)
    start = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - start)


def _own_single(rng: np.random.Generator) -> Pool:
    """Our single environment, with distinct random picks in each episode, its resets included."""
    env = gym.make(ID)
    env.reset(seed=0)
    for _ in range(1000):
        env.reset()

    def steps() -> float:
        env.reset()
        actions = rng.permuted(np.tile(np.arange(30), (300, 1)), axis=1)[:, :10].ravel()
        start = time.perf_counter()
        for action in actions:
            if env.step(action)[2]:
                env.reset()
        return len(actions) / (time.perf_counter() - start)

    return steps


def kernel_seconds(pool_sizes: tuple[int, ...], num_envs: int, rounds: int, seed: int) -> dict[int, float]:
    """Median seconds of one step of ``num_envs`` episodes without any observation, by pool size.

    k is half the pool size, as in the paper; resets are outside the time; the sizes are timed in turns.
    """
    rng = np.random.default_rng(seed)
    features = synthetic_features()
    runs = {
        size: Inquiry(features, EpisodeSettings(size, 10, max(size // 2, 1)), size=num_envs)
        for size in pool_sizes
    }
    times: dict[int, list[float]] = {size: [] for size in pool_sizes}
    rows = np.arange(num_envs)
    for number in range(rounds + 1):
        queries = rng.choice(len(features), num_envs, replace=False)
        for size, inquiry in runs.items():
            inquiry.begin(rows, queries)
            picks = rng.permuted(np.tile(np.arange(size), (num_envs, 1)), axis=1)[:, :10].T.copy()
            start = time.perf_counter()
            for actions in picks:
                inquiry.step(actions)
            if number:
                times[size].append((time.perf_counter() - start) / len(picks))
    return {size: statistics.median(values) for size, values in times.items()}


def exponent(seconds: dict[int, float]) -> float:
    """Slope of log seconds over log size by least squares."""
    slope, _ = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)
    return float(slope)
