"""What every training needs around its steps: pixels, seeds, a learning rate, and a way back on failure."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from reid_al_agents.data.images import ImageSet
from reid_al_agents.training.report import RefreshReport
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_agents.vision.extraction import to_pixels
from reid_al_env.errors import InputError

WARM_UP = 0.1
"""Share of the steps over which the learning rate rises linearly to its peak."""

FINAL_RATE = 0.01
"""Learning rate at the end of the cosine decay, as a share of the peak."""


def learning_rate_share(step: int, steps: int) -> float:
    """Share of the peak learning rate at ``step`` (from 0): linear warm-up, then a half cosine."""
    warm = max(1, round(WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    passed = (step - warm) / max(1, steps - warm)
    return FINAL_RATE + (1 - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * passed))


@dataclass
class History:
    """Losses, violating triplets and images of the steps so far."""

    losses: list[float] = field(default_factory=list)
    active: list[int] = field(default_factory=list)
    images: set[int] = field(default_factory=set)

    def add(self, loss: torch.Tensor, active_triplets: int, batch: NDArray[np.int64]) -> None:
        """Count a step.

        Raises:
            InputError: The loss is not finite.
        """
        value = float(loss.detach())
        if not math.isfinite(value):
            raise InputError(
                f"refresh: the loss became {value} at step {len(self.losses) + 1}, and the model was put "
                "back to what it was; lower the learning rate"
            )
        self.losses.append(value)
        self.active.append(active_triplets)
        self.images.update(batch.tolist())

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


class Pixels:
    """The images that take part, decoded once.

    Args:
        images: The images.
        members: Indices of those that take part, ascending.
        size: Height and width in pixels.
    """

    def __init__(self, images: ImageSet, members: NDArray[np.int64], size: tuple[int, int]) -> None:
        self._images = images.subset(members).cached(size)
        self._members = members
        self._size = size

    def read(self, batch: NDArray[np.int64]) -> torch.Tensor:
        """Return pixels (B, 3, H, W) uint8 of the images ``batch``."""
        return to_pixels(self._images.read(np.searchsorted(self._members, batch), self._size))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's generator on the CPU, where augmentation draws from, and put it back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def restored_on_failure(model: EmbeddingNet) -> Iterator[None]:
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
