"""The Q-networks as Stable-Baselines3 policies."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy

from reid_al_agents.dqn.networks import GraphQNetwork, MlpQNetwork
from reid_al_agents.dqn.question_network import QuestionQNetwork


class EquivariantPolicy(DQNPolicy):
    """Policy that treats all things to choose from alike; the base of two.

    Args:
        observation_space: The environment's.
        action_space: The environment's.
        lr_schedule: Learning rate by the share of training that is left.
        hidden: Width of the network's layers.
        rounds: Rounds of messages.
        optimizer_class: Of PyTorch.
        optimizer_kwargs: Passed to it, but for the learning rate.
    """

    network: ClassVar[type[GraphQNetwork | QuestionQNetwork]]

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        hidden: int = 32,
        rounds: int = 2,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        # DQNPolicy's constructor builds the networks, so their sizes must be known before.
        self.hidden = hidden
        self.rounds = rounds
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
        )

    def make_q_net(self) -> GraphQNetwork | QuestionQNetwork:  # type: ignore[override]  # SB3 has its own
        """Return a network with fresh weights on the policy's device."""
        assert isinstance(self.observation_space, spaces.Dict)
        network = self.network(self.observation_space, self.action_space, self.hidden, self.rounds)
        return network.to(self.device)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**_shared_parameters(self), "hidden": self.hidden, "rounds": self.rounds}


class GraphPolicy(EquivariantPolicy):
    """Policy over the similarity graph of one query; see :class:`GraphQNetwork`."""

    network = GraphQNetwork


class QuestionPolicy(EquivariantPolicy):
    """Policy over the open questions of a catalogue; see :class:`QuestionQNetwork`."""

    network = QuestionQNetwork


class MlpPolicy(DQNPolicy):
    """The paper's policy: three fully connected layers on the flattened graph; see :class:`MlpQNetwork`.

    Args:
        observation_space: The environment's.
        action_space: The environment's.
        lr_schedule: Learning rate by the share of training that is left.
        optimizer_class: Of PyTorch.
        optimizer_kwargs: Passed to it, but for the learning rate.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            optimizer_class=optimizer_class,
            optimizer_kwargs=optimizer_kwargs,
        )

    def make_q_net(self) -> MlpQNetwork:  # type: ignore[override]  # SB3 declares its own MLP network
        """Return a network with fresh weights on the policy's device."""
        assert isinstance(self.observation_space, spaces.Dict)
        assert isinstance(self.action_space, spaces.Discrete)
        return MlpQNetwork(self.observation_space, self.action_space).to(self.device)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return _shared_parameters(self)


def _shared_parameters(policy: DQNPolicy) -> dict[str, Any]:
    """What both policies' constructors take; SB3 saves it beside the weights of a policy."""
    return {
        "observation_space": policy.observation_space,
        "action_space": policy.action_space,
        "lr_schedule": policy._dummy_schedule,
        "optimizer_class": policy.optimizer_class,
        "optimizer_kwargs": policy.optimizer_kwargs,
    }
