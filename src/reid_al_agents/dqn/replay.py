"""Replay of dictionary observations with n-step returns, by a random generator of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer, ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from reid_al_agents.dqn.graph_store import GraphStore
from reid_al_agents.dqn.row_store import RowStore

_NONE = -1
_GRAPH, _QUESTIONS = "similarity", "questions"


class Transitions(NamedTuple):
    """A batch of n-step transitions; flags, rewards and discounts have shape (B, 1).

    Attributes:
        observations: At the first step, by key.
        actions: Taken there, (B, 1) int64.
        next_observations: After the last step, by key.
        dones: 1 where the episode terminated within the steps.
        rewards: Discounted sum over the steps.
        discounts: Factor of the value of ``next_observations``: gamma to the power of the number of steps.
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

    Similarity graphs are kept as changes (:class:`GraphStore`), questions of a catalogue as lists of rows
    (:class:`RowStore`), masks as bits, and integers in as few bytes as their space needs: a transition takes
    800 to 920 bytes instead of 7,800 in the paper's environment, about 960 instead of 6,800 in the catalogue,
    and comes back bit for bit.

    Args:
        buffer_size: Transitions kept, over all streams.
        observation_space: A ``Dict`` of array spaces.
        action_space: ``Discrete``.
        device: Of the sampled tensors.
        n_envs: Environments that :meth:`add` is called for.
        optimize_memory_usage: SB3 passes ``False``.
        n_steps: Maximum length of returns; shorter where the episode or the record ends before.
        gamma: Discount factor of the returns.
        seed: Seed of the sampling.

    Attributes:
        storage: All columns but those in ``stores`` by name, each (buffer_size, ...).
        stores: What keeps the graphs or the questions, by key of the observation.
        streams: Slot of the latest transition of each stream whose episode goes on.
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
        self.stores = _stores(buffer_size, observation_space)
        self._keys = [key for key in observation_space.spaces if key not in self.stores]
        self._spaces = {key: observation_space[key] for key in self._keys}
        self.storage = _storage(buffer_size, self._spaces)
        self.streams: dict[int, int] = {}

    @property
    def nbytes(self) -> int:
        """Bytes reserved; those of slots that were never filled are not taken from the machine."""
        columns = sum(column.nbytes for column in self.storage.values())
        return columns + sum(store.nbytes for store in self.stores.values())

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
        ended = np.asarray(done, dtype=bool)
        cut = np.zeros(len(ended), dtype=bool)
        for row in np.flatnonzero(ended):
            cut[row] = infos[row].get("TimeLimit.truncated", False)
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
        """Add B transitions, at most one of each stream and no more than the ring has slots.

        Args:
            observations: By key, each of shape (B, ...).
            next_observations: The true successors, not the first observations of the next episodes.
            actions: (B,) integers.
            rewards: (B,).
            terminated: (B,) bool; such an episode has no value afterwards.
            truncated: (B,) bool; such an episode ends here but its value is still bootstrapped.
            streams: (B,) non-negative integers, the environment that each came from.
        """
        if not len(actions):
            return
        slots = (self.pos + np.arange(len(actions))) % self.buffer_size
        streams = np.asarray(streams).astype(np.int64)
        for key in self._keys:
            for part, seen in (("observation", observations), ("next", next_observations)):
                packed = isinstance(self._spaces[key], spaces.MultiBinary)
                self.storage[f"{part}.{key}"][slots] = _packed(seen[key]) if packed else seen[key]
        for key, store in self.stores.items():
            store.put(slots, streams, observations[key], next_observations[key])
        self.storage["action"][slots] = actions
        self.storage["reward"][slots] = rewards
        self.storage["terminated"][slots] = terminated
        self._link(slots, streams, np.asarray(terminated, dtype=bool) | np.asarray(truncated, dtype=bool))
        self.full = self.full or self.pos + len(actions) >= self.buffer_size
        self.pos = (self.pos + len(actions)) % self.buffer_size

    def break_off(self) -> None:
        """End the returns of all streams here: their next transitions do not continue these episodes."""
        self.streams.clear()

    def sample(  # type: ignore[override]  # n-step transitions of dictionaries
        self, batch_size: int, env: VecNormalize | None = None
    ) -> Transitions:
        """Draw transitions uniformly with replacement.

        Args:
            batch_size: B.
            env: SB3's normaliser, if the model has one.
        """
        return self._get_samples(self.rng.integers(0, self.size(), batch_size), env)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that :meth:`load_arrays` needs to go on from here, as plain arrays."""
        state = {
            "position": self.pos,
            "full": self.full,
            "streams": list(self.streams.items()),
            "generator": self.rng.bit_generator.state,
            "stores": sorted(self.stores),
        }
        kept = {f"storage.{name}": column[: self.size()] for name, column in self.storage.items()}
        for key, store in self.stores.items():
            kept |= {f"{key}.{name}": part for name, part in store.arrays(self.size()).items()}
        return {"state": np.array(json.dumps(state)), **kept}

    def load_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave, whatever number of environments it came from.

        Raises:
            KeyError: Something is missing.
            ValueError: It is that of a buffer of another size, or of other observations.
        """
        state = json.loads(str(arrays["state"]))
        filled = len(arrays["storage.action"])
        if filled != (self.buffer_size if state["full"] else state["position"]) or filled > self.buffer_size:
            raise ValueError(f"holds {filled} transitions, which do not fit buffer_size {self.buffer_size}")
        if state["stores"] != sorted(self.stores):
            raise ValueError("observations are kept in another way")
        for name, column in self.storage.items():
            column[:filled] = arrays[f"storage.{name}"]
        for key, store in self.stores.items():
            own = {name: array for name, array in arrays.items() if name.startswith(f"{key}.")}
            store.load_arrays({name.removeprefix(f"{key}."): array for name, array in own.items()})
        self.pos, self.full = state["position"], state["full"]
        self.streams = {int(stream): int(slot) for stream, slot in state["streams"]}
        self.rng.bit_generator.state = state["generator"]

    def _get_samples(  # type: ignore[override]  # n-step transitions of dictionaries
        self, batch_inds: NDArray[np.int64], env: VecNormalize | None = None
    ) -> Transitions:
        last, rewards, discounts = self._returns(batch_inds, env)
        return Transitions(
            observations=self._observations("observation", batch_inds, env),
            actions=self.to_torch(self.storage["action"][batch_inds][:, None].astype(np.int64)),
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
        drawn = {
            key: _unpacked(self.storage[f"{part}.{key}"][slots], space) for key, space in self._spaces.items()
        }
        for key, store in self.stores.items():
            drawn[key] = store.get("before" if part == "observation" else "after", slots)
        normalised = self._normalize_obs(drawn, env)
        assert isinstance(normalised, dict)
        return {key: self.to_torch(value, copy=False) for key, value in normalised.items()}

    def _link(self, slots: NDArray[np.int64], streams: NDArray[np.int64], ended: NDArray[np.bool_]) -> None:
        self.storage["successor"][slots] = _NONE
        overwritten = set(slots.tolist())
        self.streams = {stream: slot for stream, slot in self.streams.items() if slot not in overwritten}
        for slot, stream, over in zip(slots.tolist(), streams.tolist(), ended.tolist(), strict=True):
            previous = self.streams.pop(stream, _NONE)
            if previous != _NONE:
                self.storage["successor"][previous] = slot
            if not over:
                self.streams[stream] = slot


def _stores(size: int, observation_space: spaces.Dict) -> dict[str, GraphStore | RowStore]:
    """What keeps the parts of observations that change little from step to step."""
    found: dict[str, GraphStore | RowStore] = {}
    for key, kind in ((_GRAPH, GraphStore), (_QUESTIONS, RowStore)):
        space = observation_space.spaces.get(key)
        if space is None or space.shape is None or len(space.shape) != 2:
            continue
        if kind is RowStore:
            found[key] = RowStore(size, *space.shape, np.dtype(space.dtype))
        elif space.shape[0] == space.shape[1]:
            found[key] = GraphStore(size, space.shape[0], np.dtype(space.dtype))
    return found


def _storage(size: int, observations: Mapping[str, spaces.Space[Any]]) -> dict[str, NDArray[Any]]:
    """Return zeroed columns by name; memory is taken only as they fill."""
    columns: dict[str, NDArray[Any]] = {
        "action": np.zeros(size, dtype=np.int32),
        "reward": np.zeros(size, dtype=np.float32),
        "terminated": np.zeros(size, dtype=bool),
        "successor": np.full(size, _NONE, dtype=np.int32),
    }
    for key, space in observations.items():
        shape, dtype = space.shape or (), np.dtype(space.dtype)
        if isinstance(space, spaces.MultiBinary):
            shape, dtype = (*shape[:-1], -(-shape[-1] // 8)), np.dtype(np.uint8)
        elif isinstance(space, spaces.Box) and np.issubdtype(dtype, np.integer):
            dtype = _smallest(int(space.low.min()), int(space.high.max()))
        for part in ("observation", "next"):
            columns[f"{part}.{key}"] = np.zeros((size, *shape), dtype=dtype)
    return columns


def _smallest(low: int, high: int) -> np.dtype[Any]:
    """The smallest signed integers that reach from ``low`` to ``high``."""
    sizes = (1, 2, 4, 8)
    reach = (1 << (8 * size - 1) for size in sizes)
    fits = (size for size, end in zip(sizes, reach, strict=True) if -end <= low and high < end)
    return np.dtype(f"i{next(fits)}")


def _packed(bits: NDArray[Any]) -> NDArray[np.uint8]:
    return np.packbits(np.asarray(bits, dtype=bool), axis=-1)


def _unpacked(values: NDArray[Any], space: spaces.Space[Any]) -> NDArray[Any]:
    """Stored values of observations as they were."""
    if isinstance(space, spaces.MultiBinary):
        assert space.shape
        return np.unpackbits(values, axis=-1, count=space.shape[-1]).astype(space.dtype)
    return values.astype(space.dtype, copy=False)
