"""New images join the pool of a run or session; what is proposed for them is said before it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import DataSettings, ImageSet
from reid_al_agents.files import write_arrays
from reid_al_agents.log.events import Event
from reid_al_agents.log.known_identities import events_of_data
from reid_al_agents.log.store import EventStore
from reid_al_agents.training.pool import Progress
from reid_al_agents.workspace.features import pool_features, read_own_features
from reid_al_agents.workspace.folder import FEATURES, Folder
from reid_al_agents.workspace.folder_identities import believe, identities_of_folder
from reid_al_agents.workspace.kept import Kept
from reid_al_agents.workspace.lock import FolderLock
from reid_al_agents.workspace.offer import Offer
from reid_al_agents.workspace.proposals import Proposal, propose
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError


@dataclass(frozen=True)
class Addition:
    """What became of the images that were to be added.

    Attributes:
        pool: The pool with the new images behind.
        new: Numbers of the new images.
        proposals: What is proposed for them; nothing for a run between images, where only answers join.
        known: Images that were not added since the pool has them, and the name that each has there.
        removed: Likewise, but they were removed from the pool and stay out.
        scored: Names of images that were not added since the run scores on them or on their identity.
    """

    pool: ImageSet
    new: tuple[int, ...]
    proposals: tuple[Proposal, ...]
    known: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    scored: tuple[str, ...]


def add_images(
    path: Path,
    data: str,
    reading: DataSettings,
    *,
    features: str | None = None,
    store: str | None = None,
    device: str = "auto",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Addition:
    """Add images to the pool of a run or session, behind those it has, whose numbers and features stay.

    The folder changes by one file that is written whole: killed at any moment, the images are in the pool or
    they are not. Nothing is written to the log.

    Args:
        path: The folder.
        data: The images, as DATA is typed; those that the pool has already are not added again.
        reading: How they are read.
        features: File with their features, for a folder that was begun with such a file.
        store: Address of the log's database; ``None`` is the one that the folder was begun with.
        device: Where to compute features.
        dry_run: Whether to say what would be added and proposed, and to add nothing.
        progress: Called with stage, done and total.

    Raises:
        InputError: The folder is in use or cannot grow, or images cannot be read.
    """
    folder = Folder(path)
    kept = folder.kept()
    _check_can_grow(folder, kept.settings, features)
    with FolderLock(path), EventStore(store or kept.store or folder.events) as log:
        events = folder.read_log(log, kept)
        offer = Offer(folder, kept.settings, data, reading)
        offer.check_sound(progress)
        pool = offer.grown()
        proposals: list[Proposal] = []
        if offer.new:
            _check_sides(folder, kept.settings, pool)
            seen = _features(folder, kept.settings, pool, events, features, device, progress)
            if kept.settings.nodes == "groups":
                proposals = _proposals(folder, kept, pool, seen, events)
        if offer.new and not dry_run:
            folder.keep(replace(kept, fingerprint=None))  # that of the pool is another now
            folder.pool.keep_changes(offer.changes(max((event.id for event in events), default=0)))
    new = tuple(range(len(pool) - len(offer.new), len(pool)))
    return Addition(
        pool, new, tuple(proposals), tuple(offer.known), tuple(offer.removed), tuple(offer.scored)
    )


def _check_can_grow(folder: Folder, config: RunConfig, features: str | None) -> None:
    if not folder.pool.begun:
        raise InputError(f"{folder.path}: was not begun yet; name all images when it is")
    if config.features is not None and features is None:
        raise InputError(f"--features: is missing; this folder was begun with features of {config.features}")
    if config.features is None and features is not None:
        raise InputError("--features: this folder was begun without; its own model computes them")


def _check_sides(folder: Folder, config: RunConfig, pool: ImageSet) -> None:
    if config.nodes == "images" and pool.sides is not None:
        raise InputError(
            f"{folder.path}: was begun with --nodes images, which compares across sides, and the new images "
            "say which side they show; leave out that column"
        )


def _features(
    folder: Folder,
    config: RunConfig,
    pool: ImageSet,
    events: Sequence[Event],
    file: str | None,
    device: str,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Features of the pool that has grown, (N, D); stored, those of before as they were."""
    if config.features is None or file is None:
        refreshes = sum(event.kind == "refresh" for event in events)
        return pool_features(folder, pool, config, refreshes, device=device, progress=progress)
    from reid_al_agents.vision.own_features import read_features

    before = folder.pool.names()
    stored = read_own_features(folder.path, config.features, before)
    found = read_features(file, pool.names[len(before) :].tolist())
    if found.shape[1] != stored.shape[1]:
        raise InputError(
            f"{file}: has {found.shape[1]} numbers an image where {config.features} has {stored.shape[1]}; "
            "compute both with the same model"
        )
    features = np.concatenate([stored, found])
    write_arrays(folder.path / FEATURES, {"features": features})
    return features


def _proposals(
    folder: Folder, kept: Kept, pool: ImageSet, features: NDArray[np.float32], events: Sequence[Event]
) -> list[Proposal]:
    """What is proposed for the images behind those of before, by answers and by trusted identities."""
    count, config = len(folder.pool.names()), kept.settings
    before = pool.subset(np.arange(count))
    known, *_ = identities_of_folder(before, features[:count], believe(before, events, config), config)
    trust = kept.annotation.get("trust")
    told: list[Event] = []
    if trust is not None:
        last = max((event.id for event in events), default=0)
        told = [
            replace(event, id=last + number)
            for number, event in enumerate(
                events_of_data(pool, events, run=kept.run, trust=trust, where=config.data, now=0.0), start=1
            )
        ]
    return propose(pool, features, known, believe(pool, [*events, *told], config), config)
