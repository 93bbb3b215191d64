"""From what a data set calls its individuals, cameras, sides and places to numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

UNKNOWN = -1
"""Number of what is unknown, in every column of numbers."""

UNKNOWN_WORDS = frozenset({"", "unknown", "nan", "none", "null", "na", "n/a", "<na>", "#n/a", "nat", "-1"})
"""Spellings of "unknown" in every data set, compared without regard to case; question marks are others."""

_WHOLE = re.compile(r"([+-]?\d+)\.0+")
_QUESTION_MARKS = re.compile(r"\?+")


def clean_name(word: str) -> str:
    """Strip a name; a whole number that a spreadsheet wrote with a decimal point (``1.0``) becomes ``1``."""
    word = word.strip().replace("\N{MINUS SIGN}", "-")
    whole = _WHOLE.fullmatch(word)
    return whole[1] if whole else word


def is_unknown(word: str, further: Collection[str] = ()) -> bool:
    """Whether a word says that nothing is known.

    Args:
        word: From a table or the name of a folder.
        further: More spellings of "unknown" than :data:`UNKNOWN_WORDS`; case does not matter.
    """
    plain = clean_name(word).casefold()
    if plain in UNKNOWN_WORDS or _QUESTION_MARKS.fullmatch(plain):
        return True
    return any(plain == clean_name(other).casefold() for other in further)


def number_names(
    words: Sequence[str], further_unknown: Collection[str] = ()
) -> tuple[list[int], tuple[str, ...] | None]:
    """Turn names into numbers.

    Where every known name is a whole number of at most 18 digits written in one way only, the numbers
    themselves are kept (``0002`` is 2, ``1.0`` is 1); otherwise the names are sorted and counted from 0.

    Args:
        words: One name per image.
        further_unknown: As in :func:`is_unknown`.

    Returns:
        One number per image (-1 unknown), and the name of each number in order, or None where the numbers are
        the data's own.
    """
    meanings = {
        word: None if is_unknown(word, further_unknown) else clean_name(word) for word in dict.fromkeys(words)
    }
    known = sorted({name for name in meanings.values() if name is not None})
    digits = all(name.isascii() and name.isdigit() and len(name) <= 18 for name in known)
    if digits and len({int(name) for name in known}) == len(known):
        number_of, names = {name: int(name) for name in known}, None
    else:
        number_of, names = {name: number for number, name in enumerate(known)}, tuple(known)
    numbers = {word: UNKNOWN if name is None else number_of[name] for word, name in meanings.items()}
    return [numbers[word] for word in words], names
