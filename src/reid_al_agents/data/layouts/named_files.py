"""Layouts in which identity and camera stand in the file name, and the part in the folder's name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from reid_al_env.errors import InputError

from ..images import ImageSet
from ..listing import LeftOut, list_images
from ..names import UNKNOWN, number_names
from ..protocol import Published, own_protocol
from ..rows import read_rows
from .own_exports import is_suggested, notes_of_suggestions

_NAME = re.compile(r"(?P<identity>-?\d{1,18})_c(?P<camera>\d{1,18})(s\d+)?_f?\d+(_\d+)?\.\w+")
MAP = "names.csv"
"""File that an export of ours puts beside its folders: what each image was called before."""

_JUNK = -1
_DISTRACTOR = 0


def load_named_files(
    folder: str, folders: Mapping[str, str], *, prefix: str, title: str, expected: str, published: Published
) -> ImageSet:
    """Load images whose file names begin with ``IDENTITY_cCAMERA``.

    A folder that lacks the layout's folders and holds the image files itself is read as it is. Names are the
    file names, with the folder in front where two folders have a file of the same name. Junk boxes (identity
    -1) are dropped; distractors (identity 0) are kept with identity -1, so they match no image. Identities
    and cameras are the numbers in the names. If all images have the same camera number, cameras are unknown,
    since otherwise no image would have a match at another camera. In a folder exported by this program, the
    file ``names.csv`` (columns ``file``, ``name`` and ``camera``) holds the name and the camera of each image
    before the export, blank where unknown.

    Args:
        folder: The data set's root.
        folders: Name of each folder, and its part of the data set: ``train``, ``gallery`` or ``query``.
        prefix: What the layout is called on the command line.
        title: What the data set is called.
        expected: How a file name must look.
        published: What the data set's authors counted.

    Returns:
        The images, sorted by folder and file name.

    Raises:
        InputError: The folder is missing, holds no images, or a file name does not fit.
    """
    source, first = f"{prefix}:{folder}", next(iter(folders))
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InputError(f"{source}: no such folder; expected one that holds {first}")
    left_out = LeftOut()
    in_parts = (root / first).is_dir()
    places = [root / name for name in folders if (root / name).is_dir()] if in_parts else [root]
    files = [path for place in places for path in list_images(place, left_out)]
    if not files:
        raise InputError(f"{source}: no images there or in {first}; expected {expected}")
    labels = [_parse(path, title, expected) for path in files]
    kept = [row for row, (identity, _) in enumerate(labels) if identity != _JUNK]
    if not kept:
        raise InputError(f"{source}: all {len(files)} images are junk (identity -1); expected others")
    if len(kept) < len(files):
        left_out.add("junk images (identity -1)", len(files) - len(kept))
    parts = [folders.get(files[row].parent.name, "") for row in kept]
    names, cameras, camera_names, note = _names_and_cameras(
        root, [files[row] for row in kept], [labels[row] for row in kept]
    )
    return ImageSet(
        names=names,
        identities=[UNKNOWN if labels[row][0] == _DISTRACTOR else labels[row][0] for row in kept],
        cameras=cameras,
        camera_names=camera_names,
        paths=[str(files[row]) for row in kept],
        source=source,
        protocol=own_protocol(f"{title}'s own test set", parts, published) if in_parts else None,
        notes=(*left_out.notes(), *note),
    )


def _names_and_cameras(
    root: Path, files: Sequence[Path], labels: Sequence[tuple[int, int]]
) -> tuple[list[str], list[int] | None, tuple[str, ...] | None, tuple[str, ...]]:
    """Names, cameras, their names, and notes: from the map of an export of ours, or from the files' names."""
    identities, cameras = [label[0] for label in labels], [label[1] for label in labels]
    if (root / MAP).is_file():
        rows = {row.get("file", ""): row for row in read_rows(root / MAP).rows}
        if all("name" in rows.get(path.name, {}) for path in files):
            found = [rows[path.name] for path in files]
            numbers, camera_names = number_names([row.get("camera", "") for row in found])
            notes = notes_of_suggestions(identities, map(is_suggested, found))
            return [row["name"] for row in found], numbers, camera_names, notes
    repeated = {name for name, count in Counter(path.name for path in files).items() if count > 1}
    names = [f"{path.parent.name}/{path.name}" if path.name in repeated else path.name for path in files]
    if len(set(cameras)) == 1 < len(files):
        return names, None, None, ("all images have one camera number: cameras are taken as unknown",)
    return names, cameras, None, ()


def _parse(path: Path, title: str, expected: str) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise InputError(f"{path}: file name does not fit the {title} layout; expected {expected}")
    return int(match["identity"]), int(match["camera"])
