"""The training loop of the refreshers that learn from known pairs alone."""

import time

import numpy as np
import torch

from reid_al_agents.data.images import ImageSet
from reid_al_agents.training.augment import Augmentation
from reid_al_agents.training.cluster.objective import Objective
from reid_al_agents.training.report import Progress, RefreshReport
from reid_al_agents.training.session import (
    History,
    Pixels,
    learning_rate_share,
    restored_on_failure,
    seeded,
)
from reid_al_agents.training.triplet.known_pairs import KnownPairs, PairRelation
from reid_al_agents.training.triplet.sampler import sample_batches
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_env.errors import InputError


def train(
    model: EmbeddingNet,
    images: ImageSet,
    known: KnownPairs,
    settings: TripletSettings,
    *,
    seed: int,
    progress: Progress | None = None,
) -> RefreshReport:
    """Train ``model`` in place on known pairs; batch normalisation learns the statistics of the new images.

    With no group that gives a triplet nothing is done. If training fails or is interrupted, the model's
    weights are put back.

    Args:
        model: The network; left in the mode it was in.
        images: Images, decoded once and then held in memory as far as they take part.
        known: What is known of pairs of ``images``, by the same indices.
        settings: How to train.
        seed: Seed of sampling and augmentation; PyTorch's own generator is left as it was.
        progress: Called after each step.

    Returns:
        What was done.

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
    relation = PairRelation(known)
    if settings.steps and len(relation.anchors()):
        with seeded(seed), restored_on_failure(model):
            _run(model, images, relation, settings, seed, history, progress)
    return history.report(time.perf_counter() - started)


def _run(
    model: EmbeddingNet,
    images: ImageSet,
    relation: PairRelation,
    settings: TripletSettings,
    seed: int,
    history: History,
    progress: Progress | None,
) -> None:
    pixels = Pixels(images, relation.participants(), settings.size)
    augmentation = Augmentation(settings.size, settings.shift, settings.erasing, settings.jitter)
    device = next(model.parameters()).device
    objective = Objective(relation, settings, model.feature_dim, device)
    parameters = [*model.parameters(), *objective.parameters()]
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    batches = sample_batches(relation, np.random.default_rng(seed), settings)
    model.train()
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * learning_rate_share(step, settings.steps)
        batch = next(batches)
        result = objective(model(augmentation(pixels.read(batch)).to(device)), batch)
        history.add(result.loss, result.active_triplets, batch)
        optimiser.zero_grad()
        result.loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if progress is not None:
            progress(step + 1, settings.steps)
