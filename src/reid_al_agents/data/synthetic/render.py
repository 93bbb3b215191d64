"""From people and cameras to a set of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..images import ImageSet
from ..layouts.market1501 import market1501_name
from .camera import Camera, expose, sample_camera
from .domain import DomainSettings
from .person import sample_appearance
from .walk import OVERSAMPLING, Street, draw_moment, sample_walk


def render_pedestrians(domain: DomainSettings, seed: int) -> ImageSet:
    """Render a synthetic data set.

    Every identity is seen by some of the cameras, in a few images of one walk each. Identities and cameras
    count from 1, names are as ``0002_c1_0003.png``.

    Args:
        domain: What to render.
        seed: Same domain, same seed, same bytes.

    Returns:
        The images, in memory, ordered by name.
    """
    height, width = domain.size
    canvas = (height * OVERSAMPLING, width * OVERSAMPLING)
    people_rng, camera_rng, walk_rng, light_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence((domain.stream, seed)).spawn(4)
    )
    people = tuple(sample_appearance(people_rng) for _ in range(domain.identities))
    cameras = [sample_camera(domain.look, canvas, camera_rng) for _ in range(domain.cameras)]
    seen = _who_is_seen_where(domain, walk_rng)
    street = Street(people, domain.occlusion, canvas)
    drawn = np.empty((len(seen), domain.images_per_camera, height, width, 3), dtype=np.uint8)
    for row, (person, camera) in enumerate(seen.tolist()):
        walk = sample_walk(people[person], cameras[camera], street, walk_rng)
        for number in range(domain.images_per_camera):
            drawn[row, number] = draw_moment(walk, street, walk_rng)
    _record(drawn, seen[:, 1], cameras, light_rng)
    return _label(drawn, seen, f"synthetic:{domain.name}?seed={seed}")


def _who_is_seen_where(domain: DomainSettings, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pairs of person and camera, counted from 0, of shape (M, 2), sorted."""
    fewest = min(domain.cameras_per_identity, domain.cameras)
    pairs: list[tuple[int, int]] = []
    for person in range(domain.identities):
        count = int(rng.integers(fewest, domain.cameras + 1))
        pairs += [(person, int(camera)) for camera in np.sort(rng.permutation(domain.cameras)[:count])]
    return np.array(pairs, dtype=np.int64)


def _record(
    drawn: NDArray[np.uint8],
    camera_of_row: NDArray[np.int64],
    cameras: list[Camera],
    rng: np.random.Generator,
) -> None:
    """Replace drawings of shape (M, n, H, W, 3) by what their row's camera records."""
    for number, camera in enumerate(cameras):
        mine = np.flatnonzero(camera_of_row == number)
        if len(mine):
            drawings = drawn[mine]
            drawn[mine] = expose(camera, drawings.reshape(-1, *drawn.shape[2:]), rng).reshape(drawings.shape)


def _label(drawn: NDArray[np.uint8], seen: NDArray[np.int64], source: str) -> ImageSet:
    repeats = drawn.shape[1]
    rows = [(person + 1, camera + 1, number) for person, camera in seen.tolist() for number in range(repeats)]
    return ImageSet(
        names=[market1501_name(*row) for row in rows],
        identities=[identity for identity, _, _ in rows],
        cameras=[camera for _, camera, _ in rows],
        pixels=drawn.reshape(-1, *drawn.shape[2:]),
        source=source,
    )
