"""How pixels become what a network takes: a mean and a standard deviation of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_CHANNELS = 3


@dataclass(frozen=True)
class Normalisation:
    """``(pixel / 255 − mean) / std`` of each RGB channel, as torchvision and timm state them.

    Attributes:
        mean: Of red, green and blue.
        std: Of red, green and blue; positive.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __str__(self) -> str:
        return " ".join(f"{name}={_numbers(values)}" for name, values in vars(self).items())

    @staticmethod
    def parse(text: str) -> Normalisation:
        """Read what ``str`` wrote, such as ``mean=0.5,0.5,0.5 std=0.5,0.5,0.5``.

        Raises:
            InputError: The text is of another form.
        """
        try:
            parts = dict(part.split("=", 1) for part in text.split())
            mean, std = (tuple(float(x) for x in parts[name].split(",")) for name in ("mean", "std"))
            if len(mean) != _CHANNELS or len(std) != _CHANNELS or min(std) <= 0:
                raise ValueError
        except (KeyError, ValueError) as error:
            raise InputError(
                f"normalisation {text!r} is not mean=R,G,B std=R,G,B with positive deviations"
            ) from error
        return Normalisation((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Statistics of ImageNet, which torchreid, fast-reid, BoT and torchvision train with."""


def normalise(pixels: Tensor) -> Tensor:
    """Normalise pixels by ImageNet's statistics, the form that every ``EmbeddingNet`` takes.

    A network that was trained with other statistics converts its input itself, so that augmentation and
    extraction need to know one form only.

    Args:
        pixels: (B, 3, H, W), uint8 or float, RGB in [0, 255].

    Returns:
        (B, 3, H, W) float32 in the memory format of ``pixels``.
    """
    import torch

    mean = torch.tensor(IMAGENET.mean, device=pixels.device).view(3, 1, 1) * 255
    std = torch.tensor(IMAGENET.std, device=pixels.device).view(3, 1, 1) * 255
    values = pixels.to(torch.float32, copy=True)  # in place from here: fresh memory costs more than the sums
    return values.sub_(mean).div_(std)


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(repr(float(value)) for value in values)
