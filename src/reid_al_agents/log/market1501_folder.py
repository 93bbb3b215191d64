"""The identities found as a folder in Market-1501's layout, for programs that train on that."""

import csv
import io
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_agents.data.layouts.named_files import MAP
from reid_al_agents.files import make_folder, write_text
from reid_al_agents.log.tables import group_sizes
from reid_al_env.errors import InputError

_IMAGES = "bounding_box_train"
_ONLY_CAMERA = 1  # where cameras are unknown
_UNKNOWN_CAMERA = 0  # of an image whose camera is unknown where others are known


def write_market1501(
    folder: str | os.PathLike[str],
    images: ImageSet,
    groups: NDArray[np.int64],
    *,
    smallest: int = 2,
    link: bool = False,
) -> int:
    """Write the images with the identities found, in Market-1501's layout.

    Files are copied byte for byte; images that exist in memory only are encoded losslessly. A file is called
    `IDENTITY_cCAMERAs1_NUMBER_00` where identities count from 1 by their first image and NUMBER is the
    image's dataset index.

    Args:
        folder: The folder to make, with `bounding_box_train` in it and `names.csv`, which maps the files
            back to original names and cameras; must be new or empty.
        images: The N images.
        groups: (N,) int64 group of each image.
        smallest: Groups of fewer images are left out: a single image may show any of the identities.
        link: Make hard links where the file system can, which takes no disk space; the files are then shared
            with the original.

    Returns:
        How many images were written.

    Raises:
        InputError: The folder is not empty or cannot be written, an image cannot be read, no group is large
            enough, or `groups` does not fit the images.
    """
    numbers = _identity_numbers(group_sizes(images.names, groups), groups, smallest)
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: is not an empty folder; name a new one")
    make_folder(target.parent)
    # Under another name until it is whole, so that half an export is not taken for one.
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        (unfinished / _IMAGES).mkdir(parents=True)
        written = [
            (_write_image(unfinished / _IMAGES, images, index, numbers[group], link), index)
            for index, group in enumerate(groups.tolist())
            if group in numbers and not images.gone[index]
        ]
        write_text(unfinished / MAP, _map(images, written))
        os.replace(unfinished, target)
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.filename}: {error.strerror}); "
            "choose a folder that is writable and has room, and see that all images are there"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(written)


def _identity_numbers(sizes: Mapping[int, int], groups: NDArray[np.int64], smallest: int) -> dict[int, int]:
    kept = [group for group in dict.fromkeys(groups.tolist()) if sizes[group] >= smallest]
    if not kept:
        raise InputError(
            f"no identity has {smallest} images yet; answer more pairs, or export smaller groups"
        )
    return {group: number for number, group in enumerate(kept, start=1)}


def _map(images: ImageSet, written: Sequence[tuple[str, int]]) -> str:
    """What each file was called before, and its camera, blank where unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "name", "camera"))
    for file, index in written:
        camera = -1 if images.cameras is None else int(images.cameras[index])
        named = "" if camera < 0 else images.camera_names[camera] if images.camera_names else camera
        writer.writerow((file, images.names[index], named))
    return text.getvalue()


def _write_image(folder: Path, images: ImageSet, index: int, identity: int, link: bool) -> str:
    """Write an image; the name of its file."""
    camera = _ONLY_CAMERA if images.cameras is None else max(int(images.cameras[index]), _UNKNOWN_CAMERA)
    stem = f"{identity:04d}_c{camera}s1_{index:06d}_00"
    if images.paths is None:
        (folder / f"{stem}.png").write_bytes(_encoded(images, index))
        return f"{stem}.png"
    source = Path(str(images.paths[index]))
    copy = folder / f"{stem}{source.suffix.lower()}"
    if link:
        try:
            os.link(source.resolve(), copy)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, copy)
    else:
        shutil.copyfile(source, copy)
    return copy.name


def _encoded(images: ImageSet, index: int) -> bytes:
    file = io.BytesIO()
    images.open(index).save(file, format="PNG")
    return file.getvalue()
