"""Backbones, their weights on disk, and the extraction of features.

Names are imported when they are first used, so that this package loads without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reid_al_agents.vision.backbones import EmbeddingNet, build_backbone
    from reid_al_agents.vision.catalogue import (
        backbone_names,
        find_backbone,
        parse_size,
        resolve_size,
        size_text,
    )
    from reid_al_agents.vision.description import Choice, WeightsInfo, choose, describe_weights
    from reid_al_agents.vision.devices import choose_device, device_names
    from reid_al_agents.vision.extraction import embed, to_pixels
    from reid_al_agents.vision.load_report import LoadReport
    from reid_al_agents.vision.normalisation import Normalisation, normalise
    from reid_al_agents.vision.own_features import read_features
    from reid_al_agents.vision.quality import separation, warnings_about_features, warnings_about_images
    from reid_al_agents.vision.start import choose_model, start_model
    from reid_al_agents.vision.weights import (
        check_weights,
        load_published_weights,
        load_weights,
        save_weights,
    )

_MODULE_OF = {
    "EmbeddingNet": "backbones",
    "build_backbone": "backbones",
    "backbone_names": "catalogue",
    "find_backbone": "catalogue",
    "parse_size": "catalogue",
    "resolve_size": "catalogue",
    "size_text": "catalogue",
    "Choice": "description",
    "WeightsInfo": "description",
    "choose": "description",
    "describe_weights": "description",
    "choose_device": "devices",
    "device_names": "devices",
    "embed": "extraction",
    "to_pixels": "extraction",
    "Normalisation": "normalisation",
    "normalise": "normalisation",
    "read_features": "own_features",
    "separation": "quality",
    "warnings_about_features": "quality",
    "warnings_about_images": "quality",
    "choose_model": "start",
    "start_model": "start",
    "LoadReport": "load_report",
    "check_weights": "weights",
    "load_published_weights": "weights",
    "load_weights": "weights",
    "save_weights": "weights",
}

__all__ = [
    "Choice",
    "EmbeddingNet",
    "LoadReport",
    "Normalisation",
    "WeightsInfo",
    "backbone_names",
    "build_backbone",
    "check_weights",
    "choose",
    "choose_device",
    "choose_model",
    "describe_weights",
    "device_names",
    "embed",
    "find_backbone",
    "load_published_weights",
    "load_weights",
    "normalise",
    "parse_size",
    "read_features",
    "resolve_size",
    "save_weights",
    "separation",
    "size_text",
    "start_model",
    "to_pixels",
    "warnings_about_features",
    "warnings_about_images",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
