"""Copies of a set's images in a new folder, which is whole or not there at all."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from reid_al_agents.data import ImageSet
from reid_al_agents.files import make_folder
from reid_al_env.errors import InputError


@contextlib.contextmanager
def new_folder(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder to fill; it gets its name once it is whole, so that half an export is not taken for one.

    Raises:
        InputError: The folder exists and is not empty, or cannot be written.
    """
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: is not an empty folder; name a new one")
    make_folder(target.parent)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        unfinished.mkdir()
        yield unfinished
        os.replace(unfinished, target)
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.filename}: {error.strerror}); "
            "choose a folder that is writable and has room, and see that all images are there"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def copy_image(folder: Path, stem: str, images: ImageSet, index: int, link: bool = False) -> str:
    """Copy an image byte for byte; one that is a part of a file, or in memory, is encoded losslessly.

    Args:
        folder: Where to write.
        stem: Name of the copy without its ending.
        images: The images.
        index: Which of them.
        link: Make a hard link where the file system can; the file is then shared with the original.

    Returns:
        The name of the copy.
    """
    if images.paths is None:
        (folder / f"{stem}.png").write_bytes(_encoded(images, index))
        return f"{stem}.png"
    source = Path(str(images.paths[index]))
    copy = folder / f"{stem}{source.suffix.lower()}"
    if link:
        with contextlib.suppress(OSError):  # another file system, or one without links
            os.link(source.resolve(), copy)
            return copy.name
    shutil.copyfile(source, copy)
    return copy.name


def _encoded(images: ImageSet, index: int) -> bytes:
    file = io.BytesIO()
    images.open(index).save(file, format="PNG")
    return file.getvalue()
