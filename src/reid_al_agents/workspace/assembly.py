"""From settings to the thing itself: data, split, network and refresher, each loaded and checked once."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from reid_al_agents.data import ImageSet, Split, load_checked, load_split, make_split, save_split
from reid_al_agents.files import make_folder
from reid_al_agents.training.cluster.refresher import ClusterRefresher, SupervisedClusterRefresher
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.training.image_pool import ImagePool
from reid_al_agents.training.pool import Pool, Progress
from reid_al_agents.training.refresher import Refresher
from reid_al_agents.training.triplet.refresher import SupervisedRefresher, TripletRefresher
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_agents.vision.start import start_model
from reid_al_agents.workspace.features import read_own_features
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.policy_origin import with_policys_model
from reid_al_agents.workspace.settings import RunConfig
from reid_al_agents.workspace.settled_images import load_settled, settled_split
from reid_al_env import FeatureSet, InputError

_log = logging.getLogger(__name__)

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


def load_model(config: RunConfig, device: str = "auto", weights: str | None = None) -> EmbeddingNet:
    """The network that the settings describe, on a device; its ``size`` is that of the images to give it.

    What settings and weights leave open is taken from the policy that chooses the questions, if there is one.

    Args:
        config: The settings.
        device: As :func:`~reid_al_agents.vision.devices.choose_device` takes it.
        weights: Other weights than those of the settings, such as a refreshed model's.

    Raises:
        InputError: If the backbone or the device is unknown, or the weights do not fit.
    """
    chosen = config.weights if weights is None else weights
    config = with_policys_model(config) if chosen is None else config
    return start_model(
        config.backbone, chosen, config.size, seed=config.seed, device=device, say=_log.warning
    )


def assemble(
    config: RunConfig,
    *,
    device: str = "auto",
    keep_split: Path | None = None,
    split_seed: int | None = None,
    settle: Folder | None = None,
    progress: Progress | None = None,
) -> Pool:
    """The pool that a run's settings describe.

    Args:
        config: The settings.
        device: As :func:`load_model` takes it.
        keep_split: Where to keep the split that is made if the settings name none.
        split_seed: Of that split; ``None`` is the settings' seed.
        settle: The folder whose images these are, already begun: they are ordered and called as they were
            then. ``None`` checks first that every image decodes.
        progress: Called with stage, done and total during long work.

    Raises:
        InputError: If data, split, weights or refresher cannot be used.
    """
    if config.refresh not in REFRESHERS:
        raise InputError(f"refresh: {config.refresh!r} is unknown; choose one of {', '.join(REFRESHERS)}")
    listing = None if keep_split is None else keep_split.with_name("skipped.csv")
    if listing is not None and config.skip_damaged:
        make_folder(listing.parent)
    bar = None if progress is None else lambda done, total: progress("check images", done, total)
    if settle is not None:
        data = load_settled(settle, config, say=_log.warning)
        split = settled_split(settle, config)
    else:
        data = load_checked(config.data, config.reading(), listing=listing, progress=bar)
        seed = config.seed if split_seed is None else split_seed
        split = load_or_make_split(data, config.split, seed, keep_split)
    if isinstance(data, FeatureSet):
        if config.features is not None:
            raise InputError(f"features: {config.data} holds features already; leave out one of the two")
        return FeaturePool(data, split)
    if config.features is not None:
        return _own_features(data.subset(split.pool(data)), config.features, settle)
    model = load_model(config, device)
    refreshers = make_refreshers(config, model.size)
    return ImagePool(model, data, split, config.evaluate_on, model.size, *refreshers, progress)


def _own_features(images: ImageSet, file: str, folder: Folder | None) -> FeaturePool:
    if folder is None:
        from reid_al_agents.vision.own_features import read_features

        found = read_features(file, images.names.tolist())
    else:
        found = read_own_features(folder.path, file, images.names)
    features = FeatureSet(found, images.identities, images.cameras, images.names, source=images.source)
    _log.info("the features are those of %s; nothing is refreshed or scored", file)
    return FeaturePool(features, images=images)


Refreshers: TypeAlias = tuple[Refresher | None, Refresher | None, Refresher | None, Refresher | None]


def make_refreshers(config: RunConfig, size: tuple[int, int]) -> Refreshers:
    """The refresher that the settings name, its twins that see all labels, adapt, and are quick.

    ``None`` trains nothing. ``size`` is the height and width of the images in pixels.
    """
    if config.refresh == "none":
        return None, None, None, None
    if config.refresh == "cluster":
        return _cluster_refreshers(config, size)
    settings = TripletSettings(size=size)
    if config.refresh_steps is not None:
        settings = replace(settings, steps=config.refresh_steps)
    return TripletRefresher(settings), SupervisedRefresher(settings), None, None


def _cluster_refreshers(config: RunConfig, size: tuple[int, int]) -> Refreshers:
    settings = ClusterSettings(size=size)
    if config.refresh_steps is not None:
        epochs = max(1, round(settings.epochs * config.refresh_steps / settings.steps))
        settings = replace(settings, steps=config.refresh_steps, epochs=min(epochs, config.refresh_steps))
    return (
        ClusterRefresher(settings),
        SupervisedClusterRefresher(settings),
        ClusterRefresher(settings.label_free()),
        ClusterRefresher(settings.scaled(QUICK)),
    )
