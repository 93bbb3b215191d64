"""Camera-trap data packages: deployments, media and observations of animals.

Source: Camtrap DP 1.0, https://camtrap-dp.tdwg.org (J. Bubnicki et al., Remote Sensing in Ecology and
Conservation, 2024).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from reid_al_env.errors import InputError

from ..cells import read_time
from ..decoding import Box
from ..described import Described, Reading, make_set
from ..images import ImageSet
from ..rows import read_rows
from ..settings import DataSettings
from .folders import find_root
from .layout import Layout

_TABLES = ("deployments.csv", "media.csv", "observations.csv")
_BOX = ("bboxX", "bboxY", "bboxWidth", "bboxHeight")

Row = Mapping[str, str]


def load_camtrapdp(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load the animals of a camera-trap data package.

    An observation of an animal at the level of the medium is an image: its box in the photograph, or the
    whole photograph. An observation of one event with a single animal makes an image of each of the event's
    other photographs; these are known to show one individual. ``individualID`` is the identity, the camera
    that of the deployment (``cameraID``, else ``deploymentID``), the place its ``locationName`` or
    ``locationID``, the coordinates the deployment's, the time that of the medium.

    Args:
        folder: The package's folder; ``settings.root`` is where photographs are found, if elsewhere.
        settings: How data are read.

    Returns:
        The images in the order of the media.

    Raises:
        InputError: A table is missing or cannot be read, or no animal is in any photograph.
    """
    source = f"camtrapdp:{folder}"
    package = find_root(source, folder, _TABLES)
    deployments, media, observations = (_read(package / name) for name in _TABLES)
    settings = settings or DataSettings()
    root = package if settings.root is None else Path(settings.root).resolve()
    reading = Reading(source, root, settings)
    animals = [row for row in observations if _cell(row, "observationType") in ("animal", "")]
    if len(animals) < len(observations):
        reading.left_out.add("observations of no animal", len(observations) - len(animals))
    seen: dict[str, list[Row]] = defaultdict(list)
    for row in animals:
        seen[_cell(row, "mediaID")].append(row)
    events = [row for row in seen.pop("", []) if _cell(row, "count") in ("", "1")]
    places = {_cell(row, "deploymentID"): row for row in deployments}
    images: list[Described] = []
    for medium in media:
        base = _describe(medium, places.get(_cell(medium, "deploymentID"), {}))
        reason = _why_not(medium)
        found = [] if reason else _observed(base, medium, seen.get(_cell(medium, "mediaID"), []), events)
        images += found
        if not found:
            reading.left_out.add(reason or "photographs in which no animal was seen")
    return make_set(images, reading)


def _observed(base: Described, medium: Row, own: list[Row], events: list[Row]) -> list[Described]:
    """The images of one photograph: its own observations, or else its event's single animal."""
    if own:
        boxed = [row for row in own if _box(row) is not None]
        return [
            replace(
                base, box=_box(row), identity=_cell(row, "individualID"), species=_cell(row, "scientificName")
            )
            for row in (boxed or own[:1])
            if boxed or len(own) == 1
        ]
    of = [row for row in events if _covers(row, medium)]
    if len(of) != 1:
        return []
    event = of[0]
    return [
        replace(
            base,
            identity=_cell(event, "individualID"),
            species=_cell(event, "scientificName"),
            sequence=_cell(event, "eventID"),
        )
    ]


def _covers(event: Row, medium: Row) -> bool:
    if _cell(event, "deploymentID") != _cell(medium, "deploymentID"):
        return False
    begun, ended, taken = (
        read_time(text)
        for text in (_cell(event, "eventStart"), _cell(event, "eventEnd"), _cell(medium, "timestamp"))
    )
    return begun is not None and ended is not None and taken is not None and begun <= taken <= ended


def _describe(medium: Row, deployment: Row) -> Described:
    station = _cell(medium, "deploymentID")
    return Described(
        path=_cell(medium, "filePath"),
        where=f"media.csv, {_cell(medium, 'mediaID')}",
        camera=_cell(deployment, "cameraID") or station,
        place=_cell(deployment, "locationName") or _cell(deployment, "locationID"),
        time=_cell(medium, "timestamp"),
        latitude=_cell(deployment, "latitude"),
        longitude=_cell(deployment, "longitude"),
    )


def _why_not(medium: Row) -> str | None:
    if "://" in _cell(medium, "filePath"):
        return "media on the web (download them and name their folder by --root)"
    kind = _cell(medium, "fileMediatype")
    return f"media of the type {kind}" if kind and not kind.startswith("image/") else None


def _box(row: Row) -> Box | None:
    cells = [_cell(row, name) for name in _BOX]
    if not all(cells):
        return None
    try:
        x, y, width, height = (float(cell) for cell in cells)
        return Box(x, y, width, height, relative=True)
    except ValueError:
        raise InputError(
            f"observations.csv: {_cell(row, 'observationID')}: box {', '.join(cells)}; expected shares "
            "of the photograph's sides, 0 to 1"
        ) from None


def _cell(row: Row, column: str) -> str:
    value = row.get(column, "")
    return "" if value == "NA" else value  # as R writes what is missing


def _read(file: Path) -> list[Row]:
    return list(read_rows(file).rows)


LAYOUTS = (
    Layout(
        "camtrapdp",
        "DIR",
        "a camera-trap data package (Camtrap DP 1.0)",
        load_camtrapdp,
        "DIR/deployments.csv, DIR/media.csv, DIR/observations.csv, photographs as media.csv names them",
        "exported by Agouti, TRAPPER, Wildlife Insights and others; https://camtrap-dp.tdwg.org",
    ),
)
