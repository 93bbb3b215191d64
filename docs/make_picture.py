"""Draw the README's picture from a demo's folder: ``python docs/make_picture.py demo docs/picture.png``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from reid_al_agents.data.synthetic import load_synthetic
from reid_al_agents.experiment.demo import SIZE
from reid_al_agents.report.drawing import draw_by_answers
from reid_al_agents.report.rows import read_json
from reid_al_agents.report.series import reference_levels, series_of
from reid_al_agents.report.theme import LIGHT
from reid_al_agents.selection import EntropySelector
from reid_al_agents.vision import build_backbone, embed, load_weights
from reid_al_env import EpisodeSettings, FeatureSet, Inquiry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICKS = 8
SAID = {1: ("match", "#1a9850"), -1: ("no match", "#d73027")}


def main(demo: Path, out: Path) -> None:
    """Draw one query's episode above the demo's curve."""
    rows, provenance = read_json(demo / "results.json")
    images = load_synthetic(str(provenance.settings["data"]).removeprefix("synthetic:"))
    model = build_backbone("small_cnn")
    load_weights(model, demo / "start.safetensors")
    features = FeatureSet(embed(model, images, size=SIZE), images.identities, images.cameras)
    figure = plt.figure(figsize=(9.6, 5.4), dpi=150)
    grid = figure.add_gridspec(2, PICKS + 1, height_ratios=(1, 1.35), hspace=0.28, wspace=0.12)
    episode = Inquiry(features, EpisodeSettings(metric="cosine", budget=PICKS))
    query = _telling_query(episode, images.identities)
    episode.begin(np.array([0]), np.array([query]))
    _show(figure.add_subplot(grid[0, 0]), images.read([query], (128, 64))[0], "query", "#0072b2")
    for place in range(1, PICKS + 1):
        action = EntropySelector().select(episode.observation(), np.random.default_rng(0))
        outcome = episode.step(action)
        said, colour = SAID[int(outcome.answers[0])]
        pixels = images.read([int(outcome.picked[0])], (128, 64))[0]
        _show(figure.add_subplot(grid[0, place]), pixels, f"{said}\n+{outcome.rewards[0]:.2f}", colour)
    curve = figure.add_subplot(grid[1, 1:-1])
    draw_by_answers(
        curve, series_of(rows, "map"), reference_levels(rows, "map"), "mAP (%)", decimals=1, theme=LIGHT
    )
    figure.savefig(out, bbox_inches="tight", facecolor="white")


def _telling_query(episode: Inquiry, identities: np.ndarray) -> int:
    """The first query with three matches or more among its ten nearest, so that both answers are seen."""
    for query in range(len(identities)):
        episode.begin(np.array([0]), np.array([query]))
        near = episode.batch.candidates[0, :10]
        if 3 <= (identities[near] == identities[query]).sum() <= 5:
            return query
    return 0


def _show(axes: Axes, pixels: np.ndarray, title: str, colour: str) -> None:
    axes.imshow(pixels)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=8, color=colour)
    for spine in axes.spines.values():
        spine.set(edgecolor=colour, linewidth=3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
