"""The training loop that all refreshers share."""

import copy
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from reid_al_agents.datasets.images import ImageSet
from reid_al_agents.embedding.backbones import EmbeddingNet
from reid_al_agents.embedding.extraction import to_pixels
from reid_al_agents.refresh.augment import Augmentation
from reid_al_agents.refresh.known_pairs import KnownPairs, PairRelation
from reid_al_agents.refresh.objective import Objective, StepLoss
from reid_al_agents.refresh.report import Progress, RefreshReport
from reid_al_agents.refresh.sampler import sample_batches
from reid_al_agents.refresh.settings import TripletSettings
from reid_al_env.errors import InputError

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises linearly to its peak."""

FINAL_RATE = 0.01
"""Learning rate at the end of the cosine decay, as a share of the peak."""


@dataclass
class _History:
    losses: list[float] = field(default_factory=list)
    active: list[int] = field(default_factory=list)
    images: set[int] = field(default_factory=set)

    def report(self, seconds: float) -> RefreshReport:
        """Summarise; the loss is the mean of the last tenth of the steps."""
        last = self.losses[-max(1, len(self.losses) // 10) :]
        return RefreshReport(
            steps=len(self.losses),
            loss=float(np.mean(last)) if last else 0.0,
            losses=tuple(self.losses),
            active_triplets=float(np.mean(self.active)) if self.active else 0.0,
            images=len(self.images),
            seconds=seconds,
        )


def train(
    model: EmbeddingNet,
    images: ImageSet,
    known: KnownPairs,
    settings: TripletSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> RefreshReport:
    """Train ``model`` in place on known pairs; batch normalisation learns the statistics of the new images.

    With no group that gives a triplet nothing is done. If training fails or is interrupted, the model's
    weights are put back.

    Args:
        model: The network; left in the mode it was in.
        images: Images, decoded once and then held in memory as far as they take part.
        known: What is known of pairs of ``images``, by the same indices.
        settings: How to train.
        seed: Seed of sampling and augmentation; PyTorch's own generator is left as it was.
        progress: Called after each step.

    Returns:
        What was done.

    Raises:
        InputError: ``known`` is about another number of images, an image does not decode, or the loss became
            infinite or NaN.
    """
    started = time.perf_counter()
    if len(known.groups) != len(images):
        raise InputError(
            f"refresh: constraints are about {len(known.groups)} images but there are {len(images)}; "
            "give the images that were asked about"
        )
    history = _History()
    relation = PairRelation(known)
    if settings.steps and len(relation.anchors()):
        with _seeded(seed), _restored_on_failure(model):
            _run(model, images, relation, settings, seed, history, progress)
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
    relation: PairRelation,
    settings: TripletSettings,
    seed: int,
    history: _History,
    progress: Progress | None,
) -> None:
    pixels = _Pixels(images, relation.participants(), settings.size)
    augmentation = Augmentation(settings.size, settings.shift, settings.erasing, settings.jitter)
    device = next(model.parameters()).device
    objective = Objective(relation, settings, model.feature_dim, device)
    parameters = [*model.parameters(), *objective.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = sample_batches(relation, np.random.default_rng(seed), settings)
    model.train()
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_share(step, settings.steps)
        batch = next(batches)
        result = objective(model(augmentation(pixels.read(batch)).to(device)), batch)
        _record(history, result, batch)
        optimiser.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if progress is not None:
            progress(step + 1, settings.steps)


def _record(history: _History, result: StepLoss, batch: NDArray[np.int64]) -> None:
    value = float(result.loss.detach())
    if not math.isfinite(value):
        raise InputError(
            f"refresh: the loss became {value} at step {len(history.losses) + 1}, and the model was put back "
            "to what it was; lower the learning rate"
        )
    history.losses.append(value)
    history.active.append(result.active_triplets)
    history.images.update(batch.tolist())


class _Pixels:
    """The images that take part, decoded once."""

    def __init__(self, images: ImageSet, members: NDArray[np.int64], size: tuple[int, int]) -> None:
        self._images = images.subset(members).cached(size)
        self._members = members
        self._size = size

    def read(self, batch: NDArray[np.int64]) -> torch.Tensor:
        """Return pixels (B, 3, H, W) uint8 of the images ``batch``."""
        return to_pixels(self._images.read(np.searchsorted(self._members, batch), self._size))


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
