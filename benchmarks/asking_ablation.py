"""What each part of asking between groups is worth: the groups formed, with one part changed at a time.

Every row asks for the same numbers of answers about the same images and forms identities in the same way; no
model is trained, so that features stay and nothing but the part differs:

- ``default``: the label-free start's features, the schedule, the calibrated match probability;
- ``random``, ``nearest``, ``entropy``: the selector picks whom a group asks about, all else as above;
- ``groups ask in random order``: no schedule;
- ``probability not learned``: the first guess of :class:`MatchModel` throughout;
- ``single images``: no micro_clusters, so groups grow by answers alone;
- ``no label-free start``: the features of the start weights (left out without ``--start-features``; they are
  to be made by ``reid-al embed`` at the same size, since others are another model's);
- ``images, closure`` and ``images, no closure``: images ask as in the paper, ten answers each, about the
  nearest; answers that follow from earlier ones are never asked, or are;
- ``wrong answers``: uniformly, at each rate of ``--noise``; and without asking doubtful answers again.

Features are those of one model for the pool of the split: ``reid-al run ... --out RUN`` keeps its label-free
start, ``RUN/checkpoint/*/start.safetensors``, of which ``reid-al embed DATA --weights FILE`` makes features.

``python benchmarks/asking_ablation.py --features FILE --split FILE --out FILE``
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result
from reid_al_agents.experiment.modes import ImageMode
from rich.table import Table

from reid_al_agents.asking.batch import Batch
from reid_al_agents.asking.browsing import AskingLimits, AskingReport
from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.cli.console import Bars
from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.data import load_split
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.report.summary import estimate
from reid_al_agents.selection import make_selector
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, LabelOracle, NoisyOracle, Oracle

MEASURES = ("pairwise_precision", "pairwise_recall", "pairwise_f1", "bcubed_f1", "ari")


class FirstGuess(MatchModel):
    """A match model that learns from no answer."""

    def fit(self, seen: NDArray[np.float64] | None = None) -> None:
        """Nothing changes."""


class InRandomOrder(Engine):
    """Groups ask in random order, each about whom its selector picks."""

    def plan(self, constraints: ConstraintGraph | None = None) -> Batch:
        """The same batch; what a question is worth is drawn."""
        batch = super().plan(constraints)
        worth = batch.view.worth
        batch.view.worth = np.where(worth > 0, self._rng.uniform(0.5, 1.0, worth.shape), 0.0)
        return batch


@dataclass(frozen=True)
class Variant:
    """The default with one part changed."""

    name: str
    selector: str = "gain"
    settings: GroupSettings = field(default_factory=GroupSettings)
    model: Callable[[], MatchModel] = MatchModel
    asking: type[Engine] = Engine
    noise: float = 0.0
    adapted: bool = True
    images: bool = False
    closure: bool = True


@dataclass(frozen=True)
class Pool:
    """Images as one model sees them."""

    features: FeatureSet
    looks: VisualSimilarity


def main() -> None:
    options = _parse()
    pools = {adapted: _pool(file, options) for adapted, file in _files(options)}
    work = [(variant, seed) for variant in _variants(options.noise) for seed in options.seeds]
    rows: list[dict[str, Any]] = []
    with Bars() as bars:
        for number, (variant, seed) in enumerate(work):
            bars(variant.name, number, len(work))
            if variant.adapted in pools:
                rows += measure(variant, pools[variant.adapted], options.answers, seed)
                _keep(options, rows, complete=False)
        bars("done", len(work), len(work))
    _keep(options, rows, complete=True)
    show(_table(summarise(rows), f"Groups of {len(pools[True].features)} images"))


def measure(variant: Variant, pool: Pool, budgets: Sequence[int], seed: int) -> Iterator[dict[str, Any]]:
    """Ask as ``variant`` does and judge the groups at each number of answers."""
    identities = pool.features.identities
    truth = LabelOracle(identities)
    oracle: Oracle = truth
    if variant.noise:
        oracle = NoisyOracle(truth, false_match=variant.noise, false_non_match=variant.noise, seed=seed)
    constraints = ConstraintGraph(len(identities))
    spell = (_between_images if variant.images else _between_groups)(variant, pool, constraints, oracle, seed)
    settings = GroupSettings()  # identities are handed out alike, however they were asked about
    for budget in budgets:
        answers, matches = spell(budget)
        formed = form_groups(
            pool.looks.similarities,
            constraints,
            settings.delivered_similarity,
            settings.group_similarity,
        )
        yield {
            "variant": variant.name,
            "seed": seed,
            "budget": budget,
            "answers": answers,
            "match_rate": matches / max(answers, 1),
            "groups": int(formed.groups.max()) + 1,
            "contradictions": len(constraints.contradictions),
            **asdict(evaluate_groups(formed.groups, identities)),
        }


Spell = Callable[[int], tuple[int, int]]
"""Asks until so many answers were given in all; answers and matches so far."""


def _between_groups(
    variant: Variant, pool: Pool, constraints: ConstraintGraph, oracle: Oracle, seed: int
) -> Spell:
    asking = variant.asking(
        pool.features,
        pool.looks,
        constraints,
        make_selector(variant.selector),
        variant.model(),
        ChangeMonitor(),
        variant.settings,
        EpisodeSettings(budget=1, metric="cosine"),
        np.random.default_rng([seed, 1]),
    )

    def spell(budget: int) -> tuple[int, int]:
        report = asking.ask(oracle, budget)
        return report.answers, report.matches

    return spell


def _between_images(
    variant: Variant, pool: Pool, constraints: ConstraintGraph, oracle: Oracle, seed: int
) -> Spell:
    config = RunConfig("", nodes="images", selector=variant.selector, closure=variant.closure, seed=seed)
    mode = ImageMode(config, constraints, oracle, lambda: make_selector(variant.selector))
    mode.see(pool.features)
    rng = np.random.default_rng([seed, 1])
    total = AskingReport()

    def spell(budget: int) -> tuple[int, int]:
        report = mode.ask(AskingLimits(answers=budget - total.answers), rng, None)
        total.answers += report.answers
        total.matches += report.matches
        return total.answers, total.matches

    return spell


def _variants(noise: Sequence[float]) -> Iterator[Variant]:
    usual = GroupSettings()
    yield Variant("default")
    for selector in ("random", "nearest", "entropy"):
        yield Variant(selector, selector=selector)
    yield Variant("groups ask in random order", asking=InRandomOrder)
    yield Variant("probability not learned", model=FirstGuess)
    yield Variant("single images", settings=replace(usual, micro_cluster_similarity=1.0))
    yield Variant("no label-free start", adapted=False)
    yield Variant("images, closure", selector="nearest", images=True)
    yield Variant("images, no closure", selector="nearest", images=True, closure=False)
    for rate in noise:
        yield Variant(f"wrong answers {rate:g}", noise=rate)
        no_repeats = replace(usual, repeat=False)
        yield Variant(f"wrong answers {rate:g}, none asked again", noise=rate, settings=no_repeats)


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over seeds, by variant and number of answers."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["variant"], row["budget"]), []).append(row)
    return [
        {
            "variant": variant,
            "budget": budget,
            "seeds": [row["seed"] for row in found],
            "match_rate": float(np.mean([row["match_rate"] for row in found])),
            **{name: _estimate(row[name] for row in found) for name in MEASURES},
        }
        for (variant, budget), found in groups.items()
    ]


def _estimate(values: Iterator[float]) -> dict[str, Any]:
    found = estimate(values)
    assert found is not None
    return asdict(found)


def _files(options: argparse.Namespace) -> Iterator[tuple[bool, Path]]:
    yield True, options.features
    if options.start_features is not None:
        yield False, options.start_features


def _pool(file: Path, options: argparse.Namespace) -> Pool:
    features = FeatureSet.load(file)
    if options.split is not None:
        features = features.subset(load_split(options.split).pool(features))
    settings = GroupSettings()
    looks = compare_visually(features.features, features.cameras, settings.k1, settings.k2)
    return Pool(features, looks)


def _keep(options: argparse.Namespace, rows: list[dict[str, Any]], *, complete: bool) -> None:
    figures = {"complete": complete, "summary": summarise(rows), "rows": rows}
    write_result(options.out, tuple(options.seeds), vars(options), figures)


def _table(summary: Sequence[dict[str, Any]], title: str) -> Table:
    heads = ("answers", "matches", "precision", "recall", "F1", "B-cubed", "ARI")
    table = new_table(title, ("variant",), heads)
    for line in summary:
        shares = (f"{line[name]['mean']:.3f}" for name in MEASURES)
        table.add_row(line["variant"], str(line["budget"]), f"{line['match_rate']:.2f}", *shares)
    return table


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path, required=True, help="features .npz of the label-free start")
    parser.add_argument("--start-features", type=Path, help="of the start weights, at the same size")
    parser.add_argument("--split", help="split file; without it all images are the pool")
    parser.add_argument("--answers", type=int, nargs="+", default=[2500, 5000, 8400])
    parser.add_argument("--noise", type=float, nargs="*", default=[0.02, 0.05])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
