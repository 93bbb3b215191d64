"""One folder per identity."""

from __future__ import annotations

from pathlib import Path

from reid_al_env.errors import InputError

from .decoding import list_images
from .identity_names import number_identities
from .images import ImageSet


def load_folder(folder: str | Path) -> ImageSet:
    """Load images from a folder per identity (``ROOT/IDENTITY/anything.jpg``); cameras are unknown.

    Names are ``IDENTITY/FILE``. Folder names that are whole numbers are the identities; others are numbered
    in sorted order.

    Args:
        folder: The root.

    Returns:
        The images, sorted by folder and file name.

    Raises:
        InputError: The root is missing, or no folder in it holds an image.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InputError(
            f"folder:{folder}: no such folder; expected one that holds a folder of images per identity"
        )
    people = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    files = [path for person in people for path in list_images(person)]
    if not files:
        loose = len(list_images(root))
        hint = f"{loose} images lie in it directly; sort them" if loose else "expected images"
        raise InputError(f"folder:{folder}: no images in a folder per identity; {hint} as IDENTITY/FILE.jpg")
    identities, identity_names = number_identities([path.parent.name for path in files])
    return ImageSet(
        names=[f"{path.parent.name}/{path.name}" for path in files],
        identities=identities,
        paths=[str(path) for path in files],
        source=f"folder:{folder}",
        identity_names=identity_names,
    )
