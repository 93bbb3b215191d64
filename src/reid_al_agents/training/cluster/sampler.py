"""Batches of a few images of each of several clusters, cameras mixed."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.training.cluster.settings import ClusterSettings


def sample_clusters(
    clusters: NDArray[np.int64], rng: np.random.Generator, settings: ClusterSettings
) -> Iterator[NDArray[np.int64]]:
    """Yield batches endlessly; clusters take turns in random order, their images are drawn at random.

    Args:
        clusters: (N,) cluster of each image, 0 to C − 1; −1 for images that do not train. C is at least 1.
        rng: Source of randomness.
        settings: Sizes of the batch and its parts.

    Yields:
        (B,) int64 indices of images; an image repeats only where its cluster has too few.
    """
    order = np.argsort(clusters, kind="stable")
    order = order[clusters[order] >= 0]
    members = np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1)
    wanted = settings.images_per_cluster
    queue: list[int] = []
    while True:
        batch = []
        for _ in range(settings.batch_size // wanted):
            if not queue:
                queue = rng.permutation(len(members)).tolist()
            images = members[queue.pop()]
            batch.append(rng.choice(images, wanted, replace=len(images) < wanted))
        yield np.concatenate(batch)
