"""CUHK03, people at five pairs of cameras, with boxes by hand or by a detector.

Sources: W. Li et al., "DeepReID: Deep Filter Pairing Neural Network for Person Re-identification", CVPR 2014;
    the
protocol is that of Z. Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR
2017 (767 people for training, 700 for the test).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reid_al_env.errors import InputError

from ..decoding import reduce_image
from ..images import ImageSet
from ..listing import LeftOut, list_images
from ..pixels import FilePixels, PixelSource, read_each
from ..protocol import Count, Protocol, Published, own_protocol
from ..settings import DataSettings
from .layout import Layout, split_options

_MAT = ("cuhk-03.mat", "cuhk03_release/cuhk-03.mat")
_NAME = re.compile(r"(?P<pair>\d)_(?P<person>\d{1,4})_(?P<view>[12])_(?P<number>\d{1,2})(\.\w+)?")
_PUBLISHED: dict[str, Published] = {
    "detected": (("train", Count(7_365, 767)), ("query", Count(1_400, 700)), ("gallery", Count(5_332, 700))),
    "labeled": (("train", Count(7_368, 767)), ("query", Count(1_400, 700)), ("gallery", Count(5_328, 700))),
}
_WORDS = {"detected": "detected", "labelled": "labeled", "labeled": "labeled"}
_IN_VIEW = 5  # of the ten images of a person, the first five are of the first view


def load_cuhk03(folder: str, settings: DataSettings | None = None) -> ImageSet:
    """Load CUHK03 from ``cuhk-03.mat``, or from the images that other programs took out of it.

    The option ``?boxes=detected`` (the default) or ``labelled`` chooses the boxes. Beside the images the file
    ``cuhk03_new_protocol_config_detected.mat`` (or ``_labeled``) is read, which names the training, query
    and gallery images; without it there is no test set of its own, and that is noted. Names are
    ``PAIR_PERSON_VIEW_NUMBER`` as in that file; views 1 and 2 of the five pairs are the cameras 1 to 10, and
    a person is called ``PAIR_PERSON``.

    Args:
        folder: The data set's root, and options.
        settings: How data are read; nothing in them changes this layout.

    Returns:
        The images sorted by name.

    Raises:
        InputError: Nothing of the layout is there, it cannot be read, or h5py is missing.
    """
    place, options = split_options(folder, ("boxes",), "cuhk03")
    source = f"cuhk03:{folder}"
    boxes = _WORDS.get(options.get("boxes", "detected"))
    if boxes is None:
        raise InputError(f"{source}: boxes={options['boxes']}; expected detected or labelled")
    root = Path(place).resolve()
    left_out = LeftOut()
    extracted = root / f"images_{boxes}"
    reader: PixelSource
    if extracted.is_dir():
        files = [path for path in list_images(extracted, left_out) if _NAME.fullmatch(path.name)]
        names, reader = [path.stem for path in files], FilePixels([str(path) for path in files])
        paths: list[str] | None = [str(path) for path in files]
    else:
        archive = next((root / name for name in _MAT if (root / name).is_file()), None)
        if archive is None:
            raise InputError(f"{source}: neither cuhk-03.mat nor images_{boxes} in it (see reid-al datasets)")
        cells = Cells(archive, boxes)
        names, reader, paths = cells.names, cells, None
    if not names:
        raise InputError(f"{source}: no images; expected names like 1_001_1_01.png")
    matches = [match for name in names if (match := _NAME.fullmatch(name))]
    people = [f"{match['pair']}_{int(match['person']):03d}" for match in matches]
    known = sorted(set(people))
    number = {person: index for index, person in enumerate(known)}
    protocol, note = _protocol(root, boxes, names)
    return ImageSet(
        names=names,
        identities=[number[person] for person in people],
        cameras=[2 * int(match["pair"]) + int(match["view"]) - 2 for match in matches],
        paths=paths,
        reader=reader,
        source=source,
        identity_names=known,
        protocol=protocol,
        notes=(*left_out.notes(), *note),
    )


class Cells:
    """The images in ``cuhk-03.mat``, a MATLAB 7.3 file (HDF5), read one by one when asked for.

    Args:
        archive: The file.
        boxes: ``detected`` or ``labeled``.

    Attributes:
        names: ``PAIR_PERSON_VIEW_NUMBER`` of each image that is there, sorted.

    Raises:
        InputError: h5py is missing, or the file is not of this kind.
    """

    def __init__(self, archive: Path, boxes: str) -> None:
        try:
            import h5py
        except ImportError:
            raise InputError(
                'cuhk03: reading cuhk-03.mat needs h5py; pip install "reid-active-learning[datasets]"'
            ) from None
        try:
            self._file: Any = h5py.File(archive, "r")
            references = dict(_named_cells(self._file, boxes))
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise InputError(
                f"{archive}: cannot be read as the MATLAB 7.3 file of CUHK03 ({error}); fetch it again"
            ) from error
        self.names = sorted(references)
        self._references = [references[name] for name in self.names]

    def open(self, row: int, longest: int | None = None) -> Image.Image:
        """See :class:`~reid_al_agents.data.pixels.PixelSource`."""
        stored: NDArray[np.uint8] = self._file[self._references[row]][()]  # (3, W, H), as MATLAB stores
        return reduce_image(Image.fromarray(np.ascontiguousarray(stored.T)), longest)

    def size(self, row: int) -> tuple[int, int]:
        """See :class:`~reid_al_agents.data.pixels.PixelSource`."""
        _, width, height = self._file[self._references[row]].shape
        return height, width

    def read(self, rows: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.uint8]:
        """See :class:`~reid_al_agents.data.pixels.PixelSource`."""
        return read_each(self.open, rows, size)


def _named_cells(file: Any, boxes: str) -> list[tuple[str, Any]]:
    """Name and reference of every image; cells without one are left out.

    The file holds a cell for each pair of cameras with ten columns for each of its people.
    """
    found = []
    for pair, pair_reference in enumerate(np.asarray(file[boxes]).ravel(), start=1):
        cells = file[pair_reference][()]  # (10, people)
        for (number, person), reference in np.ndenumerate(cells):
            image = file[reference]
            if image.ndim == 3 and image.shape[0] == 3:
                view = 1 if number < _IN_VIEW else 2
                found.append((f"{pair}_{person + 1:03d}_{view}_{number + 1:02d}", reference))
    return found


def _protocol(root: Path, boxes: str, names: Sequence[str]) -> tuple[Protocol | None, tuple[str, ...]]:
    """The new protocol from the file beside the images, and a note where it is missing."""
    file = root / f"cuhk03_new_protocol_config_{boxes}.mat"
    if not file.is_file():
        return None, (f"no {file.name}: CUHK03's own query and gallery are unknown",)
    from scipy.io import loadmat

    try:
        content = loadmat(file)
        listed = [Path(str(np.asarray(name).item())).stem for name in content["filelist"].ravel()]
        rows = {
            part: content[f"{part}_idx"].ravel().astype(int) - 1 for part in ("train", "query", "gallery")
        }
        part_of = {listed[row]: part for part, numbers in rows.items() for row in numbers}
    except (OSError, ValueError, KeyError, IndexError, NotImplementedError, TypeError) as error:
        raise InputError(
            f"{file}: cannot be read as CUHK03's new protocol ({error}); fetch it again"
        ) from error
    title = "detected" if boxes == "detected" else "labelled"
    parts = [part_of.get(name, "") for name in names]
    return own_protocol(f"CUHK03's new protocol, {title} boxes", parts, _PUBLISHED[boxes]), ()


LAYOUTS = (
    Layout(
        "cuhk03",
        "DIR[?boxes=labelled]",
        "CUHK03, new protocol",
        load_cuhk03,
        "DIR/cuhk-03.mat   (or DIR/images_detected/1_001_1_01.png and images_labeled)\n"
        "DIR/cuhk03_new_protocol_config_detected.mat, cuhk03_new_protocol_config_labeled.mat",
        "https://www.ee.cuhk.edu.hk/~xgwang/CUHK_identification.html, protocol: "
        "https://github.com/zhunzhong07/person-re-ranking/tree/master/evaluation/data/CUHK03",
        _PUBLISHED["detected"],
        "Counts are of the detected boxes; labelled ones: 7,368, 1,400 and 5,328 images.",
    ),
)
