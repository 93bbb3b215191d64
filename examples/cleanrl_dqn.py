"""A masked DQN in one file, in the manner of CleanRL: torch, the batched environment, nothing hidden.

It differs from a textbook DQN in two lines: exploration draws from the actions that the mask allows, and so
does the maximum in the target. The state is the paper's flattened graph, followed by the answers, the budget
left and the mask.
"""

from __future__ import annotations

import argparse
import copy

import gymnasium as gym
import numpy as np
import torch
from torch import nn


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", default="reid_al_env:ReIDActiveLearningSmall-v0")
    parser.add_argument("--num-envs", type=int, default=16)
    parser.add_argument("--steps", type=int, default=6000, help="answers in all")
    parser.add_argument("--buffer", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--warm-up", type=int, default=1000, help="answers before learning starts")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--gamma", type=float, default=0.9)
    parser.add_argument("--exploration", type=float, default=0.4, help="share of the answers while ε falls")
    parser.add_argument("--target-every", type=int, default=50, help="updates between copies to the target")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def flat(observation: dict[str, np.ndarray]) -> np.ndarray:
    """Every key side by side, the mask last; (B, F) float32."""
    keys = ("similarity", "feedback", "remaining", "action_mask")
    rows = [observation[key].reshape(len(observation[key]), -1) for key in keys]
    return np.concatenate(rows, axis=1).astype(np.float32)


def greedy(network: nn.Module, states: torch.Tensor, actions: int) -> torch.Tensor:
    """Q-values, with −inf where the mask (the last numbers of a state) is 0."""
    return network(states).masked_fill(states[:, -actions:] == 0, -torch.inf)


def main() -> None:
    args = parse()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    envs = gym.make_vec(
        args.env,
        num_envs=args.num_envs,
        vectorization_mode="vector_entry_point",
        autoreset_mode="SameStep",
        metric="cosine",
    )
    observation, _ = envs.reset(seed=args.seed)
    state = flat(observation)
    actions = int(envs.single_action_space.n)
    width = state.shape[1]

    network = nn.Sequential(
        nn.Linear(width, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, actions)
    )
    target = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=args.learning_rate)

    states, next_states = (np.zeros((args.buffer, width), dtype=np.float32) for _ in range(2))
    picks = np.zeros(args.buffer, dtype=np.int64)
    rewards, ends = (np.zeros(args.buffer, dtype=np.float32) for _ in range(2))
    running, returns = np.zeros(args.num_envs), []

    for answered in range(0, args.steps, args.num_envs):
        epsilon = max(1.0 - answered / (args.exploration * args.steps), 0.05)
        with torch.no_grad():
            action = greedy(network, torch.from_numpy(state), actions).argmax(dim=1).numpy()
        random = (rng.random((args.num_envs, actions)) * observation["action_mask"]).argmax(axis=1)
        action = np.where(rng.random(args.num_envs) < epsilon, random, action)

        observation, reward, terminated, _, _ = envs.step(action)
        next_state = flat(observation)  # of the next episode where terminated; not used then
        rows = np.arange(answered, answered + args.num_envs) % args.buffer
        states[rows], next_states[rows] = state, next_state
        picks[rows], rewards[rows], ends[rows] = action, reward, terminated
        state = next_state

        running += reward
        returns += running[terminated].tolist()
        running[terminated] = 0.0

        if answered < args.warm_up:
            continue
        chosen = rng.integers(min(answered + args.num_envs, args.buffer), size=args.batch)
        with torch.no_grad():
            best = greedy(target, torch.from_numpy(next_states[chosen]), actions).amax(dim=1)
            going = torch.from_numpy(1.0 - ends[chosen])
            goal = torch.from_numpy(rewards[chosen]) + args.gamma * going * best
        # Current values are not masked: a masked pick in the buffer must not be learned as −inf.
        value = network(torch.from_numpy(states[chosen])).gather(1, torch.from_numpy(picks[chosen])[:, None])
        loss = nn.functional.smooth_l1_loss(value[:, 0], goal)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (answered // args.num_envs) % args.target_every == 0:
            target.load_state_dict(network.state_dict())

    few = len(returns) // 5
    print(
        f"mean return after {args.steps} answers: {np.mean(returns[-few:]):.2f} over the last {few} queries, "
        f"{np.mean(returns[:few]):.2f} over the first, when most picks were random"
    )


if __name__ == "__main__":
    main()
