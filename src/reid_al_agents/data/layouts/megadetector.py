"""Animals that MegaDetector found in photographs: every box is an image.

Source: https://github.com/agentmorris/MegaDetector/blob/main/megadetector-output-format.md; the list that
    newer
versions of Microsoft's package write is read, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reid_al_env.errors import InputError

from ..decoding import Box
from ..described import Described, Reading, make_set
from ..images import ImageSet
from ..settings import DataSettings
from .layout import Layout, read_number, split_options

_CONFIDENCE = 0.2


def load_megadetector(file: str, settings: DataSettings | None = None) -> ImageSet:
    """Load the boxes in MegaDetector's results as images.

    Boxes of the category ``animal`` (option ``?category=``) with a confidence of 0.2 or more (option
    ``?confidence=``) are taken. Two boxes in one photograph are two images, known to differ. Identities,
    places and times are unknown, except for times that the results contain.

    Args:
        file: The JSON file, and options; photographs are found relative to its folder, or ``settings.root``.
        settings: How data are read.

    Returns:
        The boxes in the file's order.

    Raises:
        InputError: The file is not of this kind, or nothing in it is taken.
    """
    place, options = split_options(file, ("confidence", "category"), "megadetector")
    source = f"megadetector:{file}"
    least = read_number(options, "confidence", _CONFIDENCE, 0, 1, source)
    wanted = options.get("category", "animal").casefold()
    results = Path(place).resolve()
    settings = settings or DataSettings()
    folder = results.parent if settings.root is None else Path(settings.root).resolve()
    reading = Reading(source, folder, settings)
    images: list[Described] = []
    try:
        for name, kind, confidence, box, time in _detections(_read(results), reading):
            if kind.casefold() != wanted:
                reading.left_out.add(f"boxes of the category {kind}")
            elif confidence < least:
                reading.left_out.add(f"boxes of a confidence below {least:g}")
            else:
                images.append(Described(path=name, where=f"box {box[:4]}", box=box, time=time))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{results}: does not fit MegaDetector's results ({type(error).__name__}: {error}); expected "
            "images with file and detections of category, conf and bbox"
        ) from error
    return make_set(images, reading)


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"{file}: cannot be read as JSON ({reason}); expected MegaDetector's results"
        ) from error


def _detections(content: Any, reading: Reading) -> Iterator[tuple[str, str, float, Box, str]]:
    """Photograph, category, confidence, box and time of every detection."""
    as_list = isinstance(content, list)
    categories: Mapping[str, str] = {} if as_list else content.get("detection_categories", {"1": "animal"})
    for image in content if as_list else content["images"]:
        if image.get("failure") or image.get("detections") is None:
            reading.left_out.add("photographs that MegaDetector could not read")
            continue
        if not image["detections"]:
            reading.left_out.add("photographs without a box")
        for found in image["detections"]:
            kind = str(categories.get(str(found["category"]), found["category"]))
            confidence = float(found["confidence"] if "conf" not in found else found["conf"])
            yield (
                str(image["file"]),
                kind,
                confidence,
                _box(found["bbox"], as_list),
                str(image.get("datetime") or ""),
            )


def _box(numbers: Any, corners: bool) -> Box:
    """A box from shares of the sides (x, y, width, height), or from corners in pixels."""
    a, b, c, d = (float(number) for number in numbers)
    if not all(math.isfinite(number) for number in (a, b, c, d)):
        raise ValueError(f"bbox {numbers}")
    return Box(a, b, c - a, d - b) if corners else Box(a, b, c, d, relative=True)


LAYOUTS = (
    Layout(
        "megadetector",
        "FILE[?confidence=0.2]",
        "boxes that MegaDetector found in photographs",
        load_megadetector,
        'FILE: {"images": [{"file": "a.jpg", "detections": [{"category": "1", "conf": 0.9, "bbox": [x, y,'
        ' w, h]}]}], "detection_categories": {"1": "animal"}}\nphotographs beside it, or in --root FOLDER',
        "https://github.com/agentmorris/MegaDetector",
    ),
)
