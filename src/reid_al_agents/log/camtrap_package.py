"""The identities found as a camera-trap data package, with the individual of each observation.

Source: Camtrap DP 1.0, https://camtrap-dp.tdwg.org/data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_agents.data.decoding import browser_type, image_size
from reid_al_agents.log.fact_columns import called, relative_paths, time_taken
from reid_al_agents.log.tables import UNKNOWN, identity_names
from reid_al_env.spreadsheet import csv_text

DEPLOYMENTS = ("deploymentID", "locationID", "locationName", "latitude", "longitude", "cameraID")
MEDIA = ("mediaID", "deploymentID", "timestamp", "filePath", "filePublic", "fileMediatype")
OBSERVATIONS = (
    *("observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd", "observationLevel"),
    *("observationType", "cameraSetupType", "scientificName", "count", "lifeStage", "sex", "behavior"),
    *("individualID", "individualPositionRadius", "individualPositionAngle", "individualSpeed"),
    *("bboxX", "bboxY", "bboxWidth", "bboxHeight", "classificationMethod", "classifiedBy"),
    *("classificationTimestamp", "classificationProbability", "observationTags", "observationComments"),
)
TYPES = {"person": "human", "animal": "animal", "vehicle": "vehicle", "object": "unknown"}
"""Type of an observation by what the images show."""

_PROGRAM = "reid-active-learning"


def camtrap_tables(
    images: ImageSet,
    groups: NDArray[np.int64],
    labels: Mapping[int, str],
    confirmed: NDArray[np.bool_],
    probabilities: NDArray[np.float64],
    shown: str = "animal",
) -> dict[str, str]:
    """Write each image as an observation of one individual, at the level of the medium.

    The media are the files, by their names in the data set; a deployment is a camera and place. What the
    standard demands and the data do not know stays empty: coordinates and times that are unknown, and the
    zone of times (times that had one are in UTC).

    Args:
        images: The N images.
        groups: (N,) int64 group of each image.
        labels: Names that annotators gave to groups, by group.
        confirmed: (N,) whether answers join an image to its identity: classified by ``human``.
        probabilities: (N,) that an image belongs to its identity, NaN where unknown.
        shown: What the images show, a key of :data:`TYPES`.

    Returns:
        Text by the name of the table. ``individualID`` is the identity's name or number, empty where nothing
        is known of the image.
    """
    names = identity_names(images.names, groups, labels)
    sizes = np.bincount(groups)[groups]
    deployments: dict[str, tuple[object, ...]] = {}
    media: dict[str, tuple[object, ...]] = {}
    observations = []
    paths = relative_paths(images)[1]
    for index in range(len(images)):
        station, medium = _deployment(images, index), _medium(images, index)
        taken = time_taken(images, index)
        deployments.setdefault(station[0], station)
        path = medium if paths is None else paths[index]
        media.setdefault(medium, (medium, station[0], taken, path, "", _media_type(images, index)))
        individual = names[int(groups[index])]
        machine = not confirmed[index] and sizes[index] > 1
        likely = float(probabilities[index])
        observed = {
            "observationID": str(images.names[index]),
            "deploymentID": station[0],
            "mediaID": medium,
            "eventStart": taken,
            "eventEnd": taken,
            "observationLevel": "media",
            "observationType": TYPES[shown],
            "count": 1,
            "individualID": "" if individual == UNKNOWN else individual,
            **_box(images, index),
            "classificationMethod": "machine" if machine else "human" if confirmed[index] else "",
            "classifiedBy": _PROGRAM if machine else "",
            "classificationProbability": round(likely, 4) if machine and not np.isnan(likely) else "",
        }
        observations.append([observed.get(column, "") for column in OBSERVATIONS])
    return {
        "deployments.csv": csv_text(DEPLOYMENTS, deployments.values()),
        "media.csv": csv_text(MEDIA, media.values()),
        "observations.csv": csv_text(OBSERVATIONS, observations),
    }


def _deployment(images: ImageSet, index: int) -> tuple[str, ...]:
    camera = called(images.cameras, images.camera_names, index)
    place = called(images.places, images.place_names, index)
    known = images.latitudes is not None and not np.isnan(images.latitudes[index])
    point = (
        repr(float(column[index])) if known and column is not None else ""
        for column in (images.latitudes, images.longitudes)
    )
    return "_".join(part for part in (place, camera) if part) or UNKNOWN, place, place, *point, camera


def _medium(images: ImageSet, index: int) -> str:
    """Name of the file in the data set; boxes of one photograph share it."""
    name = str(images.names[index])
    boxed = images.boxes is not None and images.boxes[index] is not None
    return name.rpartition("#")[0] if boxed and "#" in name else name


def _media_type(images: ImageSet, index: int) -> str:
    if images.files is None or images.gone[index]:
        return ""
    return browser_type(Path(str(images.files[index]))) or ""


def _box(images: ImageSet, index: int) -> dict[str, object]:
    box = None if images.boxes is None else images.boxes[index]
    if box is None or images.files is None:
        return {}
    across, down = 1.0, 1.0
    if not box.relative:
        height, width = image_size(str(images.files[index]))
        across, down = float(width), float(height)
    shares = box.x / across, box.y / down, box.width / across, box.height / down
    return dict(
        zip(("bboxX", "bboxY", "bboxWidth", "bboxHeight"), (round(x, 6) for x in shares), strict=True)
    )
