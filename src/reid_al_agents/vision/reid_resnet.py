"""ResNets as re-identification trains them: last stride 1, a batch-normalisation neck, optionally IBN.

Luo et al.: "Bag of Tricks and a Strong Baseline for Deep Person Re-Identification", CVPRW 2019
(arXiv:1903.07071), Sec. 3.4 (last stride) and 3.5 (BNNeck); He et al.: "FastReID", 2020 (arXiv:2006.02631);
Pan et al.: "Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net", ECCV 2018
(arXiv:1807.09441), the form IBN-Net-a. The two trainers differ in details that a checkpoint does not show:

===================  ==========================  =====================================
trainer              after the first convolution  first pooling
===================  ==========================  =====================================
BoT, plain           no ReLU                     3×3, stride 2, padded by one pixel
BoT, IBN             ReLU                        3×3, stride 2, padded by one pixel
fast-reid            ReLU                        3×3, stride 2, last window cut short
===================  ==========================  =====================================
"""

from collections import OrderedDict
from typing import Any, Literal

import torch
from torch import Tensor, nn

FEATURE_DIM = 2048
"""Length of the feature of a ResNet with bottleneck blocks."""

FC_DIM = 512
"""Length of the feature of torchreid's ``resnet50_fc512``."""

_SMALLEST = 1e-6
"""Activations are raised to this before a power of them is taken, as fast-reid does."""


class GeneralisedMean(nn.Module):
    """Generalised mean over the image, ``(mean xᵖ)^(1/p)``; p = 1 is the average.

    Radenović, Tolias, Chum: "Fine-tuning CNN Image Retrieval", TPAMI 2019 (arXiv:1711.02512), Eq. 3. ``p`` is
    kept as it was loaded and is not trained.

    Args:
        power: p.
    """

    p: Tensor

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("p", torch.full((1,), power))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C) for feature maps ``x`` (B, C, H, W)."""
        return x.clamp(min=_SMALLEST).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)


class NeckedNet(nn.Module):
    """A convolutional body, a generalised mean and a batch-normalisation neck; features are taken after it.

    Args:
        body: Gives feature maps (B, channels, H, W).
        channels: Length of the feature.
        power: p of the generalised mean until weights are loaded.
    """

    def __init__(self, body: nn.Module, channels: int, power: float = 1.0) -> None:
        super().__init__()
        self.body = body
        self.pool = GeneralisedMean(power)
        self.neck = nn.BatchNorm1d(channels)
        self.neck.bias.requires_grad_(False)  # Luo et al., Sec. 3.5

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, channels) of images ``x`` (B, 3, H, W)."""
        features: Tensor = self.neck(self.pool(self.body(x)))
        return features


class InstanceBatchNorm(nn.Module):
    """IBN-Net-a: instance normalisation of one half of the channels, batch normalisation of the other."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self._half = channels // 2
        self.IN = nn.InstanceNorm2d(self._half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self._half)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x`` (B, channels, H, W)."""
        return torch.cat([self.IN(x[:, : self._half]), self.BN(x[:, self._half :])], dim=1)


def reid_resnet(depth: Literal[50, 101], trainer: Literal["bot", "fastreid"], *, ibn: bool) -> NeckedNet:
    """Build the ResNet of a trainer, without its classifier."""
    net = _resnet(depth, ibn=ibn, last_stride=1)
    if trainer == "fastreid":
        net.maxpool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    elif not ibn:
        net.relu = nn.Identity()
    body = OrderedDict((name, part) for name, part in net.named_children() if name not in ("avgpool", "fc"))
    return NeckedNet(nn.Sequential(body), FEATURE_DIM)


def resnet_ibn(depth: Literal[50, 101]) -> nn.Module:
    """Build a ResNet with IBN as it is trained on ImageNet, without its classifier."""
    net: nn.Module = _resnet(depth, ibn=True, last_stride=2)
    net.fc = nn.Identity()
    return net


def resnet50_fc512() -> nn.Module:
    """Build torchreid's ResNet-50 with last stride 1 and a fully connected layer of 512."""
    net: nn.Module = _resnet(50, ibn=False, last_stride=1)
    net.fc = nn.Sequential(nn.Linear(FEATURE_DIM, FC_DIM), nn.BatchNorm1d(FC_DIM), nn.ReLU())
    return net


def _resnet(depth: Literal[50, 101], *, ibn: bool, last_stride: int) -> Any:
    """Torchvision's ResNet with what differs changed."""
    from torchvision import models

    net: Any = {50: models.resnet50, 101: models.resnet101}[depth](weights=None)
    first = net.layer4[0]
    first.conv2.stride = first.downsample[0].stride = (last_stride, last_stride)
    if ibn:
        for layer in (net.layer1, net.layer2, net.layer3):
            for block in layer:
                block.bn1 = InstanceBatchNorm(block.bn1.num_features)
    return net
