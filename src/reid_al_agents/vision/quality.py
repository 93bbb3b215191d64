"""Whether start features tell identities apart, judged without labels, and what to warn of beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUERIES, GALLERY = 500, 20_000
"""Images whose neighbours are looked for, and images among which; both drawn where there are more."""

HARDLY, WEAKLY = 1.7, 2.8
"""Separation under which features are hardly, and weakly, better than none.

Over five sets of people, vehicles and fish, untrained OSNets reach 1.0 to 1.4, networks far from what they
were trained on, or at half of their image size, 2.1 to 2.7, and networks at home 2.4 to 3.8; within a set the
order by separation is nearly that by mAP (``docs/results.md``).
"""

FEW_IMAGES = 100
"""Images under which asking pays less than sorting by hand, and separation is too low to judge by."""


def separation(features: NDArray[np.float32], cameras: NDArray[np.int64] | None, *, seed: int = 0) -> float:
    """Measure without labels how well features tell identities apart.

    The similarity of an image and its nearest neighbour of another camera, less that of a random pair from
    two cameras, in standard deviations of the latter; the mean over images. Features that put most images in
    one heap, as those of untrained networks do, have near neighbours hardly nearer than the rest.

    Args:
        features: (N, D); need not be normalised.
        cameras: (N,) camera of each image, −1 where unknown; ``None`` where all are. Images of one known
            camera are not compared, unless there is no other.
        seed: Of the images drawn where there are many.

    Returns:
        0 where nothing can be compared, or all features are the same; about 1 for useless features.
    """
    rng = np.random.default_rng(seed)
    count = len(features)
    gallery = rng.choice(count, min(count, GALLERY), replace=False)
    queries = gallery[: min(len(gallery), QUERIES)]
    directions = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    similarity = directions[queries] @ directions[gallery].T  # (queries, gallery)
    allowed = _comparable(queries, gallery, cameras)
    if not allowed.any():
        return 0.0
    pairs = similarity[allowed].astype(np.float64)
    nearest = np.where(allowed, similarity, -np.inf).max(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    spread = float(pairs.std())
    return float((nearest.mean() - pairs.mean()) / spread) if spread > 1e-6 else 0.0


def warnings_about_images(count: int, cameras: NDArray[np.int64] | None, weights_given: bool) -> list[str]:
    """List what speaks against starting with these images, before time is spent on them.

    Args:
        count: N, the number of images to be asked about.
        cameras: (N,) camera of each image, −1 where unknown; ``None`` where all are.
        weights_given: Whether the features will come from trained weights.

    Returns:
        One sentence each; empty if nothing does.
    """
    warnings = []
    if not weights_given:
        warnings.append(
            "no weights: the network is untrained and tells nothing apart; give --weights FILE, or "
            "--backbone efficientnet_lite0 --weights pretrained"
        )
    if count < FEW_IMAGES:
        warnings.append(
            f"{count} images are few: under {FEW_IMAGES}, sorting by hand is as fast as answering"
        )
    if cameras is not None and len(np.unique(cameras[cameras >= 0])) == 1:
        warnings.append(
            "all images are of one camera: near-duplicates match, and nothing is learned about other cameras"
        )
    return warnings


def warnings_about_features(features: NDArray[np.float32], cameras: NDArray[np.int64] | None) -> list[str]:
    """List what speaks against asking with these features; as :func:`warnings_about_images` otherwise.

    Args:
        features: (N, D) of the images to be asked about.
        cameras: See :func:`separation`.
    """
    value = separation(features, cameras)
    if value < HARDLY:
        return [
            f"the start features hardly separate (separation {value:.1f}; untrained networks reach 1.0 to "
            "1.4, fitting ones 2.8 and more); check --weights, --backbone and --size"
        ]
    if value < WEAKLY and len(features) >= FEW_IMAGES:
        return [
            f"the start features separate weakly (separation {value:.1f}; fitting ones reach 2.8 and more); "
            "larger images or weights trained on such images save many answers"
        ]
    return []


def _comparable(
    queries: NDArray[np.int64], gallery: NDArray[np.int64], cameras: NDArray[np.int64] | None
) -> NDArray[np.bool_]:
    """(queries, gallery) whether two different images may be compared."""
    different: NDArray[np.bool_] = queries[:, None] != gallery
    if cameras is None:
        return different
    one = cameras[queries][:, None]
    across = different & ((one != cameras[gallery]) | (one < 0))
    return across if across.any() else different
