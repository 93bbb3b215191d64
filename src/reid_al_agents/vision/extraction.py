"""From images to features: batches of images through a backbone."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid_al_agents.data.images import ImageSet
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_agents.vision.normalisation import normalise
from reid_al_env.errors import InputError

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``."""

CPU_BATCH = 16
"""Images in a forward pass on a CPU; the activations of many more do not fit its cache."""


def to_pixels(images: NDArray[np.uint8]) -> Tensor:
    """View images (B, H, W, 3) uint8 as a tensor (B, 3, H, W) uint8, channels last in memory.

    Channels last is how the arrays lie in memory already, and on a CPU it makes OSNet's depthwise
    convolutions two to three times as fast.
    """
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)


def embed(
    model: EmbeddingNet,
    images: ImageSet,
    indices: NDArray[np.int64] | None = None,
    *,
    size: tuple[int, int],
    batch_size: int = 128,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Extract the features of images; they are not L2-normalised.

    The model runs in evaluation mode and is left in the mode it was in. The next batch is decoded while the
    current one is in the network.

    Args:
        model: The backbone.
        images: Where the images are read from.
        indices: (n,) indices of the images to embed; all of them by default.
        size: Height and width in pixels that images are resized to.
        batch_size: Images that are decoded at a time; on an accelerator also those of a forward pass.
        progress: Called with the number of images done and the number of images, first before any is done.

    Returns:
        (n, D) float32, in the order of ``indices``.

    Raises:
        InputError: The model takes images of another size only; or a feature holds a value that is not
            finite, or is zero, and the message names the image.
    """
    model.fit_to(size)
    wanted = np.arange(len(images)) if indices is None else np.asarray(indices, dtype=np.int64)
    features = np.empty((len(wanted), model.feature_dim), dtype=np.float32)
    was_training = model.training
    model.eval()
    try:
        done = 0
        if progress is not None:
            progress(done, len(wanted))
        for batch in _decoded_batches(images, wanted, size, batch_size):
            step = CPU_BATCH if model.device.type == "cpu" else len(batch)
            for start in range(0, len(batch), step):
                part = batch[start : start + step]
                features[done : done + len(part)] = _forward(model, part)
                done += len(part)
            if progress is not None:
                progress(done, len(wanted))
    finally:
        model.train(was_training)
    _check_features(features, images.names[wanted])
    return features


def _decoded_batches(
    images: ImageSet, indices: NDArray[np.int64], size: tuple[int, int], batch_size: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield images (≤ batch_size, H, W, 3) with the next batch being decoded in a second thread."""
    chunks = [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
    with ThreadPoolExecutor(max_workers=1) as reader:
        following = [reader.submit(images.read, chunk, size) for chunk in chunks[:1]]
        for chunk in [*chunks[1:], None]:
            if not following:
                return
            current = following.pop()
            if chunk is not None:
                following.append(reader.submit(images.read, chunk, size))
            yield current.result()


@torch.inference_mode()
def _forward(model: EmbeddingNet, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    features: NDArray[np.float32] = model(normalise(to_pixels(batch).to(model.device))).float().cpu().numpy()
    return features


def _check_features(features: NDArray[np.float32], names: NDArray[np.str_]) -> None:
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        name = names[int(np.argmin(finite))]
        raise InputError(
            f"{name}: its feature has values that are not finite; expected finite ones, so check the weights"
        )
    zero = ~features.any(axis=1)
    if zero.any():
        name = names[int(np.argmax(zero))]
        raise InputError(
            f"{name}: its feature is zero everywhere and has no direction; check the image and the weights"
        )
