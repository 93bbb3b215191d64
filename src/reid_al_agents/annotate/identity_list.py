"""Groups of images to be looked at: each with its images, the most typical first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.messages import Conflict, Unknown
from reid_al_agents.asking.batch import Batch
from reid_al_agents.identities import Identities, names_of_groups
from reid_al_env import FeatureSet
from reid_al_env.groups import Groups
from reid_al_env.messages import Message, message_of

_DIGITS = 16  # longest number of an image, plus one
Order = Literal["size", "recent", "name"]


class IdentityList:
    """Groups by the number of their most typical image, which is how pages refer to them.

    Args:
        groups: The groups.
        names: Name of each image that was given one, the latest last.
        changes: State of the session that it was made from.
        edited: Images whose identity was edited, the latest last.
        confirmed: (N,) whether matches join an image to its group; ``None`` for the groups of a batch.
        probabilities: (N,) see :func:`.membership_probabilities`; likewise.
        removed: Images that were removed from the pool; no identity shows them.

    Attributes:
        labels: (N,) group of each image.
        shown: (N,) whether an image is there; the others were removed.
        sizes: (G,) images that each group shows.
        changes: See above.
        confirmed: See above.
        probabilities: See above; NaN for those removed.
    """

    def __init__(
        self,
        groups: Groups,
        names: Mapping[int, str],
        changes: int,
        edited: Iterable[int] = (),
        confirmed: NDArray[np.bool_] | None = None,
        probabilities: NDArray[np.float64] | None = None,
        removed: Collection[int] = (),
    ) -> None:
        self._groups, self.labels = groups, groups.labels
        self.shown = ~np.isin(np.arange(len(self.labels)), list(removed))
        self.sizes = np.bincount(self.labels[self.shown], minlength=len(groups))
        self._by_typical = {int(image): group for group, image in enumerate(groups.typical)}
        self._names = names_of_groups(names, groups.labels)
        self._edited_last = {int(groups.labels[image]): place for place, image in enumerate(edited)}
        self.changes = changes
        count = len(groups.labels)
        self.confirmed = np.zeros(count, dtype=bool) if confirmed is None else confirmed
        self.probabilities = np.full(count, np.nan) if probabilities is None else probabilities.copy()
        self.probabilities[~self.shown] = np.nan

    @classmethod
    def of_batch(
        cls, batch: Batch, names: Mapping[int, str], changes: int, removed: Collection[int] = ()
    ) -> IdentityList:
        """The groups of a batch."""
        return cls(batch.view.groups, names, changes, removed=removed)

    @classmethod
    def of_identities(
        cls,
        features: FeatureSet,
        identities: Identities,
        probabilities: NDArray[np.float64],
        names: Mapping[int, str],
        changes: int,
        edited: Iterable[int] = (),
        removed: Collection[int] = (),
    ) -> IdentityList:
        """The predicted identities, as they would be delivered."""
        groups = Groups(features, identities.groups)
        return cls(groups, names, changes, edited, identities.confirmed, probabilities, removed)

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def identities(self) -> int:
        """Groups of two images or more."""
        return int(np.count_nonzero(self.sizes > 1))

    def of_image(self, image: int) -> int:
        """The group that holds an image."""
        return int(self._groups.labels[image])

    def find(self, identity: str) -> int:
        """The group that a page calls ``identity``, or that holds the image ``i`` and its number.

        Raises:
            Unknown: There is none, such as after an edit.
        """
        kind, number = identity[:1], identity[1:]
        known = int(number) if number.isdecimal() and len(number) < _DIGITS else -1
        group = self._by_typical.get(known) if kind == "g" else None
        if kind == "i" and 0 <= known < len(self.labels):
            group = self.of_image(known)
        if group is None or not self.sizes[group]:
            raise Unknown(
                Message(
                    "identity {identity!r}: is not there (any more); load the page again", identity=identity
                )
            )
        return group

    def present(self, identity: str) -> int:
        """As :meth:`find`, for an edit of what a page shows.

        Raises:
            Conflict: There is no such identity any more: the page that sent it is out of date.
        """
        try:
            return self.find(identity)
        except Unknown as error:
            raise Conflict(message_of(error)) from None

    def named(self, name: str) -> int | None:
        """The group of this name, in any case."""
        wanted = name.strip().casefold()
        return next((group for group, given in self._names.items() if given.casefold() == wanted), None)

    def key(self, group: int) -> str:
        """What a page calls the group."""
        return f"g{int(self._groups.typical[group])}"

    def size(self, group: int) -> int:
        """Number of its images."""
        return int(self.sizes[group])

    def images(self, group: int, count: int | None = None) -> list[int]:
        """Its images, the most typical first, at most ``count``."""
        images = self._groups.by_closeness(group)
        return [int(image) for image in images[self.shown[images]][:count]]

    @property
    def names(self) -> dict[int, str]:
        """The names that were given, by group."""
        return dict(self._names)

    def name(self, group: int) -> str | None:
        """The name it was given."""
        return self._names.get(group)

    def ordered(self, order: Order) -> list[int]:
        """All groups that show an image, in one of these orders.

        The largest first, the last edited first, or by name with those without one last.
        """

        def place(group: int) -> tuple[object, ...]:
            if order == "recent":
                return -self._edited_last.get(group, -1), -self.size(group), group
            if order == "name":
                return group not in self._names, self._names.get(group, ""), -self.size(group), group
            return -self.size(group), group

        return sorted(np.flatnonzero(self.sizes).tolist(), key=place)
