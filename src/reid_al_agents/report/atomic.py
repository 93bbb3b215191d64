"""Files that are either wholly written or not there: a temporary file beside the target, then a rename."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reid_al_env.errors import InputError


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
        temporary.unlink(missing_ok=True)


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
