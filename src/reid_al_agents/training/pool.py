"""What is asked about and improved, as the loop sees it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.data import ImageSet
from reid_al_env import ConstraintGraph, FeatureSet

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
    def identities(self) -> NDArray[np.int64]:
        """True identities of the pool's images where known, else −1, shape (N,)."""
        ...

    @property
    def tracklets(self) -> NDArray[np.int64] | None:
        """Tracklet of each image, shape (N,), −1 for none; ``None`` where there are no tracklets."""
        ...

    @property
    def sides(self) -> NDArray[np.int64] | None:
        """Side that each image shows, shape (N,), −1 for unknown; ``None`` where there are no sides."""
        ...

    def pool(self) -> FeatureSet:
        """The pool as the present model sees it."""
        ...

    def refresh(
        self,
        constraints: ConstraintGraph,
        seed: int,
        *,
        quick: bool = False,
        assumed_groups: NDArray[np.int64] | None = None,
    ) -> dict[str, Any]:
        """Let the model learn from the answers; figures about it.

        Args:
            constraints: What is known of the pool's images.
            seed: Of everything drawn.
            quick: Whether in fewer steps.
            assumed_groups: (N,) groups assumed to be one identity each, as in :meth:`.Refresher.refresh`.
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

    def fingerprint(self) -> str:
        """A digest of the pool's images and the start weights, to tell whether a resumed run is the same."""
        ...


def known_beforehand(images: Pool | ImageSet, excluded: Collection[int] = ()) -> ConstraintGraph:
    """What is known before the first answer: images of one tracklet show one identity.

    Args:
        images: The images.
        excluded: Those of which nothing is known, since they do not show what they should.
    """
    constraints = ConstraintGraph(len(images))
    if images.tracklets is not None:
        tracklets = images.tracklets.copy()
        tracklets[list(excluded)] = -1
        constraints.link_groups(tracklets, TRACKLET_WEIGHT)
    return constraints
