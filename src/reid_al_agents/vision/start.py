"""The model that a command starts from: backbone, weights, image size and device put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_al_agents.vision.backbones import EmbeddingNet, build_backbone
from reid_al_agents.vision.catalogue import ONNX, Size
from reid_al_agents.vision.description import Choice, choose, describe_weights
from reid_al_agents.vision.devices import choose_device
from reid_al_agents.vision.weights import PRETRAINED, load_published_weights, load_weights
from reid_al_env.errors import InputError


def choose_model(backbone: str | None, weights: str | Path | None, size: Size | None) -> Choice:
    """Choose the backbone and the image size that options and weights mean; builds no network.

    Args:
        backbone: Name of the backbone; ``None`` is that of the weights, or ``osnet_x0_25``.
        weights: A file, ``pretrained`` for those that the backbone's library publishes, or ``None``.
        size: Height and width of the images; ``None`` is that of the weights, or of the backbone.

    Returns:
        Both, and what to tell the user.

    Raises:
        InputError: Options contradict the weights, or something is unknown or unreadable.
    """
    if backbone is not None and backbone.startswith(ONNX) and weights is not None:
        raise InputError(f"--weights: {backbone} holds its own weights; leave --weights out")
    from_file = weights is not None and str(weights) != PRETRAINED
    return choose(backbone, size, describe_weights(str(weights)) if from_file else None)


def start_model(
    backbone: str | None,
    weights: str | Path | None,
    size: Size | None,
    *,
    seed: int = 0,
    device: str = "auto",
    say: Callable[[str], None] | None = None,
) -> EmbeddingNet:
    """Build the model that options describe; what they leave open is taken from the weights.

    Args:
        backbone: See :func:`choose_model`.
        weights: See :func:`choose_model`.
        size: See :func:`choose_model`.
        seed: Of random weights.
        device: As ``choose_device`` takes it.
        say: Called with each sentence that the user should read: contradictions, a download, tensors that did
            not load.

    Returns:
        The model on the device; its ``size`` is the size to use.

    Raises:
        InputError: Options contradict the weights, or something is unknown or unreadable.
    """
    choice = choose_model(backbone, weights, size)
    model = build_backbone(choice.backbone, seed=seed)
    tell = say or (lambda text: None)
    for note in choice.notes:
        tell(note)
    if weights is not None and str(weights) == PRETRAINED:
        load_published_weights(model, tell)
    elif weights is not None:
        for line in load_weights(model, weights).shortfalls():
            tell(line)
    model.fit_to(choice.size)
    return model.to(choose_device(device))
