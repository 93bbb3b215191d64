"""Begin an annotation session in a folder, or continue the session or run that it holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from reid_al_agents.annotate.known_data import believe_data
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import REFRESH_PROCESS, Refreshes
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.asking.policy import choose
from reid_al_agents.data import ImageSet, load_checked, load_split, save_split, whole_pool
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import Selector
from reid_al_agents.vision.quality import warnings_about_features, warnings_about_images
from reid_al_agents.vision.start import choose_model
from reid_al_agents.workspace.features import pool_features, read_own_features
from reid_al_agents.workspace.folder import Folder, new_run
from reid_al_agents.workspace.kept import Kept
from reid_al_agents.workspace.lock import FolderLock
from reid_al_agents.workspace.policy_origin import policy_contradictions, with_policys_model
from reid_al_agents.workspace.settings import RunConfig
from reid_al_agents.workspace.settled_images import file_hashes, load_settled, settled_split
from reid_al_env import FeatureSet, InputError

_log = logging.getLogger(__name__)

Bar = Callable[[str, int, int], None]

_SHOWN = (128, 64)
"""Height and width in pixels of images that exist only in memory."""


@dataclass
class OpenSession:
    """A session and its resources; a context manager that closes them.

    Attributes:
        session: The session.
        refreshing: Its refreshes.
        pictures: Its images.
        store: Its events.
        folder: Folder on disk.
        data: DATA as given on the command line.
        executor: Plans batches in the background.
        lock: Keeps other processes from opening the folder.
    """

    session: AnnotationSession
    refreshing: Refreshes
    pictures: Pictures
    store: EventStore
    folder: Folder
    data: str
    executor: ThreadPoolExecutor
    lock: FolderLock

    def __enter__(self) -> OpenSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refreshing.close()
        self.pictures.close()
        self.executor.shutdown(wait=True, cancel_futures=True)
        self.store.close()
        self.lock.release()


def open_session(
    config: RunConfig,
    settings: AnnotationSettings,
    path: Path,
    *,
    store: str | None = None,
    device: str = "auto",
    progress: Bar | None = None,
    process: tuple[str, ...] = REFRESH_PROCESS,
) -> OpenSession:
    """Begin a session in a folder, or continue the session or run that it holds.

    Args:
        config: Settings of data, asking and training; without ``split`` the pool is all images. For an
            existing folder they must be its own.
        settings: Annotation settings; they may change each time that the folder is opened.
        path: The folder.
        store: URL of the database; ``None`` for the one that the folder was begun with, or a file in a new
            folder.
        device: Where to train.
        progress: Called with stage, done and total during long work.
        process: See :class:`Refreshes`.

    Raises:
        InputError: Another process has the folder open, it was begun with other settings or images, or
            something cannot be used.
    """
    _check(config)
    lock = FolderLock(path)
    opened: EventStore | None = None
    try:
        folder = Folder(path)
        kept = _kept(folder, config, settings, store)
        images = _images(folder, config, progress)
        address = store or kept.store or str(folder.events)
        opened = EventStore(address)
        if not folder.pool.begun:
            folder.begin(kept, images.names, file_hashes(folder, images), images.identity_names)
        else:
            folder.pool.check_images(images.names, folder.read_log(opened, kept))
            folder.keep(kept)
            folder.pool.complete_hashes(file_hashes(folder, images))
        session, executor = _session(folder, images, config, settings, opened, kept.run, device, progress)
        believe_data(session, images, config.data)
    except BaseException:
        if opened is not None:
            opened.close()
        lock.release()
        raise
    refreshes = Refreshes(session, config, folder, address, device=device, process=process)
    pictures = Pictures(images, config.size or _SHOWN, folder.path / "thumbnails")
    return OpenSession(session, refreshes, pictures, opened, folder, config.data, executor, lock)


def _check(config: RunConfig) -> None:
    if config.nodes != "groups":
        raise InputError("--nodes: annotate asks about groups only; images is for reid-al run")
    if config.selector == "greedy":
        raise InputError(
            "--selector: greedy needs labels, which a session does not have; choose another selector"
        )


def _kept(folder: Folder, config: RunConfig, settings: AnnotationSettings, store: str | None) -> Kept:
    """The settings to keep in the folder; an existing folder keeps its own."""
    annotation: dict[str, Any] = asdict(settings)
    shown = None if store is None or "://" not in store else _without_password(store)
    folder.check_whole()
    kept = folder.kept() if Folder.holds(folder.path) else None
    if kept is not None and kept.settings != config and folder.is_unused(kept):
        folder.forget()
        kept = None
    if kept is None:
        return Kept(config, new_run(), store=shown or store, annotation=annotation)
    config.check_same(kept.settings.as_dict(), str(folder.path))
    return replace(kept, settings=config, annotation=annotation, store=shown or store or kept.store)


def _without_password(address: str) -> str:
    from sqlalchemy import make_url

    try:
        return make_url(address).set(password=None).render_as_string(hide_password=False)
    except Exception as error:  # whatever the parser says may hold the password
        raise InputError(f"--store: cannot be read as an address ({type(error).__name__})") from None


def _images(folder: Folder, config: RunConfig, progress: Bar | None) -> ImageSet:
    """The pool: that of the folder, of the split that was named, or everything that decodes."""
    begun = folder.pool.begun
    data: ImageSet | FeatureSet
    if begun:  # its images were checked
        data = load_settled(folder, config, say=_log.warning)
    else:
        bar = None if progress is None else lambda done, total: progress("check images", done, total)
        data = load_checked(config.data, config.reading(), listing=folder.path / "skipped.csv", progress=bar)
    if not isinstance(data, ImageSet):
        raise InputError(f"{config.data}: has no images to show; name a data set of images")
    if begun:
        return data.subset(settled_split(folder, config).pool(data))
    if folder.split.is_file():
        split = load_split(folder.split)
    else:
        split = whole_pool(data) if config.split is None else load_split(config.split)
    if config.skip_damaged:  # the pool stays, whatever breaks or is mended later
        split = replace(split, pool_images=tuple(data.names[split.pool(data)].tolist()))
    save_split(split, folder.split)
    return data.subset(split.pool(data))


def _session(
    folder: Folder,
    images: ImageSet,
    config: RunConfig,
    settings: AnnotationSettings,
    store: EventStore,
    run: str,
    device: str,
    progress: Bar | None,
) -> tuple[AnnotationSession, ThreadPoolExecutor]:
    round_ = len(store.events(run, kind="refresh"))
    features = _features(folder, images, config, round_, device, progress)
    executor = ThreadPoolExecutor(1, thread_name_prefix="plan")
    session = AnnotationSession(
        features,
        store,
        run,
        _selector_maker(config),
        settings=settings,
        grouping=config.grouping(),
        episode=config.episode(),
        images=images,
        executor=executor,
        selector_name=config.selector,
        round_=round_,
        absent=frozenset(np.flatnonzero(images.gone).tolist()),
        removed=frozenset(folder.pool.changes().removed),
        seed=config.seed,
    )
    return session, executor


def _features(
    folder: Folder, images: ImageSet, config: RunConfig, round_: int, device: str, progress: Bar | None
) -> FeatureSet:
    """Features of the pool: those made elsewhere, or of a round's model."""
    if config.features is not None:
        found = read_own_features(folder.path, config.features, images.names)
        _log.info("the features are those of %s; nothing is refreshed", config.features)
    if round_ == 0:
        given = config.weights is not None or config.features is not None
        own = with_policys_model(config)
        model = None if config.features else choose_model(own.backbone, own.weights, own.size)
        _warn(policy_contradictions(config, model))
        _warn(warnings_about_images(len(images), images.cameras, given))
    if config.features is None:
        found = pool_features(folder, images, config, round_, device=device, progress=progress)
    if round_ == 0:
        _warn(warnings_about_features(found, images.cameras))
    return FeatureSet(found, images.identities, images.cameras, images.names, source=images.source)


def _warn(warnings: Iterable[str]) -> None:
    for warning in warnings:
        _log.warning(warning)


def _selector_maker(config: RunConfig) -> Callable[[], Selector]:
    """Return one selector for the whole session, so that a policy keeps what it learns online."""
    made = choose(config.selector, config.pool_size, config.seed)
    return lambda: made
