"""Training of a policy for the catalogue: imitation of the labels first, then reinforcement learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gymnasium as gym
import torch
from gymnasium.wrappers.vector import TransformReward
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

import reid_al_env  # noqa: F401 -- importing registers the environments
from reid_al_agents.dqn.catalogue_settings import CatalogueSettings, DQNLearning, PPOLearning
from reid_al_agents.dqn.imitation import GAIN_SCALE, imitate
from reid_al_agents.dqn.question_network import QuestionQNetwork
from reid_al_agents.dqn.vec_env import SB3VecEnv
from reid_al_env.catalogue.env import ReIDCatalogueEnv
from reid_al_env.catalogue.vector_env import ReIDCatalogueVectorEnv
from reid_al_env.errors import InputError

Report = Callable[[str, int, int], None]


def train_catalogue(
    ids: Sequence[str],
    settings: CatalogueSettings,
    steps: int,
    seed: int,
    report: Report,
) -> QuestionQNetwork:
    """Train a policy.

    Args:
        ids: Registered catalogues: all are imitated, the first is then learned in.
        settings: Of the network, imitation and learning; see :func:`.catalogue_settings`.
        steps: Answers of reinforcement learning after it; 0 for none.
        seed: Seed of all random choices.
        report: Called with what is done, the number done, and the total.

    Returns:
        The network; save it by :func:`~reid_al_agents.dqn.policy_file.save_network`.

    Raises:
        InputError: An id is not that of a catalogue.
    """
    envs = [_batched(name, settings.environments) for name in ids]
    seen = envs[0].single_observation_space
    assert isinstance(seen, gym.spaces.Dict)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = QuestionQNetwork(
            seen, envs[0].single_action_space, settings.network.hidden, settings.network.rounds
        )
    imitate(network, envs, settings.imitation, seed, report)
    if steps:
        _reinforce(network, ids[0], settings, steps, seed, report)
    return network


def _batched(name: str, count: int) -> ReIDCatalogueVectorEnv:
    try:
        single = gym.make(name).unwrapped
    except gym.error.Error as error:
        raise InputError(f"{name}: is no registered environment; try ReIDCatalogue-v0") from error
    if not isinstance(single, ReIDCatalogueEnv):
        raise InputError(f"{name}: is no catalogue; train a policy for it on images, or see examples/")
    made = gym.make_vec(
        name, num_envs=count, vectorization_mode="vector_entry_point", autoreset_mode="SameStep"
    ).unwrapped
    assert isinstance(made, ReIDCatalogueVectorEnv)
    return made


def _reinforce(
    network: QuestionQNetwork, name: str, settings: CatalogueSettings, steps: int, seed: int, report: Report
) -> None:
    """Go on from what was imitated; rewards have the scale of the imitated values."""
    scaled = TransformReward(_batched(name, settings.environments), lambda reward: reward * GAIN_SCALE)
    env, shown = SB3VecEnv(scaled), _Shown(report, steps)
    if isinstance(settings.learning, DQNLearning):
        _learn_by_q(network, env, settings.learning, steps, seed, shown)
    else:
        _learn_by_ppo(network, env, settings.learning, steps, seed, shown)


def _learn_by_q(
    network: QuestionQNetwork,
    env: VecEnv,
    settings: DQNLearning,
    steps: int,
    seed: int,
    shown: BaseCallback,
) -> None:
    from reid_al_agents.dqn.masked_dqn import MaskedDQN

    model = MaskedDQN(
        "questions",
        env,
        gamma=settings.gamma,
        n_steps=settings.n_steps,
        learning_rate=settings.learning_rate,
        learning_starts=min(2000, steps // 4),
        batch_size=settings.batch_size,
        train_freq=1,
        gradient_steps=max(1, env.num_envs // 4),
        buffer_size=settings.buffer_size,
        exploration_initial_eps=settings.explore,
        exploration_final_eps=settings.explore,
        target_update_interval=env.num_envs,
        tau=settings.tau,
        policy_kwargs=dict(network.sizes),
        device="cpu",
        seed=seed,
    )
    for part in (model.q_net, model.q_net_target):
        part.load_state_dict(network.state_dict())
    model.learn(steps, callback=shown)
    network.load_state_dict(model.q_net.state_dict())


def _learn_by_ppo(
    network: QuestionQNetwork,
    env: VecEnv,
    settings: PPOLearning,
    steps: int,
    seed: int,
    shown: BaseCallback,
) -> None:
    from sb3_contrib import MaskablePPO

    from reid_al_agents.dqn.actor_critic import QuestionActorCriticPolicy

    model = MaskablePPO(
        QuestionActorCriticPolicy,
        env,
        gamma=settings.gamma,
        learning_rate=settings.learning_rate,
        n_steps=settings.n_steps,
        batch_size=settings.batch_size,
        n_epochs=settings.n_epochs,
        policy_kwargs=dict(network.sizes),
        device="cpu",
        seed=seed,
    )
    assert isinstance(model.policy, QuestionActorCriticPolicy)
    model.policy.network.load_state_dict(network.state_dict())
    model.learn(steps, callback=shown)
    network.load_state_dict(model.policy.network.state_dict())


class _Shown(BaseCallback):
    """Passes on how far SB3 has come."""

    def __init__(self, report: Report, steps: int) -> None:
        super().__init__()
        self._report, self._steps = report, steps

    def _on_step(self) -> bool:
        self._report("learn", min(self.num_timesteps, self._steps), self._steps)
        return True
