"""A small CNN that trains in about a minute on two CPU cores; the demo's backbone."""

import torch
from torch import Tensor, nn

CHANNELS = (32, 64, 96, 128)
"""Output channels of the four convolutions."""

STRIPES = 4
"""Horizontal stripes that are pooled apart, so that shirt and trousers are not averaged together."""

FEATURE_DIM = 128
"""Length of the feature."""


class SmallCNN(nn.Module):
    """Four convolutions with batch normalisation, part pooling and a linear layer; 251,616 parameters.

    The maps are averaged over each of four horizontal stripes, as in the part-based pooling of Sun et al.,
    "Beyond Part Models", ECCV 2018, Sec. 3.1, and the stripes' means are mapped to one normalised feature
    (the BNNeck of Luo et al., "Bag of Tricks", CVPRW 2019, Sec. 3.5). Meant for crops of about 64×32 pixels;
    any size of at least 32×8 works.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *CHANNELS[:-1])
        self.blocks = nn.Sequential(*(_block(i, o) for i, o in zip(inputs, CHANNELS, strict=True)))
        self.pool = nn.AdaptiveAvgPool2d((STRIPES, 1))
        self.fc = nn.Linear(STRIPES * CHANNELS[-1], FEATURE_DIM, bias=False)
        self.neck = nn.BatchNorm1d(FEATURE_DIM)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, 128) of images ``x`` (B, 3, H, W), normalised by ImageNet's statistics."""
        stripes = self.pool(self.blocks(x))
        features: Tensor = self.neck(self.fc(torch.flatten(stripes, 1)))
        return features


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """3×3 convolution, batch normalisation, ReLU, and a maximum over 2×2."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
    )
