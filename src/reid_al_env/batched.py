"""What all batched environments share: reset, step and the three autoreset modes of Gymnasium."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.indices import as_indices, as_limit
from reid_al_env.masks import MaskedPicks
from reid_al_env.snapshots import Cloneable
from reid_al_env.vector_infos import Columns, check_reset_mask, keep, lay_out, merge

Observation = dict[str, NDArray[Any]]
Seed = int | Sequence[int | None] | None


class BatchedEnv(Cloneable, VectorEnv[Observation, NDArray[np.int64], NDArray[Any]]):
    """A vector environment that behaves like ``SyncVectorEnv`` in everything a user can see.

    That is: dtypes, ``_key`` masks in infos, ``final_obs`` and ``final_info``, ``options["reset_mask"]``, and
    truncation by ``max_episode_steps``. A subclass calls :meth:`_set_up` and implements how episodes begin
    and advance, and what is observed.
    """

    STATE: tuple[str, ...] = ("_np_random", "_np_random_seed", "_started", "_done")
    _done: NDArray[np.bool_]
    _started: bool

    def reset(
        self, *, seed: Seed = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin episodes everywhere, or where ``options["reset_mask"]`` (num_envs,) is true.

        Args:
            seed: One number, or one for each sub-environment; see the class.
            options: ``reset_mask``, and what the class says.
        """
        options = dict(options or {})
        rows = np.flatnonzero(check_reset_mask(options.get("reset_mask"), self.num_envs))
        self._restart(rows, seed, options)
        self._done[rows] = False
        self._started = True
        return self._observe(), self._start_info(rows)

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One action in each sub-environment; see the single environment."""
        if not self._started:
            raise ResetNeeded("Call reset() before step().")
        actions = as_indices(actions, "actions", self.num_envs, self._actions)
        active = ~self._done
        if self.autoreset_mode is AutoresetMode.DISABLED and not active.all():
            raise InputError(
                f"step: sub-environments {np.flatnonzero(~active).tolist()[:5]} are over; "
                "reset them with options={'reset_mask': ...}"
            )
        rewards, terminated, values = self._advance(actions, active)
        self._masked.add(np.count_nonzero(values["invalid_action"] & active))
        terminated &= active
        truncated = (self._elapsed() >= self._limit) & active
        ended = terminated | truncated
        infos = lay_out({**self._standing(), **values}, active)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._finish_same_step(infos, ended)
        elif not active.all():  # NEXT_STEP: those that ended last time begin now
            rows = np.flatnonzero(~active)
            self._begin(rows)
            infos = merge(infos, self._start_info(rows))
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._done = ended
        return self._observe(), rewards, terminated, truncated, infos

    def _set_up(
        self,
        num_envs: int,
        autoreset_mode: str | AutoresetMode,
        observation_space: spaces.Space[Any],
        actions: int,
        max_episode_steps: int | None,
    ) -> None:
        self.num_envs, self._actions = num_envs, actions
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.single_action_space = spaces.Discrete(actions)
        self.single_observation_space = observation_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._limit = as_limit(max_episode_steps)
        self._done = np.zeros(num_envs, dtype=bool)
        self._started = False
        self._masked = MaskedPicks()

    @abstractmethod
    def _restart(self, rows: NDArray[np.int64], seed: Seed, options: dict[str, Any]) -> None:
        """Seed the random numbers, and begin episodes in ``rows`` with the options of ``reset``."""

    @abstractmethod
    def _begin(self, rows: NDArray[np.int64]) -> None:
        """Begin the next episodes in ``rows``."""

    @abstractmethod
    def _advance(
        self, actions: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], Columns]:
        """One step where ``active``: rewards, terminations, and infos of a step besides the standing ones."""

    @abstractmethod
    def _elapsed(self) -> NDArray[np.int64]:
        """Steps so far in each running episode, (num_envs,)."""

    @abstractmethod
    def _standing(self) -> Columns:
        """Infos that are given at reset and at every step; not copied."""

    @abstractmethod
    def _observe(self, rows: NDArray[np.int64] | None = None) -> Observation:
        """Observations of all sub-environments, or of ``rows``, in new arrays."""

    def _finish_same_step(self, infos: dict[str, Any], over: NDArray[np.bool_]) -> dict[str, Any]:
        if not over.any():
            return infos
        rows = np.flatnonzero(over)
        final = self._observe(rows)
        final_obs = np.full(self.num_envs, None, dtype=object)
        for row, *parts in zip(rows.tolist(), *final.values(), strict=True):
            final_obs[row] = dict(zip(final, parts, strict=True))
        ended = {
            "final_obs": final_obs,
            "_final_obs": over.copy(),
            "final_info": keep(infos, over),
            "_final_info": over.copy(),
        }
        self._begin(rows)
        return {**ended, **merge(keep(infos, ~over), self._start_info(rows))}

    def _start_info(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        there = np.zeros(self.num_envs, dtype=bool)
        there[rows] = True
        return lay_out(self._standing(), there)
