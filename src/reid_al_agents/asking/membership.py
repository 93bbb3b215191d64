"""How probably an image belongs to its identity, by what it looks like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.beliefs.match_model import PAIR_FEATURES, MatchModel
from reid_al_agents.identities import Identities

LEAST = 0.003
"""Average Jaccard similarity below which pairs are alike to the match model, as in :class:`.Candidates`."""

_SIZE, _CAMERA = PAIR_FEATURES.index("log_larger"), PAIR_FEATURES.index("shared_camera")


def membership_probabilities(
    points: NDArray[np.float32],
    similarities: sparse.csr_matrix,
    identities: Identities,
    cameras: NDArray[np.int64] | None,
    model: MatchModel,
) -> NDArray[np.float64]:
    """Probability that each image belongs to its identity: that of a match with the rest of it.

    The rest are the identity's other confirmed images, or all its other images where none is confirmed. An
    image that was confirmed gets a probability, too, as if it had not been: a low one asks for a second look.

    Args:
        points: (N, D) the images in the space in which they are compared.
        similarities: (N, N) the similarities that the identities were formed from.
        identities: The identities to deliver.
        cameras: (N,) camera of each image, -1 where unknown; ``None`` without cameras.
        model: Match model.

    Returns:
        (N,) in [0, 1]; NaN for images that stand alone.
    """
    groups = identities.groups
    found = np.full(len(groups), np.nan)
    images = np.flatnonzero(np.bincount(groups)[groups] > 1)
    if len(images):
        core = _core(identities)
        rest = np.bincount(groups[core], minlength=groups.max() + 1)[groups] - core
        described = _describe(points, similarities, groups, core)
        described[images, _SIZE] = np.log(rest[images])
        described[:, _CAMERA] = _shares_camera(groups, core, cameras)
        found[images] = model.probabilities(described[images])
    return found


def _describe(
    points: NDArray[np.float32],
    similarities: sparse.csr_matrix,
    groups: NDArray[np.int64],
    core: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(N, F) features of the pairs of each image and the rest of its identity, but for sizes and cameras.

    They are those of :meth:`.Candidates.describe_pairs`. The rows of images that stand alone have no meaning.
    """
    count, chosen = len(groups), np.flatnonzero(core)
    entries = np.ones(len(chosen), dtype=np.float32)
    member = sparse.csr_matrix((entries, (chosen, groups[chosen])), shape=(count, groups.max() + 1))
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    totals = np.asarray(member.T @ units)
    diagonal = np.where(core, similarities.diagonal(), 0.0)
    itself = sparse.csr_matrix((diagonal, (np.arange(count), groups)), shape=member.shape)
    sums = sparse.coo_matrix(similarities @ member - itself)
    sizes = np.bincount(groups[core], minlength=member.shape[1])
    home = sums.col == groups[sums.row]
    jaccard = np.zeros(count)
    jaccard[sums.row[home]] = sums.data[home] / np.maximum(sizes[groups] - core, 1)[sums.row[home]]
    cosine = _cosines(units, totals[groups] - core[:, None] * units)

    def best(
        pairs: sparse.coo_matrix, left: NDArray[np.float32], weights: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of each row, the highest average Jaccard similarity and cosine with another identity."""
        highest = np.zeros(pairs.shape[0]), np.full(pairs.shape[0], -1.0)
        average = pairs.data / (weights[pairs.row] * sizes[pairs.col])
        np.maximum.at(highest[0], pairs.row, average)
        np.maximum.at(highest[1], pairs.row, _cosines(left[pairs.row], totals[pairs.col]))
        return highest

    ours = best(_entries(sums, ~home), units, np.ones(count, dtype=np.int64))
    between = sparse.coo_matrix(member.T @ similarities @ member)
    theirs = best(_entries(between, between.row != between.col), totals, sizes)
    bests = [np.stack([ours[kind], theirs[kind][groups]]) for kind in (0, 1)]
    shares = jaccard / np.maximum(np.maximum(bests[0], jaccard), LEAST)
    gaps = cosine - np.maximum(bests[1], cosine)
    described = np.zeros((count, len(PAIR_FEATURES)))
    likeness = [cosine, np.sqrt(jaccard), np.log(jaccard + LEAST)]
    extremes = [part for pair in (shares, gaps) for part in (pair.min(axis=0), pair.max(axis=0))]
    described[:, :7] = np.stack([*likeness, *extremes], axis=1)
    return described


def _entries(matrix: sparse.coo_matrix, kept: NDArray[np.bool_]) -> sparse.coo_matrix:
    places = matrix.row[kept], matrix.col[kept]
    return sparse.coo_matrix((matrix.data[kept], places), shape=matrix.shape)


def _core(identities: Identities) -> NDArray[np.bool_]:
    """(N,) the images that speak for their identity: the confirmed ones, or all where none is confirmed."""
    groups, confirmed = identities.groups, identities.confirmed
    any_confirmed = np.zeros(int(groups.max()) + 1, dtype=bool)
    any_confirmed[groups[confirmed]] = True
    return np.asarray(confirmed | ~any_confirmed[groups])


def _cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.einsum("nd,nd->n", a, b) / np.maximum(lengths, 1e-12), dtype=np.float64)


def _shares_camera(
    groups: NDArray[np.int64], core: NDArray[np.bool_], cameras: NDArray[np.int64] | None
) -> NDArray[np.bool_]:
    """(N,) whether an image of the rest of its identity is from the same camera."""
    if cameras is None:
        return np.zeros(len(groups), dtype=bool)
    known = cameras >= 0
    key = groups * (int(cameras.max(initial=0)) + 1) + np.maximum(cameras, 0)
    seen = np.bincount(key[known & core], minlength=int(key.max()) + 1)
    return np.asarray(known & (seen[key] - (core & known) > 0))
