"""The demo's plan: a small CNN from labelled people at some cameras, asked to work at others."""

from __future__ import annotations

from pathlib import Path

from reid_al_agents.data import make_split
from reid_al_agents.data.synthetic import load_synthetic
from reid_al_agents.experiment.benchmark import Plan
from reid_al_agents.training.image_pool import ImagePool
from reid_al_agents.training.pool import Progress
from reid_al_agents.training.triplet.refresher import pretrain
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_agents.vision import build_backbone, load_weights, save_weights
from reid_al_agents.workspace.assembly import make_refreshers
from reid_al_agents.workspace.settings import RunConfig

SIZE = (64, 32)
SOURCE = "pedestrians-source"
TARGET = "pedestrians-target"
SELECTORS = ("random", "entropy", "dqn")
BUDGETS = (150, 300, 600)
PRETRAINING = TripletSettings(size=SIZE, steps=300, learning_rate=2e-3, identity_loss_weight=1.0, jitter=0.25)
REFRESH_STEPS = 80


def demo_plan(seed: int) -> Plan:
    """What the demo compares; people, cameras, weights and questions all differ by seed."""
    base = RunConfig(
        data=f"synthetic:{TARGET}?seed={seed}",
        backbone="small_cnn",
        nodes="images",
        refresh="triplet",
        size=SIZE,
        refresh_steps=REFRESH_STEPS,
        seed=seed,
    )
    return Plan(base, SELECTORS, BUDGETS, (seed,))


def pretrained_weights(seed: int, folder: Path, progress: Progress) -> Path:
    """Train the small CNN on the labelled source domain.

    Args:
        seed: Of the people, the cameras and the training.
        folder: Where ``start.safetensors`` is written.
        progress: Told of the steps.

    Returns:
        The weights' file.
    """
    images = load_synthetic(f"{SOURCE}?seed={seed}")
    model = build_backbone("small_cnn", seed=seed)
    pretrain(
        model, images, PRETRAINING, seed=seed, progress=lambda done, total: progress("pretrain", done, total)
    )
    path = folder / "start.safetensors"
    save_weights(model, path, {"size": f"{SIZE[0]}x{SIZE[1]}", "data": images.source})
    return path


def target_subject(plan: Plan, weights: Path, seed: int, progress: Progress) -> ImagePool:
    """The unlabelled target domain as the pretrained network sees it; half its people are the pool."""
    images = load_synthetic(plan.base.data.removeprefix("synthetic:"))
    model = build_backbone("small_cnn", seed=seed)
    load_weights(model, weights)
    split = make_split(images, seed, pool_share=0.5)
    return ImagePool(model, images, split, plan.base.evaluate_on, SIZE, *make_refreshers(plan.base), progress)
