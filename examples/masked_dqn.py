"""This project's masked DQN, trained with Stable-Baselines3's ``learn``, compared with a random agent."""

import gymnasium as gym
import numpy as np

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.policies import GraphPolicy
from reid_al_agents.dqn.vec_env import SB3VecEnv


def make() -> SB3VecEnv:
    return SB3VecEnv(
        gym.make_vec(
            "reid_al_env:ReIDActiveLearning-v0",
            num_envs=8,
            vectorization_mode="vector_entry_point",
            autoreset_mode="SameStep",
            metric="cosine",
        )
    )


def mean_return(choose: object, queries: int = 200) -> float:
    env, returns, running = make(), [], np.zeros(8)
    env.seed(1)
    observation = env.reset()
    while len(returns) < queries:
        observation, rewards, dones, _ = env.step(choose(observation))  # type: ignore[operator]
        running += rewards
        returns += running[dones].tolist()
        running[dones] = 0.0
    return float(np.mean(returns))


def main(steps: int = 2000) -> None:
    rng = np.random.default_rng(0)
    model = MaskedDQN(
        GraphPolicy,
        make(),
        learning_starts=200,
        gradient_steps=4,
        gamma=0.9,
        exploration_fraction=0.3,
        seed=0,
    )
    model.learn(steps)
    random = mean_return(lambda seen: (rng.random(seen["action_mask"].shape) * seen["action_mask"]).argmax(1))
    learned = mean_return(lambda seen: model.predict(seen, deterministic=True)[0])
    print(f"random {random:.2f}, masked DQN after {steps} answers {learned:.2f}")


if __name__ == "__main__":
    main()
