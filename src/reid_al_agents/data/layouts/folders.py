"""Finding the folder of a data set."""

from __future__ import annotations

from pathlib import Path

from reid_al_env.errors import InputError


def find_root(source: str, place: str, wanted: tuple[str, ...], below: tuple[str, ...] = ()) -> Path:
    """Find the folder that holds what a layout needs.

    Args:
        source: DATA as typed, for messages.
        place: The folder that was named.
        wanted: Files and folders that must be in it.
        below: Folders in it that are looked into as well, since archives unpack into them.

    Returns:
        The absolute folder.

    Raises:
        InputError: None of them holds all that is wanted.
    """
    root = Path(place).resolve()
    if not root.is_dir():
        raise InputError(f"{source}: no such folder; expected one that holds {', '.join(wanted)}")
    for folder in (root, *(root / name for name in below)):
        if all((folder / name).exists() for name in wanted):
            return folder
    lacking = next(name for name in wanted if not (root / name).exists())
    raise InputError(f"{source}: no {lacking} in it; expected {', '.join(wanted)} (see reid-al datasets)")
