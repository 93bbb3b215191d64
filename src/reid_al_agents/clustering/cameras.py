"""Remove from features what all images of a camera have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering.neighbours import unit_rows

_FLOOR = 0.01  # keeps a dimension that hardly varies at a camera from being blown up
_ENOUGH = 30  # images of a camera below which its statistics say little


def standardise_by_camera(
    features: NDArray[np.float32], cameras: NDArray[np.int64] | None
) -> NDArray[np.float32]:
    """Give the L2-normalised features of every camera mean 0 and deviation 1 in each dimension.

    Images of one identity at two cameras differ in colour and light, as do all images of these cameras; the
    mean and the deviation of a camera's features are an estimate of that. It is the idea of batch
    normalisation by camera (Zhuang et al., "Rethinking the Distribution Gap of Person Re-identification with
    Camera-based Batch Normalization", ECCV 2020), applied to finished features.

    Args:
        features: (N, D) float32.
        cameras: (N,) int64. With ``None``, or a single camera, features are only L2-normalised.

    Returns:
        (N, D) float32. Cameras of fewer than 30 images are standardised by the statistics of all images.
    """
    units = unit_rows(features)
    if cameras is None or len(np.unique(cameras[cameras >= 0])) < 2:
        return units
    scaled = (units - units.mean(axis=0)) / (units.std(axis=0) + _FLOOR)
    for camera in np.unique(cameras[cameras >= 0]):
        own = cameras == camera
        if own.sum() >= _ENOUGH:
            scaled[own] = (units[own] - units[own].mean(axis=0)) / (units[own].std(axis=0) + _FLOOR)
    return np.ascontiguousarray(scaled, dtype=np.float32)
