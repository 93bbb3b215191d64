"""The images of a folder as they were when it was begun, whatever became of their files since."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet, Split, load_data, load_split, save_split
from reid_al_agents.data.content import DigestCache, compare_images
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError


def file_hashes(folder: Folder, images: ImageSet) -> tuple[str, ...] | None:
    """What each image is, by its file's content; ``None`` where images are in no files."""
    if images.files is None:
        return None
    cache = folder.path / "digests.json" if os.access(folder.path, os.W_OK) else None
    return images.content_hashes(DigestCache(cache))


def load_settled(
    folder: Folder, config: RunConfig, say: Callable[[str], None] | None = None
) -> ImageSet | FeatureSet:
    """Load the data of a folder that was begun, with the pool's images ordered and called as then.

    Images are recognised by the content of their files first. One that was removed, or whose file holds
    another picture now, is blank (:attr:`.ImageSet.gone`); images that are new are left out.

    Args:
        folder: The folder.
        config: Its settings.
        say: Told what changed, in one line.

    Raises:
        InputError: The data cannot be read, or all images are gone.
    """
    data = load_data(config.data, replace(config.reading(), skip_damaged=True))  # what is missing is gone
    if not isinstance(data, ImageSet) or not folder.split.is_file():
        return data
    names, split = folder.names().tolist(), load_split(folder.split)
    if data.files is None or _unchanged(folder, data, split, names):
        return data
    data = data.subset(np.flatnonzero(_exist(data)))  # a table may name files that are not there
    hashes = file_hashes(folder, data)
    assert hashes is not None  # there are files
    changes = compare_images(names, folder.content_hashes(), data.names.tolist(), hashes)
    pool_only = not (split.validation_identities or split.test_identities or split.test_queries)
    if say is not None:
        told = changes if pool_only else replace(changes, added=())  # images outside the pool are none
        say(f"{config.data}: since the start {told.describe()}; asking goes on with what is there")
    save_split(replace(split, pool_images=tuple(names)), folder.split)
    others = [] if pool_only else [row for row in changes.added if data.names[row] not in names]
    return data.arranged([*names, *data.names[others].tolist()], [*changes.places, *others])


def _unchanged(folder: Folder, data: ImageSet, split: Split, names: list[str]) -> bool:
    """Whether the pool's images are as they were; of the others no file is read."""
    try:
        pool = data.subset(split.pool(data))
    except InputError:  # the split names images that are not there
        return False
    if pool.names.tolist() != names or not _exist(pool).all():
        return False
    before = folder.content_hashes()
    now = file_hashes(folder, pool) if any(before) else None
    return now is None or all(not old or old == new for old, new in zip(before, now, strict=True))


def _exist(images: ImageSet) -> NDArray[np.bool_]:
    """(N,) whether each image's file is there."""
    files = [] if images.files is None else images.files.tolist()
    there = {file: os.path.isfile(file) for file in set(files)}  # a photograph may hold many images
    return np.array([there[file] for file in files], dtype=bool)
