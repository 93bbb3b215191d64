"""Optional numbers that describe each node, observed besides the similarity graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError
from reid_al_env.mdp.episode import fresh


class NodeFeatures(Protocol):
    """Protocol: describes each image of an episode by F numbers."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the F numbers, in order; they must not change."""
        ...

    def describe(self, queries: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """Describe the nodes of B episodes that begin; the numbers stay the same until an episode ends.

        The numbers of one episode should not depend on the others: the single environment calls this with
        one episode, the batched environment with several.

        Args:
            queries: Dataset indices, shape (B,).
            candidates: Dataset indices, shape (B, n); −1 is padding.

        Returns:
            Finite float32, shape (B, n+1, F): row 0 is the query, row i+1 candidate i. Rows of padding are
            ignored and become zeros.
        """
        ...


@dataclass(frozen=True, eq=False, repr=False)
class StaticNodeFeatures:
    """Describes each image by a fixed row of numbers. Immutable; ``deepcopy`` returns the object itself.

    Args:
        values: One row for each image, in the order of the feature set: shape (N, F), stored as float32.
        names: Names of the F columns.

    Raises:
        InputError: If shape and names disagree, or a value is not finite.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = _check_names(self.names)
        found = np.asarray(self.values)
        if found.dtype.kind not in "fiub" or found.ndim != 2 or found.shape[1] != len(names):
            raise InputError(
                f"node_features: values have shape {found.shape} and type {found.dtype}; expected numbers of "
                f"shape (images, {len(names)}), a column for each of {', '.join(names)}"
            )
        values = _as_float32(found)
        finite = np.isfinite(values)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise InputError(
                f"node_features: {names[column]!r} of image {row} is {found[row, column]}; "
                "give a finite float32, such as 0 for what is not known"
            )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", names)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"StaticNodeFeatures(images={len(self)}, names={self.names})"

    def __deepcopy__(self, memo: dict[int, Any]) -> StaticNodeFeatures:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return StaticNodeFeatures, (self.values, self.names)

    def describe(self, queries: NDArray[np.int64], candidates: NDArray[np.int64]) -> NDArray[np.float32]:
        """See :meth:`NodeFeatures.describe`."""
        nodes = np.concatenate([queries[:, None], candidates], axis=1)  # (B, n+1)
        if nodes.size and nodes.max() >= len(self):
            raise InputError(
                f"node_features: image {nodes.max()} is outside the {len(self)} rows of values; "
                "give one row for each image"
            )
        described: NDArray[np.float32] = self.values[nodes]
        return described


class DescribedNodes:
    """The node features of ``size`` running episodes.

    Args:
        node_features: Source of the numbers.
        size: B, number of episodes.
        nodes: n+1, the query and its candidates.
        images: N, number of images.

    Raises:
        InputError: If the names are not usable, or static values have another number of rows than N.
    """

    STATE = ("_values",)

    def __init__(self, node_features: NodeFeatures, size: int, nodes: int, images: int) -> None:
        self.names = _check_names(node_features.names)
        if isinstance(node_features, StaticNodeFeatures) and len(node_features) != images:
            raise InputError(
                f"node_features: values have {len(node_features)} rows but there are {images} images; "
                "give one row for each image, in the same order"
            )
        self._source = node_features
        self._values = np.zeros((size, nodes, len(self.names)), dtype=np.float32)

    def begin(
        self, rows: NDArray[np.int64], queries: NDArray[np.int64], candidates: NDArray[np.int64]
    ) -> None:
        """Describe the episodes that begin in ``rows`` (M,) with ``queries`` (M,), ``candidates`` (M, n).

        Raises:
            InputError: If the description has another shape, or is not finite.
        """
        if len(rows) == 0:
            return
        found = np.asarray(self._source.describe(queries.copy(), candidates.copy()))
        expected = (len(rows), *self._values.shape[1:])
        if found.shape != expected or found.dtype.kind not in "fiub":
            raise InputError(
                f"node_features: describe gave shape {found.shape} and type {found.dtype}; expected float32 "
                f"of shape {expected}, that is (episodes, 1 + candidates, names)"
            )
        values = _as_float32(found)
        values[:, 1:][candidates < 0] = 0.0
        finite = np.isfinite(values)
        if not finite.all():
            place, node, name = np.argwhere(~finite)[0]
            image = queries[place] if node == 0 else candidates[place, node - 1]
            raise InputError(
                f"node_features: describe gave {found[place, node, name]} for {self.names[name]!r} of image "
                f"{image} (query {queries[place]}); give a finite float32, such as 0 for what is not known"
            )
        self._values[rows] = values

    def observation(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """The node features in a new array, shape (M, n+1, F)."""
        return fresh(self._values, rows)


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    listed = () if isinstance(names, str) else tuple(names)
    usable = all(isinstance(name, str) and name for name in listed)
    if not listed or not usable or len(set(listed)) < len(listed):
        raise InputError(f"node_features: names are {names!r}; expected a tuple of distinct, non-empty names")
    return listed


def _as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """A copy as float32; numbers beyond its range become infinite."""
    with np.errstate(over="ignore"):
        return np.array(values, dtype=np.float32)
