"""The backbones by name: networks that turn a crop into a feature vector."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision import models

from reid_al_agents.vision.osnet import FEATURE_DIM as OSNET_DIM
from reid_al_agents.vision.osnet import OSNet
from reid_al_agents.vision.small_cnn import FEATURE_DIM as SMALL_CNN_DIM
from reid_al_agents.vision.small_cnn import SmallCNN
from reid_al_env.errors import InputError

OSNET_WIDTHS = {"osnet_x1_0": 1.0, "osnet_x0_75": 0.75, "osnet_x0_5": 0.5, "osnet_x0_25": 0.25}
"""Width multiplier of each OSNet."""

TORCHVISION: dict[str, tuple[Callable[..., nn.Module], str, int]] = {
    "resnet18": (models.resnet18, "fc", 512),
    "resnet34": (models.resnet34, "fc", 512),
    "resnet50": (models.resnet50, "fc", 2048),
    "mobilenet_v3_small": (models.mobilenet_v3_small, "classifier", 576),
    "mobilenet_v3_large": (models.mobilenet_v3_large, "classifier", 960),
    "efficientnet_b0": (models.efficientnet_b0, "classifier", 1280),
}
"""Constructor, name of the classifier, and length of the pooled feature of each torchvision backbone."""


class EmbeddingNet(nn.Module):
    """A backbone with its name and the length of its features.

    Weights are saved and loaded by the names of ``trunk``, which are those of published checkpoints.

    Attributes:
        name: Name of the backbone, as ``build_backbone`` takes it.
        trunk: The network itself, without a classifier.
        feature_dim: Length D of a feature.
        head: Name that the classifier has in published checkpoints; it is left out when they are loaded.
    """

    def __init__(self, name: str, trunk: nn.Module, feature_dim: int, head: str = "classifier") -> None:
        super().__init__()
        self.name = name
        self.trunk = trunk
        self.feature_dim = feature_dim
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, D) float32 of images ``x`` (B, 3, H, W) float32 from ``normalise``."""
        features: Tensor = self.trunk(x)
        return features


def backbone_names() -> tuple[str, ...]:
    """Return the names that ``build_backbone`` takes."""
    return ("small_cnn", *OSNET_WIDTHS, *TORCHVISION)


def build_backbone(name: str, *, seed: int = 0) -> EmbeddingNet:
    """Build a backbone with random weights; nothing is downloaded.

    Args:
        name: One of ``backbone_names()``.
        seed: Seed of the random weights; the same seed gives the same bytes. PyTorch's own generator is
            left as it was.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        InputError: There is no backbone of that name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _build(name).eval()


def _build(name: str) -> EmbeddingNet:
    if name == "small_cnn":
        return EmbeddingNet(name, SmallCNN(), SMALL_CNN_DIM)
    if name in OSNET_WIDTHS:
        return EmbeddingNet(name, OSNet(OSNET_WIDTHS[name]), OSNET_DIM)
    if name in TORCHVISION:
        constructor, head, feature_dim = TORCHVISION[name]
        trunk = constructor(weights=None)
        setattr(trunk, head, nn.Identity())
        return EmbeddingNet(name, trunk, feature_dim, head)
    raise InputError(f"backbone '{name}' is not known; choose one of {', '.join(backbone_names())}")
