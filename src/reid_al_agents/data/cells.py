"""Cells of tables to boxes and times."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

from .decoding import Box
from .names import is_unknown

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y:%m:%d %H:%M:%S",  # EXIF
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y%m%d_%H%M%S",
    "%Y%m%d",
)
_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
_FRACTION = re.compile(r"(?<=\d{2}:\d{2})[.,]\d+")


def read_box(text: str, where: str) -> Box | None:
    """Read ``[x, y, w, h]`` in pixels, with or without brackets, between commas, semicolons or blanks.

    Args:
        text: The cell; unknown (see :func:`~.names.is_unknown`) where the image is a whole file.
        where: Of the cell, for messages.

    Raises:
        InputError: It is no box of a positive size.
    """
    if is_unknown(text) or text.strip() in ("[]", "()"):
        return None
    numbers = [float(number) for number in _NUMBER.findall(text)]
    rest = re.sub(r"[\[\](),;\s]", "", _NUMBER.sub("", text))
    if rest or len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
        raise InputError(f"{where}: bbox {text!r}; expected [x, y, width, height] in pixels, or nothing")
    x, y, width, height = numbers
    return Box(x, y, width, height)


def read_time(text: str) -> datetime | None:
    """Read when an image was taken.

    Args:
        text: ISO 8601, EXIF's form (``2026:01:31 14:05:09``) or a date alone; with a zone it is turned to
            UTC.

    Returns:
        The time without a zone, whole seconds; None where the text is no such time.
    """
    plain = _FRACTION.sub("", text.strip())
    zone = _ZONE.search(plain) if ":" in plain else None
    plain = (plain[: zone.start()] if zone else plain).replace("T", " ").strip()
    for form in _FORMATS:
        try:
            time = datetime.strptime(plain, form)
        except ValueError:
            continue
        return time if zone is None else _to_utc(time, zone[1])
    return None


def read_times(texts: Sequence[str]) -> tuple[NDArray[np.datetime64], NDArray[np.bool_], int]:
    """Read a column of times.

    Args:
        texts: The cells.

    Returns:
        (N,) datetime64[s], NaT where unknown; (N,) bool, whether the time of day is known, too; and how many
        cells hold text that is no time.
    """
    known = {text: read_time(text) for text in dict.fromkeys(texts)}
    times = np.array([known[text] or np.datetime64("NaT") for text in texts], dtype="M8[s]")
    clocks = np.array([":" in text or "_" in text for text in texts], dtype=bool) & ~np.isnat(times)
    bad = sum(known[text] is None and not is_unknown(text) for text in texts)
    return times, clocks, bad


def read_coordinates(
    texts: Sequence[tuple[str, str]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Read columns of latitudes and longitudes in decimal degrees.

    Args:
        texts: The two cells of each row.

    Returns:
        (N,) latitudes and (N,) longitudes, both NaN where one of the two is unknown; and how many rows hold
        text that is no coordinate, such as a latitude beyond 90.
    """
    points = [_read_point(*cells) for cells in texts]
    columns = np.array([point or (np.nan, np.nan) for point in points], dtype=np.float64).reshape(-1, 2)
    bad = sum(
        point is None and not all(is_unknown(cell) for cell in cells)
        for point, cells in zip(points, texts, strict=True)
    )
    return columns[:, 0], columns[:, 1], bad


def _read_point(latitude: str, longitude: str) -> tuple[float, float] | None:
    words = latitude.strip(), longitude.strip()
    if not all(_NUMBER.fullmatch(word) for word in words):
        return None
    north, east = map(float, words)
    return (north, east) if abs(north) <= 90 and abs(east) <= 180 else None


def _to_utc(time: datetime, zone: str) -> datetime:
    offset = "+0000" if zone == "Z" else zone.replace(":", "")
    aware = datetime.strptime(f"{time:%Y-%m-%d %H:%M:%S} {offset}", "%Y-%m-%d %H:%M:%S %z")
    return aware.astimezone(timezone.utc).replace(tzinfo=None)
