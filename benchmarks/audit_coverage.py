"""Whether the audit is right: its estimates and intervals beside the quantities that they estimate.

Questions are chosen as in ``reid-al run``, with the audit's share of the answers, but no model is trained, so
that one file of features is enough. At each number of answers the audit's precision and recall are compared
with those of the identities that would be delivered. As the audit defines it, recall is among the pairs of
one identity and those of which one image is among the other's 100 nearest. ``with its answers`` are the same
estimates for identities that know the audit's answers: they are flattered, and shown as a warning.

``python benchmarks/audit_coverage.py --features FILE --split FILE --out FILE``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result
from simulated import read_pool, simulated_annotator

from reid_al_agents.asking.audit import audited_quality
from reid_al_agents.asking.browsing import AskingLimits
from reid_al_agents.asking.settings import AskingSettings
from reid_al_agents.cli.console import progress
from reid_al_agents.experiment.group_questions import GroupQuestions
from reid_al_agents.selection import make_selector
from reid_al_env import FeatureSet

MEASURES = ("precision", "recall")
JUDGED = ("audit", "with its answers")


def main() -> None:
    options = _parse()
    features = read_pool(options.features, options.split)
    work = [(noise, seed) for noise in options.noise for seed in options.seeds]
    rows: list[dict[str, Any]] = []
    with progress() as bars:
        for number, (noise, seed) in enumerate(work):
            bars(f"noise {noise:g}", number, len(work))
            rows += simulate(features, options.answers, options.audit, noise, seed)
            figures = {"complete": number + 1 == len(work), "summary": summarise(rows), "rows": rows}
            write_result(options.out, tuple(options.seeds), vars(options), figures)
        bars("done", len(work), len(work))
    heads = ("answers", "truth", "mean estimate", "interval holds it")
    table = new_table(f"Audits of {len(features)} images", ("noise", "judged", "measure"), heads)
    for line in summarise(rows):
        shares = (f"{line[name]:.3f}" for name in ("truth", "estimate"))
        holds = f"{line['holds']} of {line['runs']}"
        cells = line["judged"], line["measure"], str(line["answers"])
        table.add_row(f"{line['noise']:g}", *cells, *shares, holds)
    show(table)


def simulate(
    features: FeatureSet, budgets: Sequence[int], share: float, noise: float, seed: int
) -> Iterator[dict[str, Any]]:
    """One run; a row for each number of answers."""
    config = AskingSettings(audit=share)
    settings = config.grouping()
    annotator = simulated_annotator(features, settings.error_rate, noise, seed)
    beliefs, selector = annotator.beliefs, make_selector("gain")
    questions = GroupQuestions(beliefs, lambda: selector, settings, config.episode(), False, None)
    for number, budget in enumerate(budgets, start=1):
        questions.see(features, number)
        annotator.begin_round(number)
        limits = AskingLimits(answers=budget - beliefs.answers)
        questions.ask(annotator, limits, np.random.default_rng([seed, number]), None)
        figures, groups, visual = questions.figures(), questions.identities(), questions.visual
        assert visual is not None
        flattered = audited_quality(beliefs, groups, visual)
        yield {
            "noise": noise,
            "seed": seed,
            "answers": beliefs.answers,
            "truth": dict(zip(MEASURES, quality(groups, visual.near, features.identities), strict=True)),
            "audit": {name: figures[f"audit_{name}"] for name in MEASURES},
            "with its answers": {name: getattr(flattered, name, None) for name in MEASURES},
        }


def quality(
    groups: NDArray[np.int64], near: NDArray[np.int64], identities: NDArray[np.int64]
) -> tuple[float, float]:
    """Precision and recall of groups, (N,), as the audit defines them."""
    inside = _pairs(groups)
    matching = _pairs(np.unique(np.stack([groups, identities]), axis=1, return_inverse=True)[1].ravel())
    i, j = np.repeat(np.arange(len(groups)), near.shape[1] - 1), near[:, 1:].ravel()
    missed = int(((groups[i] != groups[j]) & (identities[i] == identities[j])).sum())
    return matching / max(inside, 1), matching / max(matching + missed, 1)


def _pairs(labels: NDArray[np.int64]) -> int:
    """Ordered pairs of equal label."""
    counts = np.bincount(labels)
    return int((counts * (counts - 1)).sum())


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, and how many of the intervals hold the truth."""
    found = []
    for noise, answers in dict.fromkeys((row["noise"], row["answers"]) for row in rows):
        here = [row for row in rows if (row["noise"], row["answers"]) == (noise, answers)]
        for judged in JUDGED:
            for measure in MEASURES:
                found_here = [
                    (row["truth"][measure], row[judged][measure]) for row in here if row[judged][measure]
                ]
                if found_here:
                    found.append(
                        {
                            "noise": noise,
                            "answers": answers,
                            "judged": judged,
                            "measure": measure,
                            "truth": float(np.mean([truth for truth, _ in found_here])),
                            "estimate": float(np.mean([middle for _, (middle, _, _) in found_here])),
                            "holds": sum(low <= truth <= high for truth, (_, low, high) in found_here),
                            "runs": len(found_here),
                        }
                    )
    return found


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path, required=True, help="features .npz of the label-free start")
    parser.add_argument("--split", help="split file; without it all images are the pool")
    parser.add_argument("--answers", type=int, nargs="+", default=[1250, 2500, 5000])
    parser.add_argument("--audit", type=float, default=0.05, help="share of the answers")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(12)))
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
