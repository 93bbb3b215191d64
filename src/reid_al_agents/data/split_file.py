"""Split files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from reid_al_env.errors import InputError

from .split import IDENTITY_SETS, Split


def load_split(path: str | Path) -> Split:
    """Read a split file.

    Args:
        path: A JSON object with ``pool_identities``, ``test_identities`` and ``query``, optionally
            ``validation_identities``; identities are whole numbers (or text of digits), queries are names.

    Returns:
        The split.

    Raises:
        InputError: The file is missing or is not such an object.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: cannot be read as a split ({reason}); expected a JSON object") from error
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
    query = content["query"]
    if not isinstance(query, list) or not all(isinstance(name, str) for name in query):
        raise InputError(f"{path}: 'query' is not a list of names; give the query images' names as text")
    try:
        return Split(pool, validation, test, tuple(query))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


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
    target = Path(path)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(asdict(split), indent=1) + "\n", encoding="utf-8")
        os.replace(partial, target)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); choose a folder that exists and is yours"
        ) from error
