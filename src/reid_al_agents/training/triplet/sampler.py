"""Batches that are rich in known triplets."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.training.triplet.known_pairs import KnownPairs
from reid_al_agents.training.triplet.settings import TripletSettings


def sample_batches(
    known: KnownPairs, rng: np.random.Generator, settings: TripletSettings
) -> Iterator[NDArray[np.int64]]:
    """Yield batches endlessly; none where no group gives a triplet.

    Groups of two images or more that have a rival take turns in random order. Each brings
    ``images_per_group`` of its images, and as many of each of ``rivals_per_group`` random rivals.

    Args:
        known: The known pairs.
        rng: Source of randomness.
        settings: Sizes of the batch and its parts.

    Yields:
        (≤ ``batch_size``,) int64 indices of images, each at most once.
    """
    anchors = known.anchors()
    queue: list[int] = []
    while len(anchors):
        batch: dict[int, None] = {}  # ordered, without repetition
        for _ in range(len(anchors)):
            if not queue:
                queue = rng.permutation(anchors).tolist()
            batch.update(dict.fromkeys(_with_rivals(known, queue.pop(), rng, settings)))
            if len(batch) >= settings.batch_size:
                break
        yield np.fromiter(batch, dtype=np.int64)[: settings.batch_size]


def _with_rivals(
    known: KnownPairs, group: int, rng: np.random.Generator, settings: TripletSettings
) -> list[int]:
    """Images of a group and of some of its rivals."""
    rivals = known.rivals(group)
    chosen = rng.choice(rivals, min(settings.rivals_per_group, len(rivals)), replace=False)
    return [
        image
        for each in (group, *chosen.tolist())
        for image in rng.permutation(known.members(each))[: settings.images_per_group].tolist()
    ]
