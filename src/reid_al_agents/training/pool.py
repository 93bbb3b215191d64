"""The pool: the images to be annotated and the model that is refreshed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import Corrections, ImageSet
from reid_al_env import ConstraintGraph, FeatureSet, InputError

_log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called as ``progress(what, done, total)``."""

TRACKLET_WEIGHT = 3.0
"""Weight of the links in a tracklet as evidence: as odds of 20 to 1, about those of one answer."""


class Pool(Protocol):
    """The pool to be annotated together with the model that sees it."""

    def __len__(self) -> int: ...

    @property
    def trains(self) -> bool:
        """Whether :meth:`refresh` changes anything."""
        ...

    @property
    def names(self) -> NDArray[np.str_]:
        """Names of the pool's images, shape (N,)."""
        ...

    @property
    def images(self) -> ImageSet | None:
        """The pool's images, whose pixels may be those that the network sees; ``None`` for bare features."""
        ...

    @property
    def gone(self) -> NDArray[np.bool_]:
        """Images that are there no more, shape (N,); they are not asked about."""
        ...

    @property
    def identities(self) -> NDArray[np.int64]:
        """True identities of the pool's images where known, else −1, shape (N,)."""
        ...

    @property
    def cameras(self) -> NDArray[np.int64] | None:
        """Camera of each image, shape (N,), −1 for unknown; ``None`` where there are no cameras."""
        ...

    @property
    def tracklets(self) -> NDArray[np.int64] | None:
        """Tracklet of each image, shape (N,), −1 for none; ``None`` where there are no tracklets."""
        ...

    @property
    def known_different(self) -> NDArray[np.int64] | None:
        """Pairs of images that are known to differ, shape (M, 2); ``None`` for none."""
        ...

    def correct(self, corrections: Corrections) -> None:
        """Take over what annotators corrected about single images, in place of what the data say."""
        ...

    @property
    def sides(self) -> NDArray[np.int64] | None:
        """Side that each image shows, shape (N,), −1 for unknown; ``None`` where there are no sides."""
        ...

    def features(self) -> FeatureSet:
        """Features of the pool under the current model."""
        ...

    def refresh(
        self,
        constraints: ConstraintGraph,
        seed: int,
        *,
        quick: bool = False,
        assumed_groups: NDArray[np.int64] | None = None,
        kept: NDArray[np.int64] | None = None,
    ) -> dict[str, Any]:
        """Train the model on the answers; return metrics.

        Args:
            constraints: What is known of the images that train.
            seed: Seed of all random choices.
            quick: Whether in fewer steps.
            assumed_groups: (M,) groups of these images, each assumed to show one identity, as in
                :meth:`.Refresher.refresh`.
            kept: (M,) the images that train, ascending; ``None`` for all.
        """
        ...

    @property
    def adapted(self) -> bool:
        """Whether the start weights are those of :meth:`adapt`."""
        ...

    def adapt(self, seed: int) -> dict[str, Any]:
        """Let the model learn from the images alone; from now on this is the start. Figures about it."""
        ...

    def save_start(self, path: Path) -> None:
        """Keep the start weights."""
        ...

    def load_start(self, path: Path) -> None:
        """Take adapted weights that were kept as the start."""
        ...

    def learn_all_labels(self, seed: int) -> None:
        """Let the model learn from every label of the pool, in as many steps as a refresh: a reference."""
        ...

    def scores(self) -> dict[str, float]:
        """Rank-1, mAP and so on of the present model on the evaluation set, in percent; may be empty."""
        ...

    def restart(self) -> None:
        """Go back to the start weights."""
        ...

    def save(self, path: Path) -> None:
        """Keep the present model."""
        ...

    def load(self, path: Path) -> None:
        """Go back to a model that was kept."""
        ...

    def save_features(self, path: Path, features: FeatureSet) -> None:
        """Keep the features that the present model gives the pool, to be asked with without embedding."""
        ...

    def fingerprint(self) -> str:
        """A digest of the pool's images and the start weights, to tell whether a resumed run is the same."""
        ...


def load_or_make_start(pool: Pool, path: Path, seed: int) -> dict[str, Any]:
    """Load the label-free start, or make it where there is none, or it is damaged, which is said.

    Args:
        pool: The pool, at the start weights.
        path: Where the start is kept.
        seed: Seed of the run.

    Returns:
        Metrics of the training; empty where the start was there.
    """
    if path.exists():
        try:
            pool.load_start(path)
            return {}
        except InputError as error:
            _log.warning("%s; the label-free start is made again", str(error).partition("; ")[0])
    figures = pool.adapt(seed * 1000)
    pool.save_start(path)
    return figures


def known_of(images: ImageSet | None, count: int) -> Callable[[Corrections], ConstraintGraph]:
    """Return what is known before the first answer about a pool, as :data:`.Known`.

    Args:
        images: The pool; ``None`` for bare features, of which nothing is known.
        count: Number of its images.
    """
    pairs: dict[frozenset[tuple[int, str]], NDArray[np.int64]] = {}  # they are found once for all replays

    def known(corrections: Corrections) -> ConstraintGraph:
        if images is None:
            return ConstraintGraph(count)
        times = frozenset(corrections.times.items())
        if times not in pairs:
            pairs.clear()
            pairs[times] = images.corrected(corrections).known_different
        return known_beforehand(count, images.tracklets, corrections.unusable, pairs[times])

    return known


def known_beforehand(
    count: int,
    tracklets: NDArray[np.int64] | None,
    excluded: Collection[int] = (),
    different: NDArray[np.int64] | None = None,
) -> ConstraintGraph:
    """What is known before the first answer.

    Images of one tracklet show one identity; pairs that are known to differ show two.

    Args:
        count: Number of images.
        tracklets: (N,) tracklet of each image, −1 for none; ``None`` where there are no tracklets.
        excluded: Images that annotators reported as unusable; they get no constraints.
        different: (M, 2) pairs of images that are known to differ; ``None`` for none.
    """
    constraints = ConstraintGraph(count)
    if tracklets is not None:
        tracklets = tracklets.copy()
        tracklets[list(excluded)] = -1
        constraints.link_groups(tracklets, TRACKLET_WEIGHT)
    for i, j in () if different is None else different.tolist():
        if i not in excluded and j not in excluded:
            constraints.add(i, j, -1, TRACKLET_WEIGHT)
    return constraints
