"""The review queue: identities whose images fit least, so that wrong merges and suggestions are found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.log.events import Event

Part = Literal["all", "suggested", "confirmed"]


def review_queue(found: IdentityList, events: Iterable[Event], part: Part = "all") -> list[int]:
    """Identities to look through, the one with the least probable image first.

    An image that was looked at on a screen before counts no longer, whoever looked.

    Args:
        found: The present identities.
        events: Events that count.
        part: Whether suggested images count, confirmed ones, or both.
    """
    doubtful = found.probabilities.copy()
    doubtful[list(_looked_at(events))] = np.nan
    if part != "all":
        doubtful[found.confirmed == (part == "suggested")] = np.nan
    open_ = np.flatnonzero(~np.isnan(doubtful))
    lowest = np.full(len(found), np.inf)
    np.minimum.at(lowest, found.labels[open_], doubtful[open_])
    order = np.argsort(lowest, kind="stable")
    return [int(group) for group in order[: int(np.isfinite(lowest).sum())]]


def by_suspicion(found: IdentityList, group: int) -> list[int]:
    """Images of an identity, the least probable first."""
    images: NDArray[np.int64] = np.array(found.images(group), dtype=np.int64)
    return [int(image) for image in images[np.argsort(found.probabilities[images], kind="stable")]]


def _looked_at(events: Iterable[Event]) -> set[int]:
    screens = (event for event in events if event.question_kind == "screen")
    return {image for event in screens for image in (event.query, event.candidate) if image is not None}
