"""The features that a model gives the pool, kept so that nothing has to be embedded twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import write_arrays
from reid_al_env import InputError

FEATURES = "features.npz"


def read_features(folder: Path, count: int) -> NDArray[np.float32]:
    """The features kept in a round's folder, (N, D) float32.

    Args:
        folder: The round's folder.
        count: N, the number of images that the pool has.

    Raises:
        InputError: They are not there, damaged, or of another pool.
    """
    path = folder / FEATURES
    try:
        with np.load(path, allow_pickle=False) as kept:
            features = np.asarray(kept["features"], dtype=np.float32)
    except (OSError, ValueError, KeyError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it, and it is made again") from error
    except Exception as error:  # a damaged archive raises what its reader likes, zipfile.BadZipFile for one
        raise InputError(f"{path}: is damaged ({error}); delete it, and it is made again") from error
    if features.ndim != 2 or len(features) != count or not np.isfinite(features).all():
        raise InputError(
            f"{path}: shape {features.shape} for a pool of {count} images; delete it, and it is made again"
        )
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
