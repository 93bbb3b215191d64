"""The cluster refresher: images learn to be near their group, groups being formed anew as they learn."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from reid_al_agents.clustering import (
    FormedGroups,
    Looks,
    Sides,
    compare_looks,
    form_dense_groups,
    form_groups,
    group_sums,
    sides_of,
)
from reid_al_agents.datasets.images import ImageSet
from reid_al_agents.embedding.backbones import EmbeddingNet
from reid_al_agents.embedding.extraction import embed
from reid_al_agents.refresh.augment import Augmentation
from reid_al_agents.refresh.cluster_sampler import sample_clusters
from reid_al_agents.refresh.cluster_settings import ClusterSettings
from reid_al_agents.refresh.known_pairs import KnownPairs, PairRelation
from reid_al_agents.refresh.memory import ClusterMemory
from reid_al_agents.refresh.objective import KnownTripletLoss
from reid_al_agents.refresh.report import Progress, RefreshReport
from reid_al_agents.refresh.session import (
    History,
    Pixels,
    learning_rate_share,
    restored_on_failure,
    seeded,
)
from reid_al_agents.refresh.settings import TripletSettings
from reid_al_env.constraints import ConstraintGraph
from reid_al_env.errors import InputError


@dataclass(frozen=True)
class Clusters:
    """What an epoch trains on.

    Attributes:
        labels: (N,) int64 cluster of each image, 0 to C − 1; −1 for images that do not train.
        unsure: (C, C) bool, pairs of clusters that may be one identity; None where there are none.
    """

    labels: NDArray[np.int64]
    unsure: NDArray[np.bool_] | None = None


Clustering = Callable[[NDArray[np.float32]], Clusters]
"""Gives the clusters from the features (N, D) of the model as it is."""


class ClusterRefresher:
    """Learns from groups that look alike and agree with every answer; without answers, from looks alone.

    An epoch embeds the images, forms groups under the constraints and trains with a memory of the groups
    (:class:`ClusterMemory`): SpCL's and Cluster Contrast's scheme (Ge et al., NeurIPS 2020; Dai et al., ACCV
    2022), with answers as constraints. Where the settings give DBSCAN no reach, average linkage takes its
    place (:func:`form_dense_groups`, :func:`form_groups`). Small groups do not train.

    Args:
        settings: How to train.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings

    def refresh(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        constraints: ConstraintGraph,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place; see ``Refresher.refresh``."""
        known = KnownPairs.from_constraints(constraints)
        return train_on_clusters(
            model,
            images,
            lambda features: constrained_clusters(
                features, images.cameras, constraints, self.settings, sides_of(images.sides)
            ),
            known,
            self.settings,
            seed=seed,
            progress=progress,
        )


class SupervisedClusterRefresher:
    """The same training on every label: what answers are measured against.

    Args:
        settings: How to train.
    """

    def __init__(self, settings: ClusterSettings) -> None:
        self.settings = settings

    def refresh(
        self,
        model: EmbeddingNet,
        images: ImageSet,
        constraints: ConstraintGraph,
        *,
        seed: int,
        progress: Progress | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place on ``images.identities``; ``constraints`` are not looked at.

        Raises:
            InputError: An identity is unknown.
        """
        if (images.identities < 0).any():
            unknown = images.names[int(np.argmax(images.identities < 0))]
            raise InputError(f"{unknown}: has no identity; training on all labels needs one for every image")
        known = KnownPairs.from_labels(images.identities)
        return train_on_clusters(
            model,
            images,
            lambda features: Clusters(known.groups),
            known,
            self.settings,
            seed=seed,
            progress=progress,
        )


def constrained_clusters(
    features: NDArray[np.float32],
    cameras: NDArray[np.int64] | None,
    constraints: ConstraintGraph,
    settings: ClusterSettings,
    sides: Sides | None = None,
) -> Clusters:
    """Clusters of images that look alike and agree with every answer; small groups are left out.

    Two clusters that look alike and that no answer tells apart are often one identity in two parts. To push
    them apart would undo what the next answer joins, so they are marked as unsure; an answer "no match" makes
    them the hardest negatives there are. Neither can be said of clusters of different ``sides``.
    """
    looks = compare_looks(features, cameras, settings.k1, settings.k2, sides)
    if settings.reach > 0:
        formed = form_dense_groups(looks.similarities, constraints, settings.reach, settings.dense_images)
    else:
        formed = form_groups(
            looks.similarities, constraints, settings.piece_similarity, settings.group_similarity
        )
    sizes = np.bincount(formed.groups)
    kept = sizes >= settings.least_images
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    labels = number[formed.groups]
    if not kept.any() or (settings.unsure_similarity == 0 and sides is None):
        return Clusters(labels)
    return Clusters(labels, _unsure(looks, formed, number, settings.unsure_similarity or math.inf))


def _unsure(looks: Looks, formed: FormedGroups, number: NDArray[np.int64], least: float) -> NDArray[np.bool_]:
    """(C, C) which clusters look alike, or cannot be compared, though no answer tells them apart.

    ``number`` (G,) is −1 for groups that are no cluster.
    """
    count = int(number.max()) + 1
    sizes = np.bincount(formed.groups)
    sums = group_sums(looks.similarities, formed.groups).tocoo()
    alike = (sums.data >= least * sizes[sums.row] * sizes[sums.col]) & (sums.row != sums.col)
    pairs = number[np.stack([sums.row[alike], sums.col[alike]])]
    pairs = pairs[:, (pairs >= 0).all(axis=0)]
    unsure = np.zeros((count, count), dtype=bool)
    unsure[pairs[0], pairs[1]] = True
    if looks.sides is not None:
        shown = looks.sides.of_groups(number[formed.groups])
        unsure |= ~(shown.astype(int) @ shown.T.astype(int) > 0)
    a, b = number[formed.conflicts].T
    told = (a >= 0) & (b >= 0)
    unsure[a[told], b[told]] = unsure[b[told], a[told]] = False
    return unsure


def train_on_clusters(
    model: EmbeddingNet,
    images: ImageSet,
    cluster: Clustering,
    known: KnownPairs,
    settings: ClusterSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> RefreshReport:
    """Train ``model`` in place on clusters that ``cluster`` forms anew each epoch.

    If training fails or is interrupted, the model's weights are put back.

    Args:
        model: The network; left in the mode it was in.
        images: Images; decoded once and held in memory.
        cluster: Called at the start of each epoch. An epoch in which it finds no cluster is left out.
        known: Pairs for the triplet loss.
        settings: How to train.
        seed: Seed of sampling and augmentation; PyTorch's own generator is left as it was.
        progress: Called after each step.

    Raises:
        InputError: ``known`` is about another number of images, an image does not decode, or the loss became
            infinite or NaN.
    """
    started = time.perf_counter()
    if len(known.groups) != len(images):
        raise InputError(
            f"refresh: constraints are about {len(known.groups)} images but there are {len(images)}; "
            "give the images that were asked about"
        )
    history = History()
    with seeded(seed), restored_on_failure(model):
        _run(model, images, cluster, known, settings, seed, history, progress)
    return history.report(time.perf_counter() - started)


def _run(
    model: EmbeddingNet,
    images: ImageSet,
    cluster: Clustering,
    known: KnownPairs,
    settings: ClusterSettings,
    seed: int,
    history: History,
    progress: Progress | None,
) -> None:
    pixels = Pixels(images, np.arange(len(images)), settings.size)
    augmentation = Augmentation(settings.size, settings.shift, settings.erasing, settings.jitter)
    device = next(model.parameters()).device
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    triplet = KnownTripletLoss(PairRelation(known), TripletSettings(margin=settings.margin))
    step = 0
    for epoch in range(settings.epochs):
        end = round(settings.steps * (epoch + 1) / settings.epochs)
        features = embed(model, images, size=settings.size)
        clusters = cluster(features)
        if clusters.labels.max(initial=-1) < 0:
            step = end
            continue
        memory = ClusterMemory(features, clusters.labels, images.cameras, settings, device, clusters.unsure)
        batches = sample_clusters(clusters.labels, rng, settings)
        model.train()
        for step in range(step, end):  # noqa: B020 -- goes on where the last epoch ended
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * learning_rate_share(step, settings.steps)
            batch = next(batches)
            places = torch.from_numpy(batch).to(device)
            extracted = model(augmentation(pixels.read(batch)).to(device))
            units = F.normalize(extracted)
            loss, active = memory.loss(units, places), 0
            if settings.triplet_weight > 0:
                scored = triplet(extracted, batch)
                loss, active = loss + settings.triplet_weight * scored.loss, scored.active_triplets
            history.add(loss, active, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            memory.follow(units, places)
            if progress is not None:
                progress(step + 1, settings.steps)
        step = end
