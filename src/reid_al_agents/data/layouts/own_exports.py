"""What our own exports say beside the layout that they have: which identities no person has confirmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

CONFIRMED = "confirmed"
"""Column: 1 where answers join an image to its identity, 0 where the model suggests it."""

CERTAINTY = frozenset({CONFIRMED, "n_confirmed", "probability"})
"""Columns that say how sure an identity is."""


def is_suggested(row: Mapping[str, str]) -> bool:
    """Whether a row of an export says that the identity of its image is only suggested."""
    return row.get(CONFIRMED) == "0"


def notes_of_suggestions(identities: Iterable[object], suggested: Iterable[bool]) -> tuple[str, ...]:
    """Say how many suggestions are taken as known identities; nothing where there are none.

    Args:
        identities: The identity of each image, blank or negative where unknown.
        suggested: Whether it is a suggestion. An image that is alone in its identity is none.
    """
    pairs = list(zip(identities, suggested, strict=True))
    sizes = Counter(identity for identity, _ in pairs)
    count = sum(guess and identity not in ("", -1) and sizes[identity] > 1 for identity, guess in pairs)
    if not count:
        return ()
    return (
        f"the identities of {count} images are suggestions of a model and count as known here; "
        "reid-al export --confirmed-only leaves them out",
    )
