"""What a file of weights is of: backbone, image size, normalisation; and which of them a command uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from reid_al_agents.vision.catalogue import (
    TIMM,
    Size,
    backbone_names,
    find_backbone,
    parse_size,
    resolve_size,
    size_text,
)
from reid_al_agents.vision.checkpoint import Checkpoint, read_checkpoint
from reid_al_agents.vision.matching import BATCH_COUNTER, has_mark, match
from reid_al_agents.vision.normalisation import Normalisation
from reid_al_env.errors import InputError

DEFAULT_BACKBONE = "osnet_x0_25"
"""The backbone where neither an option nor a file names one."""


@dataclass(frozen=True)
class WeightsInfo:
    """What is known of a file of weights.

    Attributes:
        file: The file.
        backbone: Name of its backbone; ``None`` where neither the file nor its names say.
        size: Height and width of the images that it was trained on, where the file says.
        normalisation: Of the pixels, where the file says.
        trained_on: What it was trained on, where the file says.
        guessed: Whether ``backbone`` follows from the names and shapes of the tensors alone.
    """

    file: str
    backbone: str | None
    size: Size | None = None
    normalisation: Normalisation | None = None
    trained_on: str | None = None
    guessed: bool = False


@dataclass(frozen=True)
class Choice:
    """The backbone and the image size that a command uses.

    Attributes:
        backbone: Name of the backbone.
        size: Height and width in pixels.
        notes: Sentences for the user, where a choice differs from what the weights were trained with.
    """

    backbone: str
    size: Size
    notes: tuple[str, ...] = ()


def describe_weights(path: str | Path) -> WeightsInfo:
    """Say what a file of weights is of.

    Files from ``save_weights`` name it themselves; of others the backbone is found by comparing names and
    shapes with every backbone of the catalogue.

    Raises:
        InputError: The file is missing or unreadable.
    """
    checkpoint = read_checkpoint(path)
    header = checkpoint.header
    backbone = header.get("backbone")
    return WeightsInfo(
        file=str(path),
        backbone=backbone or _guess(checkpoint),
        size=parse_size(header["size"]) if "size" in header else None,
        normalisation=Normalisation.parse(header["normalisation"]) if "normalisation" in header else None,
        trained_on=header.get("data"),
        guessed=backbone is None,
    )


def choose(backbone: str | None, size: Size | None, info: WeightsInfo | None) -> Choice:
    """Choose the backbone and the image size: an option first, then the weights, then the default.

    Args:
        backbone: As named by an option; ``None`` where it was not.
        size: As named by an option; ``None`` where it was not.
        info: Of the weights; ``None`` without a file of weights.

    Returns:
        Both, and what to tell the user.

    Raises:
        InputError: The option names another backbone than the file, or the file does not show its backbone.
    """
    notes = []
    if backbone is None:
        backbone = DEFAULT_BACKBONE if info is None else info.backbone
        if backbone is None:
            assert info is not None
            raise InputError(f"{info.file}: does not show of which backbone it is; name it with --backbone")
        if info is not None and info.guessed:
            notes.append(f"{info.file} matches {backbone}, which is used")
    elif info is not None and info.backbone not in (None, backbone):
        if not info.guessed:
            raise InputError(
                f"{info.file}: holds weights of {info.backbone}, not of {backbone}; leave --backbone out"
            )
        notes.append(f"{info.file} matches {info.backbone}; {backbone} is used, as given by --backbone")
    trained = None if info is None else info.size
    made_for = trained or resolve_size(backbone, None)
    if size is not None and size != made_for:
        notes.append(_about_size(size, made_for, backbone if trained is None or info is None else info.file))
    return Choice(backbone, size or made_for, tuple(notes))


def _about_size(size: Size, made_for: Size, what: str) -> str:
    """A sentence about images of another size than the network was trained on."""
    ratio = size[0] * size[1] / (made_for[0] * made_for[1])
    times = max(ratio, 1 / ratio)
    cost = "faster, but expect a worse model" if ratio < 1 else "slower, and not necessarily better"
    return (
        f"{what} was made for images of {size_text(made_for)}, and {size_text(size)} is used: "
        f"about {times:.1f} times {cost}"
    )


def _guess(checkpoint: Checkpoint) -> str | None:
    """The backbone that takes most of the file's tensors and lacks fewest of its own."""
    best: tuple[float, ...] = ()
    guess = None
    for name in (*backbone_names(), *_named_by_timm(checkpoint)):
        try:
            backbone = find_backbone(name)
            likely = [x for x in checkpoint.entries.values() if has_mark(x, backbone)]
            expected = _shapes(name) if likely else {}
        except InputError:  # its library is not installed
            continue
        for given in likely:
            found = match(given, expected, backbone)
            lacking = sum(not key.endswith(BATCH_COUNTER) for key in expected.keys() - found.source.keys())
            rank = (len(found.source), found.used_share, -lacking)
            if found.fits and rank > best:
                best, guess = rank, name
            if found.fits and not (lacking or found.left_over):
                return name
    return guess


def _named_by_timm(checkpoint: Checkpoint) -> tuple[str, ...]:
    arch = checkpoint.header.get("arch")
    return () if arch is None else (f"{TIMM}{arch}",)


@lru_cache(maxsize=128)
def _shapes(name: str) -> dict[str, Tensor]:
    """The state dict of a backbone without its numbers."""
    with torch.device("meta"):
        return find_backbone(name).build()[0].state_dict()
