"""The length of the neighbour lists that fits a pool, by the answers."""

from __future__ import annotations

import numpy as np

from reid_al_agents.beliefs.match_model import first_guess
from reid_al_agents.clustering.visual_similarity import VisualSimilarity
from reid_al_env import ConstraintGraph

_STEPS = range(-3, 4)  # half octaves: lists up to 2.8 times shorter and longer
_SHARE = 6  # of a pool, that lists hold at most
_SHORTEST = 2


def likeliest_length(visual: VisualSimilarity, constraints: ConstraintGraph) -> int:
    """Choose k1, the length of the neighbour lists, by the answers so far.

    Lists should hold about as many neighbours as an identity has images: longer ones make different
    identities similar, shorter ones split an identity. How many images that is differs from pool to pool and
    is not known beforehand, but shows soon. Each length gives every answered pair a probability of a match,
    the first guess by its Jaccard similarity. The length is the most probable one, given the answers and a
    prior ``exp(−log₂²(k1 / k1₀))`` about the length k1₀ of ``visual``.

    Args:
        visual: Similarities by the usual length.
        constraints: Constraints between the images, with the answers.

    Returns:
        One of seven lengths, half an octave apart, about ``visual.k1``; that one where there is no answer.
    """
    pairs = constraints.asked_pairs()
    relation = np.array([constraints.relation(i, j) for i, j in pairs.tolist()], dtype=np.int64)
    pairs, matched = pairs[relation != 0], relation[relation != 0] > 0
    if not len(pairs):
        return visual.k1

    def log_posterior(length: int) -> float:
        match = first_guess(np.sqrt(visual.of_pairs(pairs, length)))
        likelihood = np.log(np.where(matched, match, 1 - match)).sum()
        return float(likelihood - np.log2(length / visual.k1) ** 2)

    return max(_lengths(visual), key=log_posterior)


def _lengths(visual: VisualSimilarity) -> list[int]:
    """The lengths to choose from; the usual one first, which wins ties."""
    longest = max(visual.k1, min(len(visual.points) // _SHARE, visual.near.shape[1]))
    lengths = {round(visual.k1 * 2 ** (step / 2)) for step in _STEPS}
    others = {length for length in lengths if _SHORTEST <= length <= longest} - {visual.k1}
    return [visual.k1, *sorted(others)]
