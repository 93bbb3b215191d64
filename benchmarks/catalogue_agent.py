"""The learned agent of the catalogue beside the rules, on its fixed tasks and on features of real images.

Fixed tasks: for each id with scores, the mean return and normalised score over 20 tasks of families that
training did not have, and the paired difference to the best rule. ``--curves`` writes them by answers.

Real images: the same environment over parts of data sets (``--features``, a folder of ``NAME.npz`` by
``reid-al embed``), 0.6 answers per image, B-cubed F1. None of these was trained on.

``python benchmarks/catalogue_agent.py --features FOLDER --curves FILE.csv --out FILE``
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result
from worth import some_identities

from reid_al_agents.cli.console import progress
from reid_al_agents.evaluation.catalogue_play import SCORED, by_family, catalogue, play, policy
from reid_al_agents.files import write_text
from reid_al_agents.report.summary import estimate
from reid_al_env import FeatureSet, ReIDCatalogueEnv
from reid_al_env.catalogue.rules import RULES

POLICIES = ("learned", *reversed(RULES), "label-seeing")
FIXED = (*POLICIES, "label-seeing-beam")
"""Policies on the fixed tasks; the search takes too long on features of real images."""
OPPONENT = "expected-change"
BUDGETS = (0.05, 0.1, 0.3, 0.6)
"""Answers per image of real images."""

Report = Callable[[str, int, int], None]


def main() -> None:
    """Measure, show and keep."""
    options = _parse()
    with progress() as report:
        tasks, curves = fixed_tasks(options.policy, options.seed, report)
        real = real_images(options.features, options.policy, options.seeds, report)
    figures = {"fixed tasks": tasks, "real images": real, "mean over sets": mean_over_sets(real)}
    write_result(options.out, tuple(options.seeds), vars(options), figures)  # first, of an unchanged tree
    if options.curves:
        write_text(options.curves, _csv(curves))
    table = new_table("Fixed tasks", ("id", "policy"), ("return", "score", "±", "above rule", "±"))
    for line in tasks:
        above = line.get("above", {"mean": 0.0, "half_width": 0.0})
        numbers = (line["return"], line["score"]["mean"], line["score"]["half_width"], *above.values())
        table.add_row(line["id"], line["policy"], *(f"{number:.3f}" for number in numbers))
    show(table)
    table = new_table("Real images, B-cubed F1", ("policy",), ("0", *map(str, BUDGETS)))
    for line in figures["mean over sets"]:
        table.add_row(line["policy"], *(f"{value:.3f}" for value in line["f1"]))
    show(table)


def fixed_tasks(learned: str, seed: int, report: Report) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A line for each id and policy; and F1 and score after every answer, means over tasks."""
    lines, curves = [], []
    for name in SCORED:
        env = catalogue(name)
        played = {each: play(env, learned if each == "learned" else each, seed, report) for each in FIXED}
        rule = {each.task: each.score[-1] for each in played[OPPONENT]}
        for each, tasks in played.items():
            line: dict[str, Any] = {"id": name, "policy": each}
            line["return"] = round(float(np.mean([task.f1[-1] - task.f1[0] for task in tasks])), 4)
            line["score"] = _estimated([task.score[-1] for task in tasks])
            if each != OPPONENT:
                line["above"] = _estimated([task.score[-1] - rule[task.task] for task in tasks])
            line["families"] = {family: round(value, 3) for family, value in by_family(tasks).items()}
            lines.append(line)
            for part in ("f1", "score"):
                longest = max(len(task.f1) for task in tasks)
                heights = np.mean([_held(getattr(task, part), longest) for task in tasks], axis=0)
                for answers, height in enumerate(heights):
                    curves.append(
                        {"id": name, "policy": each, "measure": part, "answers": answers, "mean": height}
                    )
    return lines, curves


def real_images(folder: Path | None, learned: str, seeds: list[int], report: Report) -> list[dict[str, Any]]:
    """B-cubed F1 at each budget, for each set, seed and policy."""
    files = sorted(folder.glob("*.npz")) if folder else []
    lines = []
    for number, file in enumerate(files):
        report("real images", number, len(files))
        whole = FeatureSet.load(str(file))
        whole = whole.subset(np.flatnonzero(whole.identities >= 0))
        for seed in seeds:
            part = some_identities(whole, seed, 0.6, 400)
            at = [0, *(round(budget * len(part)) for budget in BUDGETS)]
            for each in POLICIES:
                heights = _asked(part, learned if each == "learned" else each, at[-1], seed)
                f1 = [round(float(heights[answers]), 4) for answers in at]
                lines.append({"set": file.stem, "seed": seed, "images": len(part), "policy": each, "f1": f1})
    return lines


def mean_over_sets(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean F1 of each policy, and its paired difference to the rule at the last budget."""
    found = []
    for each in POLICIES:
        own = [line for line in lines if line["policy"] == each]
        if not own:
            continue
        rule = {(line["set"], line["seed"]): line["f1"] for line in lines if line["policy"] == OPPONENT}
        line: dict[str, Any] = {
            "policy": each,
            "f1": np.mean([line["f1"] for line in own], axis=0).round(4).tolist(),
        }
        if each != OPPONENT:
            differences = np.array([np.subtract(line["f1"], rule[line["set"], line["seed"]]) for line in own])
            line["above rule"] = [_estimated(column.tolist()) for column in differences.T]
        found.append(line)
    return found


def _asked(part: FeatureSet, name: str, budget: int, seed: int) -> NDArray[np.float64]:
    env = ReIDCatalogueEnv(tasks=part, budget=budget)
    choose = policy(name, env, seed)
    observation, infos = env.reset(seed=seed)
    f1, over = [infos["f1"]], False
    while not over:
        observation, _, over, _, infos = env.step(choose(observation, infos))
        f1.append(infos["f1"])
    return _held(np.array(f1), budget + 1)


def _held(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """The values, the last one held where an episode ended before."""
    return np.pad(values, (0, length - len(values)), mode="edge")


def _estimated(values: list[float]) -> dict[str, float]:
    found = estimate(values)
    assert found is not None
    return {"mean": round(found.mean, 4), "half_width": round(found.half_width or 0.0, 4)}


def _csv(lines: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows({**line, "mean": f"{line['mean']:.4f}"} for line in lines)
    return text.getvalue()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=Path, help="folder of features of real images, NAME.npz")
    parser.add_argument("--policy", default="learned", help="a policy file (default: the one shipped)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="parts of the real sets")
    parser.add_argument("--seed", type=int, default=0, help="of random questions")
    parser.add_argument("--curves", type=Path, help="CSV")
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
