"""Answers and identities as files for other programs: one export for every folder, and for the page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_agents.files import make_folder, write_text
from reid_al_agents.identities import names_of_groups
from reid_al_agents.log.events import Event
from reid_al_agents.log.fact_columns import facts_of, relative_paths
from reid_al_agents.log.formats import (
    LABEL_STUDIO_CONFIG,
    LOCAL_FILES,
    events_jsonl,
    identities_csv,
    label_studio_json,
    pairs_csv,
    wildlife_csv,
    write_market1501,
)
from reid_al_agents.log.store import EventStore
from reid_al_agents.workspace.features import stored_features
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.folder_identities import believe, identities_of_folder
from reid_al_agents.workspace.settled_images import settled_pool
from reid_al_env import InputError

_log = logging.getLogger(__name__)

EXPORTS = {
    "pairs.csv": "text/csv; charset=utf-8",
    "identities.csv": "text/csv; charset=utf-8",
    "events.jsonl": "application/x-ndjson",
    "labelstudio.json": "application/json",
    "labelstudio.xml": "application/xml",
    "wildlife.csv": "text/csv; charset=utf-8",
}
"""Media type by the name of the file."""

WITH_FACTS = ("identities.csv", "wildlife.csv")
"""Exports that say what the data know of the images."""

WILDLIFE = {"side": "orientation", "time": "date"}
"""What wildlife-datasets calls the facts of an image."""


@dataclass(frozen=True)
class Export:
    """What is exported.

    Attributes:
        images: (N,) names of the images.
        events: All events, in order.
        counting: Those that count.
        groups: (N,) predicted identity of each image.
        confirmed: (N,) whether matches join an image to its identity.
        probabilities: (N,) that an image belongs to its identity, NaN where unknown.
        names: Name of each identity that was given one.
        image_prefix: Put before each image's name to make its address in Label Studio.
        data: What the data know of the images; ``None`` for bare features.
        removed: Images that were taken out of the pool. Of them only answers are exported.
    """

    images: Sequence[str] | NDArray[np.str_]
    events: Sequence[Event]
    counting: Sequence[Event]
    groups: NDArray[np.int64]
    confirmed: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    names: Mapping[int, str]
    image_prefix: str = LOCAL_FILES
    data: ImageSet | None = None
    removed: Collection[int] = ()

    @property
    def remaining(self) -> NDArray[np.intp]:
        """The images that were not removed, ascending."""
        return np.delete(np.arange(len(self.groups)), list(self.removed))

    def make(self, what: str) -> tuple[str, str]:
        """The content and media type of one of :data:`EXPORTS`."""
        rows = self.remaining
        images, groups = np.asarray(self.images)[rows], self.groups[rows]
        sure, likely = self.confirmed[rows], self.probabilities[rows]
        facts, paths = dict[str, list[str]](), None
        if self.data is not None and what in WITH_FACTS:
            remaining = self.data.subset(rows)
            facts, (_, paths) = facts_of(remaining), relative_paths(remaining)
        makers: dict[str, Callable[[], str]] = {
            "pairs.csv": lambda: pairs_csv(self.counting),
            "identities.csv": lambda: identities_csv(
                images, groups, self.names, confirmed=sure, probabilities=likely, paths=paths, facts=facts
            ),
            "events.jsonl": lambda: events_jsonl(self.events, self.images),
            "labelstudio.json": lambda: label_studio_json(self.counting, prefix=self.image_prefix),
            "labelstudio.xml": lambda: LABEL_STUDIO_CONFIG,
            "wildlife.csv": lambda: wildlife_csv(
                images,
                groups,
                labels=self.names,
                paths=paths,
                confirmed=sure,
                probabilities=likely,
                facts={WILDLIFE.get(name, name): column for name, column in facts.items()},
                image_ids=rows,
            ),
        }
        return makers[what](), EXPORTS[what]

    def confirmed_only(self) -> Export:
        """The same without suggestions: an image that is only suggested for an identity stands alone."""
        alone = ~self.confirmed & (np.bincount(self.groups)[self.groups] > 1)
        groups = self.groups.copy()
        groups[alone] = len(groups) + np.arange(np.count_nonzero(alone))
        return replace(self, groups=groups)


def export_folder(
    path: Path,
    target: Path | None = None,
    *,
    store: str | None = None,
    market1501: Path | None = None,
    image_prefix: str = LOCAL_FILES,
    confirmed_only: bool = False,
    archives: bool = False,
) -> dict[str, object]:
    """Write all exports of a run or session; it may be open in another process.

    Args:
        path: The folder.
        target: Where to write; ``None`` is the folder itself.
        store: Address of its database; ``None`` is the one that it was begun with.
        market1501: Folder to make in Market-1501's layout; ``None`` makes none.
        image_prefix: Put before each image's name to make its address in Label Studio.
        confirmed_only: Leave suggested images out of the identities.
        archives: Write the ZIP files with images or several tables, too.

    Returns:
        What was written.

    Raises:
        InputError: The folder cannot be read or the files cannot be written.
    """
    folder = Folder(path)
    kept = folder.kept()
    pool = settled_pool(folder, kept.settings)
    with EventStore(store or kept.store or folder.events) as log:
        events = folder.read_log(log, kept)
    beliefs = believe(pool, events, kept.settings)
    pool = pool.corrected(beliefs.corrections) if isinstance(pool, ImageSet) else pool
    features = stored_features(folder, pool, beliefs)
    groups, confirmed, likely = identities_of_folder(pool, features, beliefs, kept.settings)
    export = Export(
        pool.names,
        events,
        list(beliefs.events.values()),
        groups,
        confirmed,
        likely,
        names_of_groups(beliefs.names, groups),
        image_prefix,
        pool if isinstance(pool, ImageSet) else None,
        folder.pool.changes().removed,
    )
    export = export.confirmed_only() if confirmed_only else export
    target = make_folder(path if target is None else target)
    for what in EXPORTS:
        write_text(target / what, export.make(what)[0])
    rows = export.remaining
    sizes = np.bincount(export.groups[rows])
    written: dict[str, object] = {
        "files": [str(target / what) for what in EXPORTS],
        "answers": beliefs.answers,
        "identities": int(np.count_nonzero(sizes > 1)),
        "grouped_images": int(sizes[sizes > 1].sum()),
        "confirmed_images": int(confirmed[rows].sum()),
        "removed_images": len(pool) - len(rows),
        "contradictions": len(beliefs.constraints.contradictions),
    }
    if isinstance(pool, ImageSet) and (root := relative_paths(pool.subset(rows))[0]) is not None:
        written["root"] = str(root)
    if not isinstance(pool, ImageSet) and (archives or market1501 is not None):
        option = "--archives" if archives else "--market1501"
        raise InputError(f"{option}: {folder.settings().data} has features only, and no images")
    if isinstance(pool, ImageSet) and archives:
        from reid_al_agents.workspace.archives import ARCHIVES, write_archive

        shown = str(folder.kept().annotation.get("noun", "animal"))
        for what in ARCHIVES:
            write_archive(what, target / what, pool, export, shown)
        written["archives"] = [str(target / what) for what in ARCHIVES]
    if isinstance(pool, ImageSet) and market1501 is not None:
        written["market1501"] = str(market1501)
        written["images"] = write_market1501(
            market1501, pool.subset(rows), export.groups[rows], confirmed=export.confirmed[rows]
        )
    return written
