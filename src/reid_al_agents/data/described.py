"""From what tables say of images, in words, to a set of images: shared by all layouts that are tables."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

from .cells import read_coordinates, read_times
from .decoding import Box
from .images import ImageSet
from .known_pairs import bursts
from .listing import LeftOut
from .names import UNKNOWN, clean_name, is_unknown, number_names
from .protocol import Published, protocol_of_words
from .settings import DataSettings

_NAMED = 10


@dataclass(frozen=True)
class Described:
    """An image in words, each blank where unknown.

    Attributes:
        path: As the table writes it; becomes the image's name.
        where: Row or entry, for messages.
        box: The part of the photograph; None is all of it.
        identity: Of the individual.
        camera: That took it.
        side: Of the animal that it shows.
        place: Where it was taken.
        time: When it was taken.
        latitude: Where it was taken, in degrees.
        longitude: Likewise.
        sequence: Images of one sequence at one camera show one individual.
        species: Of the animal.
        part: Of the data set: ``train``, ``query``, ... (see :func:`~.protocol.protocol_of_words`).
    """

    path: str
    where: str
    box: Box | None = None
    identity: str = ""
    camera: str = ""
    side: str = ""
    place: str = ""
    time: str = ""
    latitude: str = ""
    longitude: str = ""
    sequence: str = ""
    species: str = ""
    part: str = ""


@dataclass
class Reading:
    """How a table is read: settings, and what is to be said of it.

    Attributes:
        source: DATA as typed.
        folder: Absolute folder that paths are relative to.
        settings: How data are read.
        left_out: Counts what is not taken.
        notes: What else a user should know.
    """

    source: str
    folder: Path
    settings: DataSettings
    left_out: LeftOut = field(default_factory=LeftOut)
    notes: list[str] = field(default_factory=list)


def make_set(
    images: Sequence[Described], reading: Reading, title: str = "", published: Published = ()
) -> ImageSet:
    """Turn words into a set of images.

    Args:
        images: In the order that they are to have.
        reading: How the table is read; its counts and notes become the set's.
        title: What the data set is called, where the layout is that of one.
        published: What its authors counted.

    Returns:
        The images. Those whose species differ have different identities, whatever they are called.

    Raises:
        InputError: Files are missing (unless the settings skip them), or an image is listed twice.
    """
    found = _with_files(images, reading)
    identities, identity_names = number_names(_identity_words(found, reading), reading.settings.unknown_words)
    unknown = reading.settings.unknown_words
    columns = {
        name: number_names([getattr(image, name) for image, _ in found], unknown)
        for name in ("camera", "side", "place")
    }
    times, clocks, bad = read_times([image.time for image, _ in found])
    if bad:
        reading.notes.append(
            f"{bad} times cannot be read and are taken as unknown; write 2026-01-31 14:05:09"
        )
    latitudes, longitudes, bad = read_coordinates([(image.latitude, image.longitude) for image, _ in found])
    if bad:
        reading.notes.append(
            f"{bad} coordinates cannot be read and are taken as unknown; write degrees such as 47.37, -8.54"
        )
    return ImageSet(
        names=_names([image for image, _ in found]),
        identities=identities,
        cameras=columns["camera"][0],
        paths=[file for _, file in found],
        boxes=[image.box for image, _ in found],
        source=reading.source,
        identity_names=identity_names,
        camera_names=columns["camera"][1],
        sides=columns["side"][0],
        side_names=columns["side"][1],
        places=columns["place"][0],
        place_names=columns["place"][1],
        times=None if np.isnat(times).all() else times,
        latitudes=None if np.isnan(latitudes).all() else latitudes,
        longitudes=None if np.isnan(latitudes).all() else longitudes,
        tracklets=_tracklets(found, columns, np.where(clocks, times, np.datetime64("NaT")), reading),
        protocol=protocol_of_words(
            f"{title or reading.source}'s own test set",
            [image.part for image, _ in found],
            identities,
            published,
        ),
        notes=(*reading.left_out.notes(), *reading.notes),
    )


def _with_files(images: Sequence[Described], reading: Reading) -> list[tuple[Described, str]]:
    """Each image with its absolute file.

    Missing files are refused all at once; where damaged ones are to be skipped, they are left to be found
    with these (:mod:`.damage`).
    """
    if not images:
        raise InputError(
            f"{reading.source}: no images; {'; '.join(reading.left_out.notes()) or 'it lists none'}"
        )
    there = {path: _find(reading.folder, path) for path in dict.fromkeys(image.path for image in images)}
    missing = [image for image in images if there[image.path] is None]
    if missing and not reading.settings.skip_damaged:
        told = ", ".join(f"{image.where}: no image {image.path}" for image in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise InputError(
            f"{reading.source}: {told}{more}; paths are relative to {reading.folder} (--root names another "
            "folder), --skip-damaged goes on without them"
        )
    return [(image, there[image.path] or str(reading.folder / image.path)) for image in images]


def _find(folder: Path, path: str) -> str | None:
    for name in (path, path.replace("\\", "/")):
        if os.path.isfile(folder / name):  # False for names that no file can have, too
            return str(folder / name)
    return None


def _names(images: Sequence[Described]) -> list[str]:
    """Names that are unique: boxes in one photograph are counted from 1."""
    boxes = Counter(image.path for image in images if image.box is not None)
    seen: Counter[str] = Counter()
    names = []
    for image in images:
        if image.box is None or boxes[image.path] == 1:
            names.append(image.path)
        else:
            seen[image.path] += 1
            names.append(f"{image.path}#{seen[image.path]}")
    return names


def _identity_words(found: Sequence[tuple[Described, str]], reading: Reading) -> list[str]:
    """Identities; those of one name but several species get the species in front."""
    species_of = defaultdict(set)
    for image, _ in found:
        if not is_unknown(image.species):
            species_of[clean_name(image.identity)].add(image.species)
    shared = {
        name
        for name, kinds in species_of.items()
        if len(kinds) > 1 and not is_unknown(name, reading.settings.unknown_words)
    }
    if shared:
        reading.notes.append(
            f"{len(shared)} names are of several species: these are taken as different animals"
        )
    return [
        f"{image.species} {image.identity}" if clean_name(image.identity) in shared else image.identity
        for image, _ in found
    ]


def _tracklets(
    found: Sequence[tuple[Described, str]],
    columns: Mapping[str, tuple[list[int], tuple[str, ...] | None]],
    times: NDArray[np.datetime64],
    reading: Reading,
) -> NDArray[np.int64] | None:
    """Numbers of sequences: those that are named, or else of images taken shortly after one another."""
    words = [image.sequence for image, _ in found]
    cameras = np.array(columns["camera"][0])
    if any(not is_unknown(word) for word in words):
        keys = [
            None if is_unknown(word) else (int(camera), word)
            for camera, word in zip(cameras, words, strict=True)
        ]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(key for key in keys if key))}
        return np.array([UNKNOWN if key is None else numbers[key] for key in keys])
    gap = reading.settings.sequence_gap
    if not gap:
        return None
    stations = cameras if (cameras >= 0).any() else np.array(columns["place"][0])
    in_file = Counter(file for _, file in found)
    alone = np.array([in_file[file] == 1 for _, file in found])
    tracklets = bursts(times, stations, alone, gap)
    count = int(tracklets.max(initial=-1)) + 1
    reading.notes.append(
        f"{count} sequences of images at most {gap:g} s apart at one camera: each is taken for one individual"
    )
    return tracklets if count else None
