"""Networks that turn an image into a feature vector, built by name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid_al_agents.vision.catalogue import ONNX, TIMM, Size, find_backbone, size_text
from reid_al_agents.vision.normalisation import IMAGENET, Normalisation
from reid_al_env.errors import InputError


class EmbeddingNet(nn.Module):
    """A backbone with its name, the length of its features and the images that it was made for.

    Weights are saved and loaded by the names of ``trunk``, which are those of published checkpoints.

    Args:
        name: See attributes.
        trunk: See attributes.
        feature_dim: See attributes.
        size: See attributes.
        normalisation: Of the pixels that ``trunk`` was trained with.
        fixed_size: Whether ``trunk`` takes images of ``size`` only.

    Attributes:
        name: Name of the backbone, as ``build_backbone`` takes it.
        trunk: The network itself, without a classifier.
        feature_dim: Length D of a feature.
        size: Height and width of the images that it was made for, or was prepared for by ``fit_to``.
    """

    _scale: Tensor
    _shift: Tensor

    def __init__(
        self,
        name: str,
        trunk: nn.Module,
        feature_dim: int,
        size: Size,
        normalisation: Normalisation = IMAGENET,
        *,
        fixed_size: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.trunk = trunk
        self.feature_dim = feature_dim
        self.size = size
        self._fixed_size = fixed_size
        self.register_buffer("_scale", torch.ones(3, 1, 1), persistent=False)
        self.register_buffer("_shift", torch.zeros(3, 1, 1), persistent=False)
        self.normalisation = normalisation

    @property
    def normalisation(self) -> Normalisation:
        """Statistics of the pixels that the network was trained with."""
        return self._normalisation

    @normalisation.setter
    def normalisation(self, value: Normalisation) -> None:
        self._normalisation = value
        for channel in range(3):  # (x · σ_imagenet + μ_imagenet − μ) / σ
            self._scale[channel] = IMAGENET.std[channel] / value.std[channel]
            self._shift[channel] = (IMAGENET.mean[channel] - value.mean[channel]) / value.std[channel]

    @property
    def trainable(self) -> bool:
        """Whether answers can improve it; a network in an ONNX file gives features only."""
        return not self.name.startswith(ONNX)

    def train(self, mode: bool = True) -> EmbeddingNet:
        """Switch to training, or to evaluation with ``mode=False``.

        Raises:
            InputError: The network cannot be trained.
        """
        if mode and not self.trainable:
            raise InputError(
                f"--backbone: {self.name} gives features and cannot learn from answers; use --refresh none, "
                "or another backbone"
            )
        super().train(mode)
        return self

    @property
    def device(self) -> torch.device:
        """The device that it runs on."""
        return self._scale.device

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, D) float32 of images ``x`` (B, 3, H, W) float32 from ``normalise``."""
        if self._normalisation != IMAGENET:
            x = x * self._scale + self._shift
        features: Tensor = self.trunk(x)
        return features

    def fit_to(self, size: Size) -> None:
        """Prepare for images of another size; convolutional networks take any and stay as they are.

        Args:
            size: Height and width in pixels.

        Raises:
            InputError: The network takes images of one size only, or cannot be prepared for this one.
        """
        if size == self.size:
            return
        if self._fixed_size:
            raise InputError(
                f"--size: {self.name} takes images of {size_text(self.size)} only, not {size_text(size)}"
            )
        try:
            if self.name.startswith(TIMM):
                from reid_al_agents.vision.timm_backbone import set_size

                set_size(self.trunk, size)
            self._try(size)
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"--size: {self.name} cannot take {size_text(size)} ({reason})") from error
        self.size = size

    @torch.no_grad()
    def _try(self, size: Size) -> None:
        """Let an empty image of ``size`` pass through the network."""
        was_training = self.training
        self.eval()
        try:
            self(torch.zeros(1, 3, *size, device=self.device))
        finally:
            self.train(was_training)


def build_backbone(name: str, *, seed: int = 0) -> EmbeddingNet:
    """Build a backbone with random weights.

    Nothing is downloaded, but for the settings of a model that ``timm:hf-hub:...`` names.

    Args:
        name: One of ``backbone_names()``, ``timm:NAME`` or ``onnx:FILE``.
        seed: Seed of the random weights; the same seed gives the same bytes. PyTorch's own generator is
            left as it was.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        InputError: There is no backbone of that name, or the library that it needs is missing.
    """
    backbone = find_backbone(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk, feature_dim = backbone.build()
    net = EmbeddingNet(
        name,
        trunk,
        feature_dim,
        backbone.default_size,
        backbone.normalisation,
        fixed_size=backbone.fixed_size,
    )
    net.eval()
    return net
