"""A pool with people in it, for tests of live sessions: features of known identities and drawn images."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from reid_al_agents.annotate.begin import OpenSession
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.refreshes import Refreshes
from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.data import ImageSet
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import make_selector
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.lock import FolderLock
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, synthetic_features

FAKE_WORKER = (sys.executable, str(Path(__file__).parent / "fake_worker.py"))


def pool(identities=15, images=6, seed=0, noise=0.5):
    made = synthetic_features(identities, images, noise=noise, seed=seed)
    names = np.array([f"crop{number:05d}.png" for number in range(len(made))])
    return FeatureSet(made.features, made.identities, made.cameras, names, source="test pool")


def drawn(features):
    """Images in memory, the colour telling the identity."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 255, (features.identities.max() + 1, 3))
    pixels = np.broadcast_to(colours[features.identities][:, None, None], (len(features), 16, 8, 3))
    return ImageSet(
        features.names,
        features.identities,
        features.cameras,
        source="test pool",
        pixels=np.ascontiguousarray(pixels, dtype=np.uint8),
    )


def session(
    store, features=None, *, executor=None, clock=None, seed=0, grouping=None, images=None, **settings
):
    features = pool() if features is None else features
    more = {} if clock is None else {"clock": clock}
    made = {"gold_share": 0.0, "refresh_every": None, **settings}
    return AnnotationSession(
        features,
        store,
        "run",
        lambda: make_selector("gain"),
        settings=AnnotationSettings(**made),
        executor=executor,
        seed=seed,
        grouping=grouping,
        images=images,
        **more,
    )


def opened(
    folder, features=None, *, url=None, adapt=False, refresh="cluster", process=FAKE_WORKER, **settings
):
    """All that a server needs, with a refresh process that trains nothing."""
    features = pool() if features is None else features
    lock = FolderLock(folder)
    address = str(folder / "events.sqlite") if url is None else url
    store = EventStore(address)
    executor = ThreadPoolExecutor(1)
    made = session(store, features, executor=executor, **settings)
    config = RunConfig(data="memory", backbone="small_cnn", evaluate_on="none", adapt=adapt, refresh=refresh)
    return OpenSession(
        made,
        Refreshes(made, config, Folder(folder), address, process=process),
        Pictures(drawn(features), (64, 32)),
        store,
        Folder(folder),
        "memory",
        executor,
        lock,
    )


def truth(features, question):
    """The wire value of the right answer."""
    same = features.identities[question.query] == features.identities[question.candidate]
    return "same" if same else "different"
