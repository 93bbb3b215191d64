"""Weights on disk: published ``.pth`` checkpoints and our own safetensors, never unpickled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reid_al_agents.files import read_header, write_tensors
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_env.errors import InputError

WRAPPERS = ("state_dict", "model", "net")
"""Keys under which training scripts commonly put the weights of a checkpoint."""

BATCH_COUNTER = "num_batches_tracked"
"""Batch normalisation's counter, which older checkpoints lack and which inference does not use."""


def load_weights(model: EmbeddingNet, path: str | Path) -> None:
    """Load a checkpoint into ``model``, strictly but for the checkpoint's classifier.

    Wrappers (``{"state_dict": ...}``) and the prefix ``module.`` of parallel training are taken off.
    Subnormal weights become 0: filters that weight decay has let die hold nothing else, and a CPU multiplies
    subnormal numbers so slowly that a few hundred of them made the published OSNet half as fast.

    Args:
        model: The backbone; unchanged if loading fails.
        path: A ``.safetensors`` file, or a file saved by PyTorch that holds nothing but tensors.

    Raises:
        InputError: The file is missing or unreadable, or holds weights of another architecture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights of {model.name} (.pth or .safetensors)")
    given = _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)
    weights = {key: value for key, value in given.items() if not key.startswith(f"{model.head}.")}
    expected = model.trunk.state_dict()
    for key in expected:
        if key.endswith(BATCH_COUNTER):
            weights.setdefault(key, expected[key])
    _check_architecture(path, model.name, weights, expected)
    model.trunk.load_state_dict({key: _without_subnormals(value) for key, value in weights.items()})


def save_weights(model: EmbeddingNet, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Save the backbone's weights as safetensors; an existing file is replaced at once, never half written.

    Args:
        model: The backbone.
        path: File to write.
        metadata: Further entries for the header, such as ``{"size": "128x64"}``; ``backbone`` is added.

    Raises:
        InputError: The file cannot be written.
    """
    write_tensors(path, model.trunk.state_dict(), {**metadata, "backbone": model.name})


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the header of a file from ``save_weights``: ``backbone``, and what was given as metadata.

    Raises:
        InputError: The file is missing or is not a safetensors file.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            return read_header(file)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{path}: is not a readable safetensors file ({_one_line(error)})") from error


def _without_subnormals(value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    return torch.where(value.abs() < torch.finfo(value.dtype).smallest_normal, torch.zeros_like(value), value)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - the handle is no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: is not a readable safetensors file ({_one_line(error)})") from error


def _read_checkpoint(path: Path) -> dict[str, Tensor]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever zipfile, pickle or the file's content provoke
        raise InputError(
            f"{path}: is not a checkpoint of plain tensors ({_one_line(error)}); "
            "save it with torch.save(model.state_dict(), ...)"
        ) from error
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path}: holds no named tensors; expected a state dict of a backbone")
    return {str(k).removeprefix("module."): v for k, v in content.items() if isinstance(v, Tensor)}


def _check_architecture(
    path: Path, name: str, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> None:
    """Raise an ``InputError`` with an example of each kind of difference between the two state dicts."""
    missing = [key for key in expected if key not in weights]
    unexpected = [key for key in weights if key not in expected]
    misshapen = [k for k in expected if k in weights and expected[k].shape != weights[k].shape]
    found = []
    if missing:
        found.append(f"{len(missing)} missing, such as '{missing[0]}'")
    if unexpected:
        found.append(f"{len(unexpected)} unexpected, such as '{unexpected[0]}'")
    if misshapen:
        key = misshapen[0]
        shapes = f"{tuple(weights[key].shape)} instead of {tuple(expected[key].shape)}"
        found.append(f"{len(misshapen)} of another shape, such as '{key}' {shapes}")
    if found:
        raise InputError(
            f"{path}: weights of another architecture than {name} ({'; '.join(found)}); "
            "choose the backbone that they belong to"
        )
    broken = [key for key in expected if not torch.isfinite(weights[key]).all()]
    if broken:
        raise InputError(f"{path}: '{broken[0]}' has values that are not finite; use an undamaged checkpoint")


def _one_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:120]
