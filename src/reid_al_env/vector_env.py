"""The batched environment: many episodes in one numpy kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from reid_al_env.batched import BatchedEnv, Observation, Seed
from reid_al_env.env import observation_space
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph
from reid_al_env.evidence.oracles import AnswerFunction, Oracle
from reid_al_env.indices import as_queries
from reid_al_env.mdp.inquiry import Inquiry
from reid_al_env.mdp.node_features import NodeFeatures
from reid_al_env.mdp.settings import EpisodeSettings
from reid_al_env.render.rendering import RENDER_FPS, RENDER_MODES, make_renderer
from reid_al_env.snapshots import Part, Parts
from reid_al_env.synthetic import as_feature_set
from reid_al_env.vector_infos import Columns


class ReIDActiveLearningVectorEnv(BatchedEnv):
    """``num_envs`` copies of :class:`reid_al_env.env.ReIDActiveLearningEnv` in one kernel.

    It behaves like ``SyncVectorEnv`` (:class:`.BatchedEnv`) with one difference: all sub-environments draw
    their queries from one shuffle, so that no query occurs twice in a pass. ``reset`` therefore takes one
    ``seed`` (of a sequence, the first number), which restarts the shuffle. ``options={"query": [...]}``
    chooses the queries of all sub-environments that are reset; one number is for all. ``render()``
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
        if render_mode == "human":
            raise InputError("render_mode: 'human' shows one environment; choose 'rgb_array', 'ansi' or None")
        self.render_mode = render_mode
        self._renderer = make_renderer(render_mode, num_envs, budget)
        self._inquiry = Inquiry(
            as_feature_set(features), settings, oracle, constraints, num_envs, node_features=node_features
        )
        space = observation_space(pool_size, node_features)
        self._set_up(num_envs, autoreset_mode, space, pool_size, max_episode_steps)

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
        changing: list[Part] = [(self, self.STATE), *self._inquiry.parts()]
        if self._renderer is not None:
            changing.append((self._renderer, self._renderer.STATE))
        fits = (type(self).__name__, self.render_mode, self.autoreset_mode, *self._inquiry.fits())
        return Parts(fits, changing, self._inquiry.unchanging())

    def _restart(self, rows: NDArray[np.int64], seed: Seed, options: dict[str, Any]) -> None:
        first = next(iter(seed), None) if isinstance(seed, Sequence) else seed
        chosen = options.get("query")
        if chosen is not None:
            chosen = as_queries(chosen, self.num_envs, len(self._inquiry.features))[rows]
        VectorEnv.reset(self, seed=first)  # makes the random generator
        if first is not None or not self._started:
            self._inquiry.shuffle(self.np_random)
        self._begin(rows, chosen)

    def _begin(self, rows: NDArray[np.int64], chosen: NDArray[np.int64] | None = None) -> None:
        queries = self._inquiry.next_queries(len(rows)) if chosen is None else chosen
        self._inquiry.begin(rows, queries)
        if self._renderer is not None:
            self._renderer.begin(rows, queries)

    def _advance(
        self, actions: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], Columns]:
        outcome = self._inquiry.step(actions, active)
        if self._renderer is not None:
            self._renderer.picked(np.flatnonzero(active), actions, outcome)
        values: Columns = {
            "picked": outcome.picked,
            "answer": outcome.answers.astype(np.int64),
            "asked": outcome.asked,
            "invalid_action": outcome.invalid,
        }
        return outcome.rewards.astype(np.float64), outcome.terminated, values

    def _elapsed(self) -> NDArray[np.int64]:
        return self._inquiry.batch.picks

    def _standing(self) -> Columns:
        batch = self._inquiry.batch
        return {"query": batch.query, "candidates": batch.candidates, "action_mask": batch.action_mask}

    def _observe(self, rows: NDArray[np.int64] | None = None) -> Observation:
        return self._inquiry.observation(rows)
