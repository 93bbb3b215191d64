"""What every refresher takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data.images import ImageSet
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_env.evidence.constraints import ConstraintGraph

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)`` after each training step."""


@dataclass(frozen=True)
class RefreshReport:
    """What a refresh did.

    Attributes:
        steps: Training steps taken; 0 where nothing known gives a triplet, and the model is as it was.
        loss: Mean loss over the last tenth of the steps; 0 without steps.
        losses: Loss of every step.
        active_triplets: Mean number of triplets per step that violated the margin.
        images: Number of images that took part.
        seconds: Wall-clock time, decoding included.
    """

    steps: int
    loss: float
    losses: tuple[float, ...]
    active_triplets: float
    images: int
    seconds: float


class Refresher(Protocol):
    """Turns answers into a better network."""

    def refresh(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        constraints: ConstraintGraph,
        *,
        seed: int,
        progress: Progress | None = None,
        held: NDArray[np.int64] | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place.

        Args:
            model: The network; left in the mode, training or evaluation, that it was in.
            images: The pool's images.
            constraints: What is known of pairs of ``images``, by the same indices.
            seed: Seed of everything random; the same seed gives the same weights on the same machine with
                the same number of threads.
            progress: Called after each step.
            held: (N,) groups that the model that asked, and the answers, take for one identity each: less
                certain than ``constraints``, but not to be formed anew. Who learns from known pairs alone
                does not look at it.

        Returns:
            What was done.
        """
        ...
