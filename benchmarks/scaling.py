"""What grows with the number of images, for ``throughput.py``: pool tables, resets, large indexes."""

from __future__ import annotations

import resource
import statistics
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from reid_al_env import FeatureSet, ReIDActiveLearningEnv
from reid_al_env.mdp.pool import PoolTable

_CHUNK = 100_000


@dataclass(frozen=True)
class ResetCost:
    """Of one number of images.

    Args:
        images: N.
        index: FAISS factory string of the pool table.
        table_seconds: To make the environment, most of it for the pool table.
        cold_microseconds: Median reset to a query that was never one before.
        warm_microseconds: Median reset to a query that was one a moment before.
        seeded_microseconds: Median ``reset(seed=...)``, which starts a new shuffle.
    """

    images: int
    index: str
    table_seconds: float
    cold_microseconds: float
    warm_microseconds: float
    seeded_microseconds: float


def write_features(folder: Path, images: int, dimensions: int, seed: int) -> Path:
    """An ``.npy`` of float32 features, ten images an identity, with its identities beside it.

    Identities differ in sixteen directions, as trained features have far fewer of them than dimensions.
    """
    rng = np.random.default_rng(seed)
    file = folder / f"features_{images}.npy"
    identities = np.arange(images) // 10
    directions = rng.standard_normal((16, dimensions), dtype=np.float32) / 4
    traits = rng.standard_normal((identities[-1] + 1, 16), dtype=np.float32)
    features = np.lib.format.open_memmap(file, "w+", np.float32, (images, dimensions))
    for start in range(0, images, _CHUNK):
        rows = identities[start : start + _CHUNK]
        noise = rng.standard_normal((len(rows), dimensions), dtype=np.float32)
        features[start : start + _CHUNK] = traits[rows] @ directions + np.float32(0.3) * noise
    features.flush()
    np.save(folder / f"features_{images}.identities.npy", identities)
    return file


def index_for(images: int) -> str:
    """An inverted file with about a thousand images a list, four of which are searched."""
    return f"IVF{max(images // 1000, 4)},Flat;nprobe=4"


def reset_costs(files: dict[int, Path], rounds: int, seed: int) -> list[ResetCost]:
    """Resets on memory-mapped features, by number of images, a round of 25 queries of each number in turn.

    The metric is ``euclidean``: the others keep a mapped copy of the features in memory.
    """
    rng = np.random.default_rng(seed)
    envs, seconds = {}, {}
    times: dict[int, dict[str, list[float]]] = {images: defaultdict(list) for images in files}
    for images, file in files.items():
        start = time.perf_counter()
        env = ReIDActiveLearningEnv(FeatureSet.load(file), metric="euclidean", index=index_for(images))
        seconds[images], envs[images] = time.perf_counter() - start, env
        env.reset(seed=seed)
    queries = {images: rng.choice(images, (rounds, 25), replace=False).tolist() for images in files}
    for number in range(rounds):
        for images, env in envs.items():
            now = queries[images][number]
            times[images]["cold"] += [_timed(env, {"query": query}) for query in now]
            times[images]["warm"] += [_timed(env, {"query": query}) for query in now]
            times[images]["seeded"] += [_timed(env, {"query": query}, seed=query) for query in now]
    return [
        ResetCost(
            images,
            index_for(images),
            seconds[images],
            *(statistics.median(found[kind]) * 1e6 for kind in ("cold", "warm", "seeded")),
        )
        for images, found in times.items()
    ]


def _timed(env: ReIDActiveLearningEnv, options: dict[str, Any], seed: int | None = None) -> float:
    start = time.perf_counter()
    env.reset(seed=seed, options=options)
    return time.perf_counter() - start


def pool_table(images: int, dimensions: int, rounds: int, seed: int) -> dict[str, Any]:
    """Seconds of our pool table and of FAISS's own exact search for as many neighbours, in turns."""
    points = np.random.default_rng(seed).standard_normal((images, dimensions), dtype=np.float32)
    ours, faiss_alone = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        PoolTable(points, 30)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        index = faiss.IndexFlatL2(dimensions)
        index.add(points)
        index.search(points, 31)  # the image itself is among its neighbours
        faiss_alone.append(time.perf_counter() - start)
    ratios = [a / b for a, b in zip(ours, faiss_alone, strict=True)]
    return {
        "images": images,
        "dimensions": dimensions,
        "seconds": statistics.median(ours),
        "faiss_seconds": statistics.median(faiss_alone),
        "ratio": statistics.median(ratios),
    }


def large_index(file: Path, index: str, threads: int, sample: int, seed: int) -> dict[str, Any]:
    """Build a pool table on many images and compare its candidates with exact search on some of them."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    points = np.load(file, mmap_mode="r")
    start = time.perf_counter()
    table = PoolTable(points, 30, index=index)
    seconds = time.perf_counter() - start
    queries = np.random.default_rng(seed).choice(len(points), sample, replace=False)
    start = time.perf_counter()
    found = [table.candidates(int(query)) for query in queries]
    answer = (time.perf_counter() - start) / sample
    _, exact = faiss.knn(np.ascontiguousarray(points[queries]), points, 31)
    faiss.omp_set_num_threads(before)
    truth = [row[row != query][:30] for row, query in zip(exact, queries, strict=True)]
    recall = np.mean([np.isin(row, ours).mean() for row, ours in zip(truth, found, strict=True)])
    return {
        "images": len(points),
        "dimensions": points.shape[1],
        "index": index,
        "threads": threads,
        "table_seconds": seconds,
        "candidates_microseconds": answer * 1e6,
        "recall_at_30": float(recall),
        "queries_compared": sample,
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def as_rows(costs: list[ResetCost]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(cost) for cost in costs]
