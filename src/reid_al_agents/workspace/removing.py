"""Images that leave the pool of a run or session; what was said of them stays."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_agents.log.events import Event
from reid_al_agents.log.known_identities import TRUST
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.features import stored_features
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.folder_identities import believe, identities_of_folder
from reid_al_agents.workspace.lock import FolderLock
from reid_al_agents.workspace.pool_events import images_removed
from reid_al_agents.workspace.settled_images import settled_pool, with_files
from reid_al_env import InputError


def remove_images(
    path: Path, wanted: Sequence[str], *, store: str | None = None, back: bool = False
) -> list[str]:
    """Take images out of the pool of a run or session: they are not asked about and not trained on.

    What was said of them counts, and stays in the log. An identity that was named by a removed image keeps
    its name.

    Args:
        path: The folder.
        wanted: The images: names as exports have them, files, or folders of files.
        store: Address of the log's database; ``None`` is the one that the folder was begun with.
        back: Whether to take removed images into the pool again instead.

    Returns:
        Names of those for which this changed something.

    Raises:
        InputError: The folder is in use, one of the images is none of the pool's, or none would be left.
    """
    folder = Folder(path)
    kept = folder.kept()
    config = kept.settings
    with FolderLock(path), EventStore(store or kept.store or folder.events) as log:
        events = folder.read_log(log, kept)
        pool, changes = with_files(settled_pool(folder, config), config), folder.pool.changes()
        chosen = _chosen(folder, pool, wanted)
        removed = set(changes.removed) - chosen if back else set(changes.removed) | chosen
        if not back:
            if pool.gone[np.setdiff1d(np.arange(len(pool)), sorted(removed))].all():
                raise InputError(f"{folder.path}: no image of its pool would be left; keep one")
            beliefs = believe(pool, events, config)
            groups, *_ = identities_of_folder(pool, stored_features(folder, pool, beliefs), beliefs, config)
            log.append_many(_names_that_stay(kept.run, beliefs.names, groups, removed))
        last = max((event.id for event in log.events(kept.run)), default=0)
        differ = sorted(removed ^ set(changes.removed))
        if differ:
            folder.pool.keep_changes(replace(changes, removed=tuple(sorted(removed)), event=last))
            log.append(images_removed(kept.run, differ, back=back, after=log.events(kept.run)))
    return [str(pool.names[image]) for image in differ]


def _chosen(folder: Folder, pool: ImageSet, wanted: Sequence[str]) -> set[int]:
    """Numbers of the images that are meant.

    Raises:
        InputError: A word means none; all such words are named.
    """
    names = {name: number for number, name in enumerate(pool.names.tolist())}
    files = [] if pool.files is None else pool.files.tolist()
    chosen, unknown = set(), []
    for word in wanted:
        place = os.path.abspath(word)
        found = {names[word]} if word in names else set()
        found |= {row for row, file in enumerate(files) if file == place or file.startswith(f"{place}/")}
        chosen |= found
        if not found:
            unknown.append(word)
    if unknown:
        raise InputError(
            f"{', '.join(unknown)}: none of the {len(pool)} images of {folder.path}; "
            "write names as identities.csv has them, or paths of files"
        )
    return chosen


def _names_that_stay(
    run: str, names: Mapping[int, str], groups: NDArray[np.int64], removed: Collection[int]
) -> list[Event]:
    """The names of identities whose named image goes, said of an image that stays."""
    latest = {int(groups[image]): (image, name) for image, name in names.items()}
    events = []
    for group, (image, name) in latest.items():
        staying = [each for each in np.flatnonzero(groups == group).tolist() if each not in removed]
        if image in removed and staying:
            payload = {"images": staying[:1], "name": name, "trust": TRUST}
            source = f"removed/{image}/{staying[0]}"
            payload |= {"source": source, "file": "reid-al remove"}
            events.append(
                Event(f"identity/{source}/{name}", run, "identity", "", time.time(), payload=payload)
            )
    return events
