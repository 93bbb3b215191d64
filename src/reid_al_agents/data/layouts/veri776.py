"""VeRi-776, vehicles at 20 cameras.

Source: X. Liu et al., "A Deep Learning-Based Approach to Progressive Vehicle Re-identification for Urban
Surveillance", ECCV 2016.
"""

from __future__ import annotations

from ..images import ImageSet
from ..protocol import Count, Published
from ..settings import DataSettings
from .layout import Layout
from .named_files import load_named_files

FOLDERS = {"image_train": "train", "image_test": "gallery", "image_query": "query"}
"""The part of the data set that each folder holds."""

_PUBLISHED: Published = (
    ("train", Count(37_778, 576)),
    ("query", Count(1_678, 200)),
    ("gallery", Count(11_579, 200)),
)
_EXPECTED = "IDENTITY_cCAMERA_FRAME_BOX.jpg, for example 0001_c001_00016450_0.jpg"


def load_veri776(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load VeRi-776; see :func:`~.named_files.load_named_files`.

    Args:
        folder: The data set's root.
        settings: How data are read; nothing in them changes this layout.

    Raises:
        InputError: The folder is missing, holds no images, or a file name does not fit.
    """
    return load_named_files(
        folder, FOLDERS, prefix="veri776", title="VeRi-776", expected=_EXPECTED, published=_PUBLISHED
    )


LAYOUTS = (
    Layout(
        "veri776",
        "DIR",
        "VeRi-776 (vehicles)",
        load_veri776,
        "DIR/image_train/0001_c001_00016450_0.jpg\nDIR/image_test/...\nDIR/image_query/...",
        "https://github.com/JDAI-CV/VeRidataset (on request from its authors)",
        _PUBLISHED,
    ),
)
