"""Groups of images of one identity, used as nodes in place of single images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.feature_set import FeatureSet


class Groups:
    """Groups of images that are known, or assumed, to show one identity each.

    Args:
        features: The N images.
        labels: Group of each image, shape (N,); every number from 0 to G − 1 occurs.

    Attributes:
        labels: Shape (N,), int64.
        sizes: Number of images of each group, shape (G,), int64.
        means: L2-normalised means of the L2-normalised features, shape (G, D), float32.
        typical: Dataset index of each group's image nearest to its mean, the image shown to annotators,
            shape (G,), int64.

    Raises:
        InputError: If the labels are not as described, or the mean of a group is zero.
    """

    def __init__(self, features: FeatureSet, labels: NDArray[np.int64]) -> None:
        labels = np.asarray(labels, dtype=np.int64)
        if labels.shape != (len(features),):
            raise InputError(
                f"groups: labels have shape {labels.shape} but {features.source} has {len(features)} images"
            )
        self.sizes = np.bincount(labels[labels >= 0])
        if labels.min() < 0 or not self.sizes.all():
            raise InputError("groups: labels must be every number from 0 to the number of groups less one")
        self.labels = labels
        self._features = features
        self._by_group = np.argsort(labels, kind="stable")
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])
        units = features.features / np.linalg.norm(features.features, axis=1, keepdims=True)
        means = np.add.reduceat(units[self._by_group], self._starts[:-1], axis=0)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        if not (lengths > 0).all():
            raise InputError(f"groups: the features of group {int(np.argmin(lengths))} cancel out")
        self.means: NDArray[np.float32] = (means / lengths).astype(np.float32)
        closeness = np.einsum("nd,nd->n", units, self.means[labels])
        order = np.lexsort((np.arange(len(labels)), -closeness, labels))
        self._by_closeness = order
        self.typical: NDArray[np.int64] = order[self._starts[:-1]]

    def __len__(self) -> int:
        return len(self.sizes)

    def members(self, group: int) -> NDArray[np.int64]:
        """Dataset indices of a group's images, ascending."""
        return self._by_group[self._starts[group] : self._starts[group + 1]]

    def by_closeness(self, group: int) -> NDArray[np.int64]:
        """Dataset indices of a group's images, nearest to the mean first."""
        return self._by_closeness[self._starts[group] : self._starts[group + 1]]

    def nodes(self) -> FeatureSet:
        """The groups as a feature set: their means, with the identities and names of the typical images.

        There are no cameras, since a group may have images of several.
        """
        features = self._features
        return FeatureSet(
            self.means,
            features.identities[self.typical],
            paths=features.names[self.typical],
            source=f"groups of {features.source}",
        )
