"""Split files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from reid_al_agents.files import read_json, read_state, write_state
from reid_al_env.errors import InputError

from .split import IDENTITY_SETS, Split

_OWN = ("pool_images", "test_queries", "test_gallery")


def load_split(path: str | Path) -> Split:
    """Read a split file.

    Args:
        path: A JSON object with ``pool_identities``, ``test_identities`` and ``query``, optionally
            ``validation_identities``, ``pool_images``, ``test_queries``, ``test_gallery`` and ``protocol``;
            identities are whole numbers (or text of digits), images are names.

    Returns:
        The split; where :func:`save_split` wrote the file and it was damaged, its state before.

    Raises:
        InputError: The file is missing or is not such an object.
    """
    return read_state(path, _read_split)


def _read_split(path: Path) -> Split:
    content = read_json(path, " as a split", "expected a JSON object")
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: a JSON {type(content).__name__}; "
            "expected an object with pool_identities, test_identities and query"
        )
    missing = [key for key in ("pool_identities", "test_identities", "query") if key not in content]
    if missing:
        raise InputError(
            f"{path}: no {', '.join(missing)}; a split needs pool_identities, test_identities and query"
        )
    pool, validation, test = (_read_identities(path, content.get(key, []), key) for key in IDENTITY_SETS)
    query, images, queries, gallery = (
        _read_names(path, content.get(key, []), key) for key in ("query", *_OWN)
    )
    try:
        name = str(content.get("protocol", ""))
        return Split(pool, validation, test, query, images, queries, gallery, name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read_names(path: str | Path, values: object, key: str) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{path}: '{key}' is not a list of names; give the images' names as text")
    return tuple(values)


def _read_identities(path: str | Path, values: object, key: str) -> tuple[int, ...]:
    try:
        if not isinstance(values, list) or any(isinstance(value, (bool, float)) for value in values):
            raise TypeError
        return tuple(int(value) for value in values)
    except (TypeError, ValueError):
        raise InputError(
            f"{path}: '{key}' is not a list of whole numbers; give the identities as integers"
        ) from None


def save_split(split: Split, path: str | Path) -> None:
    """Write a split file that :func:`load_split` reads; all of it or nothing.

    Args:
        split: What to write.
        path: The file; its folder must exist.

    Raises:
        InputError: The file cannot be written.
    """
    content = {key: value for key, value in asdict(split).items() if value or key not in (*_OWN, "protocol")}
    write_state(path, content, indent=1)
