"""Synthetic data sets by name."""

from __future__ import annotations

from dataclasses import replace

from reid_al_env.errors import InputError

from ..images import ImageSet
from .domain import DOMAINS
from .render import render_pedestrians

_OPTIONS = ("seed", "identities", "cameras")


def load_synthetic(name: str) -> ImageSet:
    """Render a data set by its name on the command line.

    Args:
        name: A name in :data:`~.domain.DOMAINS`, optionally with ``seed``, ``identities`` and ``cameras``:
            ``pedestrians-target?seed=3&identities=100``. The seed is 0 unless given.

    Returns:
        The images.

    Raises:
        InputError: The name or an option is unknown, or a value is not a whole number.
    """
    plain, _, query = name.partition("?")
    if plain not in DOMAINS:
        raise InputError(f"synthetic:{name}: no such data set; known are {', '.join(sorted(DOMAINS))}")
    options = dict(_read_option(name, option) for option in query.split("&") if option)
    domain = DOMAINS[plain]
    domain = replace(
        domain,
        identities=options.get("identities", domain.identities),
        cameras=options.get("cameras", domain.cameras),
    )
    return render_pedestrians(domain, options.get("seed", 0))


def _read_option(name: str, option: str) -> tuple[str, int]:
    key, _, value = option.partition("=")
    if key not in _OPTIONS or not value.isdecimal():
        known = ", ".join(f"{known}=" for known in _OPTIONS)
        raise InputError(
            f"synthetic:{name}: option {option!r}; expected {known} with a whole number, joined by &"
        )
    return key, int(value)
