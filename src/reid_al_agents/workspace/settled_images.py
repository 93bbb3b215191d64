"""The images of a folder as they were when they came, whatever became of their files since."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet, Split, load_data, load_split
from reid_al_agents.data.content import DigestCache, ImageChanges, compare_images
from reid_al_agents.data.joining import join_images, with_identities_of
from reid_al_agents.data.spec import place_of
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.pool_changes import Source
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError

_log = logging.getLogger(__name__)


def file_hashes(folder: Folder, images: ImageSet) -> tuple[str, ...] | None:
    """What each image is, by its file's content; ``None`` where images are in no files."""
    if images.files is None:
        return None
    cache = folder.path / "digests.json" if os.access(folder.path, os.W_OK) else None
    return images.content_hashes(DigestCache(cache))


def settled_split(folder: Folder, config: RunConfig) -> Split:
    """The split of a folder that was begun; its pool is exactly the images that the folder has.

    Raises:
        InputError: The split cannot be read.
    """
    path = folder.split if folder.split.is_file() else config.split
    if path is None:
        raise InputError(f"{folder.split}: is missing; put the folder's own back")
    return replace(load_split(path), pool_images=tuple(folder.pool.names().tolist()))


def load_settled(
    folder: Folder, config: RunConfig, say: Callable[[str], None] | None = None
) -> ImageSet | FeatureSet:
    """Load the data of a folder that was begun, with the pool's images ordered and called as then.

    Images are recognised by the content of their files first. One that was removed, or whose file holds
    another picture now, is blank (:attr:`.ImageSet.gone`); images that are new are left out.

    Args:
        folder: The folder.
        config: Its settings.
        say: Called with one line about what changed.

    Raises:
        InputError: The data cannot be read, or all images are gone.
    """
    data = load_sources(folder, config, folder.pool.changes().sources)
    if not isinstance(data, ImageSet) or not folder.pool.begun:
        return data
    names, split, removed = (
        folder.pool.names().tolist(),
        settled_split(folder, config),
        folder.pool.changes().removed,
    )
    if data.files is None or (not removed and _unchanged(folder, data, split, names)):
        return data
    data, _, changes = compare_with_pool(folder, data)
    places = np.array(changes.places)
    places[list(removed)] = -1
    pool_only = not (split.validation_identities or split.test_identities or split.test_queries)
    if say is not None:
        told = changes if pool_only else replace(changes, added=())  # images outside the pool are none
        told = told.without([names[image] for image in removed])
        if told:
            hint = "; reid-al add takes in what is new" if told.added else ""
            say(f"{config.data}: since the start {told.describe()}; asking goes on with what is there{hint}")
    others = [] if pool_only else [row for row in changes.added if data.names[row] not in names]
    return data.arranged([*names, *data.names[others].tolist()], [*places, *others])


def settled_pool(folder: Folder, config: RunConfig) -> ImageSet | FeatureSet:
    """The pool of a folder that was begun.

    Raises:
        InputError: See :func:`load_settled`, or the data are others.
    """
    data = load_settled(folder, config)
    pool = data.subset(settled_split(folder, config).pool(data))
    folder.pool.check_names(pool.names)
    return pool


def load_sources(folder: Folder, config: RunConfig, sources: Sequence[Source]) -> ImageSet | FeatureSet:
    """Load the data of the start and what was added since, as one set; what is missing is left out.

    Raises:
        InputError: The data of the start cannot be read.
    """
    _check_there(folder, config.data)
    data = load_data(config.data, replace(config.reading(), skip_damaged=True), quiet=True)
    if not isinstance(data, ImageSet):
        return data
    further = []
    for source in sources:
        try:
            found = load_data(
                source.found_in(folder.path), replace(source.reading, skip_damaged=True), quiet=True
            )
        except InputError as error:  # its files may have been moved to another folder of the session
            _log.warning("%s: none of its images is there: %s", source.data, error)
            continue
        if isinstance(found, ImageSet):
            further.append((source.prefix, found))
    named = folder.pool.identity_names()
    return join_images(data if named is None else with_identities_of(data, named), further)


def _check_there(folder: Folder, data: str) -> None:
    """See that data named by a relative path are looked for where they were when the folder was begun."""
    place = Path(place_of(data))
    if not place.is_absolute() and not place.exists():
        raise InputError(
            f"{data}: is not in {Path.cwd()}; {folder.path} was begun with this path in another folder, so "
            "start there, or put the data back"
        )


def with_files(data: ImageSet | FeatureSet, config: RunConfig) -> ImageSet:
    """The data of a folder whose pool is to change.

    Raises:
        InputError: They are features without images.
    """
    if isinstance(data, ImageSet):
        return data
    raise InputError(
        f"{config.data}: holds features only, about which labels answer at no cost; put the wanted rows into "
        "one file and begin another run with it"
    )


def compare_with_pool(folder: Folder, data: ImageSet) -> tuple[ImageSet, tuple[str, ...], ImageChanges]:
    """Recognise the pool's images among those of the data whose files are there.

    Returns:
        These, what each of them is, and what changed since; its indices mean them.

    Raises:
        InputError: No file is there.
    """
    data = data.subset(np.flatnonzero(exist(data)))  # a table may name files that are not there
    hashes = file_hashes(folder, data)
    assert hashes is not None  # there are files
    before = folder.pool.names().tolist(), folder.pool.content_hashes()
    return data, hashes, compare_images(*before, data.names.tolist(), hashes)


def _unchanged(folder: Folder, data: ImageSet, split: Split, names: list[str]) -> bool:
    """Whether the pool's images are as they were; of the others no file is read."""
    try:
        pool = data.subset(split.pool(data))
    except InputError:  # the split names images that are not there
        return False
    if pool.names.tolist() != names or not exist(pool).all():
        return False
    before = folder.pool.content_hashes()
    now = file_hashes(folder, pool) if any(before) else None
    return now is None or all(not old or old == new for old, new in zip(before, now, strict=True))


def exist(images: ImageSet) -> NDArray[np.bool_]:
    """(N,) whether each image's file is there."""
    files = [] if images.files is None else images.files.tolist()
    there = {file: os.path.isfile(file) for file in set(files)}  # a photograph may hold many images
    return np.array([there[file] for file in files], dtype=bool)
