"""The annotation server over rendered people, in a thread of the test's own process."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import uvicorn
from live_world import opened
from starlette.types import ASGIApp

from reid_al_agents.annotate.begin import OpenSession
from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.annotate.server.access import Access
from reid_al_agents.annotate.server.app import create_app
from reid_al_agents.annotate.server.rate_limit import RateLimit
from reid_al_agents.annotate.server.serving import free_port
from reid_al_agents.data import ImageSet
from reid_al_agents.data.synthetic import DOMAINS, render_pedestrians
from reid_al_env import FeatureSet

SIZE = (192, 96)


def people(identities: int = 10) -> ImageSet:
    """Rendered people with cameras."""
    return render_pedestrians(replace(DOMAINS["pedestrians-source"], identities=identities, size=SIZE), 5)


def sequences(images: ImageSet) -> ImageSet:
    """The same with sequences: two images each, of one person at one camera."""
    seen: dict[tuple[int, int], list[int]] = {}
    numbers = np.full(len(images), -1)
    for image in range(len(images)):
        place = seen.setdefault((int(images.identities[image]), int(images.cameras[image])), [])
        place.append(image)
        if len(place) == 2:
            numbers[place] = place[0]
            place.clear()
    return ImageSet(
        images.names,
        images.identities,
        images.cameras,
        source=images.source,
        pixels=images.read(range(len(images)), SIZE),
        tracklets=numbers,
    )


def features_of(images: ImageSet, noise: float = 0.09) -> FeatureSet:
    """Features that tell the people apart, with noise."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(images.identities.max() + 1, 32)) / 32**0.5
    found = centres[images.identities] + noise * rng.normal(size=(len(images), 32))
    return FeatureSet(
        found.astype(np.float32), images.identities, images.cameras, images.names, source="test pool"
    )


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    access: Access | None = None,
    noun: str = "person",
    images: ImageSet | None = None,
    seen: ImageSet | None = None,
) -> Iterator[tuple[OpenSession, str]]:
    """A session and its address; ``seen`` are the images as the data describe them, if otherwise."""
    images = people() if images is None else images
    features = features_of(images)
    np.savez(folder / "features.npz", features=features.features)
    with opened(folder, features, noun=noun, images=images if seen is None else seen) as made:
        made.pictures = Pictures(images, SIZE)
        made.session.questions("warm-up", 0)
        app = create_app(
            made.session,
            made.refreshing,
            made.pictures,
            access or Access(b"s" * 32),
            data="test pool",
            limit=RateLimit(1e6, 1e6),
        )
        with serving_app(app) as url:
            yield made, url


@contextlib.contextmanager
def serving_app(app: ASGIApp) -> Iterator[str]:
    """An application at an address."""
    port = free_port("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
