"""Answers and identities as files for other programs: one export for every folder, and for the page."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.delivery import deliver
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.data import ImageSet, load_split
from reid_al_agents.files import make_folder, write_text
from reid_al_agents.identities import names_of_groups
from reid_al_agents.log.events import Event
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
from reid_al_agents.training.pool import known_beforehand
from reid_al_agents.workspace.features import FEATURES, read_features, read_own_features
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_agents.workspace.settled_images import load_settled
from reid_al_env import FeatureSet, InputError

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


@dataclass(frozen=True)
class Export:
    """What is exported.

    Attributes:
        images: (N,) names of the images.
        cameras: (N,) their cameras; ``None`` where unknown.
        events: All events, in order.
        counting: Those that count.
        groups: (N,) predicted identity of each image.
        confirmed: (N,) whether matches join an image to its identity.
        names: Name of each identity that was given one.
        image_prefix: Put before each image's name to make its address in Label Studio.
    """

    images: Sequence[str] | NDArray[np.str_]
    cameras: NDArray[np.int64] | None
    events: Sequence[Event]
    counting: Sequence[Event]
    groups: NDArray[np.int64]
    confirmed: NDArray[np.bool_]
    names: Mapping[int, str]
    image_prefix: str = LOCAL_FILES

    def make(self, what: str) -> tuple[str, str]:
        """The content and media type of one of :data:`EXPORTS`."""
        makers: dict[str, Callable[[], str]] = {
            "pairs.csv": lambda: pairs_csv(self.counting),
            "identities.csv": lambda: identities_csv(
                self.images, self.groups, self.names, confirmed=self.confirmed
            ),
            "events.jsonl": lambda: events_jsonl(self.events, self.images),
            "labelstudio.json": lambda: label_studio_json(self.counting, prefix=self.image_prefix),
            "labelstudio.xml": lambda: LABEL_STUDIO_CONFIG,
            "wildlife.csv": lambda: wildlife_csv(
                self.images, self.groups, labels=self.names, cameras=self.cameras
            ),
        }
        return makers[what](), EXPORTS[what]


def export_folder(
    path: Path,
    target: Path | None = None,
    *,
    store: str | None = None,
    market1501: Path | None = None,
    image_prefix: str = LOCAL_FILES,
) -> dict[str, object]:
    """Write all exports of a run or session; it may be open in another process.

    Args:
        path: The folder.
        target: Where to write; ``None`` is the folder itself.
        store: Address of its database; ``None`` is the one that it was begun with.
        market1501: Folder to make in Market-1501's layout; ``None`` makes none.
        image_prefix: Put before each image's name to make its address in Label Studio.

    Returns:
        What was written.

    Raises:
        InputError: The folder cannot be read or the files cannot be written.
    """
    folder = Folder(path)
    pool = _pool(folder)
    beliefs, events = _beliefs(folder, pool, store)
    groups, confirmed = _identities(folder, pool, beliefs)
    export = Export(
        pool.names,
        pool.cameras,
        events,
        list(beliefs.events.values()),
        groups,
        confirmed,
        names_of_groups(beliefs.names, groups),
        image_prefix,
    )
    target = make_folder(path if target is None else target)
    for what in EXPORTS:
        write_text(target / what, export.make(what)[0])
    sizes = np.bincount(groups)
    written: dict[str, object] = {
        "files": [str(target / what) for what in EXPORTS],
        "answers": beliefs.answers,
        "identities": int(np.count_nonzero(sizes > 1)),
        "grouped_images": int(sizes[sizes > 1].sum()),
        "confirmed_images": int(confirmed.sum()),
        "contradictions": len(beliefs.constraints.contradictions),
    }
    if market1501 is not None:
        if not isinstance(pool, ImageSet):
            raise InputError(f"--market1501: {folder.settings().data} has features only, and no images")
        written["market1501"] = str(market1501)
        written["images"] = write_market1501(market1501, pool, groups)
    return written


def _pool(folder: Folder) -> ImageSet | FeatureSet:
    config = folder.settings()
    data = load_settled(folder, config)
    split = load_split(folder.split if folder.split.is_file() else _named_split(folder, config))
    pool = data.subset(split.pool(data))
    folder.check_names(pool.names)
    return pool


def _named_split(folder: Folder, config: RunConfig) -> str:
    if config.split is None:
        raise InputError(f"{folder.split}: is missing; put the folder's own back")
    return config.split


def _beliefs(folder: Folder, pool: ImageSet | FeatureSet, store: str | None) -> tuple[Beliefs, list[Event]]:
    kept = folder.kept()
    tracklets = pool.tracklets if isinstance(pool, ImageSet) else None
    different = pool.known_different if isinstance(pool, ImageSet) else None
    with EventStore(store or kept.store or folder.events) as log:
        events = folder.read_log(log, kept)
    beliefs = Beliefs.replay(
        lambda excluded: known_beforehand(len(pool), tracklets, excluded, different),
        events,
        kept.settings.grouping().error_rate,
    )
    return beliefs, events


def _identities(
    folder: Folder, pool: ImageSet | FeatureSet, beliefs: Beliefs
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Predicted identities and which images are confirmed, both (N,)."""
    config = folder.settings()
    features = _features(folder, pool, beliefs)
    settings = config.grouping()
    if config.nodes == "images" or features is None:
        groups = beliefs.constraints.groups()
        return groups, np.bincount(groups)[groups] > 1
    sides = sides_of(pool.sides) if isinstance(pool, ImageSet) else None
    visual = compare_visually(features, pool.cameras, settings.k1, settings.k2, sides)
    known = pool if isinstance(pool, FeatureSet) else FeatureSet(features, pool.identities, pool.cameras)
    excluded = np.isin(np.arange(len(pool)), list(beliefs.excluded))
    if isinstance(pool, ImageSet):  # what a blank image looks like says nothing
        excluded |= pool.gone
    found = deliver(known, visual, beliefs.constraints, beliefs.model, settings, excluded).identities
    return found.groups, found.confirmed


def _features(folder: Folder, pool: ImageSet | FeatureSet, beliefs: Beliefs) -> NDArray[np.float32] | None:
    """Those that the last model gives the pool; ``None`` where they were not kept."""
    if isinstance(pool, FeatureSet):
        return pool.features
    own = folder.settings().features
    if own is not None:
        return read_own_features(folder.path, own, pool.names)
    refreshes = sum(event.kind == "refresh" for event in beliefs.events.values())
    place = folder.round(refreshes)
    if (place / FEATURES).exists():
        return folder.read_round(refreshes, lambda place: read_features(place, len(pool)))
    _log.warning(
        "%s is missing, so only confirmed identities are exported; reid-al annotate makes it again",
        place / FEATURES,
    )
    return None
