"""Backbones, their weights on disk, and the extraction of features."""

from reid_al_agents.vision.backbones import EmbeddingNet, backbone_names, build_backbone
from reid_al_agents.vision.extraction import embed, normalise, to_pixels
from reid_al_agents.vision.weights import load_weights, read_metadata, save_weights

__all__ = [
    "EmbeddingNet",
    "backbone_names",
    "build_backbone",
    "embed",
    "load_weights",
    "normalise",
    "read_metadata",
    "save_weights",
    "to_pixels",
]
