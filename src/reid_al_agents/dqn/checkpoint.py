"""The full state of a learner in one file without pickle, so that resuming equals the unbroken run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.replay import NStepDictReplay
from reid_al_agents.files import atomic_write, make_folder, read_arrays
from reid_al_env.errors import InputError

FILE_NAME = "dqn.npz"
"""Name of the file in a checkpoint's folder."""

_VERSION = 2
"""Of the file's layout; version 1 kept similarity graphs whole."""

_NETWORKS = ("q_net", "q_net_target")
_Arrays = dict[str, NDArray[Any]]


def write_checkpoint(folder: str | Path, model: MaskedDQN, state: Mapping[str, Any]) -> None:
    """Write networks, optimizer, replay buffer and its generator, and ``state``, to ``folder``.

    Args:
        folder: Made if missing; a checkpoint already there is replaced as a whole.
        model: With a :class:`NStepDictReplay`.
        state: Further state of the caller; JSON values.

    Raises:
        InputError: The file cannot be written.
    """
    buffer = model.replay_buffer
    assert isinstance(buffer, NStepDictReplay)
    kept = {"version": _VERSION, "state": dict(state), "updates": model._n_updates}
    arrays = {f"replay.{name}": array for name, array in buffer.arrays().items()}
    arrays |= _network_arrays(model) | _optimizer_arrays(model)
    with atomic_write(make_folder(folder) / FILE_NAME) as file:
        np.savez_compressed(file, allow_pickle=False, kept=np.array(json.dumps(kept)), **arrays)


def read_state(folder: str | Path) -> dict[str, Any]:
    """Return the ``state`` of a checkpoint, from which a fitting model can be built.

    Raises:
        InputError: There is no readable checkpoint.
    """
    return _read(folder)[1]["state"]  # type: ignore[no-any-return]


def restore(folder: str | Path, model: MaskedDQN) -> None:
    """Load a checkpoint into a model built with the same settings.

    Raises:
        InputError: There is no readable checkpoint, or it is that of another model.
    """
    arrays, kept = _read(folder)
    try:
        _restore_networks(model, arrays)
        _restore_optimizer(model, arrays)
        buffer = model.replay_buffer
        assert isinstance(buffer, NStepDictReplay)
        buffer.load_arrays(_under(arrays, "replay"))
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{Path(folder) / FILE_NAME}: is the checkpoint of another model ({reason}); "
            "resume with the settings it was written with"
        ) from error
    model._n_updates = kept["updates"]


def _read(folder: str | Path) -> tuple[_Arrays, dict[str, Any]]:
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the checkpoint of a learning selector")
    arrays = read_arrays(path, "put the folder's own back or start a new run")
    try:
        kept = json.loads(str(arrays["kept"]))
        version = kept.get("version", 1)
    except (KeyError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: is not the checkpoint of a learning selector; start a new run") from error
    if version != _VERSION:
        raise InputError(
            f"{path}: is a checkpoint of layout {version}, expected {_VERSION}; go on with the version of "
            "reid-al that wrote it, or start a new run"
        )
    return arrays, kept


def _network_arrays(model: MaskedDQN) -> _Arrays:
    return {
        f"{network}.{name}": value.cpu().numpy()
        for network in _NETWORKS
        for name, value in getattr(model, network).state_dict().items()
    }


def _optimizer_arrays(model: MaskedDQN) -> _Arrays:
    """The moments and step counts of each parameter, by the parameter's place."""
    return {
        f"optimizer.{place}.{name}": value.cpu().numpy()
        for place, moments in model.policy.optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def _restore_networks(model: MaskedDQN, arrays: _Arrays) -> None:
    for network in _NETWORKS:
        weights = {name: torch.from_numpy(value) for name, value in _under(arrays, network).items()}
        getattr(model, network).load_state_dict(weights)


def _restore_optimizer(model: MaskedDQN, arrays: _Arrays) -> None:
    content = model.policy.optimizer.state_dict()
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _under(arrays, "optimizer").items():
        place, key = name.split(".")
        moments.setdefault(int(place), {})[key] = torch.from_numpy(value)
    model.policy.optimizer.load_state_dict({**content, "state": moments})


def _under(arrays: _Arrays, part: str) -> _Arrays:
    """The arrays whose names begin with ``part`` and a dot, by the rest of their names."""
    return {
        name.removeprefix(f"{part}."): value for name, value in arrays.items() if name.startswith(f"{part}.")
    }
