"""Models of the library timm without their classifiers: ``timm:NAME``, hub names included.

Examples are ``timm:hf-hub:BVRA/MegaDescriptor-T-224`` and ``timm:vit_small_patch14_dinov2.lvd142m``. MiewID
(Otarashvili, "Multispecies Animal Re-ID Using a Large Community-Curated Dataset", 2024, arXiv:2412.05602) is
a timm model with a pooling and a neck of its own, hence a backbone of its own: ``miewid``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from reid_al_agents.vision.catalogue import MIEWID, TIMM, Backbone
from reid_al_agents.vision.normalisation import Normalisation
from reid_al_env.errors import InputError

MIEWID_MODEL = "efficientnetv2_rw_m"
"""The network inside MiewID."""

MIEWID_REPOSITORY, MIEWID_FILE = "conservationxlabs/miewid-msv3", "model.safetensors"
"""Where MiewID's authors publish its weights."""

MIEWID_POWER = 3.0
"""p of its generalised mean before it is loaded."""


def timm_backbone(name: str) -> Backbone:
    """Describe ``timm:NAME``; a hub name reads the model's settings over the network.

    Raises:
        InputError: timm is missing, does not know the name, or cannot reach the hub.
    """
    model = name.removeprefix(TIMM)
    settings = _settings(model)
    height, width = settings["input_size"][-2:]
    return Backbone(
        name,
        partial(_build, model),
        (height, width),
        normalisation=Normalisation(tuple(settings["mean"]), tuple(settings["std"])),
    )


def build_miewid() -> tuple[nn.Module, int]:
    """Build MiewID's network: timm's model, a generalised mean and a neck."""
    from reid_al_agents.vision.reid_resnet import NeckedNet

    body: Any = _timm().create_model(MIEWID_MODEL, pretrained=False, num_classes=0, global_pool="")
    return NeckedNet(body, body.num_features, MIEWID_POWER), body.num_features


def published_weights(name: str) -> dict[str, Tensor]:
    """Let timm download the weights of ``timm:NAME`` or ``miewid``, or take them from its cache.

    Raises:
        InputError: They cannot be fetched.
    """
    try:
        if name == MIEWID:
            return _miewid_weights()
        model = name.removeprefix(TIMM)
        weights: dict[str, Tensor] = _timm().create_model(model, pretrained=True, num_classes=0).state_dict()
    except InputError:
        raise
    except Exception as error:  # timm passes on whatever its hub client raises
        raise InputError(
            f"--weights pretrained: timm cannot fetch {name} ({_first_line(error)}); "
            "download the weights elsewhere and give the file"
        ) from error
    return weights


def set_size(model: nn.Module, size: tuple[int, int]) -> None:
    """Prepare a transformer for images of ``size``; networks that take any size stay as they are."""
    prepare = getattr(model, "set_input_size", None)
    if prepare is not None:
        prepare(img_size=size)


def _miewid_weights() -> dict[str, Tensor]:
    _timm()
    from huggingface_hub import hf_hub_download
    from safetensors.torch import load_file

    return load_file(hf_hub_download(MIEWID_REPOSITORY, MIEWID_FILE))


def _settings(model: str) -> dict[str, Any]:
    """What timm knows of a model: ``input_size`` (3, H, W), ``mean`` and ``std`` of pixels in [0, 1]."""
    timm = _timm()
    try:
        if ":" in model:
            return dict(timm.models.load_model_config_from_hf(model.split(":", 1)[1])[0])
        settings = timm.models.get_pretrained_cfg(model)
    except Exception as error:  # as above
        raise InputError(f"backbone timm:{model}: timm cannot describe it ({_first_line(error)})") from error
    if settings is None:
        known = timm.list_models(f"*{model.partition('.')[0]}*")[:3] or timm.list_models("*dinov2*")[:3]
        raise InputError(
            f"backbone timm:{model}: timm has no such model; it has, for example, {', '.join(known)}"
        )
    return dict(settings.to_dict())


def _build(model: str) -> tuple[nn.Module, int]:
    net: Any = _timm().create_model(model, pretrained=False, num_classes=0)
    return net, int(getattr(net, "head_hidden_size", net.num_features))


def _timm() -> Any:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise InputError('timm is not installed; pip install "reid-active-learning[timm]"') from error
    return timm


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
