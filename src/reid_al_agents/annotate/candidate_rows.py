"""Rows: one query with several candidates, for annotators who prefer to see five at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_al_agents.asking.batch import Batch

ROW = 5
"""Number of candidates of a row."""


def companions(batch: Batch, query: int, candidate: int, count: int) -> list[tuple[int, float, list[float]]]:
    """Further candidates for the group of a query image, in descending order of expected gain.

    Args:
        batch: The batch that the question came from.
        query: The query image.
        candidate: The candidate of its question.
        count: Largest number of candidates.

    Returns:
        For each candidate its typical image, the match probability, and the pair's features.
    """
    view = batch.view
    labels = view.groups.labels
    group, taken = int(labels[query]), int(labels[candidate])
    order = np.argsort(-view.gain[group], kind="stable")
    others: list[Any] = [
        int(view.candidates[group, place])
        for place in order
        if view.gain[group, place] > 0 and view.candidates[group, place] not in (taken, group)
    ][:count]
    if not others:
        return []
    described = view.describe_pairs(np.full(len(others), group), np.array(others))
    probabilities = view.match_probabilities(described)
    return [
        (shown, float(probability), line.tolist())
        for other, probability, line in zip(others, probabilities, described, strict=True)
        if (shown := view.facing(query, other)) is not None
    ]
