"""Settings of the learning selector, tuned for learning within a few thousand answers."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env.settings import check, setting

ALGORITHMS = ("dqn", "ppo")

POLICIES = ("graph", "mlp")
"""Kinds of Q-network: over the graph (default), and the paper's on the flattened graph."""


@dataclass(frozen=True)
class DQNSettings:
    """How the Q-network is built and learns; the paper publishes none of these but the layers of the MLP.

    Tuned on Market-1501's pool identities, seeds 10 and up, for the mean return over the first 500 queries.

    Raises:
        InputError: If a setting is out of its range.
    """

    policy: str = setting(
        "graph",
        help="Q-network: over the graph, for any pool size, or the paper's MLP",
        choices=POLICIES,
        panel="Training",
    )
    hidden: int = setting(32, help="Width of the graph network's layers", at_least=1, at_most=4096)
    rounds: int = setting(2, help="The graph network's rounds of messages", at_least=1, at_most=64)
    learning_rate: float = setting(2e-3, help="Learning rate of Adam", at_least=0)
    gamma: float = setting(0.9, help="Discount factor", at_least=0, at_most=1)
    n_steps: int = setting(1, help="Steps of the n-step return", at_least=1)
    double_q: bool = setting(True, help="Double DQN")
    batch_size: int = setting(64, help="Transitions in a gradient step", at_least=1)
    updates_per_answer: float = setting(
        0.4, help="Gradient steps for each answer after the warm-up", at_least=0
    )
    tau: float = setting(
        0.01,
        help="τ, the step of the target network towards the Q-network after each gradient step",
        at_least=0,
        at_most=1,
    )
    buffer_size: int = setting(20_000, help="Transitions kept", at_least=1)
    warm_up: int = setting(20, help="Answers to random questions before learning starts", at_least=0)
    exploration_answers: int = setting(
        100,
        help="Answers after the warm-up over which the exploration rate falls from 1 to its final value",
        at_least=0,
    )
    exploration_final: float = setting(0.02, help="Final exploration rate", at_least=0, at_most=1)

    def __post_init__(self) -> None:
        check(self)

    def exploration_rate(self, answers: int) -> float:
        """Return the probability of a random question after that many answers."""
        if answers < self.warm_up:
            return 1.0
        done = (answers - self.warm_up) / max(self.exploration_answers, 1)
        left = 1.0 - min(done, 1.0) if self.exploration_answers else 0.0
        return self.exploration_final + (1.0 - self.exploration_final) * left
