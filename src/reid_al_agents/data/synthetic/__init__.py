"""Synthetic pedestrians: seeded drawings of walking people, seen by cameras that differ.

They need no photograph and no download, and all identities are known. The people share a small palette of
clothes, the cameras differ in colour, light, sharpness, viewpoint and background, so that raw pixels
match badly and a network has something to learn.
"""

from .domain import DOMAINS, DomainSettings
from .named import load_synthetic
from .render import render_pedestrians

__all__ = ["DOMAINS", "DomainSettings", "load_synthetic", "render_pedestrians"]
