"""The learned selector: a masked DQN that is driven by the loop and learns from each answer as it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import polyak_update

from reid_al_agents.dqn.checkpoint import FILE_NAME, read_state, restore, write_checkpoint
from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.policy_file import LoadedPolicy, load_policy, save_policy
from reid_al_agents.dqn.replay import NStepDictReplay
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.selection import Observation
from reid_al_env.env import observation_space
from reid_al_env.errors import InputError


class DQNSelector:
    """Chooses by a Q-network and learns online; a :class:`reid_al_agents.selection.Selector`.

    Args:
        pool_size: n_s, items of each episode.
        settings: Of the network and of learning.
        seed: Of the first weights and of the replay; PyTorch's and NumPy's global generators stay untouched.
        learning: Whether to explore and to learn from what is observed. A frozen selector is greedy.

    Attributes:
        name: ``"dqn"``.
        model: The Stable-Baselines3 model that is driven.
        answers: Answers learned from so far.
        seen: What a loaded policy was trained on, as its file says; empty for a new one.
    """

    name = "dqn"

    def __init__(
        self, pool_size: int, settings: DQNSettings | None = None, *, seed: int = 0, learning: bool = True
    ) -> None:
        self.pool_size = pool_size
        self.settings = settings or DQNSettings()
        self.learning = learning
        self.answers = 0
        self.seen: Mapping[str, Any] = {}
        self._updates = 0
        self.model = _build_model(pool_size, self.settings, seed)

    @property
    def exploration_rate(self) -> float:
        """Probability that the next question is a random one."""
        return self.settings.exploration_rate(self.answers) if self.learning else 0.0

    def select(self, observation: Observation, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return one unmasked item per episode, (B,) int64, by epsilon-greedy; 0 where nothing is left."""
        return self.model.choose(observation, self.exploration_rate, rng)

    def observe(
        self,
        observation: Observation,
        actions: NDArray[np.int64],
        rewards: NDArray[np.floating],
        next_observation: Observation,
        terminated: NDArray[np.bool_],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Remember what one step of B episodes brought and take the gradient steps that are due.

        A frozen selector does nothing. Row b must be the same environment from call to call, for returns
        over several steps follow it until it terminates.

        Args:
            observation: What ``select`` was given.
            actions: (B,) items that were asked about.
            rewards: (B,).
            next_observation: The true successor; of a terminated episode it is not used.
            terminated: (B,) bool.
            valid: (B,) bool, False for rows in which nothing was asked; ``None`` takes all.
        """
        if not self.learning:
            return
        rows = np.arange(len(actions)) if valid is None else np.flatnonzero(valid)
        buffer = self.model.replay_buffer
        assert isinstance(buffer, NStepDictReplay)
        buffer.add_batch(
            _rows(observation, rows),
            _rows(next_observation, rows),
            actions[rows],
            rewards[rows],
            np.asarray(terminated, dtype=bool)[rows],
            np.zeros(len(rows), dtype=bool),
            rows,
        )
        self.answers += len(rows)
        self._learn()

    def break_off(self) -> None:
        """End the returns of the episodes under way: the next transition of a row does not continue them."""
        buffer = self.model.replay_buffer
        assert isinstance(buffer, NStepDictReplay)
        buffer.break_off()

    def save(self, path: str | Path, seen: Mapping[str, Any] | None = None) -> None:
        """Save the policy alone, to be shipped, ``seen`` as loaded unless given; see :func:`save_policy`."""
        save_policy(self.model, path, self.seen if seen is None else seen)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        pool_size: int,
        settings: DQNSettings | None = None,
        seed: int = 0,
        learning: bool = False,
    ) -> DQNSelector:
        """Make a selector from a shipped policy, frozen unless ``learning``.

        One that goes on learning starts without warm-up, at the final exploration rate.

        Args:
            path: A file from :meth:`save`.
            pool_size: n_s of the episodes to come; a graph policy serves any.
            settings: Of learning; the network's are the file's.
            seed: Of the replay.
            learning: Whether to go on learning.

        Raises:
            InputError: If the file cannot be used for this pool size.
        """
        loaded = load_policy(path, pool_size=pool_size)
        if loaded.kind == "questions":
            raise InputError(
                f"{path}: holds a policy for the catalogue; train one on images by reid-al train"
            )
        selector = cls(
            pool_size, _settings_of(loaded, settings or DQNSettings()), seed=seed, learning=learning
        )
        weights = loaded.policy.q_net.state_dict()
        selector.seen = loaded.seen
        selector.model.q_net.load_state_dict(weights)
        selector.model.q_net_target.load_state_dict(weights)
        return selector

    def save_checkpoint(self, folder: str | Path) -> None:
        """Write all that learning on exactly needs to ``folder``; see :func:`write_checkpoint`."""
        state = {**self._identity(), "answers": self.answers, "gradient_steps": self._updates}
        write_checkpoint(folder, self.model, state)

    def load_checkpoint(self, folder: str | Path) -> None:
        """Go on from a checkpoint as if there had been no stop; same bytes with the same number of threads.

        Raises:
            InputError: There is no readable checkpoint, or it was written with other settings.
        """
        state = read_state(folder)
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise InputError(
                    f"{Path(folder) / FILE_NAME}: written with {name} {state.get(name)}, not {value}; "
                    "resume with the same settings or start a new run"
                )
        restore(folder, self.model)
        self.answers, self._updates = state["answers"], state["gradient_steps"]

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint's writer and reader must have in common."""
        return {"pool_size": self.pool_size, "learning": self.learning, **asdict(self.settings)}

    def _learn(self) -> None:
        """Take the gradient steps that the answers so far call for; the target follows after each."""
        due = int(max(self.answers - self.settings.warm_up, 0) * self.settings.updates_per_answer)
        while self._updates < due:
            self.model.train(1, self.settings.batch_size)
            networks = self.model.q_net.parameters(), self.model.q_net_target.parameters()
            polyak_update(*networks, self.settings.tau)
            self._updates += 1


def _build_model(pool_size: int, settings: DQNSettings, seed: int) -> MaskedDQN:
    """Build a model that belongs to no environment; the global generators are left as they were."""
    model = MaskedDQN(
        settings.policy,
        None,
        double_q=settings.double_q,
        n_steps=settings.n_steps,
        gamma=settings.gamma,
        learning_rate=settings.learning_rate,
        buffer_size=settings.buffer_size,
        batch_size=settings.batch_size,
        tau=settings.tau,
        replay_buffer_kwargs={"seed": seed},
        policy_kwargs=_network(settings),
        device="cpu",  # for graphs of 31 nodes the transfer to a GPU takes longer than the computation
        _init_setup_model=False,
    )
    model.observation_space = observation_space(pool_size)
    model.action_space = spaces.Discrete(pool_size)
    model.n_envs = 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model._setup_model()
    model.set_logger(Logger(None, []))
    return model


def _network(settings: DQNSettings) -> dict[str, Any]:
    """The sizes that the policy's constructor takes; the paper's MLP has fixed ones."""
    return {"hidden": settings.hidden, "rounds": settings.rounds} if settings.policy == "graph" else {}


def _settings_of(loaded: LoadedPolicy, settings: DQNSettings) -> DQNSettings:
    """The settings with the file's network, and without the random questions of a start from nothing."""
    trained = replace(settings, policy=loaded.kind, warm_up=0, exploration_answers=0)
    return replace(trained, **loaded.network)


def _rows(observation: Observation, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {key: value[rows] for key, value in observation.items()}
