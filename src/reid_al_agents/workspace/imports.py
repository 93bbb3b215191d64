"""Answers and identities from elsewhere, written to the log of a folder that is not open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reid_al_agents.log.formats import read_import
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.lock import FolderLock


def import_into(
    path: Path, files: Sequence[Path], *, trust: float | None = None, store: str | None = None
) -> dict[str, int]:
    """Take files into a run or session; all of them or none.

    Args:
        path: The folder of the run or session.
        files: As :func:`.read_import` takes them.
        trust: How far identities are trusted; ``None`` for the usual.
        store: Address of its database; ``None`` is the one that it was begun with.

    Returns:
        How many answers and identities of each file were new.

    Raises:
        InputError: The folder is in use or holds neither run nor session, or a file cannot be used.
    """
    folder = Folder(path)
    kept, names = folder.kept(), folder.pool.names()
    with FolderLock(path), EventStore(store or kept.store or folder.events) as log:
        known = {event.key for event in log.events(kept.run)}
        taken, counts = [], {}
        for file in files:
            events = read_import(file, names, run=kept.run, trust=trust)
            new = [event for event in events if event.key not in known]
            known |= {event.key for event in new}
            counts[str(file)] = len(new)
            taken += new
        log.append_many(taken)
    return counts
