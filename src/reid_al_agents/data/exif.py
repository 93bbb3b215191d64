"""What a photograph says of itself in its EXIF data: when and where it was taken."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from reid_al_env.image_formats import formats

from .cells import read_time
from .decoding import DAMAGE
from .pixels import in_threads

_BROKEN = (*DAMAGE, struct.error, KeyError, TypeError, AttributeError, ArithmeticError)
_REMEMBERED = 200_000  # photographs


class Exposure(NamedTuple):
    """When and where a photograph was taken, as far as it says.

    Attributes:
        time: Of exposure, in UTC where EXIF has a zone; None where unknown, as with a clock that was not set.
        latitude: Degrees; NaN where unknown, as with a receiver that had no fix.
        longitude: Degrees; likewise.
        shown: What to show: the time of exposure by the camera's clock, else that of the last change.
    """

    time: datetime | None = None
    latitude: float = np.nan
    longitude: float = np.nan
    shown: datetime | None = None


def read_exposure(file: str) -> Exposure:
    """Read when and where a photograph was taken; nothing is known where it cannot be read.

    Args:
        file: The path.
    """
    try:
        state = os.stat(file)
    except OSError:
        return Exposure()
    return _read(file, state.st_size, state.st_mtime_ns)


def read_exposures(files: Sequence[str]) -> list[Exposure]:
    """Read several photographs; see :func:`read_exposure`."""
    found = [Exposure()] * len(files)

    def look_at(place: int) -> None:
        found[place] = read_exposure(files[place])

    in_threads(look_at, len(files))
    return found


class Filled(NamedTuple):
    """Times and coordinates of images, each (N,) or None, and a note of how many of them EXIF gave."""

    times: NDArray[np.datetime64] | None
    latitudes: NDArray[np.float64] | None
    longitudes: NDArray[np.float64] | None
    note: str


def fill_from_exif(
    files: NDArray[np.str_] | None,
    times: NDArray[np.datetime64] | None,
    latitudes: NDArray[np.float64] | None,
    longitudes: NDArray[np.float64] | None,
) -> Filled | None:
    """Fill in what the data do not say of when and where images were taken.

    Args:
        files: (N,) files; empty text for one that is gone. None for images in no files.
        times: (N,) datetime64[s], NaT where unknown; None where no time is known.
        latitudes: (N,) degrees, NaN where unknown; None where no coordinates are known.
        longitudes: (N,) degrees; likewise.

    Returns:
        The columns; None where no photograph says more.
    """
    if files is None:
        return None
    count = len(files)
    when = np.full(count, np.datetime64("NaT", "s")) if times is None else times.copy()
    north = np.full(count, np.nan) if latitudes is None else latitudes.copy()
    east = np.full(count, np.nan) if longitudes is None else longitudes.copy()
    wanted = np.flatnonzero((np.isnat(when) | np.isnan(north)) & (files != ""))
    exposures = read_exposures(files[wanted].tolist())
    taken = np.array([each.time or np.datetime64("NaT") for each in exposures], dtype="M8[s]")
    place = np.array([each[1:3] for each in exposures], dtype=np.float64).reshape(-1, 2)
    timed = np.isnat(when[wanted]) & ~np.isnat(taken)
    placed = np.isnan(north[wanted]) & ~np.isnan(place[:, 0])
    if not timed.any() and not placed.any():
        return None
    when[wanted[timed]] = taken[timed]
    north[wanted[placed]], east[wanted[placed]] = place[placed].T
    nowhere = np.isnan(north).all()
    return Filled(
        None if np.isnat(when).all() else when,
        None if nowhere else north,
        None if nowhere else east,
        f"EXIF gives the times of {timed.sum()} and the coordinates of {placed.sum()} images",
    )


@lru_cache(_REMEMBERED)
def _read(file: str, size: int, changed: int) -> Exposure:
    """See :func:`read_exposure`; a file that changes is read again."""
    try:
        with Image.open(file, formats=formats()) as opened:
            exif = opened.getexif()
            time, shown = _times(exif)
            return Exposure(time, *_place(exif), shown or _clock(exif.get(ExifTags.Base.DateTime)))
    except _BROKEN:
        return Exposure()


def _times(exif: Image.Exif) -> tuple[datetime | None, datetime | None]:
    """Time of exposure, in UTC where its zone is known and as the camera's clock had it."""
    try:
        tags = exif.get_ifd(ExifTags.IFD.Exif)
        zone = str(tags.get(ExifTags.Base.OffsetTimeOriginal) or "").strip("\0 ")
        written = tags.get(ExifTags.Base.DateTimeOriginal)
    except _BROKEN:
        return None, None
    return _clock(written, zone) or _clock(written), _clock(written)


def _clock(written: object, zone: str = "") -> datetime | None:
    try:
        return read_time(f"{str(written).strip(chr(0))}{zone}")
    except OverflowError:  # a zone beyond the calendar
        return None


def _place(exif: Image.Exif) -> tuple[float, float]:
    """Latitude and longitude in degrees, both NaN where one is unknown."""
    try:
        tags = exif.get_ifd(ExifTags.IFD.GPSInfo)
        latitude = _degrees(tags[ExifTags.GPS.GPSLatitude], tags.get(ExifTags.GPS.GPSLatitudeRef), "S")
        longitude = _degrees(tags[ExifTags.GPS.GPSLongitude], tags.get(ExifTags.GPS.GPSLongitudeRef), "W")
    except _BROKEN:
        return np.nan, np.nan
    known = abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude, longitude) != (0, 0)
    return (latitude, longitude) if known else (np.nan, np.nan)


def _degrees(parts: Sequence[float], side: object, negative: str) -> float:
    """Degrees, minutes and seconds as one number."""
    degrees, minutes, seconds = map(float, parts)
    whole = degrees + minutes / 60 + seconds / 3600
    return -whole if str(side).strip("\0 ").upper() == negative else whole
