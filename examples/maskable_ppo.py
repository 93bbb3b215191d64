"""sb3-contrib's MaskablePPO, which finds the mask through ``action_masks()``."""

import gymnasium as gym
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks

from reid_al_agents.dqn.vec_env import SB3VecEnv


def main(steps: int = 4000) -> None:
    env = SB3VecEnv(
        gym.make_vec(
            "reid_al_env:ReIDActiveLearning-v0",
            num_envs=8,
            vectorization_mode="vector_entry_point",
            autoreset_mode="SameStep",
        )
    )
    model = MaskablePPO("MultiInputPolicy", env, n_steps=64, batch_size=128, seed=0)
    model.learn(steps)
    observation = env.reset()
    action, _ = model.predict(observation, action_masks=get_action_masks(env))
    print(f"MaskablePPO learned from {steps} answers; it would now ask about items {action.tolist()}")


if __name__ == "__main__":
    main()
