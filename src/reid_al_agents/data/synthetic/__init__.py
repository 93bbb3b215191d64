"""Synthetic pedestrians: seeded drawings of walking people, seen by cameras that differ.

No photograph and no download is needed, and who is who is known exactly. The people share a small palette of
clothes, the cameras differ in colour, light, sharpness, viewpoint and background, so that pixels alone do
badly and a network has something to learn.
"""

from .domain import DOMAINS, DomainSettings
from .named import load_synthetic
from .render import render_pedestrians

__all__ = ["DOMAINS", "DomainSettings", "load_synthetic", "render_pedestrians"]
