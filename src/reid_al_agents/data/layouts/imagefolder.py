"""Image folders as Hugging Face's ``datasets`` has them: splits, a folder per class, or a metadata file.

Source: https://huggingface.co/docs/datasets/image_dataset.
"""

from __future__ import annotations

import json
from pathlib import Path

from reid_al_env.errors import InputError

from ..described import Described, Reading, make_set
from ..images import ImageSet
from ..listing import list_images
from ..protocol import TEST, TRAIN, VALIDATION
from ..rows import Rows, read_rows
from ..settings import DataSettings
from .layout import Layout
from .table import COLUMNS, describe_rows

_METADATA = ("metadata.csv", "metadata.jsonl")
_IDENTITY = (*COLUMNS["identity"], "label", "class", "name")


def load_imagefolder(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load an image folder.

    Its folders ``train``, ``validation`` and ``test`` (or one of their usual other names) are the parts of
    the data set; the folder below, or the root's own without them, is the identity. Where a part (or the
    root) holds ``metadata.csv`` or ``metadata.jsonl``, its ``file_name`` lists the images instead, and its
    columns say what is known of them as in :mod:`.table`; ``label`` is the identity where no column is called
    so.

    Args:
        folder: The root.
        settings: How data are read.

    Returns:
        The images, part by part.

    Raises:
        InputError: The root is missing or empty, or a metadata file cannot be read.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InputError(f"imagefolder:{folder}: no such folder; expected one of images or of train and test")
    reading = Reading(f"imagefolder:{folder}", root, settings or DataSettings())
    parts = sorted(
        path for path in root.iterdir() if path.is_dir() and path.name.casefold() in TRAIN | VALIDATION | TEST
    )
    images = [image for part in parts for image in _read_part(root, part, part.name, reading)]
    if not parts:
        images = _read_part(root, root, "", reading)
    return make_set(images, reading)


def _read_part(root: Path, folder: Path, part: str, reading: Reading) -> list[Described]:
    metadata = next((folder / name for name in _METADATA if (folder / name).is_file()), None)
    if metadata is not None:
        return _read_metadata(root, metadata, part, reading)
    images = []
    for path in list_images(folder, reading.left_out, deep=True):
        below = path.relative_to(folder).parts
        identity = below[0] if len(below) > 1 else ""
        name = path.relative_to(root).as_posix()
        images.append(Described(path=name, where=name, identity=identity, part=part))
    return images


def _read_metadata(root: Path, metadata: Path, part: str, reading: Reading) -> list[Described]:
    rows = read_rows(metadata) if metadata.suffix == ".csv" else _read_lines(metadata)
    found = {name: rows.find(names) for name, names in {**COLUMNS, "identity": _IDENTITY}.items()}
    found["path"] = rows.find(("file_name",))
    if found["path"] is None:
        raise InputError(f"{metadata}: no column file_name, found {', '.join(rows.columns)}; add it")
    unused = [name for name in rows.columns if name not in found.values()]
    if unused:
        reading.notes.append(f"{metadata.name}: columns that are not used: {', '.join(unused)}")
    folder = metadata.parent.relative_to(root)
    images = []
    for image in describe_rows(rows, found):
        path = (folder / image.path).as_posix()
        first = path.split("/")[0]
        images.append(
            Described(**{**vars(image), "path": path, "part": part or image.part or _part_of(first)})
        )
    return images


def _part_of(name: str) -> str:
    return name if name.casefold() in TRAIN | VALIDATION | TEST else ""


def _read_lines(file: Path) -> Rows:
    """A file of one JSON object a line as a table of text."""
    rows, lines = [], []
    try:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if line.strip():
                content = json.loads(line)
                rows.append({str(key): "" if value is None else str(value) for key, value in content.items()})
                lines.append(number)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{file}: cannot be read as one JSON object a line ({error}); expected file_name in each"
        ) from error
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    if not rows:
        raise InputError(f"{file}: no rows; expected one JSON object per image")
    return Rows(file, columns, tuple({c: row.get(c, "") for c in columns} for row in rows), tuple(lines))


LAYOUTS = (
    Layout(
        "imagefolder",
        "DIR",
        "an image folder of Hugging Face",
        load_imagefolder,
        "DIR/train/IDENTITY/a.jpg, DIR/test/IDENTITY/b.jpg\n"
        "or DIR/train/metadata.csv (or .jsonl) with file_name,identity,camera,... beside the images",
        "https://huggingface.co/datasets (each by its own licence)",
    ),
)
