"""Trained policies on disk: weights as safetensors, the description of the network in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.networks import GraphQNetwork, MlpQNetwork
from reid_al_agents.dqn.policies import GraphPolicy, MlpPolicy
from reid_al_agents.dqn.settings import POLICIES, DQNSettings
from reid_al_agents.files import read_tensors, write_tensors
from reid_al_env.env import observation_space
from reid_al_env.errors import InputError
from reid_al_env.settings import check_value, field_of

FORMAT = "reid-al-policy"
VERSION = "1"
LARGEST_POOL = 2000
"""Candidates of a query beyond which a file's header is not believed; graphs have their square of numbers."""

_Header = dict[str, Any]


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy read from a file.

    Args:
        policy: Ready to predict, on the CPU.
        kind: ``"graph"`` or ``"mlp"``.
        network: Sizes of the network, as its policy's constructor takes them.
        seen: What it was trained on: ``pool_size``, and whatever else was saved (k, budget, metric, ...).
    """

    policy: GraphPolicy | MlpPolicy
    kind: str
    network: Mapping[str, Any]
    seen: Mapping[str, Any]


def save_policy(model: MaskedDQN, path: str | Path, seen: Mapping[str, Any] | None = None) -> None:
    """Save the online network of a model; the file is replaced as a whole.

    Args:
        model: With a :class:`GraphPolicy` or an :class:`MlpPolicy`.
        path: File to write, ``.safetensors`` by custom.
        seen: What it was trained on, such as ``{"k": 15, "budget": 10, "metric": "cosine"}``; JSON values.
            ``pool_size`` is added.

    Raises:
        InputError: The file cannot be written, or the model has another policy.
    """
    assert isinstance(model.action_space, spaces.Discrete)
    kind, network = _describe(model.policy)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "policy": kind,
        "network": json.dumps(network),
        "seen": json.dumps({"pool_size": int(model.action_space.n), **(seen or {})}, sort_keys=True),
    }
    write_tensors(path, model.q_net.state_dict(), header)


def load_policy(path: str | Path, *, pool_size: int | None = None) -> LoadedPolicy:
    """Read a policy; nothing is unpickled.

    Args:
        path: A file from :func:`save_policy`.
        pool_size: n_s that it shall serve; ``None`` is the one it was trained on. A graph policy serves any,
            an MLP only that one.

    Raises:
        InputError: The file is missing, is no policy file, or does not fit ``pool_size``.
    """
    path = Path(path)
    weights, header = _read(path)
    size = header["seen"]["pool_size"] if pool_size is None else pool_size
    if header["policy"] == "mlp" and size != header["seen"]["pool_size"]:
        raise InputError(
            f"{path}: an MLP policy for pool_size {header['seen']['pool_size']}, not {size}; "
            "use that pool size or a graph policy, which serves any"
        )
    kind = GraphPolicy if header["policy"] == "graph" else MlpPolicy
    _check_weights(path, header, weights)
    policy = kind(observation_space(size), spaces.Discrete(size), lambda _: 0.0, **header["network"])
    _fill(policy, weights)
    return LoadedPolicy(policy, header["policy"], header["network"], header["seen"])


def _describe(policy: object) -> tuple[str, dict[str, Any]]:
    """Return the kind of a policy and the sizes that its constructor takes."""
    if isinstance(policy, GraphPolicy):
        return "graph", {"hidden": policy.hidden, "rounds": policy.rounds}
    if isinstance(policy, MlpPolicy):
        return "mlp", {}
    raise InputError(
        f"policy: {type(policy).__name__} has no file format; expected GraphPolicy or MlpPolicy "
        "(save others by the model's own save)"
    )


def _read(path: Path) -> tuple[dict[str, Tensor], _Header]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a policy saved by reid-al (.safetensors)")
    try:
        weights, told = read_tensors(path)
        header = _parse(told)
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError),
        InputError,
    ) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: is no policy file ({reason}); "
            f"expected safetensors saved by save_policy, version {VERSION}"
        ) from error
    return weights, header


def _parse(header: Mapping[str, str]) -> _Header:
    """Check and decode a file's header; what is wrong with it raises ``ValueError`` or ``KeyError``."""
    found = (header.get("format"), header.get("version"))
    if found != (FORMAT, VERSION):
        raise ValueError(f"its header says format {found[0]}, version {found[1]}")
    if header["policy"] not in POLICIES:
        raise ValueError(f"its header says policy {header['policy']}")
    network = {name: int(value) for name, value in json.loads(header["network"]).items()}
    expected = {"hidden", "rounds"} if header["policy"] == "graph" else set()
    if set(network) != expected:
        raise ValueError(f"its header describes no {header['policy']} network")
    for name, value in network.items():
        check_value(field_of(DQNSettings, name), value)
    seen = json.loads(header["seen"])
    if not 1 <= int(seen["pool_size"]) <= LARGEST_POOL:
        raise ValueError(f"its header says pool_size {seen['pool_size']}; expected 1 to {LARGEST_POOL}")
    return {
        "policy": header["policy"],
        "network": network,
        "seen": {**seen, "pool_size": int(seen["pool_size"])},
    }


def _check_weights(path: Path, header: _Header, weights: Mapping[str, Tensor]) -> None:
    """See that the tensors are those of the network that the header describes, before memory is taken for it.

    Raises:
        InputError: A tensor is missing, left over, of another shape or type, or not finite.
    """
    with torch.device("meta"):  # shapes without memory
        size = header["seen"]["pool_size"]
        spaces_ = observation_space(size), spaces.Discrete(size)
        graph = header["policy"] == "graph"
        network = GraphQNetwork(*spaces_, **header["network"]) if graph else MlpQNetwork(*spaces_)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"{path}: its weights do not fit the network of its header ('{name}' has shape "
                f"{found.get(name)} instead of {expected.get(name)}); save the policy again"
            )
        if weights[name].dtype != torch.float32 or not torch.isfinite(weights[name]).all():
            raise InputError(
                f"{path}: '{name}' holds other values than finite float32; use an undamaged policy"
            )


def _fill(policy: GraphPolicy | MlpPolicy, weights: Mapping[str, Tensor]) -> None:
    """Put the weights into both networks of a policy, strictly."""
    policy.q_net.load_state_dict(weights)
    policy.q_net_target.load_state_dict(weights)
