"""Which identities a list shows: by name, state, camera, side and date."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.identity_list import IdentityList

Show = Literal["all", "named", "unnamed", "single", "suggested", "conflicting", "hidden"]


@dataclass(frozen=True)
class Pool:
    """What is known of the pool's images.

    Attributes:
        names: (N,) their names.
        cameras: (N,) their cameras; ``None`` where unknown.
        sides: (N,) their sides; ``None`` where unknown.
        day: Returns the day on which an image was taken, as ISO 8601; empty where unknown.
        hidden: Images whose identities are hidden.
        conflicting: Images whose answers contradict one another.
    """

    names: Sequence[str] | NDArray[np.str_]
    cameras: NDArray[np.int64] | None
    sides: NDArray[np.int64] | None
    day: Callable[[int], str]
    hidden: Collection[int] = ()
    conflicting: Collection[int] = ()


@dataclass(frozen=True)
class IdentityFilter:
    """Which identities are wanted; camera, side and date are of one image each.

    Attributes:
        search: Part of the identity's name or of an image's, in any case.
        show: Those in a certain state; hidden ones are shown only on demand.
        camera: Number of a camera.
        side: Number of a side.
        since: First day, as ISO 8601.
        until: Last day.
    """

    search: str = ""
    show: Show = "all"
    camera: int | None = None
    side: int | None = None
    since: str | None = None
    until: str | None = None

    def select(self, found: IdentityList, pool: Pool) -> NDArray[np.bool_]:
        """(G,) whether each identity is wanted."""
        hidden = _holding(found, pool.hidden)
        wanted = self._in_state(found, pool) & (hidden if self.show == "hidden" else ~hidden)
        images = np.ones(len(found.labels), dtype=bool)
        for number, column in ((self.camera, pool.cameras), (self.side, pool.sides)):
            if number is not None:
                images &= False if column is None else column == number
        if self.since or self.until:
            days = [pool.day(image) for image in range(len(images))]
            first, last = self.since or "", self.until or "9999"
            images &= np.array([day != "" and first <= day <= last for day in days])
        if self.search.strip():
            wanted &= self._found(found, pool)
        return np.asarray(wanted & _holding(found, np.flatnonzero(images)))

    def _in_state(self, found: IdentityList, pool: Pool) -> NDArray[np.bool_]:
        named = np.zeros(len(found), dtype=bool)
        named[list(found.names)] = True
        if self.show in ("named", "unnamed"):
            return named if self.show == "named" else ~named
        if self.show == "single":
            return np.asarray(found.sizes == 1)
        if self.show == "suggested":
            return (found.sizes > 1) & _holding(found, np.flatnonzero(~found.confirmed))
        if self.show == "conflicting":
            return _holding(found, pool.conflicting)
        return np.ones(len(found), dtype=bool)

    def _found(self, found: IdentityList, pool: Pool) -> NDArray[np.bool_]:
        part = self.search.strip().casefold()
        images = [image for image, name in enumerate(pool.names) if part in str(name).casefold()]
        wanted = _holding(found, images)
        wanted[[group for group, name in found.names.items() if part in name.casefold()]] = True
        return wanted


def _holding(found: IdentityList, images: Collection[int] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """(G,) which identities show one of the images."""
    holding, members = np.zeros(len(found), dtype=bool), np.array(list(images), dtype=np.int64)
    holding[found.labels[members[found.shown[members]]]] = True
    return holding
