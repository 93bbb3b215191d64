"""A live session with its folder: begun once, gone on with by the same command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np

from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import FEATURES, Refreshes, load_features
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.asking.policy import choose
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.data import ImageSet, Split, load_data, load_split, save_split
from reid_al_agents.files import make_folder, write_arrays, write_text
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import Selector
from reid_al_agents.training.pool import known_beforehand
from reid_al_agents.vision import embed
from reid_al_agents.workspace.assembly import load_model
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError

RUN = "annotate"
CONFIG, _POOL, _SPLIT = "annotate.json", "pool.json", "split.json"
Bar = Callable[[str, int, int], None]


@dataclass
class OpenSession:
    """A session and what belongs to it; a context manager that closes all of it.

    Attributes:
        session: The session.
        refreshing: Its refreshes.
        pictures: Its images.
        store: Its events.
    """

    session: AnnotationSession
    refreshing: Refreshes
    pictures: Pictures
    store: EventStore
    planner: ThreadPoolExecutor

    def __enter__(self) -> OpenSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refreshing.close()
        self.planner.shutdown(wait=True, cancel_futures=True)
        self.store.close()


def open_session(
    config: RunConfig,
    settings: AnnotationSettings,
    folder: Path,
    *,
    store: str | None = None,
    run: str = RUN,
    device: str = "auto",
    progress: Bar | None = None,
    worker: tuple[str, ...] = (sys.executable, "-m", "reid_al_agents.annotate.refresh_process"),
) -> OpenSession:
    """Begin a session in ``folder``, or go on with the one that is there.

    Args:
        config: Settings of data, asking and training; without ``split`` all images are asked about.
        settings: How people are asked.
        folder: The run's folder.
        store: Address of the database; ``None`` is a file in the folder.
        run: Name of the run in the database.
        device: Where to train.
        progress: Told of long work.
        worker: See :class:`Refreshes`.

    Raises:
        InputError: The folder holds a session with other settings or images, or something cannot be used.
    """
    _check(config)
    data = load_data(config.data)
    if not isinstance(data, ImageSet):
        raise InputError(f"{config.data}: has no images to show; name a data set of images")
    make_folder(folder)
    _check_same(folder, config)
    split = _split(folder, config, data)
    config = replace(config, split=str(folder / _SPLIT))
    images = data.subset(split.pool(data))
    _check_pool(folder, images)
    features = _start_features(folder, images, config, device, progress)
    opened = EventStore(folder / "events.sqlite" if store is None else store)
    try:
        rounds = opened.events(run, kind="refresh")
        if rounds:
            features = load_features(features, folder / str(rounds[-1].payload["folder"]))
        planner = ThreadPoolExecutor(1, thread_name_prefix="plan")
        session = AnnotationSession(
            features,
            opened,
            run,
            _selector_maker(config),
            settings=settings,
            grouping=config.grouping(),
            episode=config.episode(),
            known=lambda excluded: known_beforehand(images, excluded),
            sides=sides_of(images.sides),
            planner=planner,
            selector_name=config.selector,
            round_=len(rounds),
            seed=config.seed,
        )
    except BaseException:
        opened.close()
        raise
    refreshing = Refreshes(session, config, folder, device=device, worker=worker)
    return OpenSession(session, refreshing, Pictures(images, config.size), opened, planner)


def _check(config: RunConfig) -> None:
    if config.nodes != "groups":
        raise InputError("--nodes: people are asked about groups; images are for runs with labels")
    if config.selector == "greedy":
        raise InputError("--selector: greedy looks at the labels; people are asked because there are none")


def _check_same(folder: Path, config: RunConfig) -> None:
    """Keep the settings, or see that they are those that were kept."""
    path = folder / CONFIG
    if path.is_file():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}); choose another --out") from error
        config.check_same(kept, str(path))
    elif (folder / "config.json").exists():
        raise InputError(f"{folder}: holds a run of another command; choose another --out")
    else:
        write_text(path, json.dumps(config.as_dict(), indent=2) + "\n")


def _split(folder: Path, config: RunConfig, data: ImageSet) -> Split:
    """The split that was named, or everything as the pool; kept beside the answers."""
    if config.split is not None:
        split = load_split(config.split)
    else:
        everything = tuple(int(identity) for identity in np.unique(data.identities))
        split = Split(everything, (), (), ())
    save_split(split, folder / _SPLIT)
    return split


def _check_pool(folder: Path, images: ImageSet) -> None:
    """Keep the order of the images, which the events' numbers mean, or see that it is the same."""
    path, names = folder / _POOL, images.names.tolist()
    if not path.is_file():
        write_text(path, json.dumps(names) + "\n")
    elif json.loads(path.read_text(encoding="utf-8")) != names:
        raise InputError(f"{folder}: was started with other images; put them back or choose another --out")


def _start_features(
    folder: Path, images: ImageSet, config: RunConfig, device: str, progress: Bar | None
) -> FeatureSet:
    """The pool as the start weights see it; embedded once."""
    path = folder / FEATURES
    if not path.is_file():
        model = load_model(config.backbone, config.weights, config.seed, device)
        bar = None if progress is None else lambda done, total: progress("embed", done, total)
        write_arrays(path, {"features": embed(model, images, size=config.size, progress=bar)})
    with np.load(path, allow_pickle=False) as kept:
        features = kept["features"]
    return FeatureSet(features, images.identities, images.cameras, images.names, source=images.source)


def _selector_maker(config: RunConfig) -> Callable[[], Selector]:
    """One selector for the whole session, so that a policy that learns keeps what it learned."""

    def no_labels() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        raise InputError("greedy: there are no labels")

    made = choose(config, no_labels)
    assert made is not None
    return lambda: made
