"""What is proposed for images that are new to a pool: a new identity, a known one, or a merge of several."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.candidates import Candidates
from reid_al_agents.asking.delivery import deliver, group_images
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.forming import FormedGroups
from reid_al_agents.data import ImageSet
from reid_al_agents.identities import names_of_groups
from reid_al_agents.workspace.folder_identities import compare, excluded_from
from reid_al_agents.workspace.settings import RunConfig

NEW, EXTENSION, MERGE = "New", "Extension", "Merge"
KINDS = (NEW, EXTENSION, MERGE)
"""Kinds of proposal: new images alone, with one known identity, or with several."""


@dataclass(frozen=True)
class Known:
    """An identity that was known before.

    Attributes:
        number: Its number in the last export.
        name: The name that it was given; ``None`` without one.
        images: Its images, by number.
    """

    number: int
    name: str | None
    images: tuple[int, ...]


@dataclass(frozen=True)
class Proposal:
    """One identity that the new images of it would make or join; nothing of it is confirmed.

    Attributes:
        kind: :data:`NEW`, :data:`EXTENSION` or :data:`MERGE`.
        known: The known identities of which it holds most images.
        images: The new images, by number.
        moved: Single images of other identities that would come along.
        probability: Of a match with the known identity; with the least likely of several; for a new one, that
            no known identity matches.
    """

    kind: str
    known: tuple[Known, ...]
    images: tuple[int, ...]
    moved: tuple[int, ...]
    probability: float


def propose(
    pool: ImageSet,
    features: NDArray[np.float32],
    known: NDArray[np.int64],
    beliefs: Beliefs,
    config: RunConfig,
) -> list[Proposal]:
    """Form the identities of a pool that has grown, and say what those with new images are.

    Args:
        pool: The N images, the new ones last.
        features: (N, D) float32.
        known: (n,) identities of the first n images as they were before; the others are new.
        beliefs: What is known of all N images.
        config: The settings of the run or session.

    Returns:
        Merges first, then extensions, then new identities; of each the likeliest first.
    """
    points, visual = compare(pool, features, beliefs, config)
    grouping, constraints, excluded = config.grouping(), beliefs.constraints, excluded_from(pool, beliefs)
    formed = deliver(points, visual, constraints, beliefs.model, grouping, excluded).identities.groups
    seen = group_images(points, visual, constraints, grouping, excluded)
    nodes = _nodes(formed, known)
    apart = FormedGroups(nodes, nodes, np.empty((0, 2), dtype=np.int64))
    view = Candidates(
        seen.features,
        seen.similarities,
        apart,
        constraints,
        copy.copy(beliefs.model),
        grouping.neighbours,
        excluded,
        seen.sides,
    )
    names = names_of_groups({i: name for i, name in beliefs.names.items() if i < len(known)}, known)
    homes = _homes(formed, known)
    proposals = [
        _proposal(np.flatnonzero(formed == group), np.flatnonzero(homes == group), known, nodes, view, names)
        for group in np.unique(formed[len(known) :])
    ]
    order = (MERGE, EXTENSION, NEW)
    return sorted(proposals, key=lambda each: (order.index(each.kind), -each.probability, each.images))


def _homes(formed: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """The identity formed that holds most images of each known one, (K,); of equal ones the first.

    Single images may change places as the pool grows; only where the most of them go does an identity go.
    """
    shared = np.zeros((int(known.max()) + 1, int(formed.max()) + 1), dtype=np.int64)
    np.add.at(shared, (known, formed[: len(known)]), 1)
    return np.asarray(shared.argmax(axis=1), dtype=np.int64)


def _nodes(formed: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) the known identities, and the new images of each identity formed as one of their own."""
    new = formed[len(known) :] + int(known.max()) + 1
    return np.unique(np.concatenate([known, new]), return_inverse=True)[1].astype(np.int64)


def _proposal(
    members: NDArray[np.int64],
    numbers: NDArray[np.intp],
    known: NDArray[np.int64],
    nodes: NDArray[np.int64],
    view: Candidates,
    names: dict[int, str],
) -> Proposal:
    new, earlier = members[members >= len(known)], members[members < len(known)]
    own = int(nodes[new[0]])
    if len(numbers):
        joined = np.array([nodes[np.flatnonzero(known == number)[0]] for number in numbers])
        probability = float(_match(view, own, joined).min())
    else:
        near = view.candidates[own]
        near = near[np.isin(near, nodes[: len(known)])]
        probability = 1 - float(_match(view, own, near).max(initial=0.0))
    identities = tuple(
        Known(int(number), names.get(int(number)), tuple(np.flatnonzero(known == number).tolist()))
        for number in numbers
    )
    moved = earlier[~np.isin(known[earlier], numbers)]
    return Proposal(_kind(identities), identities, tuple(new.tolist()), tuple(moved.tolist()), probability)


def _match(view: Candidates, own: int, others: NDArray[np.int64]) -> NDArray[np.float64]:
    return view.match_probabilities(view.describe_pairs(np.full(len(others), own), others))


def _kind(known: Sequence[Known]) -> str:
    return NEW if not known else EXTENSION if len(known) == 1 else MERGE
