"""Events that say which images came and went, and by whom: for the history; the pool is changed elsewhere."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterable, Sequence

from reid_al_agents.log.events import Event

_UNNAMED = "reid-al"  # a user of the command line whom the system has no name for


def images_added(
    run: str, first: int, count: int, source: str, *, annotator: str, at: float, round_: int
) -> Event:
    """Say that images joined the pool.

    Args:
        run: The run.
        first: Number of the first.
        count: How many they are; their numbers follow each other.
        source: Where they came from.
        annotator: Who added them.
        at: When, in seconds since 1970-01-01 UTC.
        round_: Number of refreshes so far.
    """
    payload = {"file": source, "first": first, "count": count}
    return Event(f"add/{first}", run, "add", annotator, at, round=round_, payload=payload)


def images_removed(run: str, images: Sequence[int], *, back: bool, after: Iterable[Event]) -> Event:
    """Say that images were taken out of the pool by the command line, or taken in again.

    Args:
        run: The run.
        images: Their numbers.
        back: Whether they were taken in again.
        after: The log before.
    """
    events = list(after)
    key = f"remove/{max((event.id for event in events), default=0)}"
    payload = {"images": list(images), "back": back}
    return Event(key, run, "remove", local_user(), time.time(), round=rounds_in(events), payload=payload)


def rounds_in(events: Iterable[Event]) -> int:
    """Number of refreshes that a log holds."""
    return sum(event.kind == "refresh" for event in events)


def local_user() -> str:
    """What the system calls the user of the command line."""
    try:
        return getpass.getuser() or _UNNAMED
    except (OSError, KeyError, ImportError):  # no such user, as in a container that runs under a bare number
        return _UNNAMED
