"""Files that are either wholly written or not there, and that say so when they were damaged since.

A file is written beside its target and then renamed. JSON and tensors carry a digest of their content, which
readers compare; files of other programs have none. ``.npz`` files have a checksum of each array anyway.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from reid_al_env.array_files import read_npz
from reid_al_env.errors import InputError
from reid_al_env.messages import Message

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

HEADER = "reid_al"
"""Name of the one metadata entry of our safetensors files."""

DIGEST = "sha256"
"""Name of the digest in JSON files and in the header of tensors."""

OWN_BACK = "put the folder's own back"
"""What to do about a damaged file that nothing else can replace."""


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
            Message(
                "{file}: cannot be written ({reason}); choose a folder that exists and is writable",
                file=target,
                reason=reason,
            )
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


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any], indent: int | None = 2) -> None:
    """Write an object as JSON with a digest of its content, atomically.

    Raises:
        InputError: The file cannot be written.
    """
    write_text(path, json.dumps({**content, DIGEST: _digest_json(content)}, indent=indent) + "\n")


def read_json(path: str | os.PathLike[str], what: str = "", mend: str = OWN_BACK) -> Any:
    """Read a JSON file; where it carries a digest, this must be that of the content, and is left out.

    Args:
        path: The file.
        what: Added to "cannot be read" in a message, such as " as a split".
        mend: What to do about a damaged file, for a message.

    Raises:
        InputError: It cannot be read, is no JSON, or was changed since it was written.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise InputError(f"{path}: cannot be read{what} ({reason}); {mend}") from error
    if isinstance(content, dict) and DIGEST in content:
        said = content.pop(DIGEST)
        if said != _digest_json(content):
            raise InputError(
                f"{path}: was changed since it was written (its {DIGEST} does not fit); {mend}, "
                f"or delete the line {DIGEST} if the change was meant"
            )
    return content


def write_state(path: str | os.PathLike[str], content: Mapping[str, Any], indent: int | None = 2) -> None:
    """Write an object as :func:`write_json` does; what was there before stays beside it, for `read_state`.

    Raises:
        InputError: The file cannot be written.
    """
    target, before = Path(path), state_before(path)
    if target.is_file():
        _copy(target, before)
    write_json(target, content, indent)
    if not before.is_file():  # the first state: damage to either of the two costs nothing
        _copy(target, before)


def put_back(path: str | os.PathLike[str]) -> None:
    """Where a file that `write_state` wrote is missing, put its state before in its place, and say so."""
    target, before = Path(path), state_before(path)
    if not target.is_file() and before.is_file():
        with suppress(OSError, InputError):  # a folder that cannot be written can be read
            if target.exists():
                os.replace(target, _damaged(target))
            _copy(before, target)
        _log.warning("%s was missing; the state before its last change is put back", target)


def read_state(path: str | os.PathLike[str], read: Callable[[Path], _T]) -> _T:
    """Read what :func:`write_state` wrote; where it is damaged, the state before is put in its place.

    Args:
        path: The file.
        read: Reads it; raises :class:`InputError` where it cannot.

    Raises:
        InputError: The state before is damaged, too, or there is none; that of the last state.
    """
    target, before = Path(path), state_before(path)
    try:
        return read(target)
    except InputError as error:
        if not before.is_file():
            raise
        try:
            found = read(before)
        except InputError:
            raise error from None
        with suppress(OSError, InputError):  # as in `put_back`
            if target.exists():
                os.replace(target, _damaged(target))
            _copy(before, target)
        reason = str(error).partition("; ")[0]
        kept = f" ({_damaged(target).name} is what was there)" if _damaged(target).exists() else ""
        _log.warning("%s; the state before its last change is used%s", reason, kept)
        return found


def state_before(path: str | os.PathLike[str]) -> Path:
    """Where the state before the last of a file is kept."""
    return Path(path).with_name(f"{Path(path).name}.before")


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
        header: Text by name, read back by `read_tensors`.

    Raises:
        InputError: The file cannot be written.
    """
    from safetensors.torch import save

    make_folder(Path(path).parent)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = {**header, DIGEST: _digest_tensors(plain, header)}
    # One entry, since safetensors writes several in an order that differs from run to run.
    content = save(plain, metadata={HEADER: json.dumps(told, sort_keys=True)})
    with atomic_write(path) as file:
        file.write(content)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an ``.npz`` of plain arrays; replaces ``path`` only once it is complete.

    Raises:
        InputError: It cannot be written.
    """
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **dict(arrays))


def read_arrays(path: str | os.PathLike[str], mend: str = OWN_BACK) -> dict[str, NDArray[Any]]:
    """Read an ``.npz`` of plain arrays, the checksum of each compared; nothing is unpickled.

    Args:
        path: The file.
        mend: What to do about a damaged file, for a message.

    Raises:
        InputError: It cannot be read, is damaged, or inflates to more than :func:`.read_npz` allows.
    """
    try:
        return read_npz(path)
    except Exception as error:  # damage makes zipfile, zlib, ast and NumPy raise a dozen kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: is no undamaged .npz of plain arrays ({reason}); {mend}") from error


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Read a safetensors file; where it carries a digest, this must be that of its content.

    Args:
        path: The file, ours or another program's.

    Returns:
        Tensors by name, and what :func:`write_tensors` was given as header, empty for other files.

    Raises:
        ValueError: It is damaged.
        OSError: It cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if any(f'"{DIGEST}"' in text for name, text in metadata.items() if name != HEADER):
                raise ValueError(f"its header is not called {HEADER}")
            header = json.loads(metadata.get(HEADER, "{}"))
            if not isinstance(header, dict) or not all(isinstance(text, str) for text in header.values()):
                raise ValueError("its header is no object of texts")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    said = header.pop(DIGEST, None)
    if said is not None and said != _digest_tensors(tensors, header):
        raise ValueError(f"it was changed since it was written: its {DIGEST} does not fit")
    return tensors, header


def _damaged(path: Path) -> Path:
    """Where a damaged file is moved."""
    return path.with_name(f"{path.name}.damaged")


def _copy(source: Path, target: Path) -> None:
    with atomic_write(target) as file:
        file.write(source.read_bytes())


def _digest_json(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _digest_tensors(tensors: Mapping[str, "Tensor"], header: Mapping[str, str]) -> str:
    """A digest of the header, and of the name, type, shape and values of each tensor."""
    import torch

    digest = hashlib.sha256(json.dumps(dict(header), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
