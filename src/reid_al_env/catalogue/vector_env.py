"""The batched twin of the catalogue environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from reid_al_env.batched import BatchedEnv, Observation, Seed
from reid_al_env.catalogue.env import RENDER_MODES, check_render_mode, observation_space
from reid_al_env.catalogue.game import CatalogueGame, GameSettings
from reid_al_env.catalogue.run import CatalogueRun, Tasks
from reid_al_env.errors import InputError
from reid_al_env.snapshots import Part, Parts
from reid_al_env.vector_infos import Columns


class ReIDCatalogueVectorEnv(BatchedEnv):
    """``num_envs`` catalogues, equal to :class:`reid_al_env.catalogue.env.ReIDCatalogueEnv` in each row.

    Its output equals that of ``SyncVectorEnv`` over the single environment, byte for byte. With an integer
    ``seed``, sub-environment ``i`` has seed + i. ``options={"task": ...}`` chooses the task of all
    sub-environments that are reset.

    Args:
        num_envs: B, number of sub-environments.
        autoreset_mode: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``, or Gymnasium's enumeration.
        tasks: See the single environment, also for the arguments that follow.
        max_episode_steps: Truncate episodes after so many steps; ``None`` or −1: no limit.

    Raises:
        InputError: As in the single environment.
    """

    metadata = {  # noqa: RUF012 -- as in Gymnasium
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        tasks: Tasks = "train",
        budget: int = 200,
        questions: int = 64,
        identities: int = 60,
        false_match: float = 0.0,
        false_non_match: float = 0.0,
        cannot_tell: float = 0.0,
        match_model: Any = None,
        scored: bool | None = None,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        check_render_mode(render_mode)
        settings = GameSettings(budget, questions, false_match, false_non_match, cannot_tell, match_model)
        self.render_mode = render_mode
        self._runs = [CatalogueRun(tasks, identities, settings, scored) for _ in range(num_envs)]
        self._set_up(num_envs, autoreset_mode, observation_space(settings), questions, max_episode_steps)

    @property
    def games(self) -> list[CatalogueGame]:
        """The running episodes, for reference policies (:mod:`reid_al_env.catalogue.references`)."""
        games = [run.game for run in self._runs]
        if None in games:
            raise ResetNeeded("Call reset() first: no episode has begun.")
        return [game for game in games if game is not None]

    def action_masks(self) -> NDArray[np.bool_]:
        """Which questions are open, shape (num_envs, questions), bool."""
        return np.stack([game.action_mask() for game in self.games]).astype(bool)

    def render(self) -> tuple[Any, ...] | None:
        """One line about the last answer of each sub-environment (``"ansi"``)."""
        return None if self.render_mode is None else tuple(run.line() for run in self._runs)

    def _restart(self, rows: NDArray[np.int64], seed: Seed, options: dict[str, Any]) -> None:
        seeds: Sequence[int | None]
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + row for row in range(self.num_envs)]
        else:
            seeds = list(seed)
            if len(seeds) != self.num_envs:
                raise InputError(f"seed: {len(seeds)} numbers for {self.num_envs} sub-environments")
        for row in rows.tolist():
            run = self._runs[row]
            if seeds[row] is not None or run.game is None:
                run.seed(seeding.np_random(seeds[row])[0])
            run.begin(options.get("task"))

    def _begin(self, rows: NDArray[np.int64]) -> None:
        for row in rows.tolist():
            self._runs[row].begin()

    def _advance(
        self, actions: NDArray[np.int64], active: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], Columns]:
        rewards, over = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=bool)
        for row in np.flatnonzero(active).tolist():
            rewards[row], over[row] = self._runs[row].step(int(actions[row]))
        return rewards, over, self._columns([run.answered() for run in self._runs])

    def _elapsed(self) -> NDArray[np.int64]:
        return np.array([game.spent for game in self.games])

    def _standing(self) -> Columns:
        return self._columns([run.standing() for run in self._runs])

    def _observe(self, rows: NDArray[np.int64] | None = None) -> Observation:
        games = self.games if rows is None else [self.games[row] for row in rows.tolist()]
        seen = [game.observation() for game in games]
        return {name: np.stack([each[name] for each in seen]) for name in seen[0]}

    def _columns(self, infos: list[dict[str, Any]]) -> Columns:
        """Infos by key, zeros for sub-environments that have none."""
        samples = {name: value for info in infos for name, value in info.items()}
        none = {name: np.zeros_like(value)[()] for name, value in samples.items()}
        return {name: np.array([info.get(name, none[name]) for info in infos]) for name in samples}

    def _snapshot_parts(self) -> Parts:
        changing: list[Part] = [(self, self.STATE)]
        for run in self._runs:
            changing += run.parts()
        fits = (type(self).__name__, self.autoreset_mode, self.num_envs, *self._runs[0].fits())
        return Parts(fits, changing, ())
