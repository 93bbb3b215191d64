"""A folder of images, unsorted or with a folder per identity."""

from __future__ import annotations

from pathlib import Path

from reid_al_env.errors import InputError
from reid_al_env.messages import Message

from ..images import ImageSet
from ..listing import LeftOut, list_images
from ..names import UNKNOWN, number_names
from ..protocol import GALLERY, QUERY, TEST, TRAIN, VALIDATION
from ..settings import DataSettings
from .layout import Layout, split_options

_PARTS = TRAIN | VALIDATION | TEST | QUERY | GALLERY


def load_folder(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load the images of a folder and of all folders in it; cameras are unknown.

    Images in a folder of the root (``ROOT/IDENTITY/.../anything.jpg``, as deep as they lie) show the identity
    that this folder is called after; a folder called ``unknown`` or the like, and images that lie in the root
    itself, are of unknown identity. With the option ``?identities=no`` folders say nothing of identities.
    Names are the paths below the root. Folder names that are whole numbers are the identities; others are
    numbered in sorted order.

    Args:
        folder: The root, and options.
        settings: How data are read.

    Returns:
        The images, sorted by path.

    Raises:
        InputError: The root is missing or holds no image, or its folders are the parts of a data set.
    """
    settings = settings or DataSettings()
    place, options = split_options(folder, ("identities",), "folder")
    sorted_by_identity = options.get("identities", "yes")
    if sorted_by_identity not in ("yes", "no"):
        raise InputError(f"folder:{folder}: identities={sorted_by_identity}; expected yes or no")
    root = Path(place).resolve()
    if not root.is_dir():
        raise InputError(
            f"folder:{folder}: no such folder; expected one of images, loose or in a folder per identity"
        )
    left_out = LeftOut()
    files = list_images(root, left_out, deep=True)
    if not files:
        raise InputError(
            Message(
                "folder:{folder}: no images in it; {left_out}",
                folder=folder,
                left_out=next(iter(left_out.notes()), Message("it is empty")),
            )
        )
    names = [path.relative_to(root).as_posix() for path in files]
    identities, identity_names, note = [UNKNOWN] * len(files), None, ""
    if sorted_by_identity == "yes":
        words = [name.split("/")[0] if "/" in name else "" for name in names]
        _check_folders(folder, set(words) - {""})
        identities, identity_names = number_names(words, settings.unknown_words)
        note = _describe(words, identities)
    return ImageSet(
        names=names,
        identities=identities,
        paths=[str(path) for path in files],
        source=f"folder:{folder}",
        identity_names=identity_names,
        notes=(*left_out.notes(), *([note] if note else [])),
    )


def _check_folders(folder: str, names: set[str]) -> None:
    if len(names) > 1 and all(name.casefold() in _PARTS for name in names):
        raise InputError(
            f"folder:{folder}: its folders are called {', '.join(sorted(names))}, which are no identities; "
            f"name one of them, or use imagefolder:{folder} for all"
        )


def _describe(words: list[str], identities: list[int]) -> str:
    """Say which folders were taken for identities, since they may be days or cameras."""
    known = list(dict.fromkeys(word for word, who in zip(words, identities, strict=True) if who != UNKNOWN))
    unknown = identities.count(UNKNOWN)
    if not known:
        return f"no identity is known: {unknown} images are in no folder of an identity"
    first = ", ".join(known[:3]) + (", ..." if len(known) > 3 else "")
    rest = f", {unknown} images are of unknown identity" if unknown else ""
    return (
        f"{len(known)} folders are taken for identities ({first}){rest}; if they are not, add ?identities=no"
    )


_TREE = """DIR/anything.jpg            (identity unknown)
DIR/IDENTITY/anything.jpg   (as deep as you like)
DIR/unknown/anything.jpg    (identity unknown)"""

LAYOUTS = (
    Layout(
        "folder", "DIR[?identities=no]", "images in folders, sorted by identity or not", load_folder, _TREE
    ),
)
