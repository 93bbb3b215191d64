"""The batched environment: many episodes in one numpy kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from reid_al_env.env import ObsType, observation_space
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph
from reid_al_env.evidence.oracles import AnswerFunction, Oracle
from reid_al_env.indices import as_indices, as_limit, as_queries
from reid_al_env.mdp.inquiry import Inquiry, Outcome
from reid_al_env.mdp.node_features import NodeFeatures
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.render.rendering import RENDER_FPS, RENDER_MODES, make_renderer
from reid_al_env.snapshots import Cloneable, Part, Parts
from reid_al_env.synthetic import as_feature_set
from reid_al_env.vector_infos import Columns, check_reset_mask, keep, lay_out, merge

_STATE = ("_np_random", "_np_random_seed", "_started", "_done")


class ReIDActiveLearningVectorEnv(Cloneable, VectorEnv[ObsType, NDArray[np.int64], NDArray[Any]]):
    """``num_envs`` copies of :class:`reid_al_env.env.ReIDActiveLearningEnv` in one kernel.

    It behaves like ``SyncVectorEnv`` (dtypes, ``_key`` masks in infos, ``final_obs`` and ``final_info``,
    ``options["reset_mask"]``) with one difference: all sub-environments draw their queries from one shuffle,
    so that no query occurs twice in a pass, and ``seed`` is therefore one number.
    ``options={"query": [...]}`` chooses the queries of all sub-environments that are reset. ``render()``
    returns a tuple with a frame (``"rgb_array"``) or a line (``"ansi"``) for each sub-environment.

    Args:
        num_envs: B, number of sub-environments.
        autoreset_mode: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``, or Gymnasium's enumeration.
        features: As in the single environment, like the arguments after it.
        max_episode_steps: Truncate episodes after so many steps, as ``gym.make`` does with ``TimeLimit``;
            ``None`` or −1: no limit.

    Raises:
        InputError: As in the single environment.
    """

    metadata = {  # noqa: RUF012 -- not a ClassVar in Gymnasium either
        "render_modes": [mode for mode in RENDER_MODES if mode != "human"],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        features: Any = None,
        pool_size: int = 30,
        budget: int = 10,
        k: int = 15,
        margin: float = 0.2,
        metric: str = "mahalanobis",
        shrinkage: float | None = None,
        empty_negatives: str = "neutral",
        reward: Any = "hinge",
        oracle: Oracle | AnswerFunction | None = None,
        constraints: ConstraintGraph | None = None,
        cross_camera: bool = False,
        index: str = "Flat",
        render_mode: str | None = None,
        node_features: NodeFeatures | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        settings = EpisodeSettings(
            pool_size, budget, k, margin, metric, shrinkage, empty_negatives, reward, cross_camera, index
        )
        self.num_envs = num_envs
        if render_mode == "human":
            raise InputError("render_mode: 'human' shows one environment; choose 'rgb_array', 'ansi' or None")
        self.render_mode = render_mode
        self._renderer = make_renderer(render_mode, num_envs, budget)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self.single_action_space = spaces.Discrete(pool_size)
        self._inquiry = Inquiry(
            as_feature_set(features), settings, oracle, constraints, num_envs, node_features=node_features
        )
        self.single_observation_space = observation_space(pool_size, node_features)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._limit = as_limit(max_episode_steps)
        self._done = np.zeros(num_envs, dtype=bool)
        self._started = False

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObsType, dict[str, Any]]:
        """Begin episodes everywhere, or where ``options["reset_mask"]`` (num_envs,) is true.

        Args:
            seed: Seed of the common shuffle, which restarts; of a sequence, the first number.
            options: ``query`` (one number, or one for each sub-environment) and ``reset_mask``.
        """
        first = next(iter(seed), None) if isinstance(seed, Sequence) else seed
        options = dict(options or {})
        rows = np.flatnonzero(check_reset_mask(options.get("reset_mask"), self.num_envs))
        chosen = options.get("query")
        if chosen is not None:
            chosen = as_queries(chosen, self.num_envs, len(self._inquiry.features))[rows]
        super().reset(seed=first)
        if first is not None or not self._started:
            self._inquiry.shuffle(self.np_random)
        self._begin(rows, chosen)
        self._started = True
        return self._inquiry.observation(), self._start_info(rows)

    def step(
        self, actions: NDArray[np.int64]
    ) -> tuple[ObsType, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Ask about one item in each sub-environment; see the single environment."""
        if not self._started:
            raise ResetNeeded("Call reset() before step().")
        pool_size = self._inquiry.batch.settings.pool_size
        actions = as_indices(actions, "actions", self.num_envs, pool_size)
        active = ~self._done
        if self.autoreset_mode is AutoresetMode.DISABLED and not active.all():
            raise InputError(
                f"step: sub-environments {np.flatnonzero(~active).tolist()[:5]} are over; "
                "reset them with options={'reset_mask': ...}"
            )
        outcome = self._inquiry.step(actions, active)
        if self._renderer is not None:
            self._renderer.picked(np.flatnonzero(active), actions, outcome)
        terminated = outcome.terminated & active
        truncated = (self._inquiry.batch.picks >= self._limit) & active
        ended = terminated | truncated
        infos = self._step_info(outcome, active)
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._finish_same_step(infos, ended)
        elif not active.all():  # NEXT_STEP: those that ended last time begin now
            rows = np.flatnonzero(~active)
            self._begin(rows)
            infos = merge(infos, self._start_info(rows))
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._done = ended
        return self._inquiry.observation(), outcome.rewards.astype(np.float64), terminated, truncated, infos

    def action_masks(self) -> NDArray[np.bool_]:
        """Which items may be picked, shape (num_envs, pool_size), bool."""
        return self._inquiry.batch.action_mask.astype(bool)

    def true_rewards(self) -> NDArray[np.float32]:
        """Reward of each item by the labels, (num_envs, pool_size); −inf where masked."""
        return self._inquiry.true_rewards()

    def render(self) -> tuple[Any, ...] | None:
        """A line (``"ansi"``) or a frame (``"rgb_array"``) of each sub-environment, else ``None``."""
        if self._renderer is None:
            return None
        if not self._started:
            raise ResetNeeded("Call reset() before render().")
        return tuple(self._renderer.render(self._inquiry, row) for row in range(self.num_envs))

    def _snapshot_parts(self) -> Parts:
        changing: list[Part] = [(self, _STATE), *self._inquiry.parts()]
        if self._renderer is not None:
            changing.append((self._renderer, self._renderer.STATE))
        fits = (type(self).__name__, self.render_mode, self.autoreset_mode, *self._inquiry.fits())
        return Parts(fits, changing, self._inquiry.unchanging())

    def _begin(self, rows: NDArray[np.int64], chosen: NDArray[np.int64] | None = None) -> None:
        queries = self._inquiry.next_queries(len(rows)) if chosen is None else chosen
        self._inquiry.begin(rows, queries)
        self._done[rows] = False
        if self._renderer is not None:
            self._renderer.begin(rows, queries)

    def _finish_same_step(self, infos: dict[str, Any], over: NDArray[np.bool_]) -> dict[str, Any]:
        if not over.any():
            return infos
        rows = np.flatnonzero(over)
        final = self._inquiry.observation(rows)
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

    def _standing(self) -> Columns:
        batch = self._inquiry.batch
        return {"query": batch.query, "candidates": batch.candidates, "action_mask": batch.action_mask}

    def _step_info(self, outcome: Outcome, active: NDArray[np.bool_]) -> dict[str, Any]:
        values: Columns = {
            **self._standing(),
            "picked": outcome.picked,
            "answer": outcome.answers.astype(np.int64),
            "asked": outcome.asked,
            "invalid_action": outcome.invalid,
        }
        return lay_out(values, active)
