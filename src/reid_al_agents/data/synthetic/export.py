"""Images in memory to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from reid_al_env.errors import InputError

from ..images import ImageSet
from ..market1501 import FOLDERS


def save_images(images: ImageSet, folder: str | Path, size: tuple[int, int] = (64, 32)) -> Path:
    """Write images as files in the layout of Market-1501, as ``FOLDER/bounding_box_train/NAME``.

    Args:
        images: Rendered images, or any whose names are file names in that layout.
        folder: Root to write to; made if missing.
        size: (H, W) in pixels.

    Returns:
        The root, ready for ``market1501:ROOT``.

    Raises:
        InputError: The folder cannot be written.
    """
    target = Path(folder) / FOLDERS[0]
    try:
        target.mkdir(parents=True, exist_ok=True)
        for row, name in enumerate(images.names):
            Image.fromarray(images.read(np.array([row]), size)[0]).save(target / str(name))
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error}); choose a folder that is yours") from error
    return Path(folder)
