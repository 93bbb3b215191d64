"""OSNet, the omni-scale network for re-identification: four widths, plain or with instance normalisation.

Zhou, Yang, Cavallaro, Xiang: "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019
(arXiv:1905.00953), and, for the variants ``ibn`` and ``ain``, Zhou et al.: "Learning Generalisable Omni-Scale
Representations for Person Re-Identification", TPAMI 2021 (arXiv:1910.06827). Modules and parameters carry the
names of torchreid's checkpoints, so that those load as they are, but for their classifier. Checkpoints of
``ain`` number the streams and keep the transitions apart; ``AIN_NAMES`` says which name is which.
"""

from typing import Literal

import torch
from torch import Tensor, nn

STREAMS = 4
"""Streams of a block; stream ``t`` stacks ``t`` light convolutions (the paper's T)."""

BOTTLENECK = 4
"""A block's output has four times the channels of its streams."""

GATE_REDUCTION = 16
"""Hidden units of the aggregation gate are the channels divided by 16 (Sec. 3.2)."""

FEATURE_DIM = 512
"""Length of the feature after the fully connected layer."""

STAGE_CHANNELS = (64, 256, 384, 512)
"""Channels of conv1 and of the three stages at width 1.0 (Table 1)."""

InstanceNorm = Literal["none", "after", "inside"]
"""Where a block normalises each image on its own: nowhere, after the residual sum, or before it."""

BLOCK_NORMS: dict[str, tuple[InstanceNorm, ...]] = {
    "plain": ("none",) * 6,
    "ibn": ("after", "after", "none", "none", "none", "none"),
    "ain": ("inside", "inside", "none", "inside", "inside", "none"),
}
"""Instance normalisation in the six blocks of each variant; all but ``plain`` also have it in conv1."""


class ConvLayer(nn.Module):
    """Convolution without bias, normalisation and, unless ``relu=False``, a ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        relu: bool = True,
        norm: Literal["batch", "instance", "none"] = "batch",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn = _norm(norm, outputs)
        self.relu = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H / stride, W / stride) for ``x`` (B, inputs, H, W)."""
        activated: Tensor = self.relu(self.bn(self.conv(x)))
        return activated


class LightConv(nn.Module):
    """The paper's Lite 3×3: a linear 1×1 convolution, then a depthwise 3×3 one (Sec. 3.1, Fig. 3b)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of ``x`` (B, channels, H, W)."""
        return torch.relu(self.bn(self.conv2(self.conv1(x))))


class AggregationGate(nn.Module):
    """Channel weights in (0, 1) computed from the input's global average; shared by all streams (Eq. 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // GATE_REDUCTION, 1)
        self.fc2 = nn.Conv2d(channels // GATE_REDUCTION, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (B, channels, H, W), each channel scaled by its weight."""
        hidden = torch.relu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(hidden))


class OmniScaleBlock(nn.Module):
    """Residual bottleneck whose middle is a gated sum of streams of growing receptive field (Fig. 4).

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        instance_norm: ``inside`` takes the place of the last batch normalisation, before the residual sum;
            ``after`` follows that sum.
    """

    def __init__(self, inputs: int, outputs: int, instance_norm: InstanceNorm = "none") -> None:
        super().__init__()
        middle = outputs // BOTTLENECK
        inside, after = instance_norm == "inside", instance_norm == "after"
        self.conv1 = ConvLayer(inputs, middle)
        self.conv2a = LightConv(middle)
        self.conv2b = _stream(middle, 2)
        self.conv2c = _stream(middle, 3)
        self.conv2d = _stream(middle, STREAMS)
        self.gate = AggregationGate(middle)
        self.conv3 = ConvLayer(middle, outputs, relu=False, norm="none" if inside else "batch")
        self.downsample = ConvLayer(inputs, outputs, relu=False) if inputs != outputs else nn.Identity()
        self.IN = _norm("instance" if inside or after else "none", outputs)
        self._after = after

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H, W) for ``x`` (B, inputs, H, W)."""
        reduced = self.conv1(x)
        first, second = self.gate(self.conv2a(reduced)), self.gate(self.conv2b(reduced))
        third, fourth = self.gate(self.conv2c(reduced)), self.gate(self.conv2d(reduced))
        change, kept = self.conv3(first + second + third + fourth), self.downsample(x)
        return torch.relu(self.IN(change + kept) if self._after else self.IN(change) + kept)


class OSNet(nn.Module):
    """OSNet: a stem, three stages of two blocks, a 1×1 convolution, global average, fully connected layer.

    Args:
        width: Multiplier of all channel counts (the paper's β); 1.0, 0.75, 0.5 or 0.25.
        variant: ``plain``, ``ibn`` or ``ain``: where instance normalisation is used.
    """

    def __init__(self, width: float, variant: Literal["plain", "ibn", "ain"] = "plain") -> None:
        super().__init__()
        stem, first, second, third = (int(channels * width) for channels in STAGE_CHANNELS)
        norms = BLOCK_NORMS[variant]
        self.conv1 = ConvLayer(3, stem, 7, stride=2, norm="batch" if variant == "plain" else "instance")
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = _stage(stem, first, norms[0:2], halve=True)
        self.conv3 = _stage(first, second, norms[2:4], halve=True)
        self.conv4 = _stage(second, third, norms[4:6], halve=False)
        self.conv5 = ConvLayer(third, third)
        self.fc = nn.Sequential(nn.Linear(third, FEATURE_DIM), nn.BatchNorm1d(FEATURE_DIM), nn.ReLU())
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, 512) of images ``x`` (B, 3, H, W), normalised by ImageNet's statistics."""
        stem = self.maxpool(self.conv1(x))
        maps = self.conv5(self.conv4(self.conv3(self.conv2(stem))))
        features: Tensor = self.fc(maps.mean(dim=(2, 3)))
        return features


def _norm(kind: str, channels: int) -> nn.Module:
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=True) if kind == "instance" else nn.Identity()


def _stream(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(LightConv(channels) for _ in range(depth)))


def _stage(inputs: int, outputs: int, norms: tuple[InstanceNorm, ...], *, halve: bool) -> nn.Sequential:
    """Two blocks and, with ``halve``, a transition (1×1 convolution and 2×2 average)."""
    first, second = norms
    blocks: list[nn.Module] = [
        OmniScaleBlock(inputs, outputs, first),
        OmniScaleBlock(outputs, outputs, second),
    ]
    if halve:
        blocks.append(nn.Sequential(ConvLayer(outputs, outputs), nn.AvgPool2d(2)))
    return nn.Sequential(*blocks)


def _initialise(module: nn.Module) -> None:
    """He initialisation of convolutions; small normal weights for the fully connected layer."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
