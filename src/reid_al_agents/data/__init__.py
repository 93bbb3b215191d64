"""Images with what is known of them: loaders by layout, splits, and rendered pedestrians.

Needs numpy and Pillow (``pip install "reid-active-learning[agents]"``); nothing here imports torch.
"""

from .content import DigestCache, ImageChanges, compare_images
from .images import ImageSet
from .protocol import Protocol
from .settings import DataSettings
from .spec import load_checked, load_data
from .split import QueryGallery, Split
from .split_file import load_split, save_split
from .split_making import make_split, whole_pool

__all__ = [
    "DataSettings",
    "DigestCache",
    "ImageChanges",
    "ImageSet",
    "Protocol",
    "QueryGallery",
    "Split",
    "compare_images",
    "load_checked",
    "load_data",
    "load_split",
    "make_split",
    "save_split",
    "whole_pool",
]
