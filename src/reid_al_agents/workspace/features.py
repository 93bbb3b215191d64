"""The features that a model gives the pool, kept so that nothing has to be embedded twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
