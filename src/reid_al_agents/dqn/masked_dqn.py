"""Stable-Baselines3's DQN, made to keep to the action mask wherever it chooses or bootstraps."""

from __future__ import annotations

from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.dqn.policies import DQNPolicy
from torch import Tensor, nn
from torch.nn import functional as F

from reid_al_agents.dqn.masking import bootstrap_values
from reid_al_agents.dqn.networks import MaskedQNetwork
from reid_al_agents.dqn.policies import GraphPolicy, MlpPolicy, QuestionPolicy
from reid_al_agents.dqn.replay import NStepDictReplay, Transitions
from reid_al_agents.files import atomic_write, make_folder
from reid_al_agents.selection import RandomSelector
from reid_al_env.array_files import read_npz
from reid_al_env.errors import InputError


class MaskedDQN(DQN):
    """DQN that never takes a masked action and never bootstraps through one.

    Plain DQN could take one in four places: the random actions of the warm-up, the random branch of
    epsilon-greedy, the greedy choice, and the maximum in the target. All four are restricted to
    ``observation["action_mask"]`` here. A state with no valid action has value 0, and the Q-value of the
    stored action is read unmasked. Exploration is decided for each environment, not once per batch, by the
    model's own random generator.

    Args:
        policy: :class:`GraphPolicy` (``"graph"``) or :class:`MlpPolicy` (``"mlp"``) for the paper's
            environment, :class:`QuestionPolicy` (``"questions"``) for the catalogue, or another
            ``DQNPolicy`` whose choice keeps to the mask.
        env: With a ``Dict`` observation space that has ``action_mask``, and ``Discrete`` actions.
        double_q: Choose the target's action by the online network (Double DQN).
        n_steps: Number of steps of the n-step return.
        gamma: Discount factor.
        replay_buffer_class: ``None`` is :class:`NStepDictReplay`.
        replay_buffer_kwargs: Passed to the buffer.
        **arguments: All other arguments of ``stable_baselines3.DQN``.

    Raises:
        InputError: If the observations carry no mask of the actions.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "graph": GraphPolicy,
        "mlp": MlpPolicy,
        "questions": QuestionPolicy,
    }

    def __init__(
        self,
        policy: str | type[DQNPolicy],
        env: GymEnv | str | None,
        *,
        double_q: bool = True,
        n_steps: int = 1,
        gamma: float = 0.9,
        replay_buffer_class: type[ReplayBuffer] | None = None,
        replay_buffer_kwargs: dict[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        self.double_q = double_q
        if replay_buffer_class is None:
            replay_buffer_class = NStepDictReplay
            own = {"n_steps": n_steps, "gamma": gamma, "seed": arguments.get("seed")}
            replay_buffer_kwargs = {**own, **(replay_buffer_kwargs or {})}
        arguments["policy_kwargs"] = _with_fused_adam(arguments.get("policy_kwargs") or {})
        super().__init__(
            policy,
            env,  # type: ignore[arg-type]  # SB3 takes None, to be followed by _setup_model
            gamma=gamma,
            replay_buffer_class=replay_buffer_class,
            replay_buffer_kwargs=replay_buffer_kwargs,
            **arguments,
        )

    def choose(
        self, observation: Mapping[str, NDArray[Any]], exploration_rate: float, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return unmasked actions by epsilon-greedy, tossed for each row of the batch.

        Args:
            observation: A batch of B observations.
            exploration_rate: Probability of a random action, in [0, 1].
            rng: Where the tosses and the random actions come from.

        Returns:
            Of shape (B,); 0 where everything is masked.
        """
        if exploration_rate <= 0:
            return self._greedy(observation)
        exploring = rng.random(len(observation["action_mask"])) < exploration_rate
        drawn = RandomSelector().select(observation, rng)
        return drawn if exploring.all() else np.where(exploring, drawn, self._greedy(observation))

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Return actions for one observation or a batch, and ``state`` as given; see SB3.

        ``deterministic=False`` explores at the current ``exploration_rate``.
        """
        assert isinstance(observation, dict)
        batched = self.policy.is_vectorized_observation(observation)
        batch = (
            observation if batched else {key: np.asarray(value)[None] for key, value in observation.items()}
        )
        actions = self.choose(batch, 0.0 if deterministic else self.exploration_rate, self.rng)
        return (actions if batched else actions.squeeze(axis=0)), state

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Take gradient steps on batches from the replay buffer; the target network stays as it is."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        losses = [self._gradient_step(batch_size) for _ in range(gradient_steps)]
        self._n_updates += gradient_steps
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/loss", np.mean(losses))

    def _gradient_step(self, batch_size: int) -> float:
        assert self.replay_buffer is not None
        batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
        current = self.q_net(batch.observations).gather(1, batch.actions.long())
        loss = F.smooth_l1_loss(current, self._targets(batch))  # type: ignore[arg-type]  # either buffer's
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.q_net.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def _targets(self, batch: Transitions) -> Tensor:
        """Return r + discount * V(s'), (B, 1)."""
        mask = batch.next_observations["action_mask"]
        following: Any = batch.next_observations
        if isinstance(self.q_net, MaskedQNetwork):  # read once for both networks
            following = self.q_net.read(batch.next_observations)
        chooser = self._values(self.q_net, following) if self.double_q else None
        values = bootstrap_values(self._values(self.q_net_target, following), mask, chooser)
        discounts = self.gamma if batch.discounts is None else batch.discounts
        return batch.rewards + (1 - batch.dones) * discounts * values

    def _values(self, network: nn.Module, following: Any) -> Tensor:
        """Q-values (B, n) of observations, or of what :meth:`.MaskedQNetwork.read` made of them."""
        values: Tensor = (network.values if isinstance(network, MaskedQNetwork) else network)(following)
        return values

    def _greedy(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        actions, _ = self.policy.predict(dict(observation), deterministic=True)
        return actions.astype(np.int64)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return actions for the rollout, random ones during the warm-up, and what the buffer stores."""
        assert isinstance(self._last_obs, dict)
        rate = 1.0 if self.num_timesteps < learning_starts else self.exploration_rate
        actions = self.choose(self._last_obs, rate, self.rng)
        return actions, actions

    def save_replay_buffer(self, path: str | Path | BufferedIOBase) -> None:
        """Save the replay buffer, without pickle; :meth:`load_replay_buffer` goes on from it exactly.

        Args:
            path: File to write, ``.npz`` by custom, its folder made if missing; a file that is there is
                replaced as a whole. Or a binary file open for writing.

        Raises:
            InputError: The file cannot be written, or the buffer is of another class.
        """
        arrays = self._own_buffer().arrays()
        if isinstance(path, BufferedIOBase):
            np.savez_compressed(path, allow_pickle=False, **arrays)
            return
        with atomic_write(make_folder(Path(path).parent) / Path(path).name) as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    def load_replay_buffer(self, path: str | Path | BufferedIOBase, truncate_last_traj: bool = True) -> None:
        """Load a replay buffer that was saved, also one of a model with another number of environments.

        Args:
            path: As in :meth:`save_replay_buffer`.
            truncate_last_traj: Of SB3's, for its HER buffer; without effect here, since episodes under way
                are broken off where the environment is reset.

        Raises:
            InputError: The file is missing, is no saved buffer, or does not fit the model's.
        """
        try:
            self._own_buffer().load_arrays(read_npz(path))
        except (OSError, EOFError, KeyError, ValueError, BadZipFile, ZlibError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path}: is not a replay buffer that fits this model ({reason}); give a file of "
                "save_replay_buffer, of a model with the same buffer_size and observations"
            ) from error

    def _own_buffer(self) -> NStepDictReplay:
        if not isinstance(self.replay_buffer, NStepDictReplay):
            raise InputError(
                f"replay buffer: is a {type(self.replay_buffer).__name__}; MaskedDQN saves and loads its own "
                "NStepDictReplay only"
            )
        return self.replay_buffer

    def _setup_learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        reset_num_timesteps: bool = True,
        tb_log_name: str = "run",
        progress_bar: bool = False,
    ) -> tuple[int, BaseCallback]:
        """Break off the returns where learning begins with a reset of the environment; see SB3."""
        if (reset_num_timesteps or self._last_obs is None) and isinstance(
            self.replay_buffer, NStepDictReplay
        ):
            self.replay_buffer.break_off()
        return super()._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)

    def _store_transition(
        self,
        replay_buffer: ReplayBuffer,
        buffer_action: NDArray[Any],
        new_obs: NDArray[Any] | dict[str, NDArray[Any]],
        reward: NDArray[Any],
        dones: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Add a step of all environments to the replay, reading only the infos of ended episodes."""
        if self._vec_normalize_env is not None:
            super()._store_transition(replay_buffer, buffer_action, new_obs, reward, dones, infos)
            return
        assert isinstance(new_obs, dict)
        following = new_obs
        if dones.any():
            following = {key: value.copy() for key, value in new_obs.items()}
            for i in np.flatnonzero(dones):
                for key, value in infos[i].get("terminal_observation", {}).items():
                    following[key][i] = value
        assert isinstance(self._last_obs, dict)
        replay_buffer.add(self._last_obs, following, buffer_action, reward, dones, infos)  # type: ignore[arg-type]
        self._last_obs = new_obs

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: NDArray[Any] | None = None) -> None:
        """Log the returns of episodes that ended; the infos of others have none."""
        ended = range(len(infos)) if dones is None else np.flatnonzero(dones)
        super()._update_info_buffer([infos[i] for i in ended], None if dones is None else dones[ended])

    def _setup_model(self) -> None:
        _check_spaces(self.observation_space, self.action_space)
        if not hasattr(self, "rng"):  # a loaded model goes on where it was
            self.rng = np.random.default_rng(self.seed)
        super()._setup_model()


def _with_fused_adam(policy_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """A policy's arguments, by which Adam takes one pass over the weights, unless they name an optimizer."""
    own = {} if "optimizer_class" in policy_kwargs else {"optimizer_kwargs": {"fused": True}}
    return {**own, **policy_kwargs}


def _check_spaces(observations: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
    """Raise an ``InputError`` unless each observation says which actions may be taken."""
    mask = observations.spaces.get("action_mask") if isinstance(observations, spaces.Dict) else None
    count = int(actions.n) if isinstance(actions, spaces.Discrete) else None
    if mask is None or mask.shape != (count,):
        raise InputError(
            f"observation space {observations}: has no 'action_mask' with one entry "
            f"for each action of {actions}; MaskedDQN needs a Dict with one"
        )
