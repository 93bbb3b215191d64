"""Designs of the learned agent that were tried in the catalogue; ``catalogue_designs.py`` compares them.

What is kept of them is in ``reid_al_agents.dqn``. The others are here, to get their figures again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from reid_al_agents.dqn.imitation import GAIN_SCALE
from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.question_network import QuestionQNetwork, Questions, feature_width
from reid_al_agents.dqn.replay import NStepDictReplay, Transitions

COSINES = 3
"""So many features of a question come first that are cosines."""
CHANGED = 0.7
"""Share of states in a gradient step whose cosines are changed at random."""
REMEMBERED = 96
"""Answers that the network with a memory sees, the latest ones."""
_SCALES, _POWERS = (0.25, 1.2), (0.7, 1.4)
"""Ranges of what :func:`changed_cosines` takes, drawn evenly on a logarithmic axis."""
_HEADS = 4
_NEWTON_STEPS = 3
_LARGEST_LOGIT = 30.0

Batch = Mapping[str, Tensor]


class GainNetwork(QuestionQNetwork):
    """The network as it is: one value for each question."""

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of the gains of open questions."""
        inputs = self.read(batch)
        return _over_open((self.values(inputs) - batch["gains"] * GAIN_SCALE) ** 2, inputs)


class StandardisedNetwork(GainNetwork):
    """Reads each cosine as its distance from the mean of the open questions, in standard deviations."""

    def read(self, observation: Mapping[str, Tensor]) -> Questions:
        """Return what the network takes."""
        inputs = super().read(observation)
        cosines, others = inputs.features[:, :, :COSINES], inputs.features[:, :, COSINES:]
        count = inputs.open.sum(dim=1, keepdim=True).clamp(min=1)
        mean = (cosines * inputs.open).sum(dim=1, keepdim=True) / count
        spread = ((cosines - mean) ** 2 * inputs.open).sum(dim=1, keepdim=True) / count
        standardised = ((cosines - mean) / spread.sqrt().clamp(min=1e-3)).clamp(-5, 5) * inputs.open
        return inputs._replace(features=torch.cat([standardised, others], dim=2))


class Apart(NamedTuple):
    """What :class:`ApartNetwork` says of B × M questions.

    Attributes:
        gains: If the answer is "no match", and if it is "match", (B, M, 2).
        seen: What the last layer of the match sees, (B, M, hidden).
        logits: Of a match, (B, M).
    """

    gains: Tensor
    seen: Tensor
    logits: Tensor


class ApartNetwork(GainNetwork):
    """Predicts the probability p of a match, and the gain for either answer; the value is their mean by p."""

    def __init__(self, observation_space: Any, action_space: Any, hidden: int, rounds: int) -> None:
        super().__init__(observation_space, action_space, hidden, rounds)
        self.head = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2))
        self.seeing = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU())
        self.match = nn.Linear(hidden, 1)

    def apart(self, observation: Batch) -> tuple[Apart, Questions]:
        """The parts of the values, and what they are of."""
        inputs = self.read(observation)
        states = self.recalled(inputs, observation)
        seen = self.seeing(states)
        return Apart(self.head(states), seen, self.match(seen).squeeze(2)), inputs

    def recalled(self, inputs: Questions, observation: Batch) -> Tensor:
        """What the network knows of each question, (B, M, hidden)."""
        return self.states(inputs)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the match, and squared errors of the gain that its label has and of the value."""
        found, inputs = self.apart(batch)
        match, gains = batch["matches"].float(), batch["gains"] * GAIN_SCALE
        entropy = F.binary_cross_entropy_with_logits(found.logits, match, reduction="none")
        labelled = torch.where(match > 0, found.gains[:, :, 1], found.gains[:, :, 0])
        value = values_apart(found.gains, torch.sigmoid(found.logits))
        return _over_open(entropy + (labelled - gains) ** 2 + (value - gains) ** 2, inputs)


class MemoryNetwork(ApartNetwork):
    """Open questions attend to the questions that were answered in the episode, with their answers."""

    def __init__(self, observation_space: Any, action_space: Any, hidden: int, rounds: int) -> None:
        super().__init__(observation_space, action_space, hidden, rounds)
        width = feature_width(observation_space) + 1
        self.answered = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.LayerNorm(hidden)
        )
        self.nothing = nn.Parameter(torch.zeros(1, 1, hidden))
        self.attention = nn.MultiheadAttention(hidden, _HEADS, batch_first=True)
        self.after = nn.LayerNorm(hidden)

    def recalled(self, inputs: Questions, observation: Batch) -> Tensor:
        """What the network knows of each question, the answers included."""
        hidden: Tensor = self.embed(inputs.features)
        for step in self.rounds[:-1]:
            hidden = step(hidden, inputs)
        answers = observation["answers"].float()
        told = self.answered(torch.cat([observation["asked"], answers[:, :, None]], dim=2))
        told = torch.cat([self.nothing.expand(len(told), 1, -1), told], dim=1)
        unknown = F.pad(answers == 0, (1, 0), value=False)
        recalled, _ = self.attention(hidden, told, told, key_padding_mask=unknown, need_weights=False)
        known: Tensor = self.rounds[-1](self.after(hidden + recalled), inputs)
        return known


def values_apart(gains: Tensor, match: Tensor) -> Tensor:
    """Expected gains (B, M) of gains (B, M, 2) and probabilities of a match (B, M)."""
    return (1 - match) * gains[:, :, 0] + match * gains[:, :, 1]


class Calibration:
    """Logistic regression of an episode's answers with a normal prior, by Newton steps after each.

    Args:
        mean: Prior mean of the weights, (K,).
        precision: Prior precision of each, (K,).
    """

    def __init__(self, mean: NDArray[np.float64], precision: NDArray[np.float64]) -> None:
        self._mean, self._precision = mean, precision
        self.weights = mean.copy()
        self._seen: list[NDArray[np.float64]] = []
        self._matched: list[bool] = []

    def learn(self, seen: NDArray[np.float64], match: bool) -> None:
        """Take one answer into account; ``seen`` (K,) is what the regression saw of its question."""
        self._seen.append(seen)
        self._matched.append(match)
        points, matched = np.array(self._seen), np.array(self._matched)
        for _ in range(_NEWTON_STEPS):
            p = expit(points @ self.weights)
            slope = points.T @ (p - matched) + self._precision * (self.weights - self._mean)
            curvature = (points.T * (p * (1 - p))) @ points + np.diag(self._precision)
            self.weights = self.weights - np.linalg.solve(curvature, slope)


def expit(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT))))


class PrioritisedReplay(NStepDictReplay):
    """Draws transitions in proportion to their last error (Schaul et al., ICLR 2016, section 3.3).

    Attributes:
        weights: Importance weights of the transitions drawn last, (B, 1), the largest 1.
    """

    exponent, correction, least = 0.6, 0.4, 1e-2

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._priorities = np.zeros(self.buffer_size)
        self._highest = 1.0
        self._drawn = np.zeros(0, dtype=np.int64)
        self.weights = torch.ones(0, 1)

    def add_batch(self, observations: Any, next_observations: Any, actions: Any, *more: Any) -> None:
        """Add transitions, with the highest priority so far."""
        self._priorities[(self.pos + np.arange(len(actions))) % self.buffer_size] = self._highest
        super().add_batch(observations, next_observations, actions, *more)

    def sample(self, batch_size: int, env: Any = None) -> Transitions:  # type: ignore[override]
        """Draw transitions with replacement."""
        shares = self._priorities[: self.size()] ** self.exponent
        ends = np.cumsum(shares)
        self._drawn = np.searchsorted(ends, self.rng.random(batch_size) * ends[-1]).clip(max=self.size() - 1)
        weights = (self.size() * shares[self._drawn] / ends[-1]) ** -self.correction
        self.weights = torch.as_tensor(weights / weights.max(), dtype=torch.float32)[:, None]
        return self._get_samples(self._drawn, env)

    def take(self, errors: Tensor) -> None:
        """Set the priorities of the transitions drawn last by their errors (B, 1)."""
        found = errors.abs().squeeze(1).numpy() + self.least
        self._priorities[self._drawn] = found
        self._highest = max(self._highest, float(found.max()))


class PrioritisedDQN(MaskedDQN):
    """Masked DQN over a :class:`PrioritisedReplay`."""

    def _gradient_step(self, batch_size: int) -> float:
        replay = self.replay_buffer
        assert isinstance(replay, PrioritisedReplay)
        batch = replay.sample(batch_size)
        current = self.q_net(batch.observations).gather(1, batch.actions)
        target = self._targets(batch)
        replay.take((current - target).detach())
        loss = (F.smooth_l1_loss(current, target, reduction="none") * replay.weights).mean()
        self.policy.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.q_net.parameters(), self.max_grad_norm)
        self.policy.optimizer.step()
        return loss.item()


def changed_cosines(
    questions: NDArray[np.float32], scale: NDArray[np.float64], power: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Questions with the cosines 1 − scale · (1 − c) ** power instead of c, at least −1.

    With power 1 and a scale of at most 1 this is what a direction that all features share does to them.

    Args:
        questions: Features of the questions of B states, (B, M, F).
        scale: Positive numbers, (B,).
        power: Positive numbers, (B,).
    """
    changed = questions.copy()
    away = 1 - questions[:, :, :COSINES].astype(np.float64)
    changed[:, :, :COSINES] = np.maximum(1 - scale[:, None, None] * away ** power[:, None, None], -1)
    return changed


def draw_changes(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scales and powers for :func:`changed_cosines`, (count,) each."""
    scale = np.exp(rng.uniform(np.log(_SCALES[0]), np.log(_SCALES[1]), count))
    return scale, np.exp(rng.uniform(np.log(_POWERS[0]), np.log(_POWERS[1]), count))


def with_some_changed(
    questions: NDArray[np.float32], mask: NDArray[Any], share: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The questions of B states, the cosines of about ``share`` of the states changed; padding stays 0.

    Args:
        questions: (B, M, F).
        mask: Not zero for questions that can be asked, (B, M).
        share: In [0, 1].
        rng: Where the changes come from.
    """
    changed = changed_cosines(questions, *draw_changes(rng, len(questions)))
    chosen = (rng.random(len(questions)) < share)[:, None] & (mask > 0)
    return np.where(chosen[:, :, None], changed, questions)


def latest(asked: Sequence[NDArray[Any]], answers: Sequence[int], width: int) -> tuple[Any, Any]:
    """The last questions that were asked, (REMEMBERED, F), and their answers, (REMEMBERED,); zeros after."""
    kept = min(len(answers), REMEMBERED)
    questions = np.zeros((REMEMBERED, width), dtype=np.float32)
    said = np.zeros(REMEMBERED, dtype=np.int8)
    if kept:
        questions[:kept], said[:kept] = np.array(asked[-kept:]), answers[-kept:]
    return questions, said


def _over_open(errors: Tensor, inputs: Questions) -> Tensor:
    """Mean of errors (B, M) over open questions."""
    return (errors * inputs.open.squeeze(2)).sum() / inputs.open.sum()
