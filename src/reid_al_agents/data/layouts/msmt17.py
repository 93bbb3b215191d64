"""MSMT17, people at 15 cameras, in both of its versions.

Source: L. Wei et al., "Person Transfer GAN to Bridge Domain Gap for Person Re-Identification", CVPR 2018.
"""

from __future__ import annotations

import re
from pathlib import Path

from reid_al_env.errors import InputError

from ..described import Described, Reading, make_set
from ..images import ImageSet
from ..protocol import Count, Published
from ..settings import DataSettings
from .folders import find_root
from .layout import Layout

_LISTS = {
    "list_train.txt": "train",
    "list_val.txt": "train",
    "list_query.txt": "query",
    "list_gallery.txt": "gallery",
}
_PUBLISHED: Published = (
    ("train", Count(32_621, 1_041)),
    ("query", Count(11_659, 3_060)),
    ("gallery", Count(82_161, 3_060)),
)
_FOLDERS = {"train": ("train", "mask_train_v2"), "test": ("test", "mask_test_v2")}
_LINE = re.compile(r"(?P<path>\S+/\d+_\d+_(?P<camera>\d+)_\S+)\s+(?P<identity>\d+)")


def load_msmt17(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load MSMT17 by its four lists.

    Version 1 has the folders ``train`` and ``test``, version 2 (with faces blurred) ``mask_train_v2`` and
    ``mask_test_v2``. Its numbers of people begin from 0 in both parts, so identities are called
    ``train/0000`` and ``test/0000``. The lists of training and of validation are the training part.

    Args:
        folder: The data set's root, or the folder that holds ``MSMT17_V1`` or ``MSMT17_V2``.
        settings: How data are read.

    Returns:
        The images in the order of the lists.

    Raises:
        InputError: A folder, a list or a file is missing, or a line does not fit.
    """
    source = f"msmt17:{folder}"
    root = find_root(source, folder, tuple(_LISTS), below=("MSMT17_V1", "MSMT17_V2"))
    images: list[Described] = []
    for name, part in _LISTS.items():
        half = "train" if part == "train" else "test"
        pictures = next((place for place in _FOLDERS[half] if (root / place).is_dir()), None)
        if pictures is None:
            raise InputError(
                f"{source}: no {' or '.join(_FOLDERS[half])} in it; unpack the data set's images"
            )
        images += _read_list(root / name, pictures, half, part)
    return make_set(images, Reading(source, root, settings or DataSettings()), "MSMT17", _PUBLISHED)


def _read_list(file: Path, pictures: str, half: str, part: str) -> list[Described]:
    images = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match is None and line.strip():
            raise InputError(
                f"{file}: line {number}: {line[:60]!r}; expected 0000/0000_000_01_0303morning_0008_0.jpg 0"
            )
        if match is not None:
            images.append(
                Described(
                    path=f"{pictures}/{match['path']}",
                    where=f"{file.name}, line {number}",
                    identity=f"{half}/{int(match['identity']):04d}",
                    camera=str(int(match["camera"])),
                    part=part,
                )
            )
    return images


LAYOUTS = (
    Layout(
        "msmt17",
        "DIR",
        "MSMT17, version 1 or 2",
        load_msmt17,
        "DIR/train/0000/0000_000_01_0303morning_0008_0.jpg   (version 2: mask_train_v2, mask_test_v2)\n"
        "DIR/test/...\nDIR/list_train.txt, list_val.txt, list_query.txt, list_gallery.txt",
        "https://www.pkuvmc.com/dataset.html (on request from its authors)",
        _PUBLISHED,
    ),
)
