"""Delivered identities and their score in plain Python: the definition that the fast code must equal.

``tests/env/test_catalogue.py`` plays random episodes and compares both after every answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

Pair = tuple[int, int]


def deliver(
    groups: int, must_links: Collection[Pair], cannot_links: Collection[Pair], joins: Sequence[Pair]
) -> list[int]:
    """Delivered identity of each group, labelled by the lowest group index in it.

    Groups connected by must-links form one identity. Then each automatic join, in the given order (most
    similar first), merges two identities, unless a cannot-link separates them.

    Args:
        groups: Number of groups.
        must_links: Pairs of groups answered "match".
        cannot_links: Pairs of groups answered "no match".
        joins: Pairs of groups that are joined automatically.
    """
    identity = list(range(groups))

    def join(a: int, b: int) -> None:
        keep, lose = sorted((identity[a], identity[b]))
        for group in range(groups):
            if identity[group] == lose:
                identity[group] = keep

    for a, b in must_links:
        join(a, b)
    for a, b in joins:
        between = {frozenset((identity[x], identity[y])) for x, y in cannot_links}
        if frozenset((identity[a], identity[b])) not in between:
            join(a, b)
    return identity


def bcubed(delivered: Sequence[int], identities: Sequence[int]) -> tuple[float, float, float]:
    """B-cubed precision, recall and F1 of delivered identities [1]_.

    The precision of an image is the share of images in its delivered identity that have its true identity.
    Its recall is the share of images of its true identity that are in its delivered identity. Both count the
    image itself. The scores are means over the images of known identity; other images are ignored.

    Args:
        delivered: Delivered identity of each image.
        identities: True identity of each image, −1 for unknown.

    References:
        .. [1] A. Bagga, B. Baldwin, "Entity-Based Cross-Document Coreferencing Using the Vector Space Model",
           COLING-ACL 1998.
    """
    images = [image for image in range(len(identities)) if identities[image] >= 0]
    precision = recall = 0.0
    for image in images:
        together = [other for other in images if delivered[other] == delivered[image]]
        same = [other for other in images if identities[other] == identities[image]]
        right = len(set(together) & set(same))
        precision += right / len(together)
        recall += right / len(same)
    precision, recall = precision / len(images), recall / len(images)
    return precision, recall, 2 * precision * recall / (precision + recall)
