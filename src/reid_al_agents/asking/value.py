"""The value of an answer: what choosing questions maximises."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def reach(size: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """Number of images that an answer about two groups affects: ``√(|A| |B|)``, the shape of the sizes.

    The answer settles |A| |B| pairs of images. By the number of pairs, asking would spend itself on the few
    largest groups; by its root, it comes to the others in time.
    """
    return np.asarray(np.sqrt(size * other))


def expected_gain(
    probability: NDArray[np.float64], size: NDArray[np.int64], other: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Expected gain of asking whether two groups match: ``p √(|A| |B|)``.

    Only a match is counted: it joins the groups, while a non-match leaves the identities as they are.

    Args:
        probability: p of a match, any shape.
        size: Images of one group, of a shape that broadcasts with it.
        other: Images of the other group, likewise.
    """
    return probability * reach(size, other)


def expected_change(probability: float, joined: bool, size: float, other: float) -> float:
    """Expected change of the delivered identities by an answer: ``P(wrong) · 2|A||B| / (|A| + |B|)``.

    If two parts of one identity are delivered apart, the B-cubed recall of each image is short of the share
    of the other part, ``2|A||B| / (|A| + |B|)`` summed over the images of both; if parts of two identities
    are delivered as one, their precision is short by as much (B-cubed: Bagga and Baldwin, 1998).

    Args:
        probability: Probability of a match.
        joined: Whether they are delivered as one identity, which is wrong if they do not match.
        size: Images of one part.
        other: Images of the other part.

    Returns:
        The change, in images.
    """
    return (1 - probability if joined else probability) * 2 * size * other / (size + other)
