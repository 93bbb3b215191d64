"""Draw the README's picture from a demo's folder: ``python docs/make_picture.py demo docs/picture.png``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from reid_al_agents.experiment.demo import DemoSettings
from reid_al_agents.experiment.demo_page import demo_pool, identities_formed, questions_asked
from reid_al_agents.report.drawing import draw_by_answers
from reid_al_agents.report.gallery import draw_identities, draw_questions
from reid_al_agents.report.plots import figure_bytes
from reid_al_agents.report.rows import read_json
from reid_al_agents.report.series import reference_levels, series_of
from reid_al_agents.report.theme import LIGHT

CURVES = (
    ("pairwise_f1", "pairwise F1", "3  Identities become right (1: no error)", 2),
    ("map", "mAP (%)", "4  The model finds new people", 1),
)


def main(demo: Path, out: Path) -> None:
    """Draw what was asked, what was formed, and what answers bought."""
    rows, provenance = read_json(demo / "results.json")
    images = demo_pool(demo, DemoSettings(provenance.seeds[0]))
    asked = max(row.answers for row in rows)
    figure = Figure(figsize=(11, 9.2), layout="constrained", facecolor=LIGHT.background)
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(2.05, 3.55, 3.6))
    panel = top.subplots()
    draw_questions(panel, questions_asked(demo, images), LIGHT)
    _title(panel, f"1  It asks {asked} questions about {len(images)} images: the same person?")
    panel = middle.subplots()
    draw_identities(panel, identities_formed(demo, images), LIGHT)
    _title(panel, "2  It forms identities; what is wrong has a red frame")
    for panel, (measure, label, title, decimals) in zip(bottom.subplots(1, 2), CURVES, strict=True):
        curves, levels = series_of(rows, measure), reference_levels(rows, measure)
        draw_by_answers(panel, curves, levels, label, decimals=decimals, theme=LIGHT)
        _title(panel, title)
    with Image.open(io.BytesIO(figure_bytes(figure, "png"))) as drawn:
        drawn.convert("RGB").quantize(256).save(out, optimize=True)  # a third of the bytes


def _title(panel, text: str) -> None:  # type: ignore[no-untyped-def]
    panel.set_title(text, loc="left", color=LIGHT.text, fontsize=13, fontweight="bold", pad=10)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
