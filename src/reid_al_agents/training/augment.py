"""Random flip, crop, colour gains and erasing, drawn for all images of a batch at once."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_al_agents.vision.normalisation import normalise

MEAN_PIXEL = (124, 116, 104)
"""ImageNet's mean colour, which fills the uncovered pixels of a shifted crop; about zero once normalised."""

ERASED_SHARE = (0.02, 0.33)
"""Smallest and largest share of the image that a rectangle erases (Zhong et al., AAAI 2020, Algorithm 1)."""

ERASED_RATIO = (0.3, 3.3)
"""Smallest and largest height by width of that rectangle."""


class Augmentation:
    """Flip, pad and crop, and erase, as in Luo et al., "Bag of Tricks", CVPRW 2019, Sec. 3.2 and 4.

    Randomness is drawn from PyTorch's global generator, as torchvision's transforms do. It is drawn for the
    whole batch at once, and arithmetic is in place, so that a training step takes hardly longer than the
    network alone.

    Args:
        size: Height and width of the images in pixels.
        shift: Maximum shift in pixels of the crop of the padded image, in each direction.
        erasing: Probability that a rectangle is erased.
        jitter: Maximum relative change of the strength of each colour channel, as between two cameras.
    """

    def __init__(self, size: tuple[int, int], shift: int, erasing: float, jitter: float = 0.0) -> None:
        self._size = size
        self._shift = shift
        self._erasing = erasing
        self._jitter = jitter

    def __call__(self, pixels: Tensor) -> Tensor:
        """Augment and normalise ``pixels`` (B, 3, H, W) uint8; returns float32, channels last in memory."""
        batch = normalise(self._gain(self._moved(pixels)))
        if self._erasing > 0:
            batch.masked_fill_(self._rectangles(len(batch))[:, None], 0.0)
        return batch.contiguous(memory_format=torch.channels_last)

    def _moved(self, pixels: Tensor) -> Tensor:
        """Flip half of the images and shift each; uncovered pixels get the mean colour.

        Images are copied one by one, as blocks: gathering the whole batch by index is seven times as slow.
        """
        height, width = self._size
        count = len(pixels)
        flipped = (torch.rand(count) < 0.5).tolist()
        tops = torch.randint(0, 2 * self._shift + 1, (count,)).tolist()
        lefts = torch.randint(0, 2 * self._shift + 1, (count,)).tolist()
        images = pixels.permute(0, 2, 3, 1).numpy()  # (B, H, W, 3), as the memory lies
        framed = _framed(images, self._shift) if self._shift else images
        moved = np.empty((count, height, width, 3), dtype=np.uint8)
        for image, (frame, flip, top, left) in enumerate(zip(framed, flipped, tops, lefts, strict=True)):
            block = frame[top : top + height, left : left + width]
            moved[image] = block[:, ::-1] if flip else block
        return torch.from_numpy(moved).permute(0, 3, 1, 2)

    def _gain(self, pixels: Tensor) -> Tensor:
        """Multiply each channel of each image by a factor of its own; nothing changes without jitter."""
        if self._jitter == 0:
            return pixels
        change = torch.empty(len(pixels), 3, 1, 1).uniform_(-self._jitter, self._jitter)
        return (pixels.float() * (1 + change)).clamp_(0, 255)

    def _rectangles(self, count: int) -> Tensor:
        """(B, H, W) bool, the pixels to erase: one rectangle, or none, per image."""
        height, width = self._size
        area = torch.empty(count).uniform_(*ERASED_SHARE) * height * width
        ratio = torch.exp(torch.empty(count).uniform_(*(math.log(bound) for bound in ERASED_RATIO)))
        tall = (area * ratio).sqrt().round().clamp(1, height)
        wide = (area / ratio).sqrt().round().clamp(1, width)
        top = (torch.rand(count) * (height - tall + 1)).floor()
        left = (torch.rand(count) * (width - wide + 1)).floor()
        erased = torch.rand(count) < self._erasing
        rows, columns = torch.arange(height), torch.arange(width)
        inside_rows = (rows >= top[:, None]) & (rows < (top + tall)[:, None]) & erased[:, None]
        inside_columns = (columns >= left[:, None]) & (columns < (left + wide)[:, None])
        return inside_rows[:, :, None] & inside_columns[:, None, :]


def _framed(images: NDArray[np.uint8], border: int) -> NDArray[np.uint8]:
    """Surround ``images`` (B, H, W, 3) with ``border`` pixels of the mean colour on every side."""
    count, height, width, channels = images.shape
    framed = np.empty((count, height + 2 * border, width + 2 * border, channels), dtype=np.uint8)
    framed[:] = np.full(framed.shape[1:], MEAN_PIXEL, dtype=np.uint8)
    framed[:, border : border + height, border : border + width] = images
    return framed
