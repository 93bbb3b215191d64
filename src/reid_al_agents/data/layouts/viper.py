"""VIPeR, 632 people seen once by each of two cameras.

Source: D. Gray, S. Brennan, H. Tao, "Evaluating Appearance Models for Recognition, Reacquisition, and
    Tracking",
PETS 2007.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from reid_al_env.errors import InputError

from ..images import ImageSet
from ..listing import LeftOut, list_images
from ..protocol import Count, Published, own_protocol
from ..settings import DataSettings
from .folders import find_root
from .layout import Layout, read_number, split_options

_CAMERAS = ("cam_a", "cam_b")
_NAME = re.compile(r"(?P<identity>\d{1,9})_(?P<angle>\d+)\.\w+")
_PUBLISHED: Published = (("train", Count(632, 316)), ("query", Count(316, 316)), ("gallery", Count(316, 316)))
TRIALS = 1_000
"""One more than the greatest number of a trial; published figures are means over ten of them."""


def load_viper(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load VIPeR.

    By its protocol half of the people, drawn at random, are for training; of the others, images at camera A
    are searched for among those at camera B. Published figures are means over ten draws: the option
    ``?trial=0``, 1, ... chooses one.

    Args:
        folder: The data set's root, and options.
        settings: How data are read; nothing in them changes this layout.

    Returns:
        The images, camera A (1) before camera B (2), sorted by name.

    Raises:
        InputError: A folder is missing or empty, or a file name does not fit.
    """
    place, options = split_options(folder, ("trial",), "viper")
    source = f"viper:{folder}"
    trial = int(read_number(options, "trial", 0, 0, TRIALS - 1, source))
    root = find_root(source, place, _CAMERAS, below=("VIPeR",))
    left_out = LeftOut()
    files = [path for camera in _CAMERAS for path in list_images(root / camera, left_out)]
    if not files:
        raise InputError(f"{source}: no images in cam_a and cam_b; expected cam_a/000_45.bmp")
    identities = [_parse(path) for path in files]
    cameras = [_CAMERAS.index(path.parent.name) + 1 for path in files]
    train = draw_half(identities, trial)
    parts = [
        "train" if identity in train else ("query" if camera == 1 else "gallery")
        for identity, camera in zip(identities, cameras, strict=True)
    ]
    return ImageSet(
        names=[path.relative_to(root).as_posix() for path in files],
        identities=identities,
        cameras=cameras,
        paths=[str(path) for path in files],
        source=source,
        protocol=own_protocol(f"VIPeR's own test set, trial {trial}", parts, _PUBLISHED),
        notes=left_out.notes(),
    )


def draw_half(identities: list[int], trial: int) -> set[int]:
    """Draw half of the identities for training; the same trial draws the same."""
    everybody = np.unique(identities)
    drawn = np.random.default_rng(trial).permutation(everybody)[: len(everybody) // 2]
    return set(drawn.tolist())


def _parse(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise InputError(f"{path}: file name does not fit the VIPeR layout; expected IDENTITY_ANGLE.bmp")
    return int(match["identity"])


LAYOUTS = (
    Layout(
        "viper",
        "DIR[?trial=N]",
        "VIPeR",
        load_viper,
        "DIR/cam_a/000_45.bmp\nDIR/cam_b/000_135.bmp",
        "https://vision.soe.ucsc.edu/node/178",
        _PUBLISHED,
    ),
)
