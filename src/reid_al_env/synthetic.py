"""Seeded synthetic features, so that the environments run without a download."""

from __future__ import annotations

import os

import numpy as np

from reid_al_env.feature_set import FeatureSet


def synthetic_features(
    identities: int = 100,
    images_per_identity: int = 10,
    cameras: int = 4,
    dimensions: int = 64,
    *,
    noise: float = 0.35,
    camera_shift: float = 0.25,
    seed: int = 0,
) -> FeatureSet:
    """Draw features with the structure of a re-identification data set.

    There is one archetype (people in similar clothes) for every five identities. An identity's centre lies
    near its archetype, so identities of one archetype look alike. An image is its identity's centre, plus a
    shift that all images of its camera share, plus noise.

    Args:
        identities: Number of identities.
        images_per_identity: Images of each identity, assigned to the cameras in turn.
        cameras: Number of cameras.
        dimensions: D, length of a feature vector.
        noise: Length of an image's noise is about twice this; an archetype has length 1.
        camera_shift: Length of a camera's shift.
        seed: Seed of all random numbers.

    Returns:
        ``identities × images_per_identity`` L2-normalised rows in random order.
    """
    rng = np.random.default_rng(seed)

    def directions(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        drawn = rng.standard_normal((count, dimensions))
        return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))

    archetype = directions(max(identities // 5, 1))[rng.integers(max(identities // 5, 1), size=identities)]
    centre = archetype + 0.7 * directions(identities)
    identity = np.repeat(np.arange(identities), images_per_identity)
    camera = np.tile(np.arange(images_per_identity) % cameras, identities)
    features = centre[identity] + camera_shift * directions(cameras)[camera]
    features += noise / np.sqrt(dimensions) * rng.standard_normal(features.shape) * 2.0
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    order = rng.permutation(len(features))
    return FeatureSet(
        features[order].astype(np.float32),
        identity[order],
        camera[order],
        source=f"synthetic features (seed {seed})",
    )


def as_feature_set(features: FeatureSet | str | os.PathLike[str] | None) -> FeatureSet:
    """``features`` itself, read from a path, or the synthetic default for ``None``."""
    if features is None:
        return synthetic_features()
    return features if isinstance(features, FeatureSet) else FeatureSet.load(features)
