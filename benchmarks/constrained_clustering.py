"""Ways to form groups under constraints, compared on the images of the pool.

All methods get the same similarities (``compare_visually``: features standardised by camera, Jaccard) and the
same answers:

- ours: ``form_groups``, at several thresholds;
- DBSCAN on the Jaccard distances, naive: clusters merged by must-links, given up with a cannot-link inside;
- DBSCAN, and FINCH's first two partitions, each cleaned up by NP3 (``rivals.py``);
- the same without the answers, as a reference.

Answers are the true ones about pairs drawn at random from all pairs of which one image is among the other's
10 nearest (``near``; a larger budget holds the smaller ones), and, with ``--pairs``, those in a run's log,
oldest first, as they were given. A log's questions were chosen on other features than those here, and by our
groups.

Deviations from the rivals' papers: those listed in ``rivals.py``; and AAS clusters by DBSCAN on cosine
distances of its own, trained ResNet-50 features and asks by its own rule, while here the features, their
standardisation by camera, k1 and k2 are ours for everybody. ``--plain`` leaves the standardisation out.
``seconds`` are those of clustering and clean-up, without the neighbour search and the similarities, which all
share but FINCH: its searches are inside.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result
from rich.table import Table
from rivals import count_violated, finch, merge_naively, np3
from simulated import logged_events, read_pool

from reid_al_agents.clustering.density import dbscan
from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.jaccard import jaccard_similarities
from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_agents.clustering.visual_similarity import VisualSimilarity, compare_visually
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.log.events import SIGNS
from reid_al_env import ConstraintGraph, FeatureSet, InputError

FEATURES = "../shared/data/features/market1501_osnet_x0_25_msmt17.npz"
NEAREST = 10
MIN_SAMPLES = 4

Pairs = NDArray[np.int64]
"""(M, 3): two images and the answer about them, +1, -1 or 0."""


@dataclass(frozen=True)
class Method:
    """A way to form groups: ``form(constraints)``, and the seconds it needed before it saw constraints."""

    name: str
    form: Callable[[ConstraintGraph], NDArray[np.int64]]
    seconds: float = 0.0
    reads_answers: bool = True


def main() -> None:
    options = _parse()
    pool = _pool(options)
    visual = _visual(pool, options)
    methods = list(_methods(visual, options.thresholds, options.eps))
    rows = [
        {"pairs": source, "answers": len(pairs), "matches": int((pairs[:, 2] > 0).sum()), **row}
        for source, pairs in _answers(pool, visual, options)
        for row in _measure(methods, pairs, pool.identities)
    ]
    settings = {**vars(options), "images": len(pool), "min_samples": MIN_SAMPLES}
    write_result(options.out, (options.seed,), settings, {"rows": rows})
    show(_table(rows, f"Groups of {len(pool)} images"))


def near_pairs(points: NDArray[np.float32], identities: NDArray[np.int64], seed: int) -> Pairs:
    """All pairs of which one is among the other's 10 nearest, in random order, with their true answers."""
    neighbours = nearest_neighbours(unit_rows(points), min(NEAREST + 1, len(points)))
    first = np.repeat(np.arange(len(points)), neighbours.shape[1] - 1)
    pairs = np.unique(np.sort(np.stack([first, neighbours[:, 1:].ravel()], axis=1), axis=1), axis=0)
    pairs = np.random.default_rng(seed).permutation(pairs)
    same = identities[pairs[:, 0]] == identities[pairs[:, 1]]
    return np.column_stack([pairs, np.where(same, 1, -1)]).astype(np.int64)


def logged_pairs(folder: Path, names: NDArray[np.str_]) -> Pairs:
    """The answers of a run or session, images being found by name.

    Raises:
        InputError: The folder holds none, or they are about images that are not among ``names``.
    """
    row_of = {str(name): row for row, name in enumerate(names)}
    answers = [event for event in logged_events(folder) if event.answer in SIGNS]
    for event in answers:
        for name in (event.query_name, event.candidate_name):
            if name not in row_of:
                raise InputError(
                    f"{folder}: {name} is not in the pool; use the features and split of the run"
                )
    rows = [
        (row_of[event.query_name], row_of[event.candidate_name], SIGNS[event.answer or ""])
        for event in answers
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _answers(
    pool: FeatureSet, visual: VisualSimilarity, options: argparse.Namespace
) -> Iterator[tuple[str, Pairs]]:
    """The answers at each budget, with where they are from; budgets beyond what there is are cut, once."""
    sources = [("near", near_pairs(visual.points, pool.identities, options.seed))]
    sources += [(str(file), logged_pairs(file, pool.names)) for file in options.pairs]
    for source, pairs in sources:
        for budget in sorted({min(budget, len(pairs)) for budget in options.budgets}):
            if budget or source == "near":  # without answers all sources are alike
                yield source if budget else "none", pairs[:budget]


def _methods(
    visual: VisualSimilarity, thresholds: list[tuple[float, float | None]], eps: list[float]
) -> Iterator[Method]:
    for micro_cluster, group in thresholds:
        yield _ours(visual, micro_cluster, group)
    for radius in eps:
        yield from _dbscan_methods(visual, radius)
    for number in (1, 2):
        yield from _finch_methods(visual.points, number)


def _ours(visual: VisualSimilarity, micro_cluster: float, group: float | None) -> Method:
    name = f"ours, {micro_cluster:g} / {'-' if group is None else f'{group:g}'}"
    return Method(name, lambda known: form_groups(visual.similarities, known, micro_cluster, group).groups)


def _dbscan_methods(visual: VisualSimilarity, eps: float) -> Iterator[Method]:
    started = time.perf_counter()
    clusters = dbscan(visual.similarities, eps, MIN_SAMPLES)
    seconds = time.perf_counter() - started
    name = f"DBSCAN {eps:g}"
    yield Method(f"{name}, answers ignored", lambda _: _singled(clusters), seconds, reads_answers=False)
    yield Method(f"{name}, naive", lambda known: merge_naively(clusters, known), seconds)
    yield Method(f"{name} + NP3", lambda known: np3(clusters, visual.points, known), seconds)


def _finch_methods(points: NDArray[np.float32], number: int) -> Iterator[Method]:
    started = time.perf_counter()
    clusters = finch(points, number)[-1]
    seconds = time.perf_counter() - started
    yield Method(f"FINCH {number}, answers ignored", lambda _: clusters, seconds, reads_answers=False)
    yield Method(f"FINCH {number} + NP3", lambda known: np3(clusters, points, known), seconds)


def _singled(clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Make every outlier a group of its own."""
    return np.where(clusters < 0, len(clusters) + np.arange(len(clusters)), clusters)


def _measure(methods: list[Method], pairs: Pairs, identities: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    constraints = ConstraintGraph(len(identities))
    constraints.add_many(pairs[:, 0], pairs[:, 1], pairs[:, 2].astype(np.int8))
    for method in methods:
        started = time.perf_counter()
        groups = method.form(constraints)
        seconds = method.seconds + time.perf_counter() - started
        yield {
            "method": method.name,
            "reads_answers": method.reads_answers,
            **asdict(evaluate_groups(groups, identities)),
            "groups": len(np.unique(groups)),
            "violated": count_violated(groups, constraints),
            "seconds": round(seconds, 3),
        }


def _pool(options: argparse.Namespace) -> FeatureSet:
    features = read_pool(options.features, options.split)
    if options.identities is None:
        return features
    kept = np.unique(features.identities)[: options.identities]
    return features.subset(np.flatnonzero(np.isin(features.identities, kept)))


def _visual(pool: FeatureSet, options: argparse.Namespace) -> VisualSimilarity:
    if options.plain:
        points = unit_rows(pool.features)
        return VisualSimilarity(points, jaccard_similarities(points, options.k1, options.k2))
    return compare_visually(pool.features, pool.cameras, options.k1, options.k2)


def _table(rows: list[dict[str, Any]], title: str) -> Table:
    names = ("pairwise_precision", "pairwise_recall", "pairwise_f1", "bcubed_f1", "ari")
    heads = ("answers", "precision", "recall", "F1", "B-cubed", "ARI", "groups", "violated", "seconds")
    table = new_table(title, ("pairs", "method"), heads)
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        shares = (f"{row[name]:.3f}" for name in names)
        counts = (str(row["groups"]), str(row["violated"]), f"{row['seconds']:.2f}")
        ends = after is None or (after["pairs"], after["answers"]) != (row["pairs"], row["answers"])
        cells = (Path(row["pairs"]).name, row["method"], str(row["answers"]), *shares, *counts)
        table.add_row(*cells, end_section=ends)
    return table


def _threshold(text: str) -> tuple[float, float | None]:
    micro_cluster, group = text.split(":")
    return float(micro_cluster), None if group == "none" else float(group)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", default=FEATURES, help="features .npz with identities")
    parser.add_argument("--split", help="split file; without it all images are the pool")
    parser.add_argument("--identities", type=int, help="only the first of the pool, to try the script")
    parser.add_argument("--budgets", type=int, nargs="+", default=[0, 1000, 2500, 5000])
    parser.add_argument("--pairs", type=Path, nargs="*", default=[], help="pairs.sqlite of runs")
    parser.add_argument(
        "--thresholds",
        type=_threshold,
        nargs="+",
        default=[(0.7, None), (0.5, None), (0.5, 0.3), (0.5, 0.2), (0.5, 0.1)],
        help="of ours, PIECE:GROUP similarity, GROUP may be none",
    )
    parser.add_argument("--eps", type=float, nargs="+", default=[0.5, 0.6], help="of DBSCAN")
    parser.add_argument("--k1", type=int, default=20, help="of the Jaccard similarities")
    parser.add_argument("--k2", type=int, default=4)
    parser.add_argument("--plain", action="store_true", help="do not standardise features by camera")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
