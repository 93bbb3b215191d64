"""Imitation of the labels: the network learns what each open question would gain, on states it comes to.

The catalogue's environment knows what every open question gains if it is answered by the labels, not only the
one that was chosen. A network that predicts all of these values is the Q-network of γ = 0, learned from M
times as many targets as Q-learning has. States come from rules first and then from the network itself, as in
DAgger (Ross, Gordon, Bagnell, AISTATS 2011), since its own choices lead to states that no rule leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_al_agents.dqn.masking import greedy_actions
from reid_al_agents.dqn.question_network import QuestionQNetwork
from reid_al_env.catalogue.game import CatalogueGame
from reid_al_env.catalogue.references import label_seeing, nearest_first
from reid_al_env.catalogue.rules import one_check_in_four
from reid_al_env.catalogue.vector_env import ReIDCatalogueVectorEnv
from reid_al_env.settings import check, setting

Report = Callable[[str, int, int], None]
GAIN_SCALE = 200.0
"""Gains in F1 are about 0.001; the network predicts this multiple, which is near 1."""


@dataclass(frozen=True)
class ImitationSettings:
    """How a network imitates the labels.

    Raises:
        InputError: If a setting is out of range.
    """

    states: int = setting(help="States with the gains of all their questions", at_least=0)
    rounds: int = setting(help="Rounds; states of the first come from rules", at_least=1, at_most=100)
    steps_per_state: float = setting(help="Gradient steps for each state", at_least=0)
    batch_size: int = setting(help="States in a gradient step", at_least=1)
    learning_rate: float = setting(help="Highest learning rate of AdamW, one cycle a round", at_least=0)
    explore: float = setting(help="Share of random questions", at_least=0, at_most=1)

    def __post_init__(self) -> None:
        check(self)


def imitate(
    network: QuestionQNetwork,
    envs: Sequence[ReIDCatalogueVectorEnv],
    settings: ImitationSettings,
    seed: int,
    report: Report,
) -> None:
    """Train a network to predict the gains of all open questions.

    Args:
        network: Is changed; its values become gains times :data:`GAIN_SCALE`.
        envs: Where states come from, in equal shares; they reset themselves in the same step.
        settings: How.
        seed: Seed of all random choices; PyTorch's and NumPy's global generators are not used.
        report: Called with what is done, the number done, and the total.
    """
    rng = np.random.default_rng([seed, 2])
    places = max(int(env.single_action_space.n) for env in envs)  # type: ignore[attr-defined]
    states = _States(places)
    each = settings.states // (settings.rounds * len(envs))
    for round_ in range(settings.rounds):
        for number, env in enumerate(envs):
            begun, _ = env.reset(seed=seed + 1000 * (round_ * len(envs) + number))
            chooser = network if round_ else None
            _gather(states, env, begun, each, chooser, settings.explore, rng, report)
        steps = round(each * len(envs) * settings.steps_per_state)
        _fit(network, states, steps, settings, rng, report)


class _States:
    """States with the gains of their questions; padded to one number of questions.

    Args:
        places: M.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._rows: dict[str, list[NDArray[Any]]] = {}

    def __len__(self) -> int:
        return len(self._rows.get("gains", ()))

    def add(self, observation: Mapping[str, NDArray[Any]], gains: NDArray[np.float64]) -> None:
        """Add one state; gains of masked questions are not used."""
        row = {
            "questions": self._padded(observation["questions"], 0),
            "groups": self._padded(observation["groups"].astype(np.int16), -1),
            "action_mask": self._padded(observation["action_mask"], 0),
            "gains": self._padded(np.where(observation["action_mask"] > 0, gains, 0).astype(np.float32), 0),
            "summary": observation["summary"],
        }
        for key, value in row.items():
            self._rows.setdefault(key, []).append(value)

    def columns(self) -> dict[str, NDArray[Any]]:
        """All states, by key, each (S, ...)."""
        return {key: np.stack(values) for key, values in self._rows.items()}

    def _padded(self, rows: NDArray[Any], fill: float) -> NDArray[Any]:
        widths = [(0, self._places - len(rows)), *[(0, 0)] * (rows.ndim - 1)]
        return np.pad(rows, widths, constant_values=fill)


def _gather(
    states: _States,
    env: ReIDCatalogueVectorEnv,
    observation: Mapping[str, NDArray[Any]],
    count: int,
    network: QuestionQNetwork | None,
    explore: float,
    rng: np.random.Generator,
    report: Report,
) -> None:
    """Add ``count`` states; half of those that are passed, as neighbours in time are alike."""
    found = 0
    while found < count:
        actions = _choices(env, observation, network, explore, rng)
        for row in np.flatnonzero(rng.random(env.num_envs) < 0.5).tolist():
            if found < count:
                states.add({key: part[row] for key, part in observation.items()}, env.games[row].gains())
                found += 1
        report("gather states", found, count)
        observation = env.step(actions)[0]


def _choices(
    env: ReIDCatalogueVectorEnv,
    observation: Mapping[str, NDArray[Any]],
    network: QuestionQNetwork | None,
    explore: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """The network's choices, or those of four rules, one for each row in turn; some at random."""
    if network is None:
        ruled = [_by_rule(game, row, rng) for row, game in enumerate(env.games)]
        actions = np.array(ruled, dtype=np.int64)
    else:
        actions = greedy(network, observation)
    drawn = (rng.random(observation["action_mask"].shape) * observation["action_mask"]).argmax(axis=1)
    return np.where(rng.random(env.num_envs) < explore, drawn, actions)


def _by_rule(game: CatalogueGame, row: int, rng: np.random.Generator) -> int:
    return (
        nearest_first(game),
        int(rng.integers(len(game.slots))),
        one_check_in_four(game.together(), game.spent),
        label_seeing(game),
    )[row % 4]


def _fit(
    network: QuestionQNetwork,
    states: _States,
    steps: int,
    settings: ImitationSettings,
    rng: np.random.Generator,
    report: Report,
) -> None:
    """Gradient steps on the mean squared error over open questions, whose minimum is the expected gain."""
    columns = states.columns()
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=1e-5)
    if steps:
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=steps)
    network.train()
    for step in range(steps):
        rows = rng.integers(len(states), size=settings.batch_size)
        batch = {key: torch.as_tensor(column[rows]) for key, column in columns.items()}
        inputs = network.read(batch)
        error = (network.values(inputs) - batch["gains"] * GAIN_SCALE) ** 2 * inputs.open.squeeze(2)
        loss = error.sum() / inputs.open.sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        report("imitate", step + 1, steps)
    network.eval()


@torch.no_grad()
def greedy(network: QuestionQNetwork, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    """The best open question of each of B observations, (B,)."""
    seen: dict[str, Tensor] = {key: torch.as_tensor(value) for key, value in observation.items()}
    chosen: NDArray[np.int64] = greedy_actions(network(seen), seen["action_mask"]).numpy()
    return chosen
