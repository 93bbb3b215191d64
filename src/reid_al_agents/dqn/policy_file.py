"""Trained policies on disk: weights as safetensors, the description of the network in the header."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from torch import Tensor

from reid_al_agents.dqn.masked_dqn import MaskedDQN
from reid_al_agents.dqn.networks import GraphQNetwork, MaskedQNetwork, MlpQNetwork
from reid_al_agents.dqn.policies import GraphPolicy, MlpPolicy, QuestionPolicy
from reid_al_agents.dqn.question_network import QuestionQNetwork
from reid_al_agents.dqn.settings import DQNSettings
from reid_al_agents.files import read_tensors, write_tensors
from reid_al_env.catalogue.env import question_space
from reid_al_env.env import observation_space
from reid_al_env.errors import InputError
from reid_al_env.settings import check_value, field_of

FORMAT = "reid-al-policy"
VERSION = "1"
LARGEST_POOL = 2000
"""Candidates of a query beyond which a file's header is not believed; graphs have their square of numbers."""

_MOST_COLUMNS = 1000

_Header = dict[str, Any]


Policy = GraphPolicy | MlpPolicy | QuestionPolicy


class _Kind(NamedTuple):
    """A kind of policy with a file format."""

    policy: type[Policy]
    network: Callable[..., MaskedQNetwork]
    sizes: frozenset[str]
    any_number: bool
    """Whether it serves any number of things to choose from."""


_EQUIVARIANT = frozenset({"hidden", "rounds"})
_KINDS = {
    "graph": _Kind(GraphPolicy, GraphQNetwork, _EQUIVARIANT, any_number=True),
    "mlp": _Kind(MlpPolicy, MlpQNetwork, frozenset(), any_number=False),
    "questions": _Kind(QuestionPolicy, QuestionQNetwork, _EQUIVARIANT, any_number=True),
}


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy read from a file.

    Args:
        policy: Ready to predict, on the CPU.
        kind: ``"graph"``, ``"mlp"`` or ``"questions"``.
        network: Sizes of the network, as its policy's constructor takes them.
        seen: What it was trained on: ``pool_size``, and whatever else was saved (k, budget, metric, ...).
    """

    policy: Policy
    kind: str
    network: Mapping[str, Any]
    seen: Mapping[str, Any]


def save_policy(model: MaskedDQN, path: str | Path, seen: Mapping[str, Any] | None = None) -> None:
    """Save the online network of a model; the file is replaced as a whole.

    Args:
        model: With a policy of one of the three kinds.
        path: File to write, ``.safetensors`` by custom.
        seen: What it was trained on, such as ``{"k": 15, "budget": 10, "metric": "cosine"}``; JSON values.
            ``pool_size`` is added.

    Raises:
        InputError: The file cannot be written, or the model has another policy.
    """
    if type(model.policy) not in {kind.policy for kind in _KINDS.values()}:
        raise InputError(
            f"policy: {type(model.policy).__name__} has no file format; expected GraphPolicy, MlpPolicy or "
            "QuestionPolicy (save others by the model's own save)"
        )
    assert isinstance(model.q_net, MaskedQNetwork)
    save_network(model.q_net, path, seen)


def save_network(network: MaskedQNetwork, path: str | Path, seen: Mapping[str, Any] | None = None) -> None:
    """Save a Q-network as :func:`save_policy` does, whatever trained it."""
    assert isinstance(network.action_space, spaces.Discrete)
    kind = next(name for name, each in _KINDS.items() if each.network is type(network))
    told = {"pool_size": int(network.action_space.n), **(seen or {})}
    if isinstance(network, QuestionQNetwork):
        told["columns"] = network.columns
    header = {
        "format": FORMAT,
        "version": VERSION,
        "policy": kind,
        "network": json.dumps(dict(network.sizes), sort_keys=True),
        "seen": json.dumps(told, sort_keys=True),
    }
    write_tensors(path, network.state_dict(), header)


def load_policy(path: str | Path, *, pool_size: int | None = None) -> LoadedPolicy:
    """Read a policy; nothing is unpickled.

    Args:
        path: A file from :func:`save_policy`.
        pool_size: Number of things to choose from that it shall serve: n_s, or M of the catalogue; ``None``
            is the one it was trained on. Only an MLP is bound to that one.

    Raises:
        InputError: The file is missing, is no policy file, or does not fit ``pool_size``.
    """
    path = Path(path)
    weights, header = _read(path)
    size = header["seen"]["pool_size"] if pool_size is None else pool_size
    kind = _KINDS[header["policy"]]
    if not kind.any_number and size != header["seen"]["pool_size"]:
        raise InputError(
            f"{path}: an MLP policy for pool_size {header['seen']['pool_size']}, not {size}; "
            "use that pool size or a graph policy, which serves any"
        )
    _check_weights(path, header, weights)
    policy = kind.policy(*_spaces(header, size), lambda _: 0.0, **header["network"])
    policy.q_net.load_state_dict(weights)
    policy.q_net_target.load_state_dict(weights)
    return LoadedPolicy(policy, header["policy"], header["network"], header["seen"])


def _spaces(header: _Header, size: int) -> tuple[spaces.Dict, spaces.Discrete]:
    """Spaces of the policy in a file, when there are ``size`` things to choose from."""
    if header["policy"] == "questions":
        return question_space(size, header["seen"]["columns"]), spaces.Discrete(size)
    return observation_space(size), spaces.Discrete(size)


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
    if header["policy"] not in _KINDS:
        raise ValueError(f"its header says policy {header['policy']}")
    network = {name: int(value) for name, value in json.loads(header["network"]).items()}
    if set(network) != _KINDS[header["policy"]].sizes:
        raise ValueError(f"its header describes no {header['policy']} network")
    for name, value in network.items():
        check_value(field_of(DQNSettings, name), value)
    seen = json.loads(header["seen"])
    if not 1 <= int(seen["pool_size"]) <= LARGEST_POOL:
        raise ValueError(f"its header says pool_size {seen['pool_size']}; expected 1 to {LARGEST_POOL}")
    if header["policy"] == "questions" and not 1 <= int(seen["columns"]) <= _MOST_COLUMNS:
        raise ValueError(f"its header says {seen['columns']} columns; expected 1 to {_MOST_COLUMNS}")
    return {
        "policy": header["policy"],
        "network": network,
        "seen": {**seen, **{name: int(seen[name]) for name in ("pool_size", "columns") if name in seen}},
    }


def _check_weights(path: Path, header: _Header, weights: Mapping[str, Tensor]) -> None:
    """See that the tensors are those of the network that the header describes, before memory is taken for it.

    Raises:
        InputError: A tensor is missing, left over, of another shape or type, or not finite.
    """
    with torch.device("meta"):  # shapes without memory
        size = header["seen"]["pool_size"]
        network = _KINDS[header["policy"]].network(*_spaces(header, size), **header["network"])
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
