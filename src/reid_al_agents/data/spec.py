"""What the command line calls DATA."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reid_al_env.errors import InputError

from .csv_table import load_csv
from .folder import load_folder
from .images import ImageSet
from .market1501 import load_market1501
from .synthetic import load_synthetic

if TYPE_CHECKING:
    from reid_al_env.feature_set import FeatureSet

_LOADERS: dict[str, Callable[[str], ImageSet]] = {
    "market1501": load_market1501,
    "csv": load_csv,
    "folder": load_folder,
    "synthetic": load_synthetic,
}
_KNOWN = "market1501:DIR, csv:FILE, folder:DIR, synthetic:NAME or FILE.npz"


def load_data(spec: str) -> ImageSet | FeatureSet:
    """Load images or features by their name on the command line.

    Args:
        spec: ``market1501:DIR``, ``csv:FILE``, ``folder:DIR``, ``synthetic:NAME`` (see
            :func:`reid_al_agents.data.synthetic.load_synthetic`) or the path of a features ``.npz``.

    Returns:
        Images, or features where ``spec`` is an ``.npz``.

    Raises:
        InputError: The prefix is unknown, or the data cannot be read.
    """
    prefix, colon, place = spec.partition(":")
    if colon and prefix in _LOADERS:
        if not place:
            raise InputError(f"{spec}: nothing after the colon; expected {_KNOWN}")
        return _LOADERS[prefix](place)
    if spec.endswith(".npz"):
        from reid_al_env.feature_set import FeatureSet

        return FeatureSet.load(spec)
    raise InputError(f"{spec}: unknown kind of data; expected {_KNOWN}")
