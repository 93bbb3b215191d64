"""Settings of the learning selector, tuned for learning within a few thousand answers."""

from __future__ import annotations

from dataclasses import dataclass

from reid_al_env.errors import InputError

POLICIES = ("graph", "mlp")
"""Kinds of Q-network: over the graph (default), and the paper's on the flattened graph."""


@dataclass(frozen=True)
class DQNSettings:
    """How the Q-network is built and learns; the paper publishes none of these but the layers of the MLP.

    Tuned on Market-1501's pool identities, seeds 10 and up, for the mean return over the first 500 queries.

    Args:
        policy: ``"graph"`` or ``"mlp"``.
        hidden: Width of the graph network's layers.
        rounds: The graph network's rounds of messages.
        learning_rate: Of Adam.
        gamma: Discount factor.
        n_steps: Length of the returns learned from.
        double_q: Double DQN.
        batch_size: Transitions in a gradient step.
        updates_per_answer: Gradient steps for each answer after the warm-up.
        tau: Share by which the target network follows after each gradient step.
        buffer_size: Transitions kept.
        warm_up: Answers to random questions before learning starts.
        exploration_answers: Answers over which the exploration rate then falls from 1 to the final rate.
        exploration_final: Exploration rate from there on.

    Raises:
        InputError: If a setting is out of its range.
    """

    policy: str = "graph"
    hidden: int = 32
    rounds: int = 2
    learning_rate: float = 2e-3
    gamma: float = 0.9
    n_steps: int = 1
    double_q: bool = True
    batch_size: int = 64
    updates_per_answer: float = 0.4
    tau: float = 0.01
    buffer_size: int = 20_000
    warm_up: int = 20
    exploration_answers: int = 100
    exploration_final: float = 0.02

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise InputError(
                f"policy: {self.policy!r} is no kind of Q-network; choose one of {', '.join(POLICIES)}"
            )
        for name in ("hidden", "rounds", "n_steps", "batch_size", "buffer_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is too small; expected at least 1")
        for name in ("learning_rate", "updates_per_answer", "warm_up", "exploration_answers"):
            if not getattr(self, name) >= 0:
                raise InputError(
                    f"{name}: {getattr(self, name)} is negative or not a number; expected at least 0"
                )
        for name in ("gamma", "tau", "exploration_final"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: {getattr(self, name)} is outside [0, 1]")

    def exploration_rate(self, answers: int) -> float:
        """Return the probability of a random question after that many answers."""
        if answers < self.warm_up:
            return 1.0
        done = (answers - self.warm_up) / max(self.exploration_answers, 1)
        left = 1.0 - min(done, 1.0) if self.exploration_answers else 0.0
        return self.exploration_final + (1.0 - self.exploration_final) * left
