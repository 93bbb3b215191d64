"""Adapt features to answers: directions in which images of one identity differ count less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering.neighbours import unit_rows

SHRINKAGE = 0.5
"""Share of the identity matrix in the covariance; without it, few matches would decide too much."""

_DIMENSIONS = 128
_IMAGES = 4  # per dimension that is kept
_ROUNDING = 1e-9  # share of the variance below which images that match are equal but for rounding
_FEWEST = 8  # dimensions: with fewer, the means of groups can cancel out


def whiten_within(components: NDArray[np.float64], matched: NDArray[np.int64]) -> NDArray[np.float32] | None:
    """Whiten features by their covariance within identities.

    This is within-class covariance normalisation (Hatch, Kajarekar and Stolcke, "Within-Class Covariance
    Normalization for SVM-based Speaker Recognition", Interspeech 2006, Eq. 5 and the smoothing of Section
    3.2), on principal components. The classes are the images that answers joined, so that
    what changes from one view of an identity to another comes to count less.

    Args:
        components: (N, d) of the features, by :func:`principal_components`.
        matched: (N,) int64 component of each image under the matches.

    Returns:
        (N, d) float32; ``None`` where no two images match, those that do are equal, or a point is the mean of
        all and so has no direction.
    """
    sizes = np.bincount(matched)
    means = np.zeros((len(sizes), components.shape[1]))
    np.add.at(means, matched, components)
    means /= np.maximum(sizes, 1)[:, None]
    residuals = (components - means[matched])[sizes[matched] > 1]
    covariance = residuals.T @ residuals
    scale = np.trace(covariance) / len(covariance)
    if not scale > _ROUNDING * np.trace(components.T @ components):
        return None
    covariance = (1 - SHRINKAGE) * covariance / scale + SHRINKAGE * np.eye(len(covariance))
    variances, axes = np.linalg.eigh(covariance)
    whitened = np.ascontiguousarray(components @ (axes / np.sqrt(variances)) @ axes.T, dtype=np.float32)
    return whitened if whitened.any(axis=1).all() else None


def principal_components(points: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """The leading principal components of L2-normalised points.

    Args:
        points: (N, D) float32.

    Returns:
        (N, d) float64, d at most 128; ``None`` where there are fewer than 32 images or 8 dimensions.
    """
    if min(len(points) // _IMAGES, points.shape[1]) < _FEWEST:
        return None
    units = unit_rows(points).astype(np.float64)
    units -= units.mean(axis=0)
    count = min(_DIMENSIONS, units.shape[1], len(units) // _IMAGES)
    axes = np.linalg.eigh(units.T @ units)[1][:, ::-1]
    return np.asarray(units @ axes[:, :count])
