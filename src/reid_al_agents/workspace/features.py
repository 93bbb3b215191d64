"""The features that a model gives the pool, kept so that nothing has to be embedded twice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.data import ImageSet
from reid_al_agents.files import read_arrays, write_arrays
from reid_al_agents.training.pool import Progress
from reid_al_agents.workspace.folder import FEATURES, Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError

_log = logging.getLogger(__name__)

_MEND = "delete it, and reid-al annotate makes it again"


def read_features(folder: Path, count: int) -> NDArray[np.float32]:
    """The features kept in a round's folder, (N, D) float32.

    Args:
        folder: The round's folder.
        count: N, the number of images that the pool has.

    Raises:
        InputError: They are not there, damaged, or of another pool.
    """
    path = folder / FEATURES
    features = _read(path, count)
    if len(features) < count:
        raise InputError(
            f"{path}: holds float32 of shape {features.shape} for a pool of {count} images; {_MEND}"
        )
    return features


def pool_features(
    folder: Folder,
    images: ImageSet,
    config: RunConfig,
    round_: int,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Features of a pool under a round's model, (N, D) float32; those that are stored are not made again.

    Of images that were added since, only theirs are made, and stored behind the others.

    Args:
        folder: The folder.
        images: Its pool, or the pool with more images behind.
        config: Its settings.
        round_: Number of refreshes that led to the model.
        device: As :func:`~reid_al_agents.vision.devices.choose_device` takes it.
        progress: Called with stage, done and total.

    Raises:
        InputError: The model cannot be loaded, or an image does not decode.
    """

    def features_of(place: Path) -> NDArray[np.float32]:
        stored = _stored(place / FEATURES, len(folder.pool.names()))
        if stored is not None and len(stored) == len(images):
            return stored
        from reid_al_agents.vision.extraction import embed
        from reid_al_agents.workspace.assembly import load_model

        weights = None if place == folder.path else str(place / "weights.safetensors")
        model = load_model(config, device, weights)
        bar = None if progress is None else lambda done, total: progress("embed", done, total)
        rows = np.arange(0 if stored is None else len(stored), len(images))
        features = embed(model, images.subset(rows), size=model.size, progress=bar)
        if stored is not None:
            features = np.concatenate([stored, features])
        write_arrays(place / FEATURES, {"features": features})
        return features

    return folder.read_round(round_, features_of)


def stored_features(
    folder: Folder, pool: ImageSet | FeatureSet, beliefs: Beliefs
) -> NDArray[np.float32] | None:
    """Features that the last model gives a pool, (N, D) float32; ``None`` where they were not kept.

    Raises:
        InputError: They are damaged.
    """
    if isinstance(pool, FeatureSet):
        return pool.features
    own = folder.settings().features
    if own is not None:
        return read_own_features(folder.path, own, pool.names)
    refreshes = sum(event.kind == "refresh" for event in beliefs.events.values())
    place = folder.round(refreshes)
    if (place / FEATURES).exists():
        return folder.read_round(refreshes, lambda place: read_features(place, len(pool)))
    _log.warning(
        "%s is missing, so only confirmed identities are known; reid-al annotate makes it again",
        place / FEATURES,
    )
    return None


def _stored(path: Path, count: int) -> NDArray[np.float32] | None:
    """Those kept in a round's folder; ``None`` where there are none, or they are damaged, which is said."""
    if not path.exists():
        return None
    try:
        return _read(path, count)
    except InputError as error:
        _log.warning("%s is made again: %s", FEATURES, str(error).rpartition(";")[0])
        return None


def _read(path: Path, count: int) -> NDArray[np.float32]:
    """At most ``count`` features; any more are of images that a killed program was about to add.

    Raises:
        InputError: They are not there or damaged.
    """
    features = read_arrays(path, _MEND).get("features")
    if features is None or features.dtype != np.float32 or features.ndim != 2:
        found = "no features" if features is None else f"{features.dtype} of shape {features.shape}"
        raise InputError(f"{path}: holds {found} for a pool of {count} images; {_MEND}")
    if not np.isfinite(features).all():
        raise InputError(f"{path}: holds values that are not finite; {_MEND}")
    return features[:count]


def read_own_features(
    folder: Path, file: str, names: Sequence[str] | NDArray[np.str_]
) -> NDArray[np.float32]:
    """The features that were made elsewhere, (N, D) float32; a copy is kept, so that FILE may go.

    Args:
        folder: The folder of the run or session.
        file: As :func:`~reid_al_agents.vision.own_features.read_features` takes it.
        names: (N,) names of the images.

    Raises:
        InputError: The file or the copy cannot be used.
    """
    if not (folder / FEATURES).is_file():
        from reid_al_agents.vision import own_features

        found = own_features.read_features(file, [str(name) for name in names])
        write_arrays(folder / FEATURES, {"features": found})
    return read_features(folder, len(names))
