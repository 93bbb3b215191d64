"""The features that a model gives the pool, kept so that nothing has to be embedded twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import read_arrays, write_arrays
from reid_al_env import InputError

FEATURES = "features.npz"

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
    features = read_arrays(path, _MEND).get("features")
    if features is None or features.dtype != np.float32 or features.ndim != 2 or len(features) != count:
        found = "no features" if features is None else f"{features.dtype} of shape {features.shape}"
        raise InputError(f"{path}: holds {found} for a pool of {count} images; {_MEND}")
    if not np.isfinite(features).all():
        raise InputError(f"{path}: holds values that are not finite; {_MEND}")
    return features


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
