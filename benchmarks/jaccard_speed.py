"""What the sparse Jaccard similarities cost beside the neighbour search they need, and what they leave out.

Timed in one process, one after the other and that several times over, on the same features:

- the floor: FAISS's exact search for the k1 nearest of every image, alone;
- ``jaccard_similarities`` in all, its own search included;
- what is made of them: DBSCAN (scikit-learn, precomputed sparse distances), and average linkage.

The median of the repeats is given, and the median of the ratios to the floor of the same repeat. Peak memory
is measured once for each stage in a process of its own: the most that was resident while it ran, and how much
of that is beyond what was resident before (features and libraries). Linux's ``/proc`` is read for it, because
``getrusage`` starts a child at its parent's peak, and tracemalloc does not see FAISS.

Agreement: for some rows the similarity to *all* images is worked out from the definition (sets, loops, no
pair left out; Zhong et al., CVPR 2017, with the neighbour lists and the distance 2 - 2 cos of
``jaccard_similarities``), and compared with what is stored, 0 where nothing is.

``python benchmarks/jaccard_speed.py --out FILE``, or with ``--random 100000 256`` for features drawn around
random centres of 15 images each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show, write_result
from rich.table import Table
from scipy import sparse

from reid_al_agents.clustering.density import dbscan
from reid_al_agents.clustering.jaccard import jaccard_similarities
from reid_al_agents.clustering.linkage import average_linkage
from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_env import FeatureSet, InputError

FEATURES = "../shared/data/features/market1501_osnet_x0_25_msmt17.npz"
PER_CENTRE = 15
NEAR = 0.6
"""Jaccard distance up to which pairs count as near: the largest that clusterings here and elsewhere use."""

FLOOR, JACCARD, DBSCAN, LINKAGE = (
    "FAISS search (the floor)",
    "Jaccard",
    "Jaccard + DBSCAN",
    "Jaccard + linkage",
)
STAGES = (FLOOR, JACCARD, DBSCAN, LINKAGE)


@dataclass(frozen=True)
class Task:
    """What is timed: which features, and how they are compared and clustered."""

    features: str
    random: tuple[int, int] | None
    limit: int | None
    seed: int
    k1: int
    k2: int
    eps: float
    min_samples: int
    linkage: float

    def load(self) -> NDArray[np.float32]:
        """The features (N, D), L2-normalised."""
        if self.random is not None:
            return clustered_features(*self.random, self.seed)
        return unit_rows(FeatureSet.load(self.features).features[: self.limit])

    def search(self, units: NDArray[np.float32]) -> None:
        """The neighbour search by FAISS as it comes."""
        index = faiss.IndexFlatIP(units.shape[1])
        index.add(units)
        index.search(units, self.k1)

    def compare(self, units: NDArray[np.float32]) -> sparse.csr_matrix:
        """The Jaccard similarities."""
        return jaccard_similarities(units, self.k1, self.k2)

    def density(self, similarities: sparse.csr_matrix) -> NDArray[np.int64]:
        """DBSCAN's clusters."""
        return dbscan(similarities, self.eps, self.min_samples)

    def agglomerate(self, similarities: sparse.csr_matrix) -> NDArray[np.int64]:
        """The clusters of average linkage."""
        images = np.arange(similarities.shape[0])
        return average_linkage(similarities, images, self.linkage, Unconstrained())


class Unconstrained:
    """Lets average linkage join whatever it wants to."""

    def may_join(self, a: int, b: int) -> bool:
        """Always."""
        return True

    def join(self, a: int, b: int) -> None:
        """Nothing to keep."""


def clustered_features(count: int, width: int, seed: int) -> NDArray[np.float32]:
    """Draw unit features around random centres; the cosine within a centre is about 0.6."""
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.standard_normal((max(1, count // PER_CENTRE), width), dtype=np.float32))
    noise = rng.standard_normal((count, width), dtype=np.float32) * np.float32((2 / 3 / width) ** 0.5)
    noise += centres[rng.integers(len(centres), size=count)]
    return unit_rows(noise)


def time_stages(task: Task, units: NDArray[np.float32], repeats: int) -> dict[str, list[float]]:
    """Seconds of each stage in each repeat; the last two include the similarities that they work on."""
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(repeats):
        seconds[FLOOR].append(_timed(task.search, units)[0])
        spent, similarities = _timed(task.compare, units)
        seconds[JACCARD].append(spent)
        seconds[DBSCAN].append(spent + _timed(task.density, similarities)[0])
        seconds[LINKAGE].append(spent + _timed(task.agglomerate, similarities)[0])
    return seconds


def peak_memory(task: Task, stage: str) -> dict[str, float]:
    """Peak resident memory of a stage in MiB, in this process, which should have done nothing before."""
    units = task.load()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    if stage == FLOOR:
        task.search(units)
    else:
        similarities = task.compare(units)
        if stage == DBSCAN:
            task.density(similarities)
        elif stage == LINKAGE:
            task.agglomerate(similarities)
    peak = _resident("VmHWM")
    return {"peak_mib": round(peak, 1), "beyond_start_mib": round(peak - before, 1)}


def defined_similarities(
    units: NDArray[np.float32], k1: int, k2: int, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The similarities of some rows to all images, (R, N), by the definition and with no pair left out."""
    lists = nearest_neighbours(units, min(k1, len(units)))
    encoding = _encoded(units.astype(np.float64), lists)
    chosen = lists[:, : min(k2, lists.shape[1])]
    places = np.repeat(np.arange(len(lists)), chosen.shape[1])
    mean = sparse.csr_matrix((np.full(chosen.size, 1 / chosen.shape[1]), (places, chosen.ravel())))
    averaged = (mean @ encoding).tocsc()
    similar = np.empty((len(rows), len(units)))
    for place, row in enumerate(rows):
        own = averaged[[row]].tocoo()
        others = averaged[:, own.col].toarray()  # beyond these columns the smaller of two is 0
        shared = np.minimum(others, own.data).sum(axis=1)
        similar[place] = shared / (2 - shared)
    return similar


def agreement(task: Task, units: NDArray[np.float32], count: int) -> dict[str, float | int]:
    """Compare what is stored with the definition, for ``count`` random rows."""
    rng = np.random.default_rng(task.seed)
    rows = np.sort(rng.choice(len(units), min(count, len(units)), replace=False))
    defined = defined_similarities(units, task.k1, task.k2, rows)
    stored = task.compare(units)[rows].toarray()
    other = np.arange(len(units)) != rows[:, None]
    kept = stored > 0
    near = other & (defined >= 1 - NEAR)
    differences = np.abs(stored - defined)
    return {
        "rows": len(rows),
        "pairs": int(other.sum()),
        "stored_pairs": int(kept.sum()),
        "max_difference": float(differences[other].max()),
        "max_difference_stored": float(differences[kept].max(initial=0)),
        "near_distance": NEAR,
        "near_pairs": int(near.sum()),
        "near_pairs_stored_share": float(kept[near].mean()) if near.any() else 1.0,
        "nearest_pair_left_out": float(1 - defined[other & ~kept].max(initial=0)),
    }


def main() -> None:
    options = _parse()
    random = None if options.random is None else (options.random[0], options.random[1])
    names = ("features", "limit", "seed", "k1", "k2", "eps", "min_samples", "linkage")
    task = Task(random=random, **{name: getattr(options, name) for name in names})
    if options.repeats < 1 or options.rows < 0:
        raise InputError("expected --repeats of at least 1 and --rows of at least 0")
    memory = {stage: _alone(peak_memory, task, stage) for stage in STAGES}
    units = task.load()
    seconds = time_stages(task, units, options.repeats)
    stages = {stage: _figures(seconds, stage) | memory[stage] for stage in STAGES}
    compared = agreement(task, units, options.rows) if options.rows else None
    figures = {
        "images": len(units),
        "dimensions": units.shape[1],
        "threads": faiss.omp_get_max_threads(),
        "stages": stages,
        "agreement": compared,
    }
    write_result(options.out, (options.seed,), vars(options), figures)
    show(_table(stages, f"{len(units)} images of {units.shape[1]} dimensions, {figures['threads']} threads"))
    if compared is not None:
        print(
            f"Of {compared['near_pairs']} pairs within {NEAR} of {compared['rows']} images, "
            f"{100 * compared['near_pairs_stored_share']:.2f} % are stored. Largest difference from the "
            f"definition: {compared['max_difference_stored']:.1e} of those stored, "
            f"{compared['max_difference']:.3f} of all."
        )


def _encoded(units: NDArray[np.float64], lists: NDArray[np.int64]) -> sparse.csr_matrix:
    """Weights over every image's expanded k-reciprocal set, set by set."""
    reciprocal = _reciprocal(lists)
    half = _reciprocal(lists[:, : round(lists.shape[1] / 2)])
    columns, weights, sizes = [], [], []
    for image, own in enumerate(reciprocal):
        expanded = set(own)
        for other in own:
            if len(half[other] & own) > 2 / 3 * len(half[other]):
                expanded |= half[other]
        members = np.array(sorted(expanded))
        weight = np.exp(-(2 - 2 * units[members] @ units[image]))
        columns.append(members)
        weights.append(weight / weight.sum())
        sizes.append(len(members))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    data = (np.concatenate(weights), np.concatenate(columns), starts)
    return sparse.csr_matrix(data, shape=(len(lists), len(lists)))


def _reciprocal(lists: NDArray[np.int64]) -> list[set[int]]:
    near = [set(row) for row in lists.tolist()]
    return [{other for other in row if image in near[other]} for image, row in enumerate(near)]


def _alone(measure: Callable[[Task, str], dict[str, float]], task: Task, stage: str) -> dict[str, float]:
    """Call ``measure`` in a fresh process."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, task, stage).result()


def _resident(name: str) -> float:
    """A line of ``/proc/self/status``, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _timed(work: Callable[[Any], Any], subject: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work(subject)
    return time.perf_counter() - started, result


def _figures(seconds: dict[str, list[float]], stage: str) -> dict[str, Any]:
    ratios = [spent / floor for spent, floor in zip(seconds[stage], seconds[FLOOR], strict=True)]
    return {
        "seconds": round(statistics.median(seconds[stage]), 4),
        "ratio_to_floor": round(statistics.median(ratios), 3),
        "seconds_of_repeats": [round(spent, 4) for spent in seconds[stage]],
    }


def _table(stages: dict[str, dict[str, Any]], title: str) -> Table:
    table = new_table(title, ("stage",), ("seconds", "x floor", "peak MiB", "beyond start MiB"))
    for stage, row in stages.items():
        memory = (f"{row['peak_mib']:.0f}", f"{row['beyond_start_mib']:.0f}")
        table.add_row(stage, f"{row['seconds']:.2f}", f"{row['ratio_to_floor']:.2f}", *memory)
    return table


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", default=FEATURES, help="features .npz")
    parser.add_argument("--limit", type=int, help="only the first images, to try the script")
    parser.add_argument("--random", type=int, nargs=2, metavar=("N", "D"), help="generated features instead")
    parser.add_argument("--k1", type=int, default=30)
    parser.add_argument("--k2", type=int, default=6)
    parser.add_argument("--eps", type=float, default=0.5, help="of DBSCAN")
    parser.add_argument("--min-samples", type=int, default=4, help="of DBSCAN")
    parser.add_argument("--linkage", type=float, default=0.5, help="least average similarity")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=50, help="rows compared with the definition; 0 for none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
