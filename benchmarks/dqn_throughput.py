"""How fast the masked DQN trains end to end, as ratios to Stable-Baselines3's DQN within one run.

Both learn with the same network, the same numbers of environments and of transitions in gradient steps,
exploring alike: the networks ``mlp`` and ``graph`` on ``ReIDActiveLearning-v0`` in the paper's setting, over
synthetic features, and ``questions`` on ``ReIDCatalogue-v0``, with the sizes of the shipped policy:

- ``SB3``: ``stable_baselines3.DQN`` over ``DummyVecEnv`` of single environments, with its own replay;
- ``ours``: ``MaskedDQN`` over the batched environment with the compact replay, without Double DQN, so that
  the arithmetic is the same;
- ``ours, double``: the same with Double DQN, the default, which needs the network once more.

They are timed in turns, several rounds of each, after a warm-up without gradient steps in which the replay
fills and most queries' first graphs are remembered (in the catalogue, all episodes have begun again once).
Given are medians over rounds of answers per CPU second, and of the ratios within rounds; CPU seconds, because
other work on the machine does not count in them. ``bound`` is the ratio that would be reached if everything
but the network (the choice of actions and the gradient steps, timed by themselves) took no time.

``OMP_NUM_THREADS=1 python benchmarks/dqn_throughput.py --out FILE``
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import torch
from recording import new_table, run, show, write_result
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import DummyVecEnv

from reid_al_agents.dqn.catalogue_settings import catalogue_settings
from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.policies import GraphPolicy, MlpPolicy, QuestionPolicy
from reid_al_agents.dqn.replay import NStepDictReplay
from reid_al_agents.dqn.vec_env import SB3VecEnv
from reid_al_env import FeatureSet, InputError, synthetic_features

PAPER, CATALOGUE = "reid_al_env:ReIDActiveLearning-v0", "reid_al_env:ReIDCatalogue-v0"
SB3, OURS, DOUBLE = "SB3", "ours", "ours, double"
_TUNED = catalogue_settings("dqn", CATALOGUE).network


class _Compared(NamedTuple):
    """A network, the environment it learns in, and its sizes."""

    policy: type[MlpPolicy | GraphPolicy | QuestionPolicy]
    environment: str
    sizes: dict[str, int]


NETWORKS = {
    "mlp": _Compared(MlpPolicy, PAPER, {}),
    "graph": _Compared(GraphPolicy, PAPER, {}),
    "questions": _Compared(QuestionPolicy, CATALOGUE, asdict(_TUNED)),
}
WORK: dict[str, dict[str, int]] = {
    "none": {"train_freq": 1, "gradient_steps": 0, "batch_size": 64},
    "1/8 (SB3's defaults)": {"train_freq": 4, "gradient_steps": 1, "batch_size": 32},
    "1": {"train_freq": 1, "gradient_steps": 1, "batch_size": 64},
    "8": {"train_freq": 1, "gradient_steps": 8, "batch_size": 64},
}
"""Settings of the learner, by transitions replayed for each answer, with 64 environments."""
ENVS = 64


def main() -> None:
    options = _parse()
    if options.steps < 8 or options.rounds < 1 or options.warm_up < 1:
        raise InputError("expected --steps of 8 or more, --rounds and --warm-up of 1 or more")
    torch.set_num_threads(1)
    features = synthetic_features(options.identities, 6, seed=options.seed)
    rows = [
        _row(network, work, features, options)
        for network in options.networks
        for work in (WORK if options.only is None else [options.only])
    ]
    figures = {"environments": ENVS, "rows": rows, "replay_bytes_per_transition": _replay_bytes(features)}
    write_result(options.out, (options.seed,), vars(options), figures)
    title = f"answers per CPU second, {ENVS} environments, one thread"
    columns = (SB3, OURS, "ratio", DOUBLE, "ratio ", "bound")
    table = new_table(title, ("network", "gradient transitions per answer"), columns)
    for row in rows:
        rates, ratios = row["answers_per_cpu_second"], row["ratio"]
        table.add_row(
            row["network"],
            row["gradient_transitions_per_answer"],
            *(f"{rates[SB3]:.0f}", f"{rates[OURS]:.0f}", f"{ratios[OURS]:.2f}"),
            *(f"{rates[DOUBLE]:.0f}", f"{ratios[DOUBLE]:.2f}", f"{row['bound']:.2f}"),
        )
    show(table)


def _row(network: str, work: str, features: FeatureSet, options: argparse.Namespace) -> dict[str, Any]:
    """Time the three learners in turns on one network and one amount of gradient steps."""
    arguments = {**WORK[work], "learning_starts": ENVS * options.warm_up, "seed": options.seed}
    learners = _learners(network, features, arguments)
    for learner in learners.values():
        learner.learn(ENVS * options.warm_up)
    rounds = []
    for _ in range(options.rounds):
        rounds.append({name: _seconds(learner, options.steps) for name, learner in learners.items()})
    answers = ENVS * options.steps
    cpu = {name: statistics.median(each[name]["cpu"] for each in rounds) for name in learners}
    network_seconds = _network_seconds(learners[OURS], WORK[work])
    return {
        "network": network,
        "gradient_transitions_per_answer": work,
        "answers_per_cpu_second": {name: answers / seconds for name, seconds in cpu.items()},
        "ratio": {
            name: statistics.median(each[SB3]["cpu"] / each[name]["cpu"] for each in rounds)
            for name in (OURS, DOUBLE)
        },
        "bound": cpu[SB3] / (options.steps * network_seconds),
        "rounds": rounds,
    }


def _learners(network: str, features: FeatureSet, arguments: dict[str, Any]) -> dict[str, DQN]:
    compared = NETWORKS[network]
    single = {"features": features, "metric": "cosine"} if compared.environment == PAPER else {}
    learning = {
        "gamma": 0.9,
        "learning_rate": 1e-3,
        "buffer_size": 20_000,
        "target_update_interval": ENVS,
        "tau": 0.01,
        "exploration_initial_eps": 0.05,
        "exploration_final_eps": 0.05,
        "device": "cpu",
        "policy_kwargs": compared.sizes,
        **arguments,
    }
    name = compared.environment
    makers: list[Callable[[], gym.Env[Any, Any]]] = [lambda: gym.make(name, **single).unwrapped] * ENVS
    return {
        SB3: DQN(compared.policy, DummyVecEnv(makers), **learning),
        OURS: MaskedDQN(compared.policy, _batched(name, single), double_q=False, **learning),
        DOUBLE: MaskedDQN(compared.policy, _batched(name, single), **learning),
    }


def _batched(name: str, arguments: dict[str, Any]) -> SB3VecEnv:
    how = {"vectorization_mode": "vector_entry_point", "autoreset_mode": "SameStep"}
    return SB3VecEnv(gym.make_vec(name, num_envs=ENVS, **how, **arguments))


def _seconds(learner: DQN, steps: int) -> dict[str, float]:
    """CPU and wall seconds of that many steps of all environments, with the gradient steps due."""
    wall, cpu = time.perf_counter(), time.process_time()
    learner.learn(ENVS * steps, reset_num_timesteps=False)
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def _network_seconds(learner: DQN, work: dict[str, int]) -> float:
    """CPU seconds of the network alone for one step of all environments: choice, targets, gradient step."""
    replay = learner.replay_buffer
    assert isinstance(replay, NStepDictReplay)
    seen, batch = replay.sample(ENVS).observations, replay.sample(work["batch_size"])

    def choose() -> None:
        with torch.no_grad():
            learner.policy._predict(seen)

    def gradient_step() -> None:
        with torch.no_grad():
            learner.q_net_target(batch.next_observations)
        loss = learner.q_net(batch.observations).square().mean()
        learner.policy.optimizer.zero_grad()
        loss.backward()
        learner.policy.optimizer.step()

    return _median_cpu(choose) + work["gradient_steps"] / work["train_freq"] * _median_cpu(gradient_step)


def _median_cpu(work: Callable[[], None], repeats: int = 30) -> float:
    times = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times)


def _replay_bytes(features: FeatureSet) -> float:
    """Bytes that a transition takes in a full compact replay, in the paper's setting."""
    env = _batched(PAPER, {"features": features, "metric": "cosine"})
    model = MaskedDQN("mlp", env, buffer_size=6400, learning_starts=10**9, device="cpu", seed=0)
    model.learn(12_800)
    assert isinstance(model.replay_buffer, NStepDictReplay)
    return model.replay_buffer.nbytes / model.replay_buffer.buffer_size


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--only", choices=WORK, help="one amount of gradient steps; all if left out")
    parser.add_argument("--identities", type=int, default=200, help="of the features, six images each")
    parser.add_argument("--steps", type=int, default=48, help="timed steps of all environments in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=220, help="steps of all environments before")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
