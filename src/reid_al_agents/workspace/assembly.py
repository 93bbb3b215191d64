"""From settings to the thing itself: data, split, network and refresher, each loaded and checked once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import torch

from reid_al_agents.data import ImageSet, Split, load_data, load_split, make_split, save_split
from reid_al_agents.files import make_folder
from reid_al_agents.training.cluster.refresher import ClusterRefresher, SupervisedClusterRefresher
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.training.image_pool import ImagePool
from reid_al_agents.training.pool import Pool, Progress
from reid_al_agents.training.refresher import Refresher
from reid_al_agents.training.triplet.refresher import SupervisedRefresher, TripletRefresher
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision import EmbeddingNet, build_backbone, load_weights
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import FeatureSet, InputError

REFRESHERS = ("cluster", "triplet", "none")

QUICK = 0.125
"""Steps of a quick refresh, by those of one whose model is wanted. Each goes on from the one before."""


def load_or_make_split(data: ImageSet | FeatureSet, path: str | None, seed: int, keep: Path | None) -> Split:
    """The split of a file, or a seeded one; a copy is kept in the file ``keep``.

    Raises:
        InputError: If the file cannot be used with the data.
    """
    split = make_split(data, seed) if path is None else load_split(path)
    if keep is not None and path != str(keep):
        make_folder(keep.parent)
        save_split(split, keep)
    return split


def load_model(backbone: str, weights: str | None, seed: int, device: str = "auto") -> EmbeddingNet:
    """A backbone with its start weights on a device.

    Raises:
        InputError: If the backbone or the device is unknown, or the weights do not fit.
    """
    model = build_backbone(backbone, seed=seed)
    if weights is not None:
        load_weights(model, weights)
    return model.to(choose_device(device))


def choose_device(name: str) -> torch.device:
    """The device of that name; ``auto`` is CUDA where there is one.

    Raises:
        InputError: If it is unknown or not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"--device: {name!r} is not there; choose cpu or auto")
    return torch.device(name)


def assemble(
    config: RunConfig,
    *,
    device: str = "auto",
    keep_split: Path | None = None,
    split_seed: int | None = None,
    progress: Progress | None = None,
) -> Pool:
    """The subject that a run's settings describe.

    Args:
        config: The settings.
        device: As :func:`choose_device` takes it.
        keep_split: Where to keep the split that is made if the settings name none.
        split_seed: Of that split; ``None`` is the settings' seed.
        progress: Told of long work.

    Raises:
        InputError: If data, split, weights or refresher cannot be used.
    """
    if config.refresh not in REFRESHERS:
        raise InputError(f"refresh: {config.refresh!r} is unknown; choose one of {', '.join(REFRESHERS)}")
    data = load_data(config.data)
    seed = config.seed if split_seed is None else split_seed
    split = load_or_make_split(data, config.split, seed, keep_split)
    if isinstance(data, FeatureSet):
        return FeaturePool(data, split)
    if not config.backbone:
        raise InputError("--backbone: images need one; for example --backbone osnet_x0_25")
    model = load_model(config.backbone, config.weights, config.seed, device)
    refreshers = make_refreshers(config)
    return ImagePool(model, data, split, config.evaluate_on, config.size, *refreshers, progress)


Refreshers: TypeAlias = tuple[Refresher | None, Refresher | None, Refresher | None, Refresher | None]


def make_refreshers(config: RunConfig) -> Refreshers:
    """The refresher that the settings name, its twins that see all labels, adapt, and are quick.

    ``None`` trains nothing.
    """
    if config.refresh == "none":
        return None, None, None, None
    if config.refresh == "cluster":
        return _cluster_refreshers(config)
    settings = TripletSettings(size=config.size)
    if config.refresh_steps is not None:
        settings = replace(settings, steps=config.refresh_steps)
    return TripletRefresher(settings), SupervisedRefresher(settings), None, None


def _cluster_refreshers(config: RunConfig) -> Refreshers:
    settings = ClusterSettings(size=config.size)
    if config.refresh_steps is not None:
        epochs = max(1, round(settings.epochs * config.refresh_steps / settings.steps))
        settings = replace(settings, steps=config.refresh_steps, epochs=min(epochs, config.refresh_steps))
    return (
        ClusterRefresher(settings),
        SupervisedClusterRefresher(settings),
        ClusterRefresher(settings.label_free()),
        ClusterRefresher(settings.scaled(QUICK)),
    )
