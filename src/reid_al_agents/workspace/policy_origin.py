"""What a policy learned from, kept in its file; a command takes from there what it is not told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from reid_al_agents.asking.policy import POLICY_PREFIX
from reid_al_agents.training.image_pool import ImagePool
from reid_al_agents.training.pool import Pool
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_agents.vision.description import Choice
from reid_al_agents.workspace.settings import RunConfig

_EPISODE = ("pool_size", "budget", "k", "margin", "metric", "empty_negatives", "cross_camera")
_COMPARED = ("backbone", "size", "k", "metric")  # what the observations of a policy depend on


def policy_origin(config: RunConfig, answers: int, model: EmbeddingNet | None) -> dict[str, Any]:
    """What a policy file says of where it learned: data, model, episode settings and labels used.

    Args:
        config: The settings.
        answers: Number of labels used.
        model: The network that made the features; ``None`` where they were made elsewhere.
    """
    return {
        "data": config.data,
        "labels": answers,
        "seed": config.seed,
        **_described(model),
        **{name: getattr(config, name) for name in _EPISODE},
    }


def model_of(pool: Pool) -> EmbeddingNet | None:
    """The network that makes a pool's features; ``None`` where they were made elsewhere."""
    return pool.model if isinstance(pool, ImagePool) else None


def with_policys_model(config: RunConfig) -> RunConfig:
    """The settings, whose backbone and size are those of their policy where nothing else names them."""
    origin = _origin(config.selector)
    if config.backbone is not None or config.weights is not None or "backbone" not in origin:
        return config
    return replace(config, backbone=origin["backbone"], size=config.size or tuple(origin["size"]))


def policy_contradictions(config: RunConfig, model: EmbeddingNet | Choice | None) -> list[str]:
    """Say in a sentence where a policy is used otherwise than it learned; empty where it is not.

    Args:
        config: The settings.
        model: The network that makes the features, or its choice; ``None`` where they were made elsewhere.
    """
    origin = _origin(config.selector)
    here: dict[str, Any] = {"k": config.k, "metric": config.metric}
    if model is not None:
        name = model.backbone if isinstance(model, Choice) else model.name
        here |= {"backbone": name, "size": list(model.size)}
    differ = [name for name in _COMPARED if name in origin and name in here and origin[name] != here[name]]
    if not differ:
        return []
    learned, used = (", ".join(f"{name} {_shown(of[name])}" for name in differ) for of in (origin, here))
    return [
        f"{config.selector.removeprefix(POLICY_PREFIX)} learned with {learned}, and {used} is used: expect "
        "worse questions"
    ]


def _described(model: EmbeddingNet | None) -> dict[str, Any]:
    if model is None:
        return {}
    return {
        "backbone": model.name,
        "size": list(model.size),
        "normalisation": str(model.normalisation),
    }


def _origin(selector: str) -> Mapping[str, Any]:
    """What the file of a selector that is a policy says of its training; nothing for other selectors."""
    if not selector.startswith(POLICY_PREFIX):
        return {}
    path = Path(selector.removeprefix(POLICY_PREFIX))
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else {}


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Mapping[str, Any]:
    from reid_al_agents.dqn.policy_file import load_policy

    return load_policy(path).seen


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)
