"""What the command line and ``reid-al datasets`` know of a layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reid_al_env.errors import InputError

from ..images import ImageSet
from ..protocol import Published
from ..settings import DataSettings


@dataclass(frozen=True)
class Layout:
    """A way in which images and what is known of them lie on disk.

    Attributes:
        prefix: What DATA begins with, before the colon.
        place: What comes after the colon: ``DIR`` or ``FILE``, with options if there are any.
        title: What it is, in a few words.
        load: Reads it; takes what comes after the colon, and the settings.
        tree: How its folder or file must look.
        origin: Where to get it; empty for what users make themselves.
        published: Counts by part (``train``, ``query``, ``gallery``), where there is one such data set.
        note: What a user must know before using it.
    """

    prefix: str
    place: str
    title: str
    load: Callable[[str, DataSettings], ImageSet]
    tree: str
    origin: str = ""
    published: Published = ()
    note: str = ""


def split_options(place: str, known: tuple[str, ...], what: str) -> tuple[str, dict[str, str]]:
    """Part what comes after the colon into the place and its options, ``DIR?trial=3&boxes=labelled``.

    Args:
        place: As typed; a question mark that no option follows belongs to the place.
        known: Names of the options.
        what: The prefix, for messages.

    Returns:
        The place, and the options' values by name.

    Raises:
        InputError: An option is unknown.
    """
    where, mark, text = place.rpartition("?")
    if not mark or "=" not in text or "/" in text:
        return place, {}
    options = dict(option.partition("=")[::2] for option in text.split("&") if option)
    unknown = next((name for name in options if name not in known), None)
    if unknown is not None:
        expected = ", ".join(f"{name}=" for name in known) or "none"
        raise InputError(f"{what}:{place}: option {unknown!r} is unknown; expected {expected}")
    return where, options


def read_number(
    options: dict[str, str], name: str, default: float, low: float, high: float, source: str
) -> float:
    """Read the number that an option gives.

    Raises:
        InputError: It is no number from ``low`` to ``high``.
    """
    try:
        value = float(options.get(name, default))
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise InputError(f"{source}: {name}={options[name]}; expected a number from {low:g} to {high:g}")
    return value
