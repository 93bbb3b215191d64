"""Metrics, each a linear map of the features after which squared Euclidean distance is the metric."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

Metric = Literal["euclidean", "cosine", "mahalanobis", "verified"]
METRICS: tuple[str, ...] = get_args(Metric)

_ROWS = 65_536


def to_metric_space(
    features: NDArray[np.float32],
    metric: str = "mahalanobis",
    shrinkage: float | None = None,
    match_differences: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Map features so that squared Euclidean distance is the metric's distance.

    With Σ = L Lᵀ, the squared Mahalanobis distance (x−y)ᵀ Σ⁻¹ (x−y) is ‖L⁻¹x − L⁻¹y‖², so the whitening
    z = L⁻¹x is done once and a nearest-neighbour index can work in the same metric (Liu et al., ICCV 2019,
    section 3.2, for the Mahalanobis distance itself).

    Args:
        features: Shape (N, D), float32.
        metric: ``"euclidean"`` (Σ = I), ``"cosine"`` (Σ = I after L2 normalisation), ``"mahalanobis"``
            (covariance of the L2-normalised features) or ``"verified"`` (covariance of the differences of
            pairs answered "match"; the same as ``"cosine"`` with fewer than two such pairs).
        shrinkage: Share of the scaled identity mixed into Σ, in (0, 1]; ``None`` is Ledoit–Wolf.
        match_differences: Differences of L2-normalised matching pairs, shape (M, D), for ``"verified"``.

    Returns:
        Shape (N, D), float32; ``features`` itself for ``"euclidean"``.

    Raises:
        InputError: If the metric is unknown or the shrinkage is outside (0, 1].
    """
    check_metric(metric, shrinkage)
    if metric == "euclidean":
        return features
    normalised = l2_normalise(features)
    if metric == "cosine":
        return normalised
    if metric == "verified":
        if match_differences is None or len(match_differences) < 2:
            return normalised
        return _whiten(normalised, covariance(match_differences, shrinkage))
    return _whiten(normalised, covariance(_centred(normalised), shrinkage))


def check_metric(metric: str, shrinkage: float | None) -> None:
    """Raise :class:`InputError` unless the metric is known and the shrinkage is ``None`` or in (0, 1]."""
    if metric not in METRICS:
        raise InputError(f"metric: {metric!r} is unknown; choose one of {', '.join(METRICS)}")
    if shrinkage is not None and not 0.0 < shrinkage <= 1.0:
        raise InputError(f"shrinkage: {shrinkage} is outside (0, 1]; None is Ledoit-Wolf")


def l2_normalise(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length 1, shape (N, D), float32."""
    normalised = np.empty(features.shape, dtype=np.float32)
    for start in range(0, len(features), _ROWS):
        rows = features[start : start + _ROWS].astype(np.float64)
        normalised[start : start + _ROWS] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return normalised


def covariance(deviations: NDArray[np.float64], shrinkage: float | None = None) -> NDArray[np.float64]:
    """Second moment of rows with mean zero, shrunk towards a multiple of the identity.

    Σ = (1 − s) S + s (tr S / D) I with S = XᵀX / n. If s is not given, it is Ledoit and Wolf's: s = b² / d²
    with d² = ‖S − (tr S / D) I‖² / D and b² = min(d², Σᵢ ‖xᵢxᵢᵀ − S‖² / (n² D)).

    Args:
        deviations: Shape (n, D), already centred.
        shrinkage: s in (0, 1]; ``None`` is Ledoit–Wolf.

    Returns:
        Shape (D, D), float64.

    References:
        Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
        Journal of Multivariate Analysis 88 (2004), lemmas 3.2 to 3.4.
    """
    count, width = deviations.shape
    sample = deviations.T @ deviations / count
    scale = np.trace(sample) / width
    weight = _ledoit_wolf(deviations, sample, scale) if shrinkage is None else shrinkage
    shrunk = (1.0 - weight) * sample
    shrunk[np.diag_indices(width)] += weight * scale
    return np.asarray(shrunk)


def _ledoit_wolf(deviations: NDArray[np.float64], sample: NDArray[np.float64], scale: float) -> float:
    count, width = deviations.shape
    spread = (np.sum(sample**2) - width * scale**2) / width
    squared_norms = np.sum(deviations**2, axis=1)
    error = (np.sum(squared_norms**2) / count - np.sum(sample**2)) / (count * width)
    return 1.0 if spread <= 0 else float(min(error, spread) / spread)


def _centred(features: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = features.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=0))


def _whiten(features: NDArray[np.float32], sigma: NDArray[np.float64]) -> NDArray[np.float32]:
    if not np.trace(sigma) > 0:
        return features  # identical rows: every metric gives zero
    # Directions without variance would divide by zero.
    sigma = sigma + np.eye(len(sigma)) * (1e-10 * np.trace(sigma) / len(sigma))
    to_white = np.linalg.inv(np.linalg.cholesky(sigma)).T
    whitened = np.empty(features.shape, dtype=np.float32)
    for start in range(0, len(features), _ROWS):
        whitened[start : start + _ROWS] = features[start : start + _ROWS].astype(np.float64) @ to_white
    return whitened
