"""The cluster refresher: images learn to be near their group."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from reid_al_agents.clustering import sides_of
from reid_al_agents.data.images import ImageSet
from reid_al_agents.training.augment import Augmentation
from reid_al_agents.training.cluster.clusters import (
    Clustering,
    Clusters,
    constrained_clusters,
    held_clusters,
    joined_share,
    settled_share,
)
from reid_al_agents.training.cluster.memory import ClusterMemory
from reid_al_agents.training.cluster.objective import KnownTripletLoss
from reid_al_agents.training.cluster.sampler import sample_clusters
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.report import Progress, RefreshReport
from reid_al_agents.training.session import (
    History,
    Pixels,
    learning_rate_share,
    restored_on_failure,
    seeded,
)
from reid_al_agents.training.triplet.known_pairs import KnownPairs, PairRelation
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_agents.vision.extraction import embed
from reid_al_env.errors import InputError
from reid_al_env.evidence.constraints import ConstraintGraph


class ClusterRefresher:
    """Learns from groups that look alike and agree with every answer; without answers, from looks alone.

    An epoch embeds the images, forms groups under the constraints and trains with a memory of the groups
    (:class:`ClusterMemory`): SpCL's and Cluster Contrast's scheme (Ge et al., NeurIPS 2020; Dai et al., ACCV
    2022), with answers as constraints. Where the settings give DBSCAN no reach, average linkage takes its
    place (:func:`form_dense_groups`, :func:`form_groups`). Once the answers have reached most images, the
    groups that they made are better than any that looks could add to, and train as they are
    (:func:`settled_share`, :func:`joined_share`, :func:`held_clusters`). Small groups do not train.

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
        held: NDArray[np.int64] | None = None,
    ) -> RefreshReport:
        """Train ``model`` in place; see ``Refresher.refresh``."""
        known = KnownPairs.from_constraints(constraints)
        cluster = self._clustering(images, constraints, held)
        return train_on_clusters(model, images, cluster, known, self.settings, seed=seed, progress=progress)

    def _clustering(
        self, images: ImageSet, constraints: ConstraintGraph, held: NDArray[np.int64] | None
    ) -> Clustering:
        settings, sides = self.settings, sides_of(images.sides)
        if held is not None and self._are_settled(held, constraints):
            kept = held_clusters(held, constraints, settings.least_images, sides)
            return lambda _: kept
        return lambda features: constrained_clusters(features, images.cameras, constraints, settings, sides)

    def _are_settled(self, held: NDArray[np.int64], constraints: ConstraintGraph) -> bool:
        told_apart = settled_share(held, constraints, self.settings.told_apart)
        return told_apart >= self.settings.settled and joined_share(held, constraints) >= self.settings.joined


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
        held: NDArray[np.int64] | None = None,
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
