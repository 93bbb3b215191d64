"""Features of each pool item in the similarity graph, independent of the order of the items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

FEATURES = 20
"""Numbers per pool item from :func:`node_features`."""


@dataclass(frozen=True)
class GalleryGraph:
    """A batch of observations without the query's row, as float32.

    Attributes:
        to_query: Similarity of each item to the query, (B, n).
        similarity: Similarity between items, (B, n, n).
        matches: 1 where the item was answered "match", (B, n).
        others: 1 where the item was answered "no match", (B, n).
        open: 1 where the item may be picked, (B, n).
        remaining: Share of the budget left, (B, 1).
    """

    to_query: Tensor
    similarity: Tensor
    matches: Tensor
    others: Tensor
    open: Tensor
    remaining: Tensor


def gallery_graph(observation: Mapping[str, Tensor]) -> GalleryGraph:
    """Split a batch of the environment's observations, of any dtypes, into its parts."""
    similarity = observation["similarity"].float()
    feedback = observation["feedback"]
    return GalleryGraph(
        to_query=similarity[:, 0, 1:],
        similarity=similarity[:, 1:, 1:],
        matches=(feedback > 0).float(),
        others=(feedback < 0).float(),
        open=observation["action_mask"].float(),
        remaining=observation["remaining"].float(),
    )


def node_features(graph: GalleryGraph) -> Tensor:
    """Describe each pool item by its place in the graph, shape (B, n, FEATURES).

    All are between −1 and 1 and mean the same for any number of items. The last of the answered-item
    features estimates the reward's ``max_{x in X_p} d(x, g) − min_{x in X_n} d(x, g)`` from the graph.
    """
    features = torch.stack(
        [*_own(graph), *_near_answers(graph), *_near_open(graph), *_of_the_episode(graph)], dim=2
    )
    assert features.shape[2] == FEATURES
    return features


def _own(graph: GalleryGraph) -> list[Tensor]:
    """The item itself: similarity to the query, its rank, answer and mask."""
    linked = (graph.to_query > 0).float()
    return [graph.to_query, linked, _rank(graph.to_query), graph.matches, graph.others, graph.open]


def _rank(values: Tensor) -> Tensor:
    """Share of the items with a higher value, in [0, 1]; equal items share the mean of their places."""
    higher = (values[:, None, :] > values[:, :, None]).sum(dim=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(dim=2)
    return (higher + 0.5 * (equal - 1)) / values.shape[1]


def _near_answers(graph: GalleryGraph) -> list[Tensor]:
    """Similarity to the answered matches (most, mean, least) and non-matches (most, mean), and the gap."""
    to_matches = graph.similarity * graph.matches[:, None]
    to_others = graph.similarity * graph.others[:, None]
    least_match = torch.where(graph.matches[:, None] > 0, graph.similarity, 1.0).amin(dim=2)
    most_other = to_others.amax(dim=2)
    return [
        to_matches.amax(dim=2),
        to_matches.sum(dim=2) / graph.matches.sum(dim=1, keepdim=True).clamp(min=1),
        least_match,
        most_other,
        to_others.sum(dim=2) / graph.others.sum(dim=1, keepdim=True).clamp(min=1),
        most_other - least_match,
    ]


def _near_open(graph: GalleryGraph) -> list[Tensor]:
    """The item's neighbourhood: its degree, and similarity to open items (most, mean over its links)."""
    to_open = graph.similarity * graph.open[:, None]
    links = (graph.similarity > 0).float().sum(dim=2)
    return [
        links / graph.similarity.shape[1],
        to_open.amax(dim=2),
        to_open.sum(dim=2) / links.clamp(min=1),
    ]


def _of_the_episode(graph: GalleryGraph) -> list[Tensor]:
    """Shared by all items: budget left, number of answers of each kind, similarity to the query overall."""
    matches = graph.matches.sum(dim=1, keepdim=True)
    others = graph.others.sum(dim=1, keepdim=True)
    shared = [
        graph.remaining,
        matches / (matches + 1),
        others / (others + 1),
        graph.to_query.amax(dim=1, keepdim=True),
        graph.to_query.mean(dim=1, keepdim=True),
    ]
    return [value.expand_as(graph.to_query) for value in shared]
