"""Rows: one query with several candidates, for people who would rather look at five at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_al_agents.asking.batch import Batch

ROW = 5
"""Candidates of a row."""


def companions(batch: Batch, query: int, candidate: int, count: int) -> list[tuple[int, float, list[float]]]:
    """What else the group of an image could be asked about, the most worthy first.

    Args:
        batch: The groups as they stood when the question was chosen.
        query: Image of the group that asks.
        candidate: Image it asks about already.
        count: How many are wanted at most.

    Returns:
        For each the typical image of the other group, the match probability and what the match model sees.
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
