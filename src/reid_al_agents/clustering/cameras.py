"""What a camera adds to every feature, taken away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering.neighbours import unit_rows

_FLOOR = 0.01  # a dimension that hardly varies at a camera is not blown up
_ENOUGH = 30  # images of a camera below which its statistics say little


def standardise_by_camera(
    features: NDArray[np.float32], cameras: NDArray[np.int64] | None
) -> NDArray[np.float32]:
    """Give the features of every camera mean 0 and deviation 1 in each dimension.

    Images of one person at two cameras differ in colour and light by what is common to all people there; that
    part is the camera's mean and scale. The same idea as batch normalisation by camera (Zhuang et al.,
    "Rethinking the Distribution Gap of Person Re-identification with Camera-based Batch Normalization",
    ECCV 2020), applied to features that are there already.

    Args:
        features: (N, D) float32.
        cameras: (N,) int64; ``None``, or one camera alone, leaves the features L2-normalised and as they are.

    Returns:
        (N, D) float32. Cameras of fewer than 30 images are scaled with the statistics of all images.
    """
    units = unit_rows(features)
    if cameras is None or len(np.unique(cameras)) < 2:
        return units
    scaled = (units - units.mean(axis=0)) / (units.std(axis=0) + _FLOOR)
    for camera in np.unique(cameras):
        own = cameras == camera
        if own.sum() >= _ENOUGH:
            scaled[own] = (units[own] - units[own].mean(axis=0)) / (units[own].std(axis=0) + _FLOOR)
    return np.ascontiguousarray(scaled, dtype=np.float32)
