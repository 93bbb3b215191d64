"""What an answer is worth on many kinds of data: identities after equal numbers of answers, no training.

Every row asks about frozen features; only the choice of questions and the way from answers to identities
differ. A seed draws a part of the identities of a set and the wrong answers.

- ``gain``: the default. Identities are joined by match probability, the features are adapted to the matches,
  and the next question is the one whose answer is expected to change the identities most;
- ``gain, not adapted``: the same on the features as they are;
- ``label-seeing``: as ``gain``, but the questions are ranked by what their answers change indeed;
- ``gain-v1``, ``nearest``, ``entropy``, ``random``: version 0.1, with fixed thresholds; a group is compared
  with one of its nearest, which this rule chooses.

The normalised score of a row is 0 for ``nearest`` and 1 for ``label-seeing``, over the area under B-cubed F1
by the logarithm of answers.

Sets of real images need features, a folder of ``NAME.npz`` made by ``reid-al embed``; the synthetic sets need
nothing. ``python benchmarks/worth.py --features FOLDER --out benchmarks/results/worth.json``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result
from rich.table import Table
from simulated import simulated_annotator

from reid_al_agents.asking.batch import Batch
from reid_al_agents.asking.candidates import Candidates
from reid_al_agents.asking.delivery import deliver
from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.joins import Joins, Parts
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.calibration import calibration_error
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.cli.console import progress
from reid_al_agents.clustering.forming import FormedGroups
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.experiment.simulated import SimulatedAnnotator, answer_questions
from reid_al_agents.identities import Identities, Thresholds
from reid_al_agents.report.summary import estimate
from reid_al_agents.selection import make_selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet
from reid_al_env.synthetic import synthetic_features

BUDGETS = (0.025, 0.05, 0.1, 0.2, 0.3, 0.6)
"""Answers per image."""

NOISY = ("gain", "gain-v1")
"""Rows that are asked with wrong answers, too."""

V1 = GroupSettings(k1=20, batch_share=0.025, adapt=False)
V1_DELIVERED = Thresholds(0.5, 0.2)
V1_PRIOR = 60.0


@dataclass(frozen=True)
class Row:
    """One way of asking and of delivering identities."""

    name: str
    selector: str = "gain"
    settings: GroupSettings = field(default_factory=GroupSettings)
    v1: bool = False
    sees_labels: bool = False


ROWS = (
    Row("gain"),
    Row("gain, not adapted", settings=GroupSettings(adapt=False)),
    Row("label-seeing", sees_labels=True),
    *(Row(name, name, V1, v1=True) for name in ("gain-v1", "nearest", "entropy", "random")),
)


class LabelSeeing(Joins):
    """Ranks questions by what their answers change."""

    def __init__(
        self, view: Candidates, formed: FormedGroups, constraints: ConstraintGraph, labels: NDArray[np.int64]
    ) -> None:
        super().__init__(view, formed, constraints)
        self._labels = labels[view.groups.typical]

    def gain(self, parts: Parts) -> float:
        """The change by the true answer about the groups that would be shown."""
        ours, theirs = (self._labels[list(side)] for side in (parts.ours, parts.theirs))
        same = np.bincount(ours).argmax() == np.bincount(theirs).argmax()
        return super().gain(parts._replace(probability=float(same)))


class LabelSeeingEngine(Engine):
    """An engine whose batches rank questions by the labels."""

    def plan(self, heard: ConstraintGraph | None = None) -> Batch:
        """See :class:`.Engine`."""
        batch = super().plan(heard)
        known = self.beliefs.heard if heard is None else heard
        batch.joins = LabelSeeing(batch.view, batch.formed, known, self.features.identities)
        return batch


def main() -> None:
    """Measure, show and keep."""
    options = _parse()
    sets = {**_stored(options.features), **SYNTHETIC}
    rows = [row for row in ROWS if not options.rows or row.name in options.rows]
    work = [
        (name, row, seed, noise)
        for name, row, seed, noise in product(sets, rows, options.seeds, options.noise)
        if noise == 0 or row.name in NOISY
    ]
    lines: list[dict[str, Any]] = []
    with progress() as bars, ProcessPoolExecutor(options.processes) as pool:
        jobs = (
            (name, sets[name], row, seed, noise, options.share, options.most)
            for name, row, seed, noise in work
        )
        for number, found in enumerate(pool.map(_measure, jobs)):
            bars(f"{work[number][0]}: {work[number][1].name}", number, len(work))
            lines += found
        bars("done", len(work), len(work))
    summary = summarise(lines)
    figures = {"summary": summary, "scores": scores(lines), "mean": mean_over_sets(lines)}
    write_result(options.out, tuple(options.seeds), vars(options), figures)
    for noise in options.noise:
        show(_table(summary, noise))
        show(_mean_table(figures["mean"], noise))


def _measure(job: tuple[str, str | Mapping[str, Any], Row, int, float, float, int]) -> list[dict[str, Any]]:
    name, source, row, seed, noise, share, most = job
    features = some_identities(_load(source), seed, share, most)
    return [
        {"set": name, "row": row.name, "seed": seed, "noise": noise, "images": len(features), **line}
        for line in asked(features, row, seed, noise)
    ]


def asked(features: FeatureSet, row: Row, seed: int, noise: float) -> Iterator[dict[str, Any]]:
    """Ask as ``row`` does, and judge the identities at each budget."""
    settings = row.settings
    visual = compare_visually(features.features, features.cameras, settings.k1, settings.k2)
    annotator = simulated_annotator(features, settings.error_rate, noise, seed)
    beliefs = annotator.beliefs
    if row.v1:
        beliefs.model = MatchModel(prior=V1_PRIOR)
    engine = (LabelSeeingEngine if row.sees_labels else Engine)(
        features,
        visual,
        beliefs,
        make_selector(row.selector),
        settings,
        EpisodeSettings(budget=1, metric="cosine"),
        np.random.default_rng([seed, 1]),
        annotator.announce,
    )
    for budget in (0.0, *BUDGETS):
        if budget:
            answer_questions(engine, annotator, round(budget * len(features)))
        groups, expected = _delivered(features, visual, row, annotator)
        yield {
            "budget": budget,
            "answers": beliefs.answers,
            "matches": beliefs.matches / max(1, beliefs.answers),
            **asdict(evaluate_groups(groups, features.identities)),
            **_errors(groups, features.identities),
            "calibration_error": expected and calibration_error(*expected, 10),
        }


def _delivered(
    features: FeatureSet, visual: VisualSimilarity, row: Row, annotator: SimulatedAnnotator
) -> tuple[NDArray[np.int64], tuple[list[float], list[bool]] | None]:
    """The identities; and of the images that no answer confirms, the probability and whether it is right."""
    beliefs = annotator.beliefs
    if row.v1:
        return Identities.form(visual.similarities, beliefs.constraints, V1_DELIVERED).groups, None
    nothing = np.zeros(len(features), dtype=bool)
    found = deliver(features, visual, beliefs.constraints, beliefs.model, row.settings, nothing)
    identities = found.identities
    sizes = np.bincount(identities.groups)[identities.groups]
    guessed = np.flatnonzero(~identities.confirmed & (sizes > 1))
    if len(guessed) < 10:
        return identities.groups, None
    right = [_agrees(image, identities.groups, features.identities) for image in guessed]
    return identities.groups, (found.probabilities[guessed].tolist(), right)


def _agrees(image: int, groups: NDArray[np.int64], labels: NDArray[np.int64]) -> bool:
    """Whether most other images of its delivered identity show the same one as the image."""
    others = np.flatnonzero(groups == groups[image])
    others = labels[others[others != image]]
    return bool((others == labels[image]).mean() >= 0.5)


def _errors(groups: NDArray[np.int64], labels: NDArray[np.int64]) -> dict[str, float]:
    """Delivered identities beyond one for each true one, and true ones beyond one for each delivered."""
    cells = np.unique(np.stack([groups, labels], axis=1), axis=0)
    count = len(np.unique(labels))
    return {
        "false_splits": (len(cells) - count) / count,
        "false_merges": (len(cells) - len(np.unique(groups))) / count,
    }


def some_identities(features: FeatureSet, seed: int, share: float, most: int) -> FeatureSet:
    """A random part of the identities: a share, and no more than so many images."""
    order = np.random.default_rng([seed, 7]).permutation(np.unique(features.identities))
    order = order[: max(8, round(share * len(order)))]
    sizes = np.array([np.count_nonzero(features.identities == identity) for identity in order])
    enough = max(8, int(np.searchsorted(np.cumsum(sizes), most, side="right")))
    return features.subset(np.flatnonzero(np.isin(features.identities, order[:enough])))


def varied_features(
    identities: int, cameras: int, noise: float, shift: float, images: float, view: float, seed: int
) -> FeatureSet:
    """Synthetic features with uneven numbers of images, and cameras that change features in their own way.

    Args:
        identities: Number of identities.
        cameras: Number of cameras.
        noise: Length of an image's noise is about twice this; an archetype has length 1.
        shift: Length of the shift that all images of a camera share.
        images: Mean number of images of an identity.
        view: Size of the linear change that a camera makes to all features.
        seed: Seed of all random numbers.
    """
    rng, dimensions = np.random.default_rng(seed), 96

    def directions(count: int) -> NDArray[np.float64]:
        drawn = rng.standard_normal((count, dimensions))
        return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))

    archetype = directions(identities // 5)[rng.integers(identities // 5, size=identities)]
    centre = archetype + 0.7 * directions(identities)
    counts = np.maximum(1, rng.poisson(rng.gamma(1.5, images / 1.5, identities)))
    identity = np.repeat(np.arange(identities), counts)
    camera = rng.integers(cameras, size=len(identity))
    features = centre[identity] + shift * directions(cameras)[camera]
    changes = view * rng.standard_normal((cameras, dimensions, dimensions)) / np.sqrt(dimensions)
    features += np.einsum("nij,nj->ni", changes[camera], features)
    features += 2 * noise / np.sqrt(dimensions) * rng.standard_normal(features.shape)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return FeatureSet(features.astype(np.float32), identity, camera, source="synthetic")


SYNTHETIC: dict[str, Mapping[str, Any]] = {
    "synthetic, even": {"even": True, "identities": 120, "noise": 0.45, "seed": 5},
    "synthetic, uneven": {
        "identities": 150, "cameras": 4, "noise": 0.45, "shift": 0.3, "images": 8, "view": 0.0, "seed": 1,
    },
    "synthetic, views": {
        "identities": 150, "cameras": 3, "noise": 0.35, "shift": 0.3, "images": 8, "view": 0.6, "seed": 2,
    },
}  # fmt: skip


def _load(source: str | Mapping[str, Any]) -> FeatureSet:
    if isinstance(source, str):
        found = FeatureSet.load(source)
        return found.subset(np.flatnonzero(found.identities >= 0))
    if source.get("even"):
        return synthetic_features(**{key: value for key, value in source.items() if key != "even"})
    return varied_features(**source)


def _stored(folder: Path | None) -> dict[str, str]:
    return {} if folder is None else {file.stem: str(file) for file in sorted(folder.glob("*.npz"))}


def summarise(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, by set, row, noise and budget."""
    names = ("bcubed_f1", "pairwise_f1", "pairwise_recall", "ari", "false_splits", "false_merges", "matches")
    kinds: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        kinds.setdefault((line["set"], line["row"], line["noise"], line["budget"]), []).append(line)
    found = []
    for (name, row, noise, budget), same in kinds.items():
        errors = [line["calibration_error"] for line in same if line["calibration_error"] is not None]
        found.append({
            "set": name, "row": row, "noise": noise, "budget": budget, "seeds": len(same),
            "images": round(float(np.mean([line["images"] for line in same]))),
            **{key: round(float(np.mean([line[key] for line in same])), 4) for key in names},
            "calibration_error": round(float(np.mean(errors)), 4) if errors else None,
        })  # fmt: skip
    return found


def mean_over_sets(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """B-cubed F1 above ``gain-v1`` and above ``nearest`` on the mean over sets, paired by set and seed."""
    scored = _by_run(lines)
    found = []
    for row, noise, budget in sorted({(key[1], key[3], key[4]) for key in scored}):
        line: dict[str, Any] = {"row": row, "noise": noise, "budget": budget}
        for other in ("gain-v1", "nearest"):
            differences = {
                key[0]: [] for key in scored if (key[1], key[3], key[4]) == (row, noise, budget)
            }  # fmt: skip
            for key, value in scored.items():
                if (key[1], key[3], key[4]) == (row, noise, budget):
                    reference = scored.get((key[0], other, key[2], noise, budget))
                    if reference is not None:
                        differences[key[0]].append(value - reference)
            each = {name: estimate(iter(values)) for name, values in differences.items() if values}
            if each:
                line[f"above {other}"] = round(float(np.mean([e.mean for e in each.values() if e])), 4)
                line[f"above {other}, by set"] = {name: asdict(e) for name, e in each.items() if e}
        found.append(line)
    return found


def scores(lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Normalised score by set and row: 0 is ``nearest`` and 1 is ``label-seeing``."""
    scored, areas = _by_run(lines), {}
    for name, row, seed, noise in {key[:4] for key in scored}:
        heights = [scored[name, row, seed, noise, budget] for budget in BUDGETS]
        areas[name, row, seed, noise] = float(np.trapezoid(heights, np.log(BUDGETS)))
    found: dict[tuple[str, str, float], list[float]] = {}
    for (name, row, seed, noise), area in areas.items():
        low, high = (areas.get((name, other, seed, noise)) for other in ("nearest", "label-seeing"))
        if low is not None and high is not None and high > low:
            found.setdefault((name, row, noise), []).append((area - low) / (high - low))
    return [
        {"set": name, "row": row, "noise": noise, "score": round(float(np.mean(values)), 3)}
        for (name, row, noise), values in sorted(found.items())
    ]


def _by_run(lines: Sequence[dict[str, Any]]) -> dict[tuple[str, str, int, float, float], float]:
    return {
        (line["set"], line["row"], line["seed"], line["noise"], line["budget"]): line["bcubed_f1"]
        for line in lines
    }


def _table(summary: Sequence[dict[str, Any]], noise: float) -> Table:
    table = new_table(
        f"B-cubed F1 by answers per image, {noise:.0%} wrong answers",
        ("set", "row"),
        ("0", *map(str, BUDGETS)),
    )
    shown: dict[tuple[str, str], list[str]] = {}
    for line in summary:
        if line["noise"] == noise:
            shown.setdefault((line["set"], line["row"]), []).append(f"{line['bcubed_f1']:.3f}")
    for (name, row), values in shown.items():
        table.add_row(name, row, *values)
    return table


def _mean_table(mean: Sequence[dict[str, Any]], noise: float) -> Table:
    table = new_table("Above gain-v1, mean over sets", ("row",), ("0", *map(str, BUDGETS)))
    shown: dict[str, list[str]] = {}
    for line in mean:
        if line["noise"] == noise and "above gain-v1" in line:
            shown.setdefault(line["row"], []).append(f"{line['above gain-v1']:+.3f}")
    for row, values in shown.items():
        table.add_row(row, *values)
    return table


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=Path, help="folder of features, NAME.npz")
    parser.add_argument("--rows", nargs="*", help="rows to run (default: all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.05])
    parser.add_argument("--share", type=float, default=0.6, help="share of a set's identities")
    parser.add_argument("--most", type=int, default=400, help="most images of a set")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
