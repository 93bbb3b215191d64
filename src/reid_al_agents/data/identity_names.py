"""From what a data set calls its people to numbers."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN = -1


def number_identities(names: Sequence[str]) -> tuple[list[int], tuple[str, ...] | None]:
    """Turn the names of people into identities.

    Where every name is a whole number of at most 18 digits written in one way only, the numbers themselves
    are the identities (``0002`` is 2); otherwise the names are sorted and counted from 0. Blank and ``-1``
    mean unknown.

    Args:
        names: One name per image.

    Returns:
        One identity per image (-1 unknown), and the name of each identity in order, or None where the
        identities are the data's own numbers.
    """
    known = sorted({name for name in names if name not in ("", "-1")})
    if all(name.isascii() and name.isdigit() and len(name) <= 18 for name in known) and len(
        {int(name) for name in known}
    ) == len(known):
        return [int(name) if name else UNKNOWN for name in names], None
    identities = {name: number for number, name in enumerate(known)}
    return [identities.get(name, UNKNOWN) for name in names], tuple(known)
