"""Features that were made elsewhere, matched with images by their paths or by order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.files import read_arrays
from reid_al_env.array_files import read_npy
from reid_al_env.errors import InputError

FEATURE_NAMES = ("features", "feature", "embeddings", "embedding", "vectors", "vector")
"""Names under which the features are looked for in a file."""

PATH_NAMES = (
    "paths",
    "path",
    "names",
    "name",
    "images",
    "image",
    "file",
    "filename",
    "image_path",
    "file_name",
)
"""Names under which the images' paths are looked for in a file."""


def read_features(path: str | Path, names: Sequence[str]) -> NDArray[np.float32]:
    """Read the features of images from ``.npz``, ``.npy`` or ``.parquet``.

    Rows are matched by the paths in the file: as they are written, or else by file name where that is unique.
    A file without paths has to have one row per image, in the same order. Rows of other images are passed
    over.

    Args:
        path: The file. An ``.npz`` holds ``features`` (N, D) and, optionally, ``paths`` (N,); a ``.parquet``
            a column of lists ``features``, or one number column per dimension, and, optionally, ``path``.
        names: Names of the images.

    Returns:
        (len(names), D) float32, in the order of ``names``.

    Raises:
        InputError: The file is missing or unreadable, an image has no row, or a row is not finite or zero.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected features (.npz, .npy or .parquet)")
    readers = {".npz": _read_npz, ".npy": _read_npy, ".parquet": _read_parquet}
    if path.suffix not in readers:
        raise InputError(f"{path}: is not .npz, .npy or .parquet; save the features as one of these")
    features, paths = readers[path.suffix](path)
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.number) or features.shape[1] == 0:
        raise InputError(
            f"{path}: features of shape {features.shape} and type {features.dtype}; expected numbers (N, D)"
        )
    chosen = features[_rows(path, len(features), paths, names)].astype(np.float32)
    _check(path, chosen, names)
    return chosen


def _read_npz(path: Path) -> tuple[NDArray[Any], list[str] | None]:
    arrays = read_arrays(path, "save it again with numpy.savez")
    paths = _first(arrays, PATH_NAMES)
    return _named_features(path, arrays), None if paths is None else [str(name) for name in paths]


def _read_npy(path: Path) -> tuple[NDArray[Any], None]:
    try:
        return read_npy(path), None
    except Exception as error:  # damage makes ast, tokenize and NumPy raise a dozen kinds
        raise InputError(f"{path}: is not a readable .npy of numbers ({error})") from error


def _read_parquet(path: Path) -> tuple[NDArray[Any], list[str] | None]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise InputError('pyarrow is not installed; pip install "reid-active-learning[parquet]"') from error
    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: is not a readable .parquet file ({error})") from error
    columns = {name: table.column(name) for name in table.column_names}
    paths = _first(columns, PATH_NAMES)
    lists = _first(columns, FEATURE_NAMES)
    if lists is not None:
        rows = lists.to_pylist()
        if len({len(row or ()) for row in rows}) > 1:
            raise InputError(f"{path}: features of different lengths; expected one length")
        features = np.array(rows)
    else:
        numbers = [c for c in columns.values() if pyarrow.types.is_floating(c.type)]
        if not numbers:
            raise InputError(f"{path}: no column {FEATURE_NAMES[0]!r} and no columns of numbers")
        features = np.stack([column.to_numpy() for column in numbers], axis=1)
    return features, None if paths is None else [str(name) for name in paths.to_pylist()]


def _named_features(path: Path, arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    found = _first(arrays, FEATURE_NAMES)
    if found is None:
        raise InputError(f"{path}: no array 'features'; it has {', '.join(arrays) or 'none'}")
    return np.asarray(found)


def _first(named: dict[str, Any], names: Sequence[str]) -> Any:
    return next((named[name] for name in names if name in named), None)


def _rows(path: Path, count: int, paths: list[str] | None, names: Sequence[str]) -> NDArray[np.int64]:
    """The row of each image."""
    if paths is None:
        if count != len(names):
            raise InputError(
                f"{path}: {count} rows for {len(names)} images, and no paths to match them by; "
                "give one row per image in the same order, or paths"
            )
        return np.arange(count)
    if len(paths) != count:
        raise InputError(f"{path}: {len(paths)} paths for {count} features; give one each")
    exact = {name: row for row, name in enumerate(paths)}
    rows = [exact.get(name, -1) for name in names]
    if -1 in rows:
        short = _unique_file_names(paths)
        ours = _unique_file_names(names)
        rows = [
            short.get(_file_name(name), -1) if _file_name(name) in ours else exact.get(name, -1)
            for name in names
        ]
    missing = [name for name, row in zip(names, rows, strict=True) if row < 0]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} of {len(names)} images have no row, such as {missing[0]}; "
            f"paths in the file are like {paths[0] if paths else '(none)'}"
        )
    return np.array(rows, dtype=np.int64)


def _unique_file_names(paths: Sequence[str]) -> dict[str, int]:
    """Row by file name, for file names that occur once."""
    counts = Counter(_file_name(path) for path in paths)
    return {_file_name(path): row for row, path in enumerate(paths) if counts[_file_name(path)] == 1}


def _file_name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name


def _check(path: Path, features: NDArray[np.float32], names: Sequence[str]) -> None:
    for wrong, what in (
        (~np.isfinite(features).all(axis=1), "values that are not finite"),
        (~features.any(axis=1), "zeros only, which have no direction"),
    ):
        if wrong.any():
            raise InputError(f"{path}: the features of {names[int(np.argmax(wrong))]} have {what}")
