"""Replay of dictionary observations with n-step returns, by one generator of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

_NONE = -1


class Transitions(NamedTuple):
    """A batch of n-step transitions; flags, rewards and discounts have shape (B, 1).

    Attributes:
        observations: At the first step, by key.
        actions: Taken there, (B, 1) int64.
        next_observations: After the last step, by key.
        dones: 1 where the episode terminated within the steps.
        rewards: Discounted sum over the steps.
        discounts: What the value of ``next_observations`` is multiplied by: gamma to the number of steps.
    """

    observations: dict[str, Tensor]
    actions: Tensor
    next_observations: dict[str, Tensor]
    dones: Tensor
    rewards: Tensor
    discounts: Tensor


class NStepDictReplay(ReplayBuffer):
    """Ring of transitions in which each knows its successor, so that batches of any size can be added.

    SB3's own dictionary buffer has no n-step returns and wants one transition of every environment at each
    step. Here a transition carries its stream (the environment it came from) and is linked to the stream's
    next one when that arrives. A predecessor is older, hence overwritten first: links never dangle.

    Args:
        buffer_size: Transitions kept, over all streams.
        observation_space: A ``Dict`` of array spaces.
        action_space: ``Discrete``.
        device: Of the sampled tensors.
        n_envs: Environments that :meth:`add` is called for.
        optimize_memory_usage: SB3 passes ``False``.
        n_steps: Longest return; shorter where the episode or the record ends before.
        gamma: Discount factor of the returns.
        seed: Of the sampling.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        *,
        n_steps: int = 1,
        gamma: float = 0.99,
        seed: int | None = None,
    ) -> None:
        assert not optimize_memory_usage, "transitions of batches of any size cannot share observations"
        BaseBuffer.__init__(self, buffer_size, observation_space, action_space, device, n_envs)
        self.n_steps = n_steps
        self.gamma = gamma
        self.rng = np.random.default_rng(seed)
        self.storage = _storage(buffer_size, observation_space)
        self.streams: dict[int, int] = {}
        """Slot of each stream's latest transition while its episode goes on."""

    def add(  # type: ignore[override]  # dictionaries instead of arrays, as in SB3's DictReplayBuffer
        self,
        obs: Mapping[str, NDArray[Any]],
        next_obs: Mapping[str, NDArray[Any]],
        action: NDArray[Any],
        reward: NDArray[Any],
        done: NDArray[Any],
        infos: list[dict[str, Any]],
    ) -> None:
        """Add one transition of each environment, as SB3's collection of rollouts does."""
        cut = np.array([info.get("TimeLimit.truncated", False) for info in infos], dtype=bool)
        ended = np.asarray(done, dtype=bool)
        self.add_batch(obs, next_obs, action.reshape(-1), reward, ended & ~cut, cut, np.arange(len(reward)))

    def add_batch(
        self,
        observations: Mapping[str, NDArray[Any]],
        next_observations: Mapping[str, NDArray[Any]],
        actions: NDArray[Any],
        rewards: NDArray[Any],
        terminated: NDArray[Any],
        truncated: NDArray[Any],
        streams: NDArray[Any],
    ) -> None:
        """Add B transitions, at most one of each stream.

        Args:
            observations: By key, each of shape (B, ...).
            next_observations: The true successors, not the first observations of the next episodes.
            actions: (B,) integers.
            rewards: (B,).
            terminated: (B,) bool; such an episode has no value afterwards.
            truncated: (B,) bool; such an episode ends here but its value is still bootstrapped.
            streams: (B,) integers, which environment each came from.
        """
        slots = (self.pos + np.arange(len(actions))) % self.buffer_size
        for key in self.observation_space.spaces:  # type: ignore[attr-defined]  # a Dict, see __init__
            self.storage[f"observation.{key}"][slots] = observations[key]
            self.storage[f"next.{key}"][slots] = next_observations[key]
        self.storage["action"][slots] = actions
        self.storage["reward"][slots] = rewards
        self.storage["terminated"][slots] = terminated
        self._link(slots, streams, terminated | truncated)
        self.full = self.full or self.pos + len(actions) >= self.buffer_size
        self.pos = (self.pos + len(actions)) % self.buffer_size

    def sample(  # type: ignore[override]  # n-step transitions of dictionaries
        self, batch_size: int, env: VecNormalize | None = None
    ) -> Transitions:
        """Draw transitions uniformly with replacement.

        Args:
            batch_size: B.
            env: SB3's normaliser, if the model has one.
        """
        return self._get_samples(self.rng.integers(0, self.size(), batch_size), env)

    def _get_samples(  # type: ignore[override]  # n-step transitions of dictionaries
        self, batch_inds: NDArray[np.int64], env: VecNormalize | None = None
    ) -> Transitions:
        last, rewards, discounts = self._returns(batch_inds, env)
        return Transitions(
            observations=self._observations("observation", batch_inds, env),
            actions=self.to_torch(self.storage["action"][batch_inds][:, None]),
            next_observations=self._observations("next", last, env),
            dones=self.to_torch(self.storage["terminated"][last][:, None].astype(np.float32)),
            rewards=self.to_torch(rewards[:, None]),
            discounts=self.to_torch(discounts[:, None]),
        )

    def _returns(
        self, first: NDArray[np.int64], env: VecNormalize | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Follow the links; return the last slot reached, the return and the discount, each (B,)."""
        reward = self._normalize_reward(self.storage["reward"], env)
        last, total = first, reward[first].astype(np.float32)
        discounts = np.full(len(first), self.gamma, dtype=np.float32)
        for _ in range(self.n_steps - 1):
            following = self.storage["successor"][last]
            linked = following != _NONE
            total = total + np.where(linked, discounts * reward[following], np.float32(0))
            discounts = np.where(linked, discounts * np.float32(self.gamma), discounts)
            last = np.where(linked, following, last)
        return last, total, discounts

    def _observations(
        self, part: str, slots: NDArray[np.int64], env: VecNormalize | None
    ) -> dict[str, Tensor]:
        keys = self.observation_space.spaces  # type: ignore[attr-defined]  # a Dict, see __init__
        drawn = self._normalize_obs({key: self.storage[f"{part}.{key}"][slots] for key in keys}, env)
        assert isinstance(drawn, dict)
        return {key: self.to_torch(value, copy=False) for key, value in drawn.items()}

    def _link(self, slots: NDArray[np.int64], streams: NDArray[Any], ended: NDArray[Any]) -> None:
        self.storage["successor"][slots] = _NONE
        overwritten = set(slots.tolist())
        self.streams = {stream: slot for stream, slot in self.streams.items() if slot not in overwritten}
        for slot, stream, over in zip(slots.tolist(), streams.tolist(), ended.tolist(), strict=True):
            previous = self.streams.pop(stream, _NONE)
            if previous != _NONE:
                self.storage["successor"][previous] = slot
            if not over:
                self.streams[stream] = slot


def _storage(size: int, observation_space: spaces.Dict) -> dict[str, NDArray[Any]]:
    """Return zeroed columns by name; memory is taken up only as they fill."""
    columns: dict[str, NDArray[Any]] = {
        "action": np.zeros(size, dtype=np.int64),
        "reward": np.zeros(size, dtype=np.float32),
        "terminated": np.zeros(size, dtype=bool),
        "successor": np.full(size, _NONE, dtype=np.int64),
    }
    for key, space in observation_space.spaces.items():
        for part in ("observation", "next"):
            columns[f"{part}.{key}"] = np.zeros((size, *(space.shape or ())), dtype=space.dtype)
    return columns
