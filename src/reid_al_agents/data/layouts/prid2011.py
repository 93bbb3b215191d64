"""PRID 2011, people at two cameras, of whom 200 are seen by both.

Source: M. Hirzer et al., "Person Re-Identification by Descriptive and Discriminative Classification", SCIA
    2011.
"""

from __future__ import annotations

import re
from pathlib import Path

from reid_al_env.errors import InputError

from ..images import ImageSet
from ..listing import LeftOut, list_images
from ..names import number_names
from ..protocol import Count, Published, own_protocol
from ..settings import DataSettings
from .folders import find_root
from .layout import Layout, read_number, split_options
from .viper import TRIALS, draw_half

_CAMERAS = ("cam_a", "cam_b")
_PERSON = re.compile(r"person_(\d{1,9})(\.\w+)?")
_PUBLISHED: Published = (("train", Count(200, 100)), ("query", Count(100, 100)), ("gallery", Count(649, 649)))
_IN_BOTH = 200


def load_prid2011(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load PRID 2011.

    People 1 to 200 are seen by both cameras; the others of camera A and of camera B are different people,
    though they share numbers, and are called ``a0201`` and ``b0201``. By its protocol 100 of the 200, drawn
    at random, are for training; the other 100 are searched for at camera A among all others at camera B.
    Published figures are means over ten draws: the option ``?trial=0``, 1, ... chooses one. ``single_shot``
    is read where the root is named; name ``DIR/multi_shot`` for all frames, where those of one person at one
    camera are a tracklet.

    Args:
        folder: The data set's root, or one of its two folders, and options.
        settings: How data are read; nothing in them changes this layout.

    Returns:
        The images, camera A (1) before camera B (2), sorted by path.

    Raises:
        InputError: A folder is missing or empty, or a file name does not fit.
    """
    place, options = split_options(folder, ("trial",), "prid2011")
    source = f"prid2011:{folder}"
    trial = int(read_number(options, "trial", 0, 0, TRIALS - 1, source))
    root = find_root(source, place, _CAMERAS, below=("single_shot",))
    left_out = LeftOut()
    files = [path for camera in _CAMERAS for path in list_images(root / camera, left_out, deep=True)]
    if not files:
        raise InputError(f"{source}: no images in cam_a and cam_b; expected cam_a/person_0001.png")
    names = [path.relative_to(root).as_posix() for path in files]
    cameras = [_CAMERAS.index(name.split("/")[0]) + 1 for name in names]
    people = [_parse(path, root) for path in files]
    words = [
        f"{person:04d}" if person <= _IN_BOTH else f"{'ab'[camera - 1]}{person:04d}"
        for person, camera in zip(people, cameras, strict=True)
    ]
    identities, identity_names = number_names(words)
    several = any(len(name.split("/")) > 2 for name in names)
    tracks = {key: number for number, key in enumerate(dict.fromkeys(zip(cameras, words, strict=True)))}
    train = draw_half([person for person in people if person <= _IN_BOTH], trial)
    return ImageSet(
        names=names,
        identities=identities,
        cameras=cameras,
        paths=[str(path) for path in files],
        source=source,
        identity_names=identity_names,
        tracklets=[tracks[key] for key in zip(cameras, words, strict=True)] if several else None,
        protocol=own_protocol(
            f"PRID 2011's own test set, trial {trial}",
            [_part(*image, train) for image in zip(people, cameras, strict=True)],
            () if several else _PUBLISHED,
        ),
        notes=left_out.notes(),
    )


def _part(person: int, camera: int, train: set[int]) -> str:
    if person in train:
        return "train"
    if camera == 2:
        return "gallery"
    return "query" if person <= _IN_BOTH else ""


def _parse(path: Path, root: Path) -> int:
    for name in path.relative_to(root).parts[1:]:
        match = _PERSON.fullmatch(name)
        if match is not None:
            return int(match[1])
    raise InputError(
        f"{path}: does not fit the PRID 2011 layout; expected person_0001.png or person_0001/0001.png"
    )


LAYOUTS = (
    Layout(
        "prid2011",
        "DIR[?trial=N]",
        "PRID 2011",
        load_prid2011,
        "DIR/single_shot/cam_a/person_0001.png\nDIR/single_shot/cam_b/person_0001.png\n"
        "DIR/multi_shot/cam_a/person_0001/0001.png   (name DIR/multi_shot for these)",
        "https://www.tugraz.at/index.php?id=17766",
        _PUBLISHED,
    ),
)
