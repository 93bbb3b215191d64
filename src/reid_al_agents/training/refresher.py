"""What every refresher takes and returns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data.images import ImageSet
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` after each training step."""


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh did.

    Attributes:
        steps: Training steps taken; 0 where there is nothing to learn from, and the model is unchanged.
        loss: Mean loss over the last tenth of the steps; 0 without steps.
        losses: Loss of every step.
        active_triplets: Mean number of triplets per step that violated the margin; 0 without triplets.
        images: Number of different images trained on.
        seconds: Wall-clock time, decoding included.
    """

    steps: int
    loss: float
    losses: tuple[float, ...]
    active_triplets: float
    images: int
    seconds: float


class Refresher(Protocol):
    """Trains a network on answers."""

    def refresh(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        constraints: ConstraintGraph,
        *,
        seed: int,
        progress: Progress | None = None,
        assumed_groups: NDArray[np.int64] | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place.

        Args:
            model: The network; left in its mode, training or evaluation.
            images: The images of the pool.
            constraints: Known matches and non-matches, by index into ``images``.
            seed: Seed of all randomness. The same seed gives the same weights on the same machine with the
                same number of threads.
            progress: Called after each step.
            assumed_groups: (N,) int64 group of each image, assumed to be one identity each: from the answers
                and from the similarities that the questions were chosen by. Less certain than
                ``constraints``. Refreshers that train on known pairs alone ignore it.

        Returns:
            What was done.

        Raises:
            InputError: ``constraints`` are about another number of images, an image does not decode, or the
                loss became infinite or NaN; the model then has the weights it came with.
        """
        ...


def check_constraints(constraints: ConstraintGraph, images: ImageSet) -> None:
    """Check that constraints are about as many images as there are.

    Raises:
        InputError: They are not.
    """
    if len(constraints) != len(images):
        raise InputError(
            f"refresh: constraints are about {len(constraints)} images but there are {len(images)}; "
            "give the images that the answers are about"
        )
