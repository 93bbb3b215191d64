"""Images that are offered to a folder: which of them are new, and which it has."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from reid_al_agents.data import DataSettings, ImageSet, Split, load_data
from reid_al_agents.data.damage import find_damaged, save_damaged, without_damaged
from reid_al_agents.data.joining import Key, image_keys, join_images, unique_names
from reid_al_agents.training.pool import Progress
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.pool_changes import PoolChanges, Source
from reid_al_agents.workspace.settings import RunConfig
from reid_al_agents.workspace.settled_images import (
    compare_with_pool,
    file_hashes,
    load_sources,
    settled_pool,
    settled_split,
    with_files,
)
from reid_al_env import InputError

_log = logging.getLogger(__name__)


class Offer:
    """Images that are offered to a folder: which of them are new, and which it has.

    Args:
        folder: The folder.
        config: Its settings.
        data: The images, as DATA is typed.
        reading: How they are read.

    Attributes:
        data: As typed.
        new: Indices of the new images in the data.
        known: See :class:`Addition`; so for the others.
    """

    def __init__(self, folder: Folder, config: RunConfig, data: str, reading: DataSettings) -> None:
        self.data = data
        self._folder, self._before = folder, folder.pool.changes()
        earlier = with_files(load_sources(folder, config, self._before.sources), config)
        self._source = Source(data, _prefix(data, folder), reading)
        offered = load_data(self._source.found_in(folder.path), reading)
        if not isinstance(offered, ImageSet):
            raise InputError(f"{data}: holds features; name images, and their features by --features")
        if not folder.pool.has_hashes:  # of an earlier version
            pool = settled_pool(folder, config)
            folder.pool.complete_hashes(file_hashes(folder, pool) if isinstance(pool, ImageSet) else None)
        joined = join_images(earlier, [(self._source.prefix, offered)])
        self._data, self._hashes, changes = compare_with_pool(folder, joined)
        self._places = np.array(changes.places, dtype=np.int64)
        self._places[list(self._before.removed)] = -1
        self.new: list[int] = []
        self.known: list[tuple[str, str]] = []
        self.removed: list[tuple[str, str]] = []
        self.scored: list[str] = []
        self.damaged: list[str] = []
        self._tell_apart(set(image_keys(offered)), changes.places, settled_split(folder, config))
        of_earlier, keys = set(image_keys(earlier)), image_keys(self._data)
        self._further = any(keys[row] not in of_earlier for row in self.new)

    def _tell_apart(self, offered: set[Key], places: Sequence[int], split: Split) -> None:
        names = self._folder.pool.names().tolist()
        holder = {place: number for number, place in enumerate(places) if place >= 0}
        by_content = dict(zip(self._folder.pool.content_hashes()[::-1], range(len(names))[::-1], strict=True))
        by_content.pop("", None)  # unknown
        first: dict[str, str] = {}  # name of a new image, by what it is
        for row, key in enumerate(image_keys(self._data)):
            name, content = str(self._data.names[row]), self._hashes[row]
            number = holder.get(row, by_content.get(content))
            if key not in offered:
                continue
            if number is not None:
                (self.removed if number in self._before.removed else self.known).append((name, names[number]))
            elif content and content in first:
                self.known.append((name, first[content]))
            elif _is_scored(self._data, row, split):
                self.scored.append(name)
            else:
                self.new.append(row)
                first[content] = name

    def check_sound(self, progress: Progress | None) -> None:
        """See that every new image decodes; the damaged ones are left out where the reading says so.

        Raises:
            InputError: Images do not decode: all of them are named.
        """
        if not self.new:
            return
        bar = None if progress is None else lambda done, total: progress("check images", done, total)
        images = self._data.subset(self.new)
        damaged = find_damaged(images, bar)
        without_damaged(images, damaged, skip=self._source.reading.skip_damaged)
        if damaged:
            save_damaged(damaged, self._folder.path / f"skipped-{self._source.prefix}.csv")
            _log.info("left out as damaged: %s", ", ".join(image.name for image in damaged))
            bad = {image.index for image in damaged}
            self.damaged = [image.name for image in damaged]
            self.new = [row for place, row in enumerate(self.new) if place not in bad]

    def grown(self) -> ImageSet:
        """The pool with the new images behind."""
        names = self._folder.pool.names().tolist()
        added = unique_names([*names, *self._data.names[self.new].tolist()])
        return self._data.arranged(added, [*self._places, *self.new])

    def changes(self, event: int) -> PoolChanges:
        """What the folder keeps once the new images are in its pool.

        Args:
            event: Id of the last event.
        """
        before, names = self._before, self.grown().names.tolist()
        return replace(
            before,
            sources=(*before.sources, *((self._source,) if self._further else ())),
            names=(*before.names, *names[len(names) - len(self.new) :]),
            hashes=(*before.hashes, *(self._hashes[row] for row in self.new)),
            event=event,
        )


def _prefix(data: str, folder: Folder) -> str:
    """What the names of further images begin with: what their folder or table is called, if that is free."""
    place = data.partition(":")[2].partition("?")[0]
    word = Path(place.rstrip("/")).stem or "added"
    sources = {source.prefix: source.data for source in folder.pool.changes().sources}
    begun = {name.partition("/")[0] for name in folder.pool.names().tolist() if "/" in name}
    for number in range(1, len(sources) + len(begun) + 2):
        prefix = word if number == 1 else f"{word}-{number}"
        if sources.get(prefix) == data or prefix not in begun:
            return prefix
    raise AssertionError("one of so many is free")


def _is_scored(images: ImageSet, row: int, split: Split) -> bool:
    """Whether a run measures its model on an image, or on others of its identity."""
    name, identity = str(images.names[row]), int(images.identities[row])
    if name in split.query or name in split.test_queries or name in split.test_gallery:
        return True
    return identity >= 0 and identity in (*split.validation_identities, *split.test_identities)
