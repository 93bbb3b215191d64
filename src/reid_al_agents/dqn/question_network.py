"""The Q-network over open questions of a catalogue: permutation-equivariant, for any number of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor, nn

from reid_al_agents.dqn.networks import SMALL, MaskedQNetwork

_FAR = 10.0  # hidden states are normalised, so that none is as low as minus this


class Questions(NamedTuple):
    """A batch of open questions as the network reads them.

    Attributes:
        features: Of each question, with the summary of the catalogue, (B, M, F).
        open: 1 for questions that can be asked, (B, M, 1).
        routes: Weights of messages from each question (last) to each other that shares a group, (B, M, M).
    """

    features: Tensor
    open: Tensor
    routes: Tensor


class QuestionQNetwork(MaskedQNetwork):
    """Values questions by their features, by those that share a group with them, and by all that are open.

    As Deep Sets (Zaheer et al., NeurIPS 2017) with messages between questions that share a group: the order
    of the questions and the numbers of the groups carry nothing. Padding sends no message.

    Args:
        observation_space: Of :class:`reid_al_env.ReIDCatalogueEnv`; only the widths matter, not M.
        action_space: Its actions.
        hidden: Width of all layers.
        rounds: Rounds of messages.

    Attributes:
        columns: Features of a question.
    """

    def __init__(
        self, observation_space: spaces.Dict, action_space: spaces.Space[Any], hidden: int, rounds: int
    ) -> None:
        super().__init__(observation_space, action_space)
        self.columns = int(observation_space["questions"].shape[1])  # type: ignore[index]  # is a Box
        self.sizes = {"hidden": hidden, "rounds": rounds}
        self.embed = nn.Sequential(
            nn.Linear(feature_width(observation_space), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.LayerNorm(hidden),
        )
        self.rounds = nn.ModuleList(_Round(hidden) for _ in range(rounds))
        last = nn.Linear(hidden, 1)
        nn.init.normal_(last.weight, std=SMALL)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), last)

    def read(self, observation: Mapping[str, Tensor]) -> Questions:
        """Return what the network takes; see :class:`Questions`."""
        questions, summary = observation["questions"].float(), observation["summary"].float()
        features = torch.cat([questions, summary[:, None].expand(-1, questions.shape[1], -1)], dim=2)
        open_ = observation["action_mask"].float()
        return Questions(features, open_[:, :, None], _routes(observation["groups"], open_))

    def values(self, inputs: Questions) -> Tensor:
        """Return Q-values (B, M), unmasked."""
        return self.values_of(self.states(inputs))

    def states(self, inputs: Questions) -> Tensor:
        """Return what the network knows of each question, (B, M, hidden)."""
        hidden: Tensor = self.embed(inputs.features)
        for step in self.rounds:
            hidden = step(hidden, inputs)
        return hidden

    def values_of(self, states: Tensor) -> Tensor:
        """Return Q-values (B, M) of what :meth:`states` gave."""
        values: Tensor = self.head(states)
        return values.squeeze(2)


class _Round(nn.Module):
    """Each question takes in those that share a group, and the mean and maximum of all open ones."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.update = nn.Sequential(nn.Linear(4 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, hidden: Tensor, questions: Questions) -> Tensor:
        count = questions.open.sum(dim=1, keepdim=True).clamp(min=1)
        mean = (hidden * questions.open).sum(dim=1, keepdim=True) / count
        highest = torch.where(questions.open > 0, hidden, -_FAR).amax(dim=1, keepdim=True)
        parts = [hidden, questions.routes @ hidden, mean.expand_as(hidden), highest.expand_as(hidden)]
        normalised: Tensor = self.norm(hidden + self.update(torch.cat(parts, dim=2)))
        return normalised


def feature_width(observation_space: spaces.Dict) -> int:
    """F, numbers that the network reads of a question: its features and the catalogue's summary."""
    widths = (observation_space[key].shape for key in ("questions", "summary"))
    return sum(shape[-1] for shape in widths if shape is not None)


def _routes(groups: Tensor, open_: Tensor) -> Tensor:
    """Weights (B, M, M): for either group of a question, the mean of the others that are about it."""
    first, second = groups[:, None, :, 0], groups[:, None, :, 1]
    itself = torch.eye(groups.shape[1], dtype=torch.bool, device=groups.device)
    others = (open_[:, None, :] > 0) & ~itself  # (B, M, M)
    weights = torch.zeros(others.shape, device=open_.device)
    for end in groups.unbind(dim=2):
        shared = (((end[:, :, None] == first) | (end[:, :, None] == second)) & others).float()
        weights += shared / shared.sum(dim=2, keepdim=True).clamp(min=1)
    return weights
