"""Arrays from ``.npy`` and ``.npz`` files: what a header claims is checked before memory is taken for it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable
from contextlib import ExitStack
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

MOST_TIMES = 200
"""How many times its size an archive may inflate; features hardly do, and zeros do 1,000 times."""

SMALL = 1 << 30
"""Bytes to which every archive may inflate, however small it is."""

_File: TypeAlias = "str | os.PathLike[str] | IO[bytes] | BufferedIOBase"

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(file: _File, wanted: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of an ``.npz``, the checksum of each compared; nothing is unpickled.

    Args:
        file: The file, or one that is open for reading.
        wanted: Names of the arrays to read where they are there; ``None`` reads all.

    Returns:
        Array by name.

    Raises:
        ValueError: It inflates to more than :data:`MOST_TIMES` its size, or than the memory of this machine;
            or a header claims another size than its array has.
        Exception: It is damaged: ``zipfile``, ``zlib``, ``ast`` and NumPy raise a dozen kinds.
    """
    with zipfile.ZipFile(file) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if wanted is not None:
            members = {name: members[name] for name in wanted if name in members}
        _check_inflated(sum(info.file_size for info in members.values()), _size(file))
        return {name: _read_member(archive, info) for name, info in members.items()}


def read_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read the array of an ``.npy``; nothing is unpickled.

    Raises:
        ValueError: Its header claims another size than the file has.
        Exception: It is damaged, see :func:`read_npz`.
    """
    with Path(path).open("rb") as file:
        _check_header(file, _size(file))
        file.seek(0)
        return _array(np.lib.format.read_array(file, allow_pickle=False))


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        _check_header(file, info.file_size)
    with archive.open(info) as file:
        array = _array(np.lib.format.read_array(file, allow_pickle=False))
        file.read(1)  # the end, where the checksum is compared
    return array


def _check_header(file: IO[bytes], size: int) -> None:
    """See that shape and type claim the bytes that follow the header, for a file of so many bytes in all."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"is of layout {version}; expected plain numbers or texts")
    shape, _, dtype = _HEADERS[version](file)
    claimed, there = prod(shape) * dtype.itemsize, size - file.tell()
    if claimed != there and not dtype.hasobject:  # NumPy refuses objects
        raise ValueError(f"claims {claimed:,} bytes for shape {shape} of {dtype}, but holds {there:,}")


def _check_inflated(inflated: int, size: int) -> None:
    if inflated > max(SMALL, MOST_TIMES * size):
        raise ValueError(
            f"{size:,} bytes would inflate to {inflated:,}, more than {MOST_TIMES} times as many; "
            "is it damaged, or meant to fill the memory?"
        )
    if inflated > _memory():
        raise ValueError(f"would inflate to {inflated:,} bytes, more than this machine's memory")


def _size(file: _File) -> int:
    with ExitStack() as stack:
        opened = stack.enter_context(Path(file).open("rb")) if isinstance(file, str | os.PathLike) else file
        before = opened.tell()
        size = opened.seek(0, os.SEEK_END)
        opened.seek(before)
    return size


def _memory() -> int:
    """Bytes of memory of this machine; without limit where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 1 << 62


def _array(found: Any) -> NDArray[Any]:
    array: NDArray[Any] = found
    return array
