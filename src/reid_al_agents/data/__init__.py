"""Images with who and where: loaders by layout, splits by identity, and rendered pedestrians.

Needs numpy and Pillow (``pip install "reid-active-learning[agents]"``); nothing here imports torch.
"""

from .images import ImageSet
from .spec import load_data
from .split import QueryGallery, Split
from .split_file import load_split, save_split
from .split_making import make_split

__all__ = ["ImageSet", "QueryGallery", "Split", "load_data", "load_split", "make_split", "save_split"]
