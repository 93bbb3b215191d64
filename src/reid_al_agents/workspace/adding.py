"""New images join the pool of a run or session; what is proposed for them is said before it counts."""

from __future__ import annotations

import time
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
from reid_al_agents.workspace.pool_events import images_added, local_user, rounds_in
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
        damaged: Names of images that were left out since they do not decode.
    """

    pool: ImageSet
    new: tuple[int, ...]
    proposals: tuple[Proposal, ...]
    known: tuple[tuple[str, str], ...]
    removed: tuple[tuple[str, str], ...]
    scored: tuple[str, ...]
    damaged: tuple[str, ...] = ()


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
    they are not. Then the log says who added them.

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
    with FolderLock(path), EventStore(store or kept.store or folder.events) as log:
        offered = Offered(folder, kept, data, reading, features=features, device=device, progress=progress)
        events = folder.read_log(log, kept)
        addition = offered.propose(events)
        if not dry_run and offered.new:
            offered.take_in(events)
            log.append(offered.event(events, local_user(), time.time()))
    return addition


class Offered:
    """Images offered to a folder that the caller has locked: what is proposed for them, and taking them in.

    Args:
        folder: The folder.
        kept: What its ``config.json`` holds.
        data: As in :func:`add_images`; so for the others.
        reading: See there.
        features: See there.
        device: See there.
        progress: See there.

    Attributes:
        pool: The pool with the new images behind.

    Raises:
        InputError: The folder cannot grow, or images cannot be read.
    """

    def __init__(
        self,
        folder: Folder,
        kept: Kept,
        data: str,
        reading: DataSettings,
        *,
        features: str | None = None,
        device: str = "auto",
        progress: Progress | None = None,
    ) -> None:
        _check_can_grow(folder, kept.settings, features)
        self._folder, self._kept = folder, kept
        self._file, self._device, self._progress = features, device, progress
        self._offer = Offer(folder, kept.settings, data, reading)
        self._offer.check_sound(progress)
        self.pool = self._offer.grown()
        if self._offer.new:
            _check_sides(folder, kept.settings, self.pool)
        self._made: tuple[int, NDArray[np.float32]] | None = None  # features, and of which model

    @property
    def new(self) -> tuple[int, ...]:
        """Numbers of the new images."""
        return tuple(range(len(self.pool) - len(self._offer.new), len(self.pool)))

    def features(self, events: Sequence[Event]) -> NDArray[np.float32]:
        """Features of the pool that has grown, (N, D), under the last model; made once for each model.

        Args:
            events: What the log holds.
        """
        refreshes = rounds_in(events)
        if self._made is None or self._made[0] != refreshes:
            config = self._kept.settings
            found = _features(
                self._folder, config, self.pool, refreshes, self._file, self._device, self._progress
            )
            self._made = refreshes, found
        return self._made[1]

    def propose(self, events: Sequence[Event]) -> Addition:
        """What is proposed for the new images; nothing is taken in.

        Args:
            events: What the log holds.
        """
        offer, proposals = self._offer, list[Proposal]()
        if offer.new:
            seen = self.features(events)
            if self._kept.settings.nodes == "groups":
                proposals = _proposals(self._folder, self._kept, self.pool, seen, events)
        told = tuple(offer.known), tuple(offer.removed), tuple(offer.scored), tuple(offer.damaged)
        return Addition(self.pool, self.new, tuple(proposals), *told)

    def take_in(self, events: Sequence[Event]) -> None:
        """Let the new images join the pool, by one file that is written whole.

        Args:
            events: What the log holds.
        """
        if self._offer.new:
            kept = self._folder.kept()
            self._folder.keep(replace(kept, fingerprint=None))  # that of the pool is another now
            last = max((event.id for event in events), default=0)
            self._folder.pool.keep_changes(self._offer.changes(last))

    def event(self, events: Sequence[Event], annotator: str, at: float) -> Event:
        """Say in the log that the new images joined.

        Args:
            events: What the log holds.
            annotator: Who added them.
            at: When, in seconds since 1970-01-01 UTC.
        """
        source, new = self._offer.data.partition(":")[2], self.new
        return images_added(
            self._kept.run, new[0], len(new), source, annotator=annotator, at=at, round_=rounds_in(events)
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
    refreshes: int,
    file: str | None,
    device: str,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Features of the pool that has grown, (N, D); stored, those of before as they were."""
    if config.features is None or file is None:
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
