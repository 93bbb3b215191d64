"""A Gymnasium vector environment as Stable-Baselines3 wants one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from reid_al_env.errors import InputError

_STATISTICS = ("episode", "_episode")
"""Entries of Gymnasium's ``RecordEpisodeStatistics``, which are of the episode that ended."""


class SB3VecEnv(VecEnv):
    """Adapts a batched environment with same-step reset, so that SB3 and sb3-contrib learn on it directly.

    ``infos[i]`` holds environment i's own entries, made when they are read. Where its episode ended they are
    those of the last step, with ``terminal_observation`` and ``episode``: return ``r``, length ``l`` and the
    seconds ``t`` since the adapter was made, as from SB3's ``Monitor``, so that SB3 logs
    ``rollout/ep_rew_mean``; those of Gymnasium's ``RecordEpisodeStatistics`` are kept. The entries of the new
    episode are in ``reset_infos[i]``. ``TimeLimit.truncated`` is always there.
    ``env_method("action_masks")`` gives what sb3-contrib's MaskablePPO needs, also through Gymnasium's vector
    wrappers.

    Args:
        venv: Made with ``autoreset_mode="SameStep"``.

    Raises:
        InputError: If the environment resets in another way.
    """

    actions: NDArray[Any]

    def __init__(self, venv: VectorEnv[Any, Any, Any]) -> None:
        mode = venv.metadata.get("autoreset_mode")
        if mode is None or AutoresetMode(mode) is not AutoresetMode.SAME_STEP:
            raise InputError(
                f"vector environment: autoreset mode is {mode}, expected SameStep; "
                'make it with autoreset_mode="SameStep"'
            )
        self.venv = venv
        self._returns = np.zeros(venv.num_envs)
        self._lengths = np.zeros(venv.num_envs, dtype=np.int64)
        self._made = time.monotonic()
        super().__init__(venv.num_envs, venv.single_observation_space, venv.single_action_space)

    def reset(self) -> VecEnvObs:
        """Begin episodes everywhere with the seeds and options set before; return the first observations."""
        if any(options != self._options[0] for options in self._options):
            raise InputError(
                "options: differ between sub-environments; a batched reset takes one set for all"
            )
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        observations, infos = self.venv.reset(
            seed=seeds,  # type: ignore[arg-type]  # a list, as documented
            options=dict(self._options[0]) or None,
        )
        self.reset_infos = [_row(infos, i) for i in range(self.num_envs)]
        self._returns[:], self._lengths[:] = 0.0, 0
        self._reset_seeds()
        self._reset_options()
        return observations  # type: ignore[no-any-return]

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions (num_envs,) for :meth:`step_wait`."""
        self.actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Return observations, rewards float32, dones and infos after the kept actions."""
        observations, rewards, terminated, truncated, infos = self.venv.step(self.actions)
        rewards = rewards.astype(np.float32)
        dones = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        ended = np.flatnonzero(dones)
        each = _StepInfos(infos, truncated & ~terminated, self._episodes(ended))
        begun = {name: value for name, value in infos.items() if name not in _STATISTICS}
        for i in ended.tolist():
            self.reset_infos[i] = _row(begun, i)
        self._returns[ended], self._lengths[ended] = 0.0, 0
        return observations, rewards, dones, each  # type: ignore[return-value]  # a sequence, read like a list

    def close(self) -> None:
        """Close the environment."""
        self.venv.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of each environment; what only the batch has is the same for all."""
        holder = _holder(self.venv, attr_name)
        if hasattr(holder, "get_attr"):
            values = holder.get_attr(attr_name)
        else:
            values = [getattr(holder, attr_name)] * self.num_envs
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the environment, for all at once."""
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise InputError(f"{attr_name}: can be set only for all {self.num_envs} sub-environments at once")
        holder = _holder(self.venv, attr_name)
        if hasattr(holder, "set_attr"):
            holder.set_attr(attr_name, value)
        else:
            setattr(holder, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method and return its result for each environment; a batch's result is split by rows."""
        holder = _holder(self.venv, method_name)
        if hasattr(holder, "call"):
            results = holder.call(method_name, *method_args, **method_kwargs)
        else:
            results = getattr(holder, method_name)(*method_args, **method_kwargs)
        return [results[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """Say that no environment is wrapped: wrappers of single environments do not fit a batch."""
        return [False for _ in self._get_indices(indices)]

    def _get_indices(self, indices: VecEnvIndices) -> Iterable[int]:
        if indices is None:
            return range(self.num_envs)
        return [indices] if isinstance(indices, int) else indices

    def _episodes(self, ended: NDArray[np.int64]) -> dict[int, dict[str, Any]]:
        """What SB3's ``Monitor`` says of the episodes that ended, by environment."""
        seconds = round(time.monotonic() - self._made, 6)
        return {
            i: {"r": round(float(self._returns[i]), 6), "l": int(self._lengths[i]), "t": seconds}
            for i in ended.tolist()
        }


def _holder(venv: VectorEnv[Any, Any, Any], name: str) -> Any:
    """The outermost wrapper, or the environment inside, that has an attribute or hands it on."""
    holder: Any = venv
    while isinstance(holder, VectorWrapper) and not hasattr(holder, name):
        holder = holder.env
    return holder


class _StepInfos(Sequence[dict[str, Any]]):
    """A step's infos of each environment, each made when it is first read: most never are.

    Args:
        infos: Of the batch, as Gymnasium's vector environments give them.
        cut: (B,) bool, whether an episode was truncated without having terminated.
        episodes: Of the environments whose episodes ended: return, length and time.
    """

    def __init__(
        self, infos: dict[str, Any], cut: NDArray[np.bool_], episodes: dict[int, dict[str, Any]]
    ) -> None:
        self._infos = infos
        self._cut = cut
        self._episodes = episodes
        self._read: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._cut)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        if row not in self._read:
            self._read[row] = self._make(row)
        return self._read[row]

    def _make(self, row: int) -> dict[str, Any]:
        if row in self._episodes:
            statistics = {name: self._infos[name] for name in _STATISTICS if name in self._infos}
            info = {**_row(self._infos.get("final_info", {}), row), **_row(statistics, row)}
            info["terminal_observation"] = self._infos["final_obs"][row]
            info.setdefault("episode", self._episodes[row])
        else:
            info = _row(self._infos, row)
        info["TimeLimit.truncated"] = bool(self._cut[row])
        return info


def _row(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """One environment's entries of a batch's infos with their ``_key`` masks, but for those of its end."""
    own: dict[str, Any] = {}
    for name, values in infos.items():
        if name.startswith("_") or name in ("final_obs", "final_info"):
            continue
        there = infos.get(f"_{name}")
        if there is None or there[row]:
            own[name] = _row(values, row) if isinstance(values, dict) else values[row]
    return own
