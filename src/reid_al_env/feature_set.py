"""Feature vectors of images, with identities, cameras and names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_env.array_files import read_npy, read_npz
from reid_al_env.errors import InputError

_ROWS_PER_CHECK = 65_536
_SIDECARS = ("identities", "cameras", "paths")


class FeatureSet:
    """Features of N images with their identities, cameras and paths.

    A set is immutable. Two sets are equal only if they are the same object, and ``copy`` and ``deepcopy``
    return the object itself.

    Args:
        features: Numbers of shape (N, D), stored as float32. A memory-mapped float32 array stays mapped.
        identities: Integers of shape (N,); −1 is unknown. ``None``: all are unknown.
        cameras: Integers of shape (N,); −1 is unknown. ``None``: there are none.
        paths: Strings of shape (N,), names or file paths. ``None``: there are none.
        source: Where the features come from, for error messages.

    Raises:
        InputError: If shapes disagree, a feature is not finite, or a row is all zeros.
    """

    __slots__ = ("_file", "cameras", "features", "identities", "paths", "source")

    features: NDArray[np.float32]
    identities: NDArray[np.int64]
    cameras: NDArray[np.int64] | None
    paths: NDArray[np.str_] | None
    source: str
    _file: str | None

    def __init__(
        self,
        features: NDArray[Any],
        identities: NDArray[Any] | None = None,
        cameras: NDArray[Any] | None = None,
        paths: NDArray[Any] | None = None,
        *,
        source: str = "features",
    ) -> None:
        features = _as_float32(features, source)
        count = len(features)
        if identities is None:
            identities = np.full(count, -1, dtype=np.int64)
        columns = {
            "features": features,
            "identities": _column(identities, np.int64, "identities", count, source),
            "cameras": None if cameras is None else _column(cameras, np.int64, "cameras", count, source),
            "paths": None if paths is None else _column(paths, np.str_, "paths", count, source),
            "source": source,
            "_file": None,
        }
        for name, value in columns.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a FeatureSet is immutable: {name!r} cannot be set; make a new one")

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        count, width = self.features.shape
        return f"FeatureSet({self.source!r}, images={count}, dimensions={width})"

    def __copy__(self) -> FeatureSet:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureSet:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._file is not None and _is_mapped(self.features):
            return FeatureSet.load, (self._file,)
        return _rebuild, (np.asarray(self.features), self.identities, self.cameras, self.paths, self.source)

    @property
    def names(self) -> NDArray[np.str_]:
        """Names of the images, shape (N,): ``paths``, or the dataset indices as strings without paths."""
        return np.arange(len(self)).astype(np.str_) if self.paths is None else self.paths

    def subset(self, indices: NDArray[np.int64]) -> FeatureSet:
        """A new set of the images at ``indices`` (dataset indices or a boolean mask), in that order.

        Images keep their names.
        """
        return FeatureSet(
            self.features[indices],
            self.identities[indices],
            None if self.cameras is None else self.cameras[indices],
            self.names[indices],
            source=self.source,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.npz`` for :meth:`load`. An existing file is replaced only after all is written."""
        target = Path(path)
        columns: dict[str, Any] = {"features": np.asarray(self.features), "identities": self.identities}
        if self.cameras is not None:
            columns["cameras"] = self.cameras
        if self.paths is not None:
            columns["paths"] = self.paths
        partial = target.with_name(f".{target.name}.part")
        try:
            with partial.open("wb") as file:
                np.savez(file, **columns)
            os.replace(partial, target)
        except OSError as error:
            raise InputError(
                f"{target}: cannot be written ({error.strerror}); choose another place"
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FeatureSet:
        """Read features from a file.

        Args:
            path: An ``.npz`` with ``features`` and optionally ``identities``, ``cameras`` and ``paths``, or
                an ``.npy`` with the features alone, which is memory-mapped; the other columns are then
                read from ``NAME.identities.npy``, ``NAME.cameras.npy`` and ``NAME.paths.npy`` beside it.

        Raises:
            InputError: If the file is missing, has another layout or holds pickled objects.
        """
        file = Path(path)
        if not file.is_file():
            raise InputError(f"{file}: no such file; expected features as .npz or .npy")
        columns = _read_mapped(file) if file.suffix == ".npy" else _read_archive(file)
        if "features" not in columns:
            raise InputError(f"{file}: holds {sorted(columns)} but no 'features'; save with FeatureSet.save")
        loaded = cls(**columns, source=str(file))
        object.__setattr__(loaded, "_file", str(file.resolve()))
        return loaded


def _rebuild(*columns: Any) -> FeatureSet:
    *arrays, source = columns
    return FeatureSet(*arrays, source=source)


def _read_archive(file: Path) -> dict[str, Any]:
    try:
        return read_npz(file, ("features", *_SIDECARS))
    except Exception as error:  # numpy raises a dozen kinds for a damaged archive
        raise InputError(
            f"{file}: cannot be read as .npz without pickle ({error}); save with FeatureSet.save"
        ) from error


def _read_mapped(file: Path) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    try:
        columns["features"] = np.load(file, mmap_mode="r", allow_pickle=False)
        for name in _SIDECARS:
            beside = file.with_suffix(f".{name}.npy")
            if beside.is_file():
                columns[name] = read_npy(beside)
    except Exception as error:  # damage makes ast, tokenize and NumPy raise a dozen kinds
        raise InputError(f"{file}: cannot be read as .npy without pickle ({error})") from error
    return columns


def _is_mapped(array: NDArray[Any]) -> bool:
    return isinstance(array, np.memmap) or isinstance(array.base, np.memmap)


def _as_float32(features: NDArray[Any], source: str) -> NDArray[np.float32]:
    features = np.asanyarray(features)
    if features.ndim != 2 or features.dtype.kind not in "fiu":
        raise InputError(
            f"{source}: 'features' has shape {features.shape} and type {features.dtype}; "
            "expected numbers of shape (images, dimensions)"
        )
    if len(features) < 2 or features.shape[1] < 1:
        raise InputError(f"{source}: 'features' has shape {features.shape}; at least two images are needed")
    if not _is_mapped(features) or features.dtype != np.float32:
        features = np.array(features, dtype=np.float32, order="C")
    for start in range(0, len(features), _ROWS_PER_CHECK):
        _check_rows(features[start : start + _ROWS_PER_CHECK], start, source)
    return features


def _check_rows(rows: NDArray[np.float32], start: int, source: str) -> None:
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        where = start + int(np.argmin(finite))
        raise InputError(f"{source}: row {where} of 'features' has a NaN or infinite value; embed it again")
    if not rows.any(axis=1).all():
        where = start + int(np.argmin(rows.any(axis=1)))
        raise InputError(f"{source}: row {where} of 'features' is all zeros (zero norm); embed it again")


def _column(values: NDArray[Any], kind: type, name: str, count: int, source: str) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (count,):
        raise InputError(
            f"{source}: {name!r} has shape {column.shape} but 'features' has {count} rows; "
            "save both in the same order"
        )
    if kind is np.int64 and column.dtype.kind not in "iub":
        raise InputError(
            f"{source}: {name!r} has type {column.dtype}; expected whole numbers, -1 for unknown"
        )
    if kind is np.str_ and column.dtype.kind != "U":
        raise InputError(f"{source}: {name!r} has type {column.dtype}; expected strings")
    return np.array(column, dtype=None if kind is np.str_ else kind)
