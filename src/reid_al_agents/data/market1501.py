"""Market-1501's layout: who and where stand in the file name.

Source: L. Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from reid_al_env.errors import InputError

from .decoding import list_images
from .images import ImageSet

FOLDERS = ("bounding_box_train", "bounding_box_test", "query")

_NAME = re.compile(r"(?P<identity>-?\d{1,18})_c(?P<camera>\d{1,18})(s\d+)?_f?\d+(_\d+)?\.\w+")
_EXPECTED = "IDENTITY_cCAMERAsSEQUENCE_FRAME_BOX.jpg, for example 0002_c1s1_000451_03.jpg"
_JUNK = -1
_DISTRACTOR = 0


def load_market1501(folder: str | Path) -> ImageSet:
    """Load images in the layout of Market-1501.

    Reads ``bounding_box_train`` and, where they exist, ``bounding_box_test`` and ``query``; a folder without
    these that holds the image files itself is read as it is. Sequence and box may be missing from a name
    (``0002_c1_000451.jpg``). A name is the file name (with its folder in front where two folders have a file
    of that name). Junk boxes (identity -1) are dropped, distractors (identity 0000) are kept with identity
    -1: they match nobody. Identities and cameras are the numbers in the names.

    Args:
        folder: The data set's root.

    Returns:
        The images, sorted by folder and file name.

    Raises:
        InputError: The folder is missing, holds no images, or a file name does not fit.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InputError(f"market1501:{folder}: no such folder; expected one that holds {FOLDERS[0]}")
    files = [path for part in _image_folders(root) for path in list_images(part)]
    if not files:
        raise InputError(f"market1501:{folder}: no images there or in {FOLDERS[0]}; expected {_EXPECTED}")
    labels = [_parse(path) for path in files]
    kept = [row for row, (identity, _) in enumerate(labels) if identity != _JUNK]
    if not kept:
        raise InputError(
            f"market1501:{folder}: all {len(files)} images are junk (identity -1); expected people"
        )
    repeated = {name for name, count in Counter(path.name for path in files).items() if count > 1}
    return ImageSet(
        names=[
            f"{files[i].parent.name}/{files[i].name}" if files[i].name in repeated else files[i].name
            for i in kept
        ],
        identities=[-1 if labels[i][0] == _DISTRACTOR else labels[i][0] for i in kept],
        cameras=[labels[i][1] for i in kept],
        paths=[str(files[i]) for i in kept],
        source=f"market1501:{folder}",
    )


def market1501_name(identity: int, camera: int, number: int) -> str:
    """Name an image so that :func:`load_market1501` reads identity and camera from it.

    Args:
        identity: Identity, ≥ 1 (0 and -1 mean distractor and junk in this layout).
        camera: Camera, ≥ 0.
        number: Number of the image, unique for its identity and camera.

    Returns:
        For example ``0002_c1_0003.png``.
    """
    return f"{identity:04d}_c{camera}_{number:04d}.png"


def _image_folders(root: Path) -> list[Path]:
    if (root / FOLDERS[0]).is_dir():
        return [root / name for name in FOLDERS if (root / name).is_dir()]
    return [root]


def _parse(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise InputError(f"{path}: file name does not fit the Market-1501 layout; expected {_EXPECTED}")
    return int(match["identity"]), int(match["camera"])
