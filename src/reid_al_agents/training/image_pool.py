"""A pool of images and their network, which is refreshed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import Corrections, ImageSet, QueryGallery, Split
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_agents.files import write_arrays
from reid_al_agents.training.pool import Progress, known_beforehand
from reid_al_agents.training.refresher import Refresher
from reid_al_agents.vision import EmbeddingNet, embed, load_weights, save_weights, size_text
from reid_al_env import ConstraintGraph, FeatureSet

_log = logging.getLogger(__name__)

_DECODED_BYTES = 4 << 30


class ImagePool:
    """Images and a network.

    Args:
        model: The network with its start weights.
        images: All images.
        split: Identities of the pool, of validation and of test.
        evaluate_on: ``validation``, ``test`` or ``none``.
        size: Height and width, pixels.
        refresher: Trains the network on the answers; ``None`` for no training.
        reference: Trains on all labels of the pool, with the same settings.
        adapter: Makes the label-free start; ``None`` for the refresher.
        quick: Makes quick refreshes; ``None`` for the refresher.
        progress: Called with stage, done and total during long work.
    """

    def __init__(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        split: Split,
        evaluate_on: str,
        size: tuple[int, int],
        refresher: Refresher | None,
        reference: Refresher | None = None,
        adapter: Refresher | None = None,
        quick: Refresher | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.model = model
        self._size = size
        self._refresher = refresher
        self._reference = reference
        self._adapter = adapter or refresher
        self._quick = quick or refresher
        self._progress = progress
        self._start = {name: value.clone() for name, value in model.state_dict().items()}
        self._fingerprint = ""
        self.adapted = False
        self._pool = self._decoded(images.subset(split.pool(images)))
        self._judged, self._sides = _evaluation_images(images, split, evaluate_on)
        self._scored = "" if evaluate_on == "none" else split.describe(images, evaluate_on)
        if self._judged is not None:
            self._judged = self._decoded(self._judged)

    def __len__(self) -> int:
        return len(self._pool)

    @property
    def trains(self) -> bool:
        """See :class:`.Pool`."""
        return self._refresher is not None

    @property
    def names(self) -> NDArray[np.str_]:
        """See :class:`.Pool`."""
        return self._pool.names

    @property
    def images(self) -> ImageSet:
        """See :class:`.Pool`."""
        return self._pool

    @property
    def gone(self) -> NDArray[np.bool_]:
        """See :class:`.Pool`."""
        return self._pool.gone

    @property
    def identities(self) -> NDArray[np.int64]:
        """See :class:`.Pool`."""
        return self._pool.identities

    @property
    def cameras(self) -> NDArray[np.int64] | None:
        """See :class:`.Pool`."""
        return self._pool.cameras

    @property
    def tracklets(self) -> NDArray[np.int64] | None:
        """See :class:`.Pool`."""
        return self._pool.tracklets

    @property
    def known_different(self) -> NDArray[np.int64] | None:
        """See :class:`.Pool`."""
        return self._pool.known_different

    def correct(self, corrections: Corrections) -> None:
        """See :class:`.Pool`."""
        self._pool = self._pool.corrected(corrections)

    @property
    def sides(self) -> NDArray[np.int64] | None:
        """See :class:`.Pool`."""
        return self._pool.sides

    def features(self) -> FeatureSet:
        """See :class:`.Pool`."""
        features = embed(self.model, self._pool, size=self._size, progress=self._bar("embed"))
        return FeatureSet(
            features, self._pool.identities, self._pool.cameras, self._pool.names, source=self._pool.source
        )

    def refresh(
        self,
        constraints: ConstraintGraph,
        seed: int,
        *,
        quick: bool = False,
        assumed_groups: NDArray[np.int64] | None = None,
        kept: NDArray[np.int64] | None = None,
    ) -> dict[str, Any]:
        """See :class:`.Pool`."""
        images = self._pool if kept is None else self._pool.subset(kept)
        refresher = self._quick if quick else self._refresher
        return self._train(refresher, images, constraints, seed, "train", assumed_groups)

    def _train(
        self,
        refresher: Refresher | None,
        images: ImageSet,
        constraints: ConstraintGraph,
        seed: int,
        what: str,
        assumed_groups: NDArray[np.int64] | None = None,
    ) -> dict[str, Any]:
        """Train the model; figures about it."""
        if refresher is None:
            return {}
        report = refresher.refresh(
            self.model,
            images,
            constraints,
            seed=seed,
            progress=self._bar(what),
            assumed_groups=assumed_groups,
        )
        return {f"train_{name}": value for name, value in asdict(report).items() if name != "losses"}

    def adapt(self, seed: int) -> dict[str, Any]:
        """See :class:`.Pool`."""
        self.fingerprint()  # of the weights as they came
        known = known_beforehand(len(self), self.tracklets, different=self.known_different)
        figures = self._train(self._adapter, self._pool, known, seed, "adapt")
        self._start_here()
        return figures

    def save_start(self, path: Path) -> None:
        """See :class:`.Pool`."""
        now = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.restart()
        self.save(path)
        self.model.load_state_dict(now)

    def load_start(self, path: Path) -> None:
        """See :class:`.Pool`."""
        self.fingerprint()
        self.load(path)
        self._start_here()

    def _start_here(self) -> None:
        self._start = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.adapted = True

    def learn_all_labels(self, seed: int) -> None:
        """See :class:`.Pool`."""
        if self._reference is not None:
            nothing = ConstraintGraph(len(self._pool))
            self._reference.refresh(self.model, self._pool, nothing, seed=seed, progress=self._bar("train"))

    def scores(self) -> dict[str, float]:
        """See :class:`.Pool`."""
        if self._judged is None or self._sides is None:
            return {}
        _log.info("scored on %s", self._scored)
        features = embed(self.model, self._judged, size=self._size, progress=self._bar("evaluate"))
        scores = evaluate_ranking(
            features, self._judged.identities, self._judged.cameras, self._sides.query, self._sides.gallery
        )
        return {"rank1": scores.rank1, "rank5": scores.rank5, "map": scores.map, "minp": scores.minp}

    def restart(self) -> None:
        """See :class:`.Pool`."""
        self.model.load_state_dict(self._start)

    def save(self, path: Path) -> None:
        """See :class:`.Pool`."""
        save_weights(self.model, path, {"size": size_text(self._size), "data": self._pool.source})

    def load(self, path: Path) -> None:
        """See :class:`.Pool`."""
        load_weights(self.model, path)

    def save_features(self, path: Path, features: FeatureSet) -> None:
        """See :class:`.Pool`."""
        write_arrays(path, {"features": features.features})

    def fingerprint(self) -> str:
        """See :class:`.Pool`."""
        if not self._fingerprint:
            digest = hashlib.sha256("\n".join(self._pool.names.tolist()).encode())
            for value in self._start.values():
                digest.update(value.cpu().numpy().tobytes())
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def _decoded(self, images: ImageSet) -> ImageSet:
        """The images decoded once where they fit in memory, else as they are, to be decoded when needed."""
        if len(images) * self._size[0] * self._size[1] * 3 > _DECODED_BYTES:
            return images
        return images.cached(self._size, self._bar("decode"))

    def _bar(self, what: str) -> Callable[[int, int], None] | None:
        progress = self._progress
        return None if progress is None else lambda done, total: progress(what, done, total)


def _evaluation_images(
    images: ImageSet, split: Split, evaluate_on: str
) -> tuple[ImageSet | None, QueryGallery | None]:
    """The images that are evaluated on, and their two sides as positions among them."""
    if evaluate_on == "none":
        return None, None
    sides = split.test(images) if evaluate_on == "test" else split.validation(images)
    members = np.union1d(sides.query, sides.gallery)
    return images.subset(members), QueryGallery(
        _position(members, sides.query), _position(members, sides.gallery)
    )


def _position(members: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.searchsorted(members, wanted).astype(np.int64)
