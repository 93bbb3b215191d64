"""A table of images: one row each, with what is known of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reid_al_env.errors import InputError

from ..cells import read_box
from ..described import Described, Reading, make_set
from ..images import ImageSet
from ..names import is_unknown
from ..rows import Rows, read_rows
from ..settings import DataSettings
from .layout import Layout
from .own_exports import CERTAINTY, CONFIRMED, is_suggested, notes_of_suggestions

COLUMNS: dict[str, tuple[str, ...]] = {
    "path": ("path", "file", "filepath", "file_path", "filename", "file_name", "image", "image_path", "name"),
    "identity": ("identity", "individual", "individual_id", "individualID"),
    "camera": ("camera", "camera_id", "cameraID", "cam", "station"),
    "side": ("side", "orientation", "viewpoint", "position"),
    "place": ("place", "location", "locationName", "locationID", "site"),
    "time": ("time", "date", "datetime", "date_time", "timestamp"),
    "latitude": ("latitude", "lat", "decimalLatitude"),
    "longitude": ("longitude", "lon", "lng", "long", "decimalLongitude"),
    "sequence": ("sequence", "sequence_id", "track", "tracklet"),
    "species": ("species", "scientificName"),
    "part": ("split", "part", "subset"),
    "bbox": ("bbox",),
}
"""Columns that are read, and the names by which they are found; of several the first that is there."""

_NUMBERING = frozenset({"image_id", "id", "index", ""})  # number the rows and say nothing of the images
_OWN_EXPORT = frozenset({"name", "identity", "group_size"})


def load_table(file: str, settings: DataSettings | None = None, *, prefix: str = "csv") -> ImageSet:
    """Load images that a CSV file lists.

    The first line names the columns, :data:`COLUMNS`, of which only ``path`` is needed. Paths are relative to
    the CSV file's folder (or ``settings.root``), or absolute. ``identity``, ``camera``, ``side`` (images of
    different sides cannot be compared) and ``place`` are any text, blank or ``unknown`` where unknown.
    ``latitude`` and ``longitude`` are decimal degrees (see ``settings.max_speed``).
    ``sequence`` is any text, too: images of one sequence at one camera are a tracklet, known to show one
    identity, even if that is unknown. ``bbox`` is the part of a photograph that a row is about, ``[x, y,
    width, height]`` in pixels of the upright photograph. ``split`` names the part of the data set that a row
    belongs to. Other columns are ignored, with a note. The metadata of wildlife-datasets and AnimalCLEF have
    this form, and so do our own ``identities.csv`` and ``wildlife.csv``; in these, an image that is alone in
    its group and has no name is of unknown identity.

    Args:
        file: The CSV file, UTF-8.
        settings: How data are read.
        prefix: What the layout is called on the command line.

    Returns:
        The images in the table's order.

    Raises:
        InputError: The file is missing, has no column of paths or no rows, or a row has no path or names a
            file that does not exist.
    """
    settings = settings or DataSettings()
    table = Path(file).resolve()
    rows = read_rows(table)
    found = {name: rows.find(names) for name, names in COLUMNS.items()}
    if found["path"] is None:
        raise InputError(
            f"{table}: no column path, found {', '.join(rows.columns) or 'nothing'}; the first line must "
            "name the columns, such as path,identity,camera (path alone is enough)"
        )
    folder = table.parent if settings.root is None else Path(settings.root).resolve()
    reading = Reading(f"{prefix}:{file}", folder, settings)
    passed_over = _NUMBERING | ({"name", *CERTAINTY} if CONFIRMED in rows.columns else set())
    unused = [
        name for name in rows.columns if name not in found.values() and name.casefold() not in passed_over
    ]
    own = set(rows.columns) >= _OWN_EXPORT
    if unused and not own:
        reading.notes.append(f"columns that are not used: {', '.join(unused)}")
    images = describe_rows(rows, found)
    images = _read_own_export(rows, images) if own else images
    suggested = [
        not is_unknown(image.identity) and is_suggested(row)
        for image, row in zip(images, rows.rows, strict=True)
    ]
    reading.notes += notes_of_suggestions([image.identity for image in images], suggested)
    return make_set(images, reading)


def load_wildlife(file: str, settings: DataSettings | None = None) -> ImageSet:
    """Load the metadata table of a data set of wildlife-datasets or AnimalCLEF; see :func:`load_table`."""
    return load_table(file, settings, prefix="wildlife")


def describe_rows(rows: Rows, found: dict[str, str | None]) -> list[Described]:
    """What each row says of an image.

    Args:
        rows: The table.
        found: The table's name of each of :data:`COLUMNS`, None where it lacks it.

    Raises:
        InputError: A row has no path, or a box that cannot be read.
    """
    columns = {name: rows.column(column) for name, column in found.items()}
    images = []
    for place, line in enumerate(rows.lines):
        where = f"row {line}"
        words = {name: cells[place] for name, cells in columns.items()}
        if not words["path"]:
            raise InputError(f"{rows.file}: {where}: '{found['path']}' is blank; give every image's file")
        box = read_box(words.pop("bbox"), f"{rows.file}: {where}")
        images.append(Described(where=where, box=box, **words))
    return images


def _read_own_export(rows: Rows, images: list[Described]) -> list[Described]:
    """Read our identities.csv: groups have numbers, and names if annotators gave them one."""
    labels = rows.column(rows.find(("label",)))
    sizes = rows.column("group_size")
    return [
        replace(image, identity=label if not is_unknown(label) else ("" if size == "1" else image.identity))
        for image, label, size in zip(images, labels, sizes, strict=True)
    ]


_TREE = """path,identity,camera,side,place,date,sequence,bbox,split     (path alone is enough)
crops/a.jpg,Limpy,Station 1,left,North gate,2026-01-31 14:05:09,,,train
crops/b.jpg,,,,,,,"[10, 20, 200, 150]",query"""

LAYOUTS = (
    Layout("csv", "FILE", "a table of images", load_table, _TREE),
    Layout(
        "wildlife",
        "FILE",
        "a metadata table of wildlife-datasets or AnimalCLEF",
        load_wildlife,
        "image_id,identity,path,date,orientation,species,split,dataset,bbox\n"
        "0,SeaTurtle_t001,images/a.jpg,2014-07-02,left,loggerhead turtle,database,SeaTurtleID2022,",
        "https://wildlifedatasets.github.io/wildlife-datasets (each by its own licence)",
    ),
)
