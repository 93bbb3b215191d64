"""What the command line calls DATA."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from reid_al_env.errors import InputError
from reid_al_env.messages import Message

from .catalogue import LAYOUTS
from .damage import find_damaged, save_damaged, without_damaged
from .images import ImageSet
from .pixels import Progress
from .settings import DataSettings
from .synthetic import load_synthetic

if TYPE_CHECKING:
    from reid_al_env.feature_set import FeatureSet

FORMS = ", ".join(f"{layout.prefix}:{layout.place.split('[')[0]}" for layout in LAYOUTS.values())
"""All forms of DATA that name images on disk, for help texts and messages."""

_log = logging.getLogger(__name__)

_KNOWN = f"{FORMS}, synthetic:NAME or FILE.npz"


def load_data(
    spec: str, settings: DataSettings | None = None, *, quiet: bool = False
) -> ImageSet | FeatureSet:
    """Load images or features by their name on the command line; no image is decoded yet.

    What a user should know of it (:attr:`.ImageSet.notes`) is logged, too, at the level INFO.

    Args:
        spec: A layout's prefix and a place, as ``reid-al datasets`` lists them (``folder:DIR``, ``csv:FILE``,
            ``market1501:DIR``, ...), ``synthetic:NAME`` (see
            :func:`reid_al_agents.data.synthetic.load_synthetic`) or the path of a features ``.npz``.
        settings: How data are read.
        quiet: Whether the notes were logged before and are not logged again.

    Returns:
        Images, or features where ``spec`` is an ``.npz``.

    Raises:
        InputError: The prefix is unknown, or the data cannot be read.
    """
    prefix, _, place = spec.replace("\0", "").partition(":")
    if is_data(spec):
        if not place:
            raise InputError(f"{spec}: nothing after the colon; expected {_KNOWN}")
        if prefix == "synthetic":
            return load_synthetic(place)
        try:
            settings = settings or DataSettings()
            images = LAYOUTS[prefix].load(place, settings)
            images = images if settings.max_speed is None else images.with_max_speed(settings.max_speed)
        except OSError as error:
            raise InputError(
                Message(
                    "{data}: cannot be read ({reason}: {file})",
                    data=spec,
                    reason=error.strerror,
                    file=error.filename,
                )
            ) from error
        _tell(() if quiet else images.notes)
        return images
    if spec.endswith(".npz"):
        from reid_al_env.feature_set import FeatureSet

        return FeatureSet.load(spec)
    raise InputError(f"{spec}: unknown kind of data; {_advice(spec)}")


def is_data(spec: str) -> bool:
    """Whether a word begins as DATA does: with a layout, or ``synthetic``, and a colon."""
    prefix, colon, _ = spec.partition(":")
    return bool(colon) and prefix in (*LAYOUTS, "synthetic")


def place_of(spec: str) -> str:
    """The path in a word that names DATA, without its options; blank for ``synthetic:NAME``."""
    if not is_data(spec):
        return spec
    prefix, _, place = spec.partition(":")
    if prefix == "synthetic":
        return ""
    return place if Path(place).exists() else place.rpartition("?")[0] or place


def load_checked(
    spec: str,
    settings: DataSettings | None = None,
    *,
    listing: Path | None = None,
    progress: Progress | None = None,
) -> ImageSet | FeatureSet:
    """Load images or features and see that every image decodes, before any work begins.

    Args:
        spec: As in :func:`load_data`.
        settings: How data are read; ``skip_damaged`` goes on without images that do not decode.
        listing: CSV file in which those are kept; None keeps no list.
        progress: Called with (files read, files).

    Returns:
        The images, all of them sound, or features.

    Raises:
        InputError: The data cannot be read, or images do not decode and are not to be skipped: all are named.
    """
    settings = settings or DataSettings()
    data = load_data(spec, settings)
    if not isinstance(data, ImageSet):
        return data
    damaged = find_damaged(data, progress)
    sound = without_damaged(data, damaged, skip=settings.skip_damaged)
    _tell(sound.notes[len(data.notes) :])
    if damaged and listing is not None:
        save_damaged(damaged, listing)
    return sound


def _advice(spec: str) -> str:
    """What to write instead: a layout in front of a path that is there, else any form of DATA."""
    place = Path(spec)
    if spec and place.is_dir():
        return f"write folder:{spec} for the images in this folder (reid-al datasets lists other layouts)"
    likely = {".csv": "csv", ".json": "megadetector"}.get(place.suffix.casefold())
    if likely is not None and place.is_file():
        return f"write {likely}:{spec} (reid-al datasets lists other layouts)"
    return f"expected {_KNOWN}"


def _tell(notes: Iterable[str]) -> None:
    for note in notes:
        _log.info(note)
