"""Files that are either wholly written or not there: a temporary file beside the target, then a rename."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

HEADER = "reid_al"
"""Name of the one metadata entry of our safetensors files."""


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open `path` for writing such that readers see the old file or the whole new one, never a part.

    Args:
        path: The file to write; its folder must exist.

    Yields:
        A binary file. It takes its final name when the block ends without an error, and is deleted otherwise.

    Raises:
        InputError: The folder is missing or the file cannot be written there.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"{target}: cannot be written ({reason}); choose a folder that exists and is writable"
        ) from error
    finally:
        with suppress(OSError):  # the folder itself may be what is wrong
            temporary.unlink(missing_ok=True)


def delete_leftovers(folder: str | os.PathLike[str]) -> None:
    """Delete what `atomic_write` had not finished, in a folder and below it, when its process was killed.

    Files of processes that still run on this machine are left alone.

    Args:
        folder: The folder.
    """
    if os.name == "nt":  # where a signal of 0, which only asks whether there is a process, ends it
        return
    for path in Path(folder).rglob(".*.tmp"):
        process = path.name.split(".")[-2]
        if path.is_file() and process.isdecimal() and not _runs(int(process)):
            with suppress(OSError):
                path.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` as UTF-8, atomically.

    Args:
        path: The file to write; its folder must exist.
        text: The whole content, written byte for byte (no newline translation).

    Raises:
        InputError: The folder is missing or the file cannot be written there.
    """
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder, with those above it, where there is none.

    Args:
        path: The folder.

    Returns:
        The folder.

    Raises:
        InputError: It cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: cannot be written (no permission); choose another folder")
    return folder


def write_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, "Tensor"], header: Mapping[str, str]
) -> None:
    """Write tensors as safetensors, atomically; the same tensors and header give the same bytes.

    Args:
        path: The file to write; its folder is made if it is missing.
        tensors: By name; on any device.
        header: Text by name, read back by `read_header`.

    Raises:
        InputError: The file cannot be written.
    """
    from safetensors.torch import save

    make_folder(Path(path).parent)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # One entry, since safetensors writes several in an order that differs from run to run.
    content = save(plain, metadata={HEADER: json.dumps(dict(header), sort_keys=True)})
    with atomic_write(path) as file:
        file.write(content)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an ``.npz`` of plain arrays; replaces ``path`` only once it is complete.

    Raises:
        InputError: It cannot be written.
    """
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **dict(arrays))


def read_header(file: Any) -> dict[str, str]:
    """Read what `write_tensors` was given as header from an open safetensors file; empty for other files.

    Args:
        file: From `safetensors.safe_open`.

    Returns:
        Text by name.

    Raises:
        ValueError: The header is damaged.
    """
    header: dict[str, str] = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    return header


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
