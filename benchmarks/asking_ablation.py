"""What each part of asking between groups is worth: the identities formed, with one part changed at a time.

Every row asks for the same numbers of answers about the same images and forms identities in the same way. No
model is trained, so the features stay, and nothing but the part differs:

- ``default``: the label-free start's features, the schedule, the calibrated match probability;
- ``random``, ``nearest``, ``entropy``: the selector chooses among a group's candidates, all else as above;
- ``groups ask in random order``: no schedule;
- ``probability not learned``: the first guess of :class:`MatchModel` throughout;
- ``single images``: no micro-clusters, so groups grow by answers alone;
- ``no label-free start``: the features of the start weights (left out without ``--start-features``; make them
  by ``reid-al embed`` at the same size);
- ``images, closure`` and ``images, no closure``: images ask as in the paper, ten answers each, about the
  nearest; implied answers are never asked, or are;
- ``wrong answers``: uniformly, at each rate of ``--noise``; and without rechecks.

Features are those of one model for the pool of the split: ``reid-al run ... --out RUN`` keeps its label-free
start as ``RUN/start.safetensors``, of which ``reid-al embed DATA --weights FILE`` makes features.

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
from rich.table import Table
from simulated import read_pool, simulated_annotator

from reid_al_agents.asking.batch import Batch
from reid_al_agents.asking.browsing import AskingLimits
from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.settings import AskingSettings, GroupSettings
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.cli.console import progress
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.experiment.image_questions import ImageQuestions
from reid_al_agents.experiment.simulated import SimulatedAnnotator, answer_questions
from reid_al_agents.identities import Identities
from reid_al_agents.report.summary import estimate
from reid_al_agents.selection import make_selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet

MEASURES = ("pairwise_precision", "pairwise_recall", "pairwise_f1", "bcubed_f1", "ari")


class FirstGuess(MatchModel):
    """A match model that learns from no answer."""

    def fit(self, seen: NDArray[np.float64] | None = None) -> None:
        """Nothing changes."""


class InRandomOrder(Engine):
    """Groups ask in random order, each about whom its selector picks."""

    def plan(self, constraints: ConstraintGraph | None = None) -> Batch:
        """The same batch; the gain of a question is drawn."""
        batch = super().plan(constraints)
        gain = batch.view.gain
        batch.view.gain = np.where(gain > 0, self._rng.uniform(0.5, 1.0, gain.shape), 0.0)
        return batch


@dataclass(frozen=True)
class Variant:
    """The default with one part changed."""

    name: str
    selector: str = "gain"
    settings: GroupSettings = field(default_factory=GroupSettings)
    model: Callable[[], MatchModel] = MatchModel
    engine: type[Engine] = Engine
    noise: float = 0.0
    adapted: bool = True
    images: bool = False
    closure: bool = True


@dataclass(frozen=True)
class Pool:
    """Images as one model sees them."""

    features: FeatureSet
    visual: VisualSimilarity


def main() -> None:
    options = _parse()
    pools = {adapted: _pool(file, options) for adapted, file in _files(options)}
    work = [(variant, seed) for variant in _variants(options.noise) for seed in options.seeds]
    rows: list[dict[str, Any]] = []
    with progress() as bars:
        for number, (variant, seed) in enumerate(work):
            bars(variant.name, number, len(work))
            if variant.adapted in pools:
                rows += measure(variant, pools[variant.adapted], options.answers, seed)
                _keep(options, rows, complete=False)
        bars("done", len(work), len(work))
    _keep(options, rows, complete=True)
    show(_table(summarise(rows), f"Groups of {len(pools[True].features)} images"))


def measure(variant: Variant, pool: Pool, budgets: Sequence[int], seed: int) -> Iterator[dict[str, Any]]:
    """Ask as ``variant`` does, and judge the identities at each number of answers."""
    labels = pool.features.identities
    usual = GroupSettings()  # identities are delivered alike, however the questions were chosen
    annotator = simulated_annotator(pool.features, usual.error_rate, variant.noise, seed)
    beliefs = annotator.beliefs
    ask = (_between_images if variant.images else _between_groups)(variant, pool, annotator, seed)
    for budget in budgets:
        ask(budget)
        delivered = Identities.form(
            pool.visual.similarities, beliefs.constraints, usual.thresholds("deliver")
        )
        yield {
            "variant": variant.name,
            "seed": seed,
            "budget": budget,
            "answers": beliefs.answers,
            "match_rate": beliefs.matches / max(beliefs.answers, 1),
            "groups": int(delivered.groups.max()) + 1,
            "contradictions": len(beliefs.constraints.contradictions),
            **asdict(evaluate_groups(delivered.groups, labels)),
        }


Ask = Callable[[int], None]
"""Asks until so many answers were given in all."""


def _between_groups(variant: Variant, pool: Pool, annotator: SimulatedAnnotator, seed: int) -> Ask:
    annotator.beliefs.model = variant.model()
    engine = variant.engine(
        pool.features,
        pool.visual,
        annotator.beliefs,
        make_selector(variant.selector),
        variant.settings,
        EpisodeSettings(budget=1, metric="cosine"),
        np.random.default_rng([seed, 1]),
        annotator.announce,
    )
    return lambda budget: answer_questions(engine, annotator, budget)


def _between_images(variant: Variant, pool: Pool, annotator: SimulatedAnnotator, seed: int) -> Ask:
    selector = make_selector(variant.selector)
    episode = AskingSettings(nodes="images").episode()
    beliefs = annotator.beliefs
    questions = ImageQuestions(beliefs, lambda: selector, episode, 5, variant.closure, seed)
    questions.see(pool.features, 0)
    rng = np.random.default_rng([seed, 1])

    def ask(budget: int) -> None:
        questions.ask(annotator, AskingLimits(answers=budget - beliefs.answers), rng, None)

    return ask


def _variants(noise: Sequence[float]) -> Iterator[Variant]:
    usual = GroupSettings()
    yield Variant("default")
    for selector in ("random", "nearest", "entropy"):
        yield Variant(selector, selector=selector)
    yield Variant("groups ask in random order", engine=InRandomOrder)
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
    features, settings = read_pool(file, options.split), GroupSettings()
    return Pool(features, compare_visually(features.features, features.cameras, settings.k1, settings.k2))


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
