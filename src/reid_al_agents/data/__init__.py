"""Images with what is known of them: loaders by layout, splits, and rendered pedestrians.

Needs numpy and Pillow (``pip install "reid-active-learning[agents]"``); nothing here imports torch. Names are
imported when they are first used, so that a command line can read the settings at no cost.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .content import DigestCache, ImageChanges, compare_images
    from .images import ImageSet
    from .protocol import Protocol
    from .settings import DataSettings
    from .spec import load_checked, load_data
    from .split import QueryGallery, Split
    from .split_file import load_split, save_split
    from .split_making import make_split, whole_pool

__all__ = [
    "Corrections",
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

_MODULES = {
    "Corrections": "corrections",
    "DataSettings": "settings",
    "DigestCache": "content",
    "ImageChanges": "content",
    "ImageSet": "images",
    "Protocol": "protocol",
    "QueryGallery": "split",
    "Split": "split",
    "compare_images": "content",
    "load_checked": "spec",
    "load_data": "spec",
    "load_split": "split_file",
    "make_split": "split_making",
    "save_split": "split_file",
    "whole_pool": "split_making",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
