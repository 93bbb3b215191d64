"""Rank-k, mAP and mINP by the standard protocol of re-identification."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reid_al_env.errors import InputError

Metric = Literal["cosine", "euclidean"]

RANKS = 50
"""Length of the cumulative match characteristic that is kept."""

CHUNK = 128
"""Queries that are ranked at a time; memory is proportional to this and the size of the gallery."""


@dataclass(frozen=True)
class Scores:
    """How well queries find their identities in a gallery, in percent.

    Attributes:
        rank1: Share of queries whose first valid gallery image is a match.
        rank5: Share of queries with a match among the first five.
        rank10: Share of queries with a match among the first ten.
        map: Mean average precision.
        minp: Mean inverse negative penalty (Ye et al., "Deep Learning for Person Re-identification: A Survey
            and Outlook", TPAMI 2021, Eq. 6): matches divided by the rank of the last one.
        cmc: Cumulative match characteristic at ranks 1, 2, ... 50.
        queries: Number of queries that counted: those that have a match in the gallery.
    """

    rank1: float
    rank5: float
    rank10: float
    map: float
    minp: float
    cmc: tuple[float, ...]
    queries: int


@dataclass(frozen=True)
class _QueryScores:
    """One value per query that counted: rank of the first match (from 0), average precision, INP."""

    first: NDArray[np.int64]
    precision: NDArray[np.float64]
    inp: NDArray[np.float64]


def evaluate_ranking(
    features: NDArray[np.float32],
    identities: NDArray[np.int64],
    cameras: NDArray[np.int64] | None,
    query: NDArray[np.int64],
    gallery: NDArray[np.int64],
    *,
    metric: Metric = "cosine",
) -> Scores:
    """Rank the gallery for every query and score the rankings.

    The protocol is that of Zheng et al., "Scalable Person Re-identification", ICCV 2015: for each query the
    gallery images of its identity *and* camera are left out; without cameras only the query itself is.
    Gallery images of identity −1 match no query and count against a ranking, as Market-1501's distractors do
    (its junk boxes do not belong in ``gallery``). Queries without a match, or of identity −1, do not count.
    Average precision is the mean of the precisions at the matches. Equal distances are ordered by the
    gallery's indices.

    Args:
        features: (N, D) float32.
        identities: (N,) int64, −1 where unknown or a distractor.
        cameras: (N,) int64, -1 where unknown, which is no other's camera; or None.
        query: Indices of the queries.
        gallery: Indices of the gallery images, in any order.
        metric: Distance that ranks the gallery.

    Returns:
        The scores in percent.

    Raises:
        InputError: A feature is not finite, or no query has a match in the gallery.
    """
    if not np.isfinite(features[query]).all() or not np.isfinite(features[gallery]).all():
        raise InputError("features: some are not finite; expected finite numbers to rank by")
    gallery = np.unique(np.asarray(gallery, dtype=np.int64))
    query = np.asarray(query, dtype=np.int64)
    query = query[identities[query] >= 0]
    parts = []
    for chunk, distances in _distances(features, query, gallery, metric):
        matches = identities[chunk, None] == identities[gallery]
        ignored = chunk[:, None] == gallery
        if cameras is not None:
            same = (cameras[chunk, None] == cameras[gallery]) & (cameras[gallery] >= 0)
            ignored |= matches & same
        parts.append(_score_chunk(distances, matches, ignored))
    return _summarise(parts, len(query))


def _distances(
    features: NDArray[np.float32], query: NDArray[np.int64], gallery: NDArray[np.int64], metric: Metric
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield chunks of queries with their distances (chunk, gallery); those of 'euclidean' are squared."""
    kept = features[gallery]
    kept = _unit(kept) if metric == "cosine" else kept
    lengths = np.einsum("ij,ij->i", kept, kept)
    for start in range(0, len(query), CHUNK):
        chunk = query[start : start + CHUNK]
        rows = features[chunk]
        rows = _unit(rows) if metric == "cosine" else rows
        # The query's own squared length is the same for the whole gallery, so it does not change the order.
        yield chunk, lengths - 2 * (rows @ kept.T)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit


def _score_chunk(
    distances: NDArray[np.float32], matches: NDArray[np.bool_], ignored: NDArray[np.bool_]
) -> _QueryScores:
    """Score rankings of a gallery.

    Args:
        distances: (queries, gallery).
        matches: (queries, gallery) whether the identities are equal.
        ignored: (queries, gallery) whether the image is left out of the query's ranking.

    Returns:
        Scores of those queries that have a match.
    """
    order = np.argsort(distances, axis=1, kind="stable")
    kept = ~np.take_along_axis(ignored, order, axis=1)
    hits = np.take_along_axis(matches, order, axis=1) & kept
    counts = hits.sum(axis=1)
    hits, kept, counts = hits[counts > 0], kept[counts > 0], counts[counts > 0]
    ranks = np.cumsum(kept, axis=1)  # rank from 1 among those kept
    found = np.cumsum(hits, axis=1)
    precision = np.where(hits, found / np.maximum(ranks, 1), 0.0).sum(axis=1) / counts
    first = np.take_along_axis(ranks, hits.argmax(axis=1)[:, None], axis=1)[:, 0] - 1
    last = np.where(hits, ranks, 0).max(axis=1, initial=1)
    return _QueryScores(first, precision, counts / last)


def _summarise(parts: list[_QueryScores], asked: int) -> Scores:
    first = np.concatenate([part.first for part in parts]) if parts else np.empty(0, dtype=np.int64)
    if not len(first):
        raise InputError(
            f"evaluation: none of the {asked} queries has a match in the gallery; expected gallery images "
            "of the queries' identities from other cameras"
        )
    cmc = 100 * np.cumsum(np.bincount(first, minlength=RANKS))[:RANKS] / len(first)
    precision = np.concatenate([part.precision for part in parts])
    inp = np.concatenate([part.inp for part in parts])
    return Scores(
        rank1=float(cmc[0]),
        rank5=float(cmc[4]),
        rank10=float(cmc[9]),
        map=float(100 * precision.mean()),
        minp=float(100 * inp.mean()),
        cmc=tuple(cmc.tolist()),
        queries=len(first),
    )
