"""Choose triplets of a batch among pairs that are known."""

import torch
from torch import Tensor

Triplets = tuple[Tensor, Tensor, Tensor]
"""Places in the batch of anchors, positives and negatives, each (T,) int64."""


def known_triplets(matches: Tensor, differs: Tensor) -> Triplets:
    """List every triplet of which both pairs are known.

    Args:
        matches: (B, B) bool, whether a pair is known to match.
        differs: (B, B) bool, whether a pair is known to differ.
    """
    anchors, positives, negatives = torch.where(matches[:, :, None] & differs[:, None, :])
    return anchors, positives, negatives


def hardest_triplets(distances: Tensor, matches: Tensor, differs: Tensor) -> Triplets:
    """Pair every anchor with its farthest known match and its nearest known non-match.

    Batch-hard mining (Hermans et al., "In Defense of the Triplet Loss", arXiv:1703.07737, Eq. 5), restricted
    to known pairs. Anchors that lack either give no triplet.

    Args:
        distances: (B, B) of the batch's features.
        matches: (B, B) bool.
        differs: (B, B) bool.
    """
    anchors = torch.where(matches.any(dim=1) & differs.any(dim=1))[0]
    infinity = torch.finfo(distances.dtype).max
    positives = distances.masked_fill(~matches, -infinity).argmax(dim=1)
    negatives = distances.masked_fill(~differs, infinity).argmin(dim=1)
    return anchors, positives[anchors], negatives[anchors]


def semihard_triplets(distances: Tensor, matches: Tensor, differs: Tensor, margin: float) -> Triplets:
    """List the known triplets whose negative is farther than the positive, but by less than ``margin``.

    Schroff et al., "FaceNet", CVPR 2015, Sec. 3.2.
    """
    a, p, n = known_triplets(matches, differs)
    slack = distances[a, n] - distances[a, p]
    kept = (slack > 0) & (slack < margin)
    return a[kept], p[kept], n[kept]
