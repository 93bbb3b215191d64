"""Calibration of match probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

AUDIT_BINS = 5
"""Bins for the audit's answers, of which there are few."""


def calibration_error(predicted: Sequence[float], matched: Sequence[bool], bins: int = 10) -> float | None:
    """Expected calibration error of probabilities that were given before the answers were known.

    Mean over equally filled bins of |share of matches − mean prediction| (Naeini et al., AAAI 2015, with
    equal-mass bins). Even honest probabilities have an error above 0, the larger the fewer answers there are.

    Args:
        predicted: Probability of a match, for each answer.
        matched: Whether each was a match.
        bins: Number of bins.

    Returns:
        The error in [0, 1]; ``None`` with fewer answers than bins.
    """
    if len(predicted) < bins:
        return None
    probabilities, matches = np.asarray(predicted), np.asarray(matched, dtype=float)
    parts = np.array_split(np.argsort(probabilities, kind="stable"), bins)
    gaps = [abs(probabilities[part].mean() - matches[part].mean()) * len(part) for part in parts]
    return float(np.sum(gaps) / len(probabilities))
