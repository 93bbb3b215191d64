"""The lock of a folder: one process at a time; a second one gets a message that names the first."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from types import TracebackType

from reid_al_agents.files import delete_leftovers, make_folder, write_text
from reid_al_env import InputError

LOCK, HOLDER = "folder.lock", "folder.lock.json"


class FolderLock:
    """Lock of a folder, held until it is released or the process ends, however it ends.

    It is a lock of the operating system, so a killed process does not keep it. The file beside it only names
    the process that holds it.

    Args:
        folder: The folder; it is made if it is missing.

    Raises:
        InputError: Another process holds it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock, Timeout

        make_folder(folder)
        self._lock = FileLock(folder / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"{folder}: {_holder(folder)}; wait for it, or stop it first") from None
        except OSError as error:
            raise InputError(f"{folder}: cannot be locked ({error.strerror}); make it writable") from error
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "command": " ".join(["reid-al", *sys.argv[1:]])[:200],
        }
        try:
            delete_leftovers(folder)
            write_text(folder / HOLDER, json.dumps(holder) + "\n")
        except BaseException:  # such as a full disk
            self._lock.release()
            raise

    def release(self) -> None:
        """Let others work in the folder; harmless if that was done before."""
        self._lock.release()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _holder(folder: Path) -> str:
    """Describe the process that has the folder open, as far as is known."""
    try:
        held = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        process = f"process {int(held['pid'])} on {held['host']}"
        return f"is open in {process} since {held['since']} ({held['command']})"
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return "is open in another process"
