"""The question network as actor and critic of sb3-contrib's MaskablePPO."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor, cat, nn

from reid_al_agents.dqn.question_network import QuestionQNetwork

SHARPNESS = 10.0
"""Logits are this multiple of the network's values: one that has imitated then chooses nearly greedily."""


class QuestionActorCriticPolicy(MaskableMultiInputActorCriticPolicy):  # type: ignore[misc]  # untyped
    """Logits of the questions are the values of :class:`QuestionQNetwork`; the critic sees the mean question.

    Args:
        observation_space: The catalogue's.
        action_space: The catalogue's.
        lr_schedule: Learning rate by the share of training that is left.
        hidden: Width of the network's layers.
        rounds: Rounds of messages.
        **arguments: All other arguments of the base class.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        hidden: int = 48,
        rounds: int = 2,
        **arguments: Any,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            ortho_init=False,
            features_extractor_class=_Extractor,
            features_extractor_kwargs={"actions": action_space, "hidden": hidden, "rounds": rounds},
            **arguments,
        )

    @property
    def network(self) -> QuestionQNetwork:
        """The network, which can be saved by :func:`~reid_al_agents.dqn.policy_file.save_network`."""
        assert isinstance(self.features_extractor, _Extractor)
        return self.features_extractor.network

    def _build_mlp_extractor(self) -> None:
        assert isinstance(self.action_space, spaces.Discrete)
        self.mlp_extractor = _Split(int(self.action_space.n), self.features_dim)

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        self.action_net = nn.Identity()
        self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)


class _Extractor(BaseFeaturesExtractor):
    """The values of the M questions, then the mean of what the network knows of the open ones."""

    def __init__(
        self, observation_space: spaces.Dict, actions: spaces.Discrete, hidden: int, rounds: int
    ) -> None:
        super().__init__(observation_space, int(actions.n) + hidden)
        self.network = QuestionQNetwork(observation_space, actions, hidden, rounds)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        inputs = self.network.read(observations)
        states = self.network.states(inputs)
        mean = (states * inputs.open).sum(dim=1) / inputs.open.sum(dim=1).clamp(min=1)
        return cat([SHARPNESS * self.network.values_of(states), mean], dim=1)


class _Split(nn.Module):
    """Logits to the actor, the rest to the critic."""

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        self.latent_dim_pi, self.latent_dim_vf = places, width - places

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        return features[:, : self.latent_dim_pi]

    def forward_critic(self, features: Tensor) -> Tensor:
        return features[:, self.latent_dim_pi :]
