"""The Q-networks: a permutation-equivariant one over the graph, and the paper's on the flattened graph."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import Tensor, nn

from reid_al_agents.dqn.graph_features import FEATURES, GalleryGraph, gallery_graph, node_features
from reid_al_agents.dqn.masking import greedy_actions

SMALL = 1e-3
"""Standard deviation of the last layer's initial weights: all items start with nearly the same value."""

PAPER_LAYERS = (256, 256, 256)
"""Three fully connected layers of 256 (Liu et al., ICCV 2019, section 4.1)."""


class MaskedQNetwork(BasePolicy):
    """A network whose ``forward`` gives plain Q-values and whose choice keeps to the mask.

    The values stay unmasked because the current Q of a stored action is read from them: were a masked action
    ever stored, it would otherwise be learned towards the fill value.

    Attributes:
        sizes: What its constructor takes beside the spaces, by name.
    """

    sizes: Mapping[str, int] = MappingProxyType({})

    def read(self, observation: Mapping[str, Tensor]) -> Any:
        """Prepare what :meth:`values` takes; it holds no weights, so that several networks can share it."""
        raise NotImplementedError

    def values(self, inputs: Any) -> Tensor:
        """Return Q-values (B, n), unmasked, from what :meth:`read` gave."""
        raise NotImplementedError

    def forward(self, obs: PyTorchObs) -> Tensor:
        """Return Q-values (B, n), unmasked, of a batch of observations with n pool items each."""
        assert isinstance(obs, dict)
        return self.values(self.read(obs))

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        """Return the best unmasked action of each observation, (B,) int64."""
        assert isinstance(observation, dict)
        return greedy_actions(self(observation), observation["action_mask"])


class GraphQNetwork(MaskedQNetwork):
    """Permutation-equivariant network over the pool items; the same weights serve any number of them.

    Features of each item (:func:`node_features`) pass through rounds of messages along the similarities, to
    answered matches and to answered non-matches; one value per item is read from the item and the mean.

    Args:
        observation_space: The environment's; only the shapes of batches at call time matter.
        action_space: The environment's.
        hidden: Width of all layers.
        rounds: Rounds of messages.
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], hidden: int, rounds: int
    ) -> None:
        super().__init__(observation_space, action_space)
        self.sizes = {"hidden": hidden, "rounds": rounds}
        self.embed = nn.Sequential(nn.Linear(FEATURES, hidden), nn.ReLU())
        self.rounds = nn.ModuleList(_MessageRound(hidden) for _ in range(rounds))
        last = nn.Linear(hidden, 1)
        nn.init.normal_(last.weight, std=SMALL)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.ReLU(), last)

    def read(self, observation: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the features of the items (B, n, F) and the weights of messages (B, 3 n, n)."""
        graph = gallery_graph(observation)
        return node_features(graph), _routes(graph)

    def values(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """Return Q-values (B, n), unmasked."""
        features, routes = inputs
        hidden = self.embed(features)
        for step in self.rounds:
            hidden = step(hidden, routes)
        values: Tensor = self.head(torch.cat([hidden, _mean_of_items(hidden)], dim=2))
        return values.squeeze(2)


class MlpQNetwork(MaskedQNetwork):
    """The paper's network: the flattened graph through three fully connected layers.

    Args:
        observation_space: The environment's; fixes the number of items.
        action_space: The environment's.
    """

    def __init__(self, observation_space: spaces.Dict, action_space: spaces.Discrete) -> None:
        super().__init__(observation_space, action_space)
        shape = observation_space["similarity"].shape
        assert shape is not None
        widths = (shape[0] * shape[1], *PAPER_LAYERS)
        layers = [
            layer for inputs, outputs in pairwise(widths) for layer in (nn.Linear(inputs, outputs), nn.ReLU())
        ]
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(widths[-1], int(action_space.n)))

    def read(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Return the graphs (B, n + 1, n + 1); nothing else is read, as in the paper."""
        return observation["similarity"].float()

    def values(self, inputs: Tensor) -> Tensor:
        """Return Q-values (B, n), unmasked."""
        values: Tensor = self.layers(inputs)
        return values


class _MessageRound(nn.Module):
    """Each item takes in its neighbours' states by three routes and the mean of all; residual, normalised."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.update = nn.Sequential(nn.Linear(5 * hidden, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.norm = nn.LayerNorm(hidden)

    def forward(self, hidden: Tensor, routes: Tensor) -> Tensor:
        batch, items, width = hidden.shape
        messages = (routes @ hidden).view(batch, 3, items, width)
        inputs = torch.cat([hidden, *messages.unbind(dim=1), _mean_of_items(hidden)], dim=2)
        normalised: Tensor = self.norm(hidden + self.update(inputs))
        return normalised


def _routes(graph: GalleryGraph) -> Tensor:
    """Return, one below the other, the weights to neighbours, matches and non-matches, (B, 3 n, n)."""
    degree = graph.similarity.sum(dim=2, keepdim=True).clamp(min=SMALL)
    matches = graph.matches / graph.matches.sum(dim=1, keepdim=True).clamp(min=1)
    others = graph.others / graph.others.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.cat(
        [
            graph.similarity / degree,
            graph.similarity * matches[:, None],
            graph.similarity * others[:, None],
        ],
        dim=1,
    )


def _mean_of_items(hidden: Tensor) -> Tensor:
    return hidden.mean(dim=1, keepdim=True).expand_as(hidden)
