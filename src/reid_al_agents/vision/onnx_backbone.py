"""A network in an ONNX file, ``onnx:FILE``, for features only: it cannot be trained."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reid_al_agents.vision.catalogue import ONNX, PERSON, Backbone
from reid_al_env.errors import InputError


def onnx_backbone(name: str) -> Backbone:
    """Describe ``onnx:FILE``: its size is that of the file's input, or 256×128 where it takes any.

    Raises:
        InputError: onnxruntime is missing, or the file cannot be used.
    """
    file = Path(name.removeprefix(ONNX))
    session = _session(file)
    _, _, height, width = _input_shape(session, file)
    if isinstance(height, int) and isinstance(width, int):
        size = (height, width)
        return Backbone(name, partial(_build, session, file, size), size, fixed_size=True)
    return Backbone(name, partial(_build, session, file, PERSON), PERSON)


class OnnxNet(nn.Module):
    """Runs an ONNX session as if it were a network of PyTorch; on the CPU, without gradients.

    Args:
        session: From onnxruntime; one input (B, 3, H, W) float32, RGB normalised by ImageNet's statistics.
            Its first output is the feature.
        batch: Images that the file takes at once; ``None`` is any number.
    """

    def __init__(self, session: Any, batch: int | None) -> None:
        super().__init__()
        self._session = session
        self._batch = batch
        self._input: str = session.get_inputs()[0].name

    def forward(self, x: Tensor) -> Tensor:
        """Return features (B, D) of images ``x`` (B, 3, H, W)."""
        images = x.cpu().numpy()
        step = self._batch or len(images)
        parts = [self._run(images[start : start + step]) for start in range(0, len(images), step)]
        return torch.from_numpy(np.concatenate(parts)).to(x.device)

    def _run(self, images: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        missing = 0 if self._batch is None else self._batch - len(images)
        filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images
        features = self._session.run(None, {self._input: np.ascontiguousarray(filled)})[0]
        return np.asarray(features[: len(images)], dtype=np.float32).reshape(len(images), -1)


def _build(session: Any, file: Path, size: tuple[int, int]) -> tuple[nn.Module, int]:
    batch = _input_shape(session, file)[0]
    net = OnnxNet(session, batch if isinstance(batch, int) else None)
    try:
        features = net(torch.zeros(1, 3, *size))
    except Exception as error:  # onnxruntime raises exceptions of its own
        raise InputError(f"{file}: cannot be run on an image of {size[0]}x{size[1]} ({error})") from error
    return net, int(features.shape[1])


def _session(file: Path) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError('onnxruntime is not installed; pip install "reid-active-learning[onnx]"') from error
    if not file.is_file():
        raise InputError(f"{file}: no such file; expected a network as ONNX")
    try:
        return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise InputError(f"{file}: is not a readable ONNX file ({error})") from error


def _input_shape(session: Any, file: Path) -> list[int | str | None]:
    """Batch, channels, height and width of the input; text or ``None`` where the file takes any."""
    inputs = session.get_inputs()
    shape: list[int | str | None] = list(inputs[0].shape)
    if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (3, None):
        raise InputError(
            f"{file}: takes {len(inputs)} inputs, the first of shape {shape}; expected one (B, 3, H, W)"
        )
    return shape
