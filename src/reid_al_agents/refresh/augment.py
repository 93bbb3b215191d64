"""Random flip, crop, colour gains and erasing, each image by itself."""

import torch
from torch import Tensor
from torchvision.transforms import v2

from reid_al_agents.embedding.extraction import normalise

MEAN_PIXEL = (124, 116, 104)
"""ImageNet's mean colour, which fills what a shifted crop uncovers; close to zero once normalised."""


class Augmentation:
    """Flip, pad and crop, and erase, as in Luo et al., "Bag of Tricks", CVPRW 2019, Sec. 3.2 and 4.

    Randomness is drawn from PyTorch's global generator, as torchvision's transforms do.

    Args:
        size: Height and width of the images in pixels.
        shift: Pixels by which the crop of the padded image shifts it at most, in each direction.
        erasing: Chance that a rectangle is erased.
        jitter: Largest relative change of each colour channel's strength, as between two cameras.
    """

    def __init__(self, size: tuple[int, int], shift: int, erasing: float, jitter: float = 0.0) -> None:
        self._jitter = jitter
        self._shift = v2.Compose(
            [
                v2.RandomHorizontalFlip(0.5),
                v2.RandomCrop(size, padding=shift, fill=MEAN_PIXEL),
            ]
        )
        self._erase = v2.RandomErasing(erasing, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Augment and normalise ``pixels`` (B, 3, H, W) uint8; returns float32, channels last in memory."""
        shifted = torch.stack([self._shift(image) for image in pixels])
        erased = [self._erase(image) for image in normalise(self._gain(shifted))]
        return torch.stack(erased).contiguous(memory_format=torch.channels_last)

    def _gain(self, pixels: Tensor) -> Tensor:
        """Multiply each channel of each image by its own factor; ``pixels`` as they are without jitter."""
        if self._jitter == 0:
            return pixels
        change = torch.empty(len(pixels), 3, 1, 1).uniform_(-self._jitter, self._jitter)
        return (pixels.float() * (1 + change)).clamp_(0, 255)
