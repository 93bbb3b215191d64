"""Settings of training in catalogues: one file per algorithm, with an entry for each id."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reid_al_agents.dqn.imitation import ImitationSettings
from reid_al_env.errors import InputError
from reid_al_env.settings import check, setting

T = TypeVar("T")
SHIPPED = Path(__file__).parent / "shipped"
"""Where the files of the algorithms are."""
OTHERS = "others"
"""The entry for ids that have none of their own."""


@dataclass(frozen=True)
class NetworkSettings:
    """Sizes of :class:`.QuestionQNetwork`."""

    hidden: int = setting(help="Width of the network's layers", at_least=1, at_most=4096)
    rounds: int = setting(help="Rounds of messages between questions", at_least=1, at_most=64)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class DQNLearning:
    """How masked deep Q-learning goes on after imitation."""

    gamma: float = setting(help="Discount factor", at_least=0, at_most=1)
    n_steps: int = setting(help="Steps of the n-step return", at_least=1)
    learning_rate: float = setting(help="Learning rate of Adam", at_least=0)
    batch_size: int = setting(help="Transitions in a gradient step", at_least=1)
    buffer_size: int = setting(help="Transitions kept", at_least=1)
    explore: float = setting(help="Share of random questions", at_least=0, at_most=1)
    tau: float = setting(help="Step of the target network towards the Q-network", at_least=0, at_most=1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class PPOLearning:
    """How MaskablePPO goes on after imitation."""

    gamma: float = setting(help="Discount factor", at_least=0, at_most=1)
    n_steps: int = setting(help="Answers of each episode between updates", at_least=2)
    learning_rate: float = setting(help="Learning rate of Adam", at_least=0)
    batch_size: int = setting(help="Answers in a gradient step", at_least=2)
    n_epochs: int = setting(help="Passes over the answers of an update", at_least=1)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class CatalogueSettings:
    """How a policy for the catalogue is built and trained; made by :func:`catalogue_settings`."""

    environments: int = setting(help="Episodes side by side", at_least=1)
    network: NetworkSettings = setting()
    imitation: ImitationSettings = setting()
    learning: DQNLearning | PPOLearning = setting()

    def __post_init__(self) -> None:
        check(self)


_LEARNING: dict[str, type[DQNLearning | PPOLearning]] = {"dqn": DQNLearning, "ppo": PPOLearning}


def catalogue_settings(algo: str, name: str, file: Path | None = None) -> CatalogueSettings:
    """The settings for an algorithm and an id.

    Args:
        algo: ``"dqn"`` or ``"ppo"``.
        name: A registered id, with or without ``module:``.
        file: A YAML file of the same form as those in :data:`SHIPPED`, which it overrides: what it leaves
            out stays as there.

    Raises:
        InputError: The file cannot be read, has nothing for the id, or holds a setting that is unknown or
            out of range.
    """
    name = name.rpartition(":")[2]
    shipped = _read(SHIPPED / f"{algo}.yaml")
    entry, place = shipped.get(name, shipped[OTHERS]), algo
    if file is not None:
        own = _read(file)
        found = next((key for key in (name, OTHERS) if key in own), None)
        if found is None:
            raise InputError(f"{file}: has settings for {', '.join(map(str, own))}; add {name} or {OTHERS}")
        place = f"{file}: {found}"
        entry = _merged(entry, own[found], place)
    kinds = {"network": NetworkSettings, "imitation": ImitationSettings, "learning": _LEARNING[algo]}
    parts = {part: _made(kind, entry[part], f"{place}: {part}") for part, kind in kinds.items()}
    return _made(CatalogueSettings, {**entry, **parts}, place)


def _read(file: Path) -> dict[Any, Any]:
    """The entries of a file, at least one."""
    import yaml

    try:
        content = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{file}: is no YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{file}: holds no settings; expected an id, and below it settings by name")
    return content


def _merged(shipped: Mapping[str, Any], own: object, place: str) -> dict[str, Any]:
    """The shipped settings, and instead of some of them a user's own."""
    if not isinstance(own, dict):
        raise InputError(f"{place}: {own!r}; expected settings by name")
    for name in own:
        if name not in shipped:
            raise InputError(f"{place}: {name} is unknown; choose from {', '.join(shipped)}")
    return {
        name: _instead(value, own[name], f"{place}: {name}") if name in own else value
        for name, value in shipped.items()
    }


def _instead(shipped: object, own: object, place: str) -> object:
    if isinstance(shipped, dict):
        return _merged(shipped, own, place)
    if isinstance(shipped, float) and isinstance(own, str):
        with contextlib.suppress(ValueError):
            return float(own)  # 1e-4, which is text in YAML 1.1
    return own


def _made(kind: Callable[..., T], values: Mapping[str, Any], place: str) -> T:
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
