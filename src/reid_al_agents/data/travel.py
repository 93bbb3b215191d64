"""Images too far apart for the time between them: no individual travels as fast, so they show two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from .image_facts import ImageFacts

EARTH_RADIUS = 6371.0088
"""Mean radius of the Earth in kilometres (Moritz, Geodetic Reference System 1980)."""

MOST_PAIRS = 100_000
"""Pairs that can be known to differ by their speed; each costs a session memory and time at every replay."""

_DAY = 86_400  # seconds


def too_far_apart(
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
    times: NDArray[np.datetime64],
    speed: float,
) -> NDArray[np.int64]:
    """Find the pairs of images that are further apart than an individual can have travelled in between.

    A time at midnight sharp is taken as a date without a time of day. The longest time that can lie between
    two images counts.

    Args:
        latitudes: (N,) float64 degrees; NaN where unknown.
        longitudes: (N,) float64 degrees; NaN where unknown.
        times: (N,) datetime64[s]; NaT where unknown.
        speed: Highest speed in kilometres an hour, above 0.

    Returns:
        (M, 2) int64 indices, ascending in each row and by rows.
    """
    known = np.flatnonzero(~(np.isnan(latitudes) | np.isnan(longitudes) | np.isnat(times)))
    rows = known[np.argsort(times[known], kind="stable")]
    first = times[rows].astype("M8[s]").astype(np.int64)
    last = np.where(first % _DAY == 0, first + _DAY - 1, first)
    points = _on_unit_sphere(latitudes[rows], longitudes[rows])
    reach = _longest_time(points, speed)
    found = [np.empty((0, 2), dtype=np.int64)]
    for place in range(len(rows) - 1):
        end = int(np.searchsorted(first, last[place] + reach, side="right"))
        others = np.arange(place + 1, end)
        hours = np.maximum(last[others] - first[place], last[place] - first[others]) / 3600
        far = others[distance_km(points[place], points[others]) > speed * hours]
        found.append(np.stack([np.full(len(far), rows[place]), rows[far]], axis=1))
    pairs = np.sort(np.concatenate(found), axis=1)
    return np.asarray(pairs[np.lexsort(pairs.T[::-1])], dtype=np.int64)


def distance_km(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Great-circle distance in kilometres between points on the unit sphere, (3,) and (M, 3).

    From the chord, which is exact for points that are near each other, too.
    """
    chord = np.linalg.norm(others - one, axis=1)
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.clip(chord / 2, 0, 1)))


def distance_between(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> float:
    """Great-circle distance in kilometres between two points in degrees, each array (2,); NaN if unknown."""
    points = _on_unit_sphere(latitudes, longitudes)
    return float(distance_km(points[0], points[1:])[0])


def one_of_each(pairs: NDArray[np.int64], tracklets: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Of the pairs between two tracklets the first, since the others follow; none within a tracklet.

    Args:
        pairs: (M, 2) indices of images, sorted.
        tracklets: (N,) tracklet of each image, -1 for none; None where there are no tracklets.
    """
    if tracklets is None or not len(pairs):
        return pairs
    alone = -2 - np.arange(len(tracklets))
    keys = np.sort(np.where(tracklets < 0, alone, tracklets)[pairs], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    kept = np.sort(first)
    return np.asarray(pairs[kept][keys[kept, 0] != keys[kept, 1]])


def pairs_by_travel(images: ImageFacts) -> NDArray[np.int64]:
    """See :attr:`.ImageFacts.too_far_apart`."""
    speed, times = images.max_speed, images.times
    if speed is None or times is None or images.latitudes is None or images.longitudes is None:
        return np.empty((0, 2), dtype=np.int64)
    pairs = too_far_apart(images.latitudes, images.longitudes, times, speed)
    ours, theirs = images.identities[pairs].T
    pairs = one_of_each(pairs[(ours != theirs) | (ours < 0)], images.tracklets)
    if len(pairs) > MOST_PAIRS:
        raise InputError(
            f"{images.source}: --max-speed {speed:g} makes {len(pairs):,} pairs of images known to differ, "
            f"more than the {MOST_PAIRS:,} that can be kept; give a higher speed, or join images by "
            "--sequence-gap"
        )
    return pairs


def note_of_travel(images: ImageFacts, speed: float) -> str:
    """How many pairs a highest speed excludes, and of how many images it can."""
    located = 0
    if images.latitudes is not None and images.times is not None:
        located = int(np.count_nonzero(~np.isnan(images.latitudes) & ~np.isnat(images.times)))
    return (
        f"{len(images.too_far_apart):,} pairs of images are further apart than {speed:g} km/h allows, and "
        f"known to differ; {located} of {len(images)} images have coordinates and a time"
    )


def _on_unit_sphere(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    lat, lon = np.radians(latitudes), np.radians(longitudes)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _longest_time(points: NDArray[np.float64], speed: float) -> float:
    """Seconds after which any two of the points can be reached: twice the furthest from the first."""
    if not len(points):
        return 0.0
    furthest = min(2 * float(distance_km(points[0], points).max()), np.pi * EARTH_RADIUS)
    return 3600 * furthest / speed
