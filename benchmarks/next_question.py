"""How long an annotator waits for the next question, and how long a batch takes to plan.

Questions are drawn from a batch that was planned in the background, so an annotator waits for ``draw``
alone. Planning adapts the features, forms groups and ranks the questions; it goes on while people answer.

``OMP_NUM_THREADS=1 python benchmarks/next_question.py --images 10000 100000 --out FILE``
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from recording import new_table, run, show, write_result
from simulated import simulated_annotator

from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.selection import make_selector
from reid_al_env import EpisodeSettings
from reid_al_env.synthetic import synthetic_features

IMAGES_PER_IDENTITY = 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[10_000])
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON")
    options = parser.parse_args()
    rows = [measure(images, options.questions, options.seed) for images in options.images]
    table = new_table("Next question", (), ("images", "median, ms", "99th, ms", "first, ms", "plan, s"))
    for row in rows:
        figures = (row["median_ms"], row["p99_ms"], row["first_ms"], row["plan_s"])
        table.add_row(str(row["images"]), *(f"{value:.3g}" for value in figures))
    show(table)
    if options.out is not None:
        write_result(options.out, (options.seed,), vars(options), {"rows": rows})


def measure(images: int, questions: int, seed: int) -> dict[str, Any]:
    """Plan two batches, the second with matches to adapt to, and draw questions from it."""
    features = synthetic_features(images // IMAGES_PER_IDENTITY, IMAGES_PER_IDENTITY, noise=0.6, seed=seed)
    settings = GroupSettings(audit_share=0.0)
    visual = compare_visually(features.features, features.cameras, settings.k1, settings.k2)
    annotator = simulated_annotator(features, settings.error_rate, 0.0, seed)
    engine = Engine(
        features,
        visual,
        annotator.beliefs,
        make_selector("gain"),
        settings,
        EpisodeSettings(budget=1, metric="cosine"),
        np.random.default_rng(seed),
        annotator.announce,
    )
    for _ in range(2):
        began = time.perf_counter()
        batch = engine.plan()
        plan = time.perf_counter() - began
        engine.begin_batch(questions, batch=batch)
        waited = []
        for _ in range(questions):
            began = time.perf_counter()
            question = engine.draw()
            waited.append(1000 * (time.perf_counter() - began))
            if question is None:
                break
            engine.take(question, annotator.answer(question))
    return {
        "images": images,
        "groups": len(batch.view.groups),
        "median_ms": float(np.median(waited)),
        "p99_ms": float(np.quantile(waited, 0.99)),
        "first_ms": waited[0],
        "plan_s": plan,
    }


if __name__ == "__main__":
    run(main)
