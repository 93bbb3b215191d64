"""Whether the audit tells the truth: its estimates and intervals beside what they estimate.

Asking goes on as in ``reid-al run``, with the audit's share of the answers, but no model is trained, so that
one file of features will do. At each number of answers the audit's precision and recall are set beside those
of the groups that would be handed out; recall is among the pairs of one group or of which one image is among
the other's 100 nearest, as the audit defines it. ``with its answers`` are the same estimates of the groups
that took the audit's answers in, which they should not be taken of.

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
from reid_al_agents.experiment.modes import GroupMode

from reid_al_agents.asking.browsing import AskingLimits
from reid_al_agents.beliefs.audit import Strata, estimate_quality
from reid_al_agents.cli.console import Bars
from reid_al_agents.data import load_split
from reid_al_agents.selection import make_selector
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import ConstraintGraph, FeatureSet, LabelOracle, NoisyOracle, Oracle

MEASURES = ("precision", "recall")
JUDGED = ("audit", "with its answers")


def main() -> None:
    options = _parse()
    features = FeatureSet.load(options.features)
    if options.split is not None:
        features = features.subset(load_split(options.split).pool(features))
    work = [(noise, seed) for noise in options.noise for seed in options.seeds]
    rows: list[dict[str, Any]] = []
    with Bars() as bars:
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
        told = line["judged"], line["measure"], str(line["answers"])
        table.add_row(f"{line['noise']:g}", *told, *shares, holds)
    show(table)


def simulate(
    features: FeatureSet, budgets: Sequence[int], share: float, noise: float, seed: int
) -> Iterator[dict[str, Any]]:
    """One run; a row for each number of answers."""
    truth = LabelOracle(features.identities)
    oracle: Oracle = truth
    if noise:
        oracle = NoisyOracle(truth, false_match=noise, false_non_match=noise, seed=seed)
    config = RunConfig("memory", refresh="none", evaluate_on="none", audit=share, seed=seed)
    mode = GroupMode(config, ConstraintGraph(len(features)), oracle, lambda: make_selector("gain"))
    asked = 0
    for number, budget in enumerate(budgets, start=1):
        mode.see(features)
        rng = np.random.default_rng([seed, number])
        asked += mode.ask(AskingLimits(answers=budget - asked), rng, None).answers
        figures, groups = mode.figures(), mode.groups()
        near = mode.looks.near
        flattered = estimate_quality(mode.checked.audited.pairs(), mode.checked.designs, Strata(groups, near))
        yield {
            "noise": noise,
            "seed": seed,
            "answers": asked,
            "truth": dict(zip(MEASURES, quality(groups, near, features.identities), strict=True)),
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
                told = [(row["truth"][measure], row[judged][measure]) for row in here if row[judged][measure]]
                if told:
                    found.append(
                        {
                            "noise": noise,
                            "answers": answers,
                            "judged": judged,
                            "measure": measure,
                            "truth": float(np.mean([truth for truth, _ in told])),
                            "estimate": float(np.mean([middle for _, (middle, _, _) in told])),
                            "holds": sum(low <= truth <= high for truth, (_, low, high) in told),
                            "runs": len(told),
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
