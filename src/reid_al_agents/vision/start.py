"""The model that a command starts from: backbone, weights, image size and device put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reid_al_agents.vision.backbones import EmbeddingNet, build_backbone
from reid_al_agents.vision.catalogue import Size
from reid_al_agents.vision.description import choose, describe_weights
from reid_al_agents.vision.devices import choose_device
from reid_al_agents.vision.weights import PRETRAINED, load_published_weights, load_weights
from reid_al_env.errors import InputError


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
        backbone: Name of the backbone; ``None`` is that of the weights, or ``osnet_x0_25``.
        weights: A file, ``pretrained`` for those that the backbone's library publishes, or ``None``.
        size: Height and width of the images; ``None`` is that of the weights, or of the backbone.
        seed: Of random weights.
        device: As ``choose_device`` takes it.
        say: Called with each sentence that the user should read: contradictions, a download, tensors that did
            not load.

    Returns:
        The model on the device; its ``size`` is the size to use.

    Raises:
        InputError: Options contradict the weights, or something is unknown or unreadable.
    """
    pretrained = str(weights) == PRETRAINED
    if str(backbone).startswith("onnx:") and weights is not None:
        raise InputError(f"--weights: {backbone} holds its own weights; leave --weights out")
    info = None if weights is None or pretrained else describe_weights(weights)
    choice = choose(backbone, size, info)
    model = build_backbone(choice.backbone, seed=seed)
    tell = say or (lambda text: None)
    for note in choice.notes:
        tell(note)
    if pretrained:
        load_published_weights(model, tell)
    elif weights is not None:
        for line in load_weights(model, weights).shortfalls():
            tell(line)
    model.fit_to(choice.size)
    return model.to(choose_device(device))
