"""The training loop: the same steps for every objective."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from reid_al_agents.data.images import ImageSet
from reid_al_agents.training.augment import Augmentation
from reid_al_agents.training.refresher import Progress, RefreshReport
from reid_al_agents.training.settings import TrainingSettings
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_agents.vision.extraction import embed, to_pixels
from reid_al_env.errors import InputError

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises linearly to its peak."""

FINAL_RATE = 0.01
"""Learning rate at the end of the cosine decay, as a share of the peak."""


@dataclass(frozen=True)
class StepLoss:
    """Loss of a batch (a scalar tensor), and the number of its triplets that violate the margin."""

    loss: Tensor
    active_triplets: int = 0


class Objective(Protocol):
    """What a training minimises. Images are indices into the set that :func:`train` is given."""

    @property
    def members(self) -> NDArray[np.int64]:
        """Images that can be in a batch, ascending; the others are not decoded."""
        ...

    def prepare(self, feature_dim: int, device: torch.device) -> list[nn.Parameter]:
        """Get ready; called once, with PyTorch's generator seeded.

        Args:
            feature_dim: Length of a feature.
            device: Where features will be.

        Returns:
            Parameters to train beside those of the network; they are discarded afterwards.
        """
        ...

    def start_epoch(
        self, embed_members: Callable[[], NDArray[np.float32]], rng: np.random.Generator
    ) -> Iterator[NDArray[np.int64]] | None:
        """Return an endless iterator over batches, each (B,) int64 images.

        Args:
            embed_members: Returns the features (M, D) of :attr:`members` by the network as it is.
            rng: Source of randomness of the batches.

        Returns:
            ``None`` where there is nothing to learn from; training then ends.
        """
        ...

    def loss(self, features: Tensor, batch: NDArray[np.int64]) -> StepLoss:
        """Score the ``features`` (B, D) of the images ``batch`` (B,)."""
        ...

    def after_step(self, features: Tensor, batch: NDArray[np.int64]) -> None:
        """Take in the ``features`` (B, D), without gradient, of a batch whose step has been taken."""
        ...


def train(
    model: EmbeddingNet,
    images: ImageSet,
    objective: Objective,
    settings: TrainingSettings,
    *,
    epochs: int = 1,
    seed: int,
    progress: Progress | None = None,
) -> RefreshReport:
    """Train ``model`` in place; batch normalisation learns the statistics of the images.

    If training fails or is interrupted, the model's weights are put back.

    Args:
        model: The network; left in its mode, training or evaluation.
        images: The images; those trained on are decoded once and kept in memory.
        objective: What is minimised.
        settings: How to train.
        epochs: Number of epochs that the steps are divided into; the objective is prepared again for each.
        seed: Seed of batches and augmentation; PyTorch's global generator is left as it was.
        progress: Called before the first step and after each; and at the end, where there was less to do.

    Returns:
        What was done; no steps where the objective has nothing to learn from.

    Raises:
        InputError: An image does not decode, or the loss became infinite or NaN.
    """
    started = time.perf_counter()
    history = _History()
    progress = progress or (lambda done, total: None)
    progress(0, settings.steps)
    if len(objective.members):
        with _seeded(seed), _restored_on_failure(model):
            _run(model, images, objective, settings, epochs, seed, progress, history)
    else:
        progress(settings.steps, settings.steps)
    return history.report(time.perf_counter() - started)


def learning_rate_share(step: int, steps: int) -> float:
    """Share of the peak learning rate at ``step`` (from 0): linear warm-up, then a half cosine."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    passed = (step - warm) / max(1, steps - warm)
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * passed))


def _run(
    model: EmbeddingNet,
    images: ImageSet,
    objective: Objective,
    settings: TrainingSettings,
    epochs: int,
    seed: int,
    progress: Progress,
    history: "_History",
) -> None:
    rng = np.random.default_rng(seed)
    decoded = images.subset(objective.members).cached(settings.size)
    training = _Training(model, decoded, objective, settings)
    done = 0
    for epoch in range(epochs):
        batches = objective.start_epoch(lambda: embed(model, decoded, size=settings.size), rng)
        if batches is None:  # the model is as it was, so the next epoch would find nothing either
            progress(settings.steps, settings.steps)
            return
        model.train()
        end = round(settings.steps * (epoch + 1) / epochs)
        for batch in islice(batches, end - done):
            history.add(training.step(batch), batch)
            done += 1
            progress(done, settings.steps)


class _Training:
    """A network with all that a step of its training needs.

    Args:
        model: The network.
        decoded: The objective's members, held in memory.
        objective: What is minimised.
        settings: How to train.
    """

    def __init__(
        self, model: EmbeddingNet, decoded: ImageSet, objective: Objective, settings: TrainingSettings
    ) -> None:
        self._model = model
        self._decoded = decoded
        self._objective = objective
        self._size = settings.size
        self._augmentation = Augmentation(settings.size, settings.shift, settings.erasing, settings.jitter)
        self._device = next(model.parameters()).device
        parameters = [*model.parameters(), *objective.prepare(model.feature_dim, self._device)]
        rate, decay = settings.learning_rate, settings.weight_decay
        self._optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
        self._schedule = LambdaLR(self._optimiser, lambda step: learning_rate_share(step, settings.steps))

    def step(self, batch: NDArray[np.int64]) -> StepLoss:
        """Take one step on the images ``batch`` (B,).

        Raises:
            InputError: The loss is not finite; no step is taken then.
        """
        places = np.searchsorted(self._objective.members, batch)
        pixels = to_pixels(self._decoded.read(places, self._size))
        features = self._model(self._augmentation(pixels).to(self._device))
        result = self._objective.loss(features, batch)
        if not torch.isfinite(result.loss):
            raise InputError(
                f"refresh: the loss became {result.loss.item()} at step {self._schedule.last_epoch + 1}, and "
                "the model was put back to what it was; lower the learning rate"
            )
        self._optimiser.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._schedule.step()
        self._objective.after_step(features.detach(), batch)
        return result


@dataclass
class _History:
    """Losses, violating triplets and images of the steps so far."""

    losses: list[float] = field(default_factory=list)
    active_triplets: list[int] = field(default_factory=list)
    images: set[int] = field(default_factory=set)

    def add(self, result: StepLoss, batch: NDArray[np.int64]) -> None:
        """Count a step."""
        self.losses.append(float(result.loss.detach()))
        self.active_triplets.append(result.active_triplets)
        self.images.update(batch.tolist())

    def report(self, seconds: float) -> RefreshReport:
        """Summarise; the loss is the mean of the last tenth of the steps."""
        last = self.losses[-max(1, len(self.losses) // 10) :]
        return RefreshReport(
            steps=len(self.losses),
            loss=float(np.mean(last)) if last else 0.0,
            losses=tuple(self.losses),
            active_triplets=float(np.mean(self.active_triplets)) if self.losses else 0.0,
            images=len(self.images),
            seconds=seconds,
        )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's generator on the CPU, where augmentation draws from, and put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def _restored_on_failure(model: EmbeddingNet) -> Iterator[None]:
    """Keep the mode of ``model`` and, whatever is raised, put its weights back."""
    was_training = model.training
    before = copy.deepcopy(model.state_dict())
    try:
        yield
    except BaseException:
        model.load_state_dict(before)
        raise
    finally:
        model.zero_grad(set_to_none=True)
        model.train(was_training)
