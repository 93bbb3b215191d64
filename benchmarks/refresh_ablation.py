"""What the errors of groups cost the model, and how boldly groups that train should be joined.

From a run's label-free start and its answers, the same training with the same number of steps, each time with
other clusters:

- ``all labels``: the identities;
- ``groups``: micro-clusters joined by answers alone, as while asking, and as a refresh trains on them once
  there are enough answers; micro-clusters by the last model, or (``--grouped-by start``) by its start;
- ``groups, no wrong image``: these cut by identity, so that precision is 1 and recall stays;
- ``groups, no fragment``: these joined where most of their images show one identity, so that recall is nearly
  1 and what is wrong stays wrong; ``no large fragment`` leaves out the small groups that would not train, and
  ``no small fragment`` joins only those;
- ``joined down to X``: clusters formed anew each epoch, as the refresh does, with ``group_similarity`` X,
  with the answers and (``no answers``) without.

All but the last kind stay as they are during the training and, but for ``groups``, see labels: they say what
is to be won, not what a method reaches. Scores are on the validation identities.

``python benchmarks/refresh_ablation.py RUN --out FILE``, RUN being the folder of ``reid-al run`` with groups
and the cluster refresh.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result
from rich.table import Table
from simulated import logged_events

from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.cli.console import progress
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.data import load_data, load_split
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_agents.identities import Identities
from reid_al_agents.training.cluster.clusters import Clustering, Clusters, constrained_clusters
from reid_al_agents.training.cluster.objective import train_on_clusters
from reid_al_agents.training.cluster.settings import ClusterSettings
from reid_al_agents.training.pool import known_of
from reid_al_agents.vision import embed, load_weights
from reid_al_agents.workspace.assembly import load_model
from reid_al_agents.workspace.folder import Folder
from reid_al_env import ConstraintGraph, FeatureSet, InputError

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    """A training: its name, the clusters of each epoch, and labels that can be judged beforehand."""

    name: str
    cluster: Clustering
    labels: Labels | None = None


def main() -> None:
    options = _parse()
    world = World(options.run, options.answers, options.grouped_by, options.device)
    settings = ClusterSettings(size=world.size).scaled(options.steps / ClusterSettings().steps)
    work = _wanted(list(world.rows(settings, options.similarities)), options.only)
    rows: list[dict[str, Any]] = []
    with progress() as bars:
        for number, row in enumerate(work):
            bars("rows", number, len(work))
            rows.append(
                world.train(row, settings, options.seed, lambda done, all_: bars("train", done, all_))
            )
            kept = {**vars(options), "refresh": asdict(settings)}
            write_result(options.out, (options.seed,), kept, {"answers": world.answers, "rows": rows})
        bars("rows", len(work), len(work))
    show(_table(rows, f"{settings.steps} steps after {world.answers} answers, validation identities"))


class World:
    """A run's images, its label-free start and its answers.

    Args:
        folder: The run's folder.
        answers: How many of its answers are used, the oldest.
        grouped_by: Whose features form the micro-clusters, ``last`` or ``start``: the run's last model or its
            label-free start.
        device: As on the command line.

    Raises:
        InputError: The folder does not hold what is needed.
    """

    def __init__(self, folder: Path, answers: int, grouped_by: str, device: str) -> None:
        place = Folder(folder)
        if not place.start.is_file():
            raise InputError(f"{folder}: holds no label-free start; give a run with --refresh cluster")
        config = place.settings()
        split = load_split(config.split or place.split)
        images = load_data(config.data, config.reading())
        if isinstance(images, FeatureSet):
            raise InputError(f"{config.data}: holds features; a model is trained on images")
        self.size = config.size or load_model(config, device).size
        self._pool = images.subset(split.pool(images)).cached(self.size)
        judged = split.validation(images)
        members = np.union1d(judged.query, judged.gallery)
        self._judged = images.subset(members).cached(self.size)
        self._query = np.searchsorted(members, judged.query)
        self._gallery = np.searchsorted(members, judged.gallery)
        self._model = load_model(replace(config, weights=None), device)
        self._start = place.start
        self._grouped_by = place.start if grouped_by == "start" else place.weights
        events, pool = logged_events(folder, answers), self._pool
        beliefs = Beliefs.replay(
            known_of(pool.images, len(pool)),
            events,
            config.grouping().error_rate,
        )
        self.constraints, self.answers = beliefs.constraints, beliefs.answers

    def rows(self, settings: ClusterSettings, similarities: list[float]) -> Iterator[Row]:
        """All trainings; the labels of the fixed ones are made now."""
        asking = GroupSettings()
        load_weights(self._model, self._grouped_by)
        features = embed(self._model, self._pool, size=self.size)
        sides = sides_of(self._pool.sides)
        visual = compare_visually(features, self._pool.cameras, asking.k1, asking.k2, sides)
        groups = Identities.form(visual.similarities, self.constraints, asking.thresholds()).groups
        identities = self._pool.identities
        for name, labels in (
            ("all labels", identities),
            *variants(groups, identities, settings.min_images),
        ):
            yield _fixed(name, labels, settings.min_images)
        nothing = ConstraintGraph(len(self._pool))
        for known, said in ((self.constraints, ""), (nothing, ", no answers")):
            for least in similarities:
                joined = replace(settings, group_similarity=least)
                yield Row(f"joined down to {least:g}{said}", self._forming(known, joined))

    def train(
        self, row: Row, settings: ClusterSettings, seed: int, progress: Callable[[int, int], None]
    ) -> dict[str, Any]:
        """Train from the start and score on validation."""
        load_weights(self._model, self._start)
        started = time.perf_counter()
        train_on_clusters(self._model, self._pool, row.cluster, settings, seed=seed, progress=progress)
        seconds = time.perf_counter() - started
        features = embed(self._model, self._judged, size=self.size)
        people, cameras = self._judged.identities, self._judged.cameras
        scores = evaluate_ranking(features, people, cameras, self._query, self._gallery)
        groups = None if row.labels is None else asdict(evaluate_groups(row.labels, self._pool.identities))
        return {
            "row": row.name,
            "map": scores.map,
            "rank1": scores.rank1,
            "seconds": round(seconds, 1),
            "groups": groups,
        }

    def _forming(self, known: ConstraintGraph, settings: ClusterSettings) -> Clustering:
        pool, sides = self._pool, sides_of(self._pool.sides)
        return lambda features: constrained_clusters(features, pool.cameras, known, settings, sides)


def variants(groups: Labels, identities: Labels, least: int) -> Iterator[tuple[str, Labels]]:
    """The groups with one kind of error taken away, by the true identities; −1 for images left out.

    A fragment is a group that is not the largest of the identity that most of its images show.
    """
    sizes = np.bincount(groups)
    shown = np.array([np.bincount(identities[groups == group]).argmax() for group in range(len(sizes))])
    largest: dict[int, int] = {}
    for group in np.argsort(-sizes, kind="stable"):
        largest.setdefault(int(shown[group]), int(group))
    home = np.array([largest[int(identity)] for identity in shown])
    large = sizes >= least
    yield "groups", groups
    yield "groups, no wrong image", groups * (int(identities.max()) + 1) + identities
    yield "groups, no fragment", home[groups]
    yield "groups, no large fragment", np.where(large, home, -1)[groups]
    yield "groups, no small fragment", np.where(large, np.arange(len(sizes)), home)[groups]


def _fixed(name: str, labels: Labels, least: int) -> Row:
    """A training on labels that stay; groups of fewer images than ``least`` do not train, as always."""
    kept, number = labels >= 0, np.full(len(labels), -1, dtype=np.int64)
    number[kept] = np.unique(labels[kept], return_inverse=True)[1]
    sizes = np.bincount(number[kept])
    trains = sizes >= least
    place = np.where(trains, np.cumsum(trains) - 1, -1)
    clusters = Clusters(np.where(kept, place[number], -1))
    alone = int(number.max()) + 1 + np.arange(len(labels))  # for the judgement, each image by itself
    return Row(name, lambda _: clusters, np.where(kept, number, alone))


def _wanted(rows: list[Row], only: list[str]) -> list[Row]:
    """The rows named, or all.

    Raises:
        InputError: A name is no row's.
    """
    names = [row.name for row in rows]
    for name in only:
        if name not in names:
            raise InputError(f"--only: there is no row {name!r}; choose among {', '.join(map(repr, names))}")
    return [row for row in rows if not only or row.name in only]


def _table(rows: list[dict[str, Any]], title: str) -> Table:
    table = new_table(title, ("clusters",), ("mAP", "rank-1", "precision", "recall", "seconds"))
    for row in rows:
        groups = row["groups"]
        names = ("pairwise_precision", "pairwise_recall")
        cells = ("" if groups is None else f"{groups[name]:.3f}" for name in names)
        table.add_row(row["row"], f"{row['map']:.1f}", f"{row['rank1']:.1f}", *cells, f"{row['seconds']:.0f}")
    return table


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of reid-al run")
    parser.add_argument("--answers", type=int, default=5000, help="the oldest of the run's answers")
    parser.add_argument(
        "--grouped-by",
        choices=("last", "start"),
        default="last",
        help="the run's model by which micro-clusters are formed",
    )
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument(
        "--similarities",
        type=float,
        nargs="+",
        default=[0.15, 0.07, 0.03, 0.01],
        help="group_similarity",
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="rows by name; all if left out")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--seed", type=int, default=1003, help="of the training")
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
