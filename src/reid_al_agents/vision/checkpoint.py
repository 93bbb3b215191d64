"""Read the tensors of a checkpoint without running anything that is in it.

A checkpoint may hold other things beside its tensors: counters, numpy scalars, settings, callbacks. PyTorch's
restricted loader refuses what it does not know, so each unknown name is given a stand-in that takes any
arguments and does nothing (``torch.serialization.safe_globals``); ``weights_only`` is always on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reid_al_agents.files import read_tensors
from reid_al_env.errors import InputError

_DEPTH = 4
"""How deep in dictionaries of dictionaries tensors are looked for."""

_MOST_UNKNOWN = 200
"""Unknown names in a file after which it is given up."""

_NOT_WEIGHTS = re.compile(r"optim|sched|callback|scaler|loops", re.IGNORECASE)
"""Entries of a checkpoint whose tensors are not a network's."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    Attributes:
        path: The file.
        entries: Tensors by name, by the place of their dictionary in the file ("" is the file itself).
        header: Text that the file says of itself.
    """

    path: Path
    entries: dict[str, dict[str, Tensor]] = field(repr=False)
    header: dict[str, str]


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a ``.safetensors`` file or a file saved by PyTorch.

    Raises:
        InputError: The file is missing or unreadable, or holds no named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights (.pth or .safetensors)")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    content = _load_inert(path)
    entries = {place: tensors for place, tensors in _tensors(content, "", _DEPTH) if tensors}
    if not entries:
        raise InputError(f"{path}: holds no named tensors; expected a state dict of a backbone")
    for tensors in entries.values():
        _check_plain(path, tensors)
    return Checkpoint(path, entries, _said_of_itself(content))


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        tensors, header = read_tensors(path)
        return Checkpoint(path, {"": tensors}, header)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not a readable safetensors file ({_first_line(error)})") from error


def _check_plain(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are no arrays of real numbers in memory; some of them claim any size."""
    for name, tensor in tensors.items():
        kinds = {
            "sparse": tensor.layout != torch.strided,
            "without values (on the meta device)": tensor.is_meta,
            "quantised": tensor.is_quantized,
            "complex": tensor.is_complex(),
        }
        found = next((kind for kind, has in kinds.items() if has), None)
        if found is not None:
            raise InputError(f"{path}: '{name}' is {found}; save the weights as plain numbers")


class _Inert:
    """Stands for an object of an unknown class: keeps its state as data and runs nothing."""

    state: Any = None

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _InertDict(_Inert):
    """Stands for a subclass of ``dict``."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return {}


class _InertList(_Inert):
    """Stands for a subclass of ``list``."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return []


def _load_inert(path: Path) -> Any:
    """Load a file saved by PyTorch, with a stand-in for each name that its loader refuses."""
    kinds: dict[str, type[_Inert]] = {}
    while True:
        stand_ins = [(type(name, (kind,), {}), name) for name, kind in kinds.items()]
        try:
            with torch.serialization.safe_globals(list(stand_ins)):
                return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch.load raises whatever zipfile, pickle or the content provoke
            found = _refused(str(error))
            if found is None or kinds.get(found[0]) is found[1] or len(kinds) >= _MOST_UNKNOWN:
                raise InputError(
                    f"{path}: is not a checkpoint of tensors ({_reason(error)}); "
                    "save it with torch.save(model.state_dict(), ...)"
                ) from error
            kinds[found[0]] = found[1]


_UNKNOWN = re.compile(r"Unsupported global: GLOBAL (\S+) was not an allowed global")
_FILLED = re.compile(r"Can only (SETITEMS?|append)\b.*but got <class '(?:[^']*checkpoint\.)?([^']+)'>")

_OTHER_REASONS = re.compile(
    r"Trying to load unsupported GLOBAL \S+|Trying to call reduce for unrecognized function|Can only [^.]*|"
    r"Unsupported operand \d+"
)
"""What PyTorch's loader refuses whatever is declared inert."""


def _refused(message: str) -> tuple[str, type[_Inert]] | None:
    """The name that PyTorch's loader refused and the stand-in it needs, from its message."""
    if match := _UNKNOWN.search(message):
        name = match[1]
        return (name if "." in name else f"builtins.{name}"), _Inert
    if match := _FILLED.search(message):
        return match[2], _InertList if match[1] == "append" else _InertDict
    return None


def _tensors(content: Any, place: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the place and the named tensors of each dictionary, and of each pickled network."""
    if isinstance(content, _Inert):
        yield place, dict(_of_module(content, ""))
    if not isinstance(content, Mapping):
        return
    yield place, {name: x for name, x in content.items() if isinstance(name, str) and isinstance(x, Tensor)}
    for name, value in content.items():
        if depth and isinstance(name, str) and not _NOT_WEIGHTS.search(name):
            yield from _tensors(value, f"{place}.{name}" if place else name, depth - 1)


def _of_module(module: Any, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a network that was pickled whole, from the state of its stand-in."""
    if not isinstance(module, _Inert) or not isinstance(module.state, Mapping):
        return
    for kind in ("_parameters", "_buffers"):
        for name, value in (module.state.get(kind) or {}).items():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value.detach()
    for name, child in (module.state.get("_modules") or {}).items():
        yield from _of_module(child, f"{prefix}{name}.")


def _said_of_itself(content: Any) -> dict[str, str]:
    """The backbone that timm's training script names as ``arch``."""
    arch = content.get("arch") if isinstance(content, Mapping) else None
    return {"arch": arch} if isinstance(arch, str) else {}


def _reason(error: Exception) -> str:
    message = str(error)
    if "TorchScript" in message:
        return "it is a TorchScript program"
    if match := _OTHER_REASONS.search(message):
        return match[0]
    return _first_line(error)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:120]
