"""A Gymnasium vector environment as Stable-Baselines3 wants one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from reid_al_env.errors import InputError


class SB3VecEnv(VecEnv):
    """Adapts a batched environment with same-step reset, so that SB3 and sb3-contrib learn on it directly.

    ``infos[i]`` holds environment i's own entries. Where its episode ended they are those of the last step,
    with ``terminal_observation``; those of the new episode are in ``reset_infos[i]``.
    ``episode`` of Gymnasium's ``RecordEpisodeStatistics`` is among those of the last step, where SB3 expects
    it. ``TimeLimit.truncated`` is always there. ``env_method("action_masks")`` gives what sb3-contrib's
    MaskablePPO needs, also through Gymnasium's vector wrappers.

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
        self.reset_infos = _split(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return observations  # type: ignore[no-any-return]

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions (num_envs,) for :meth:`step_wait`."""
        self.actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Return observations, rewards float32, dones and infos after the kept actions."""
        observations, rewards, terminated, truncated, infos = self.venv.step(self.actions)
        dones = terminated | truncated
        each = _split({name: value for name, value in infos.items() if not _is_final(name)}, self.num_envs)
        if dones.any():
            self._keep_ends(each, infos, np.flatnonzero(dones))
        for info, cut, over in zip(each, truncated, terminated, strict=True):
            info["TimeLimit.truncated"] = bool(cut and not over)
        return observations, rewards.astype(np.float32), dones, each

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

    def _keep_ends(self, each: list[dict[str, Any]], infos: dict[str, Any], ended: NDArray[np.int64]) -> None:
        """Put the last step's infos and observation where episodes ended; keep the reset's apart."""
        final = _split(infos.get("final_info", {}), self.num_envs)
        for i in ended:
            self.reset_infos[i] = each[i]
            statistics = {name: each[i].pop(name) for name in ("episode",) if name in each[i]}
            each[i] = {**final[i], **statistics, "terminal_observation": infos["final_obs"][i]}


def _holder(venv: VectorEnv[Any, Any, Any], name: str) -> Any:
    """The outermost wrapper, or the environment inside, that has an attribute or hands it on."""
    holder: Any = venv
    while isinstance(holder, VectorWrapper) and not hasattr(holder, name):
        holder = holder.env
    return holder


def _is_final(name: str) -> bool:
    return name.lstrip("_") in ("final_obs", "final_info")


def _split(infos: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Turn a batch's infos with their ``_key`` masks into one dictionary for each environment."""
    each: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, values in infos.items():
        if name.startswith("_"):
            continue
        rows = _split(values, count) if isinstance(values, dict) else values
        for i in np.flatnonzero(infos.get(f"_{name}", np.ones(count, dtype=bool))):
            each[i][name] = rows[i]
    return each
