"""From answers to groups: the adapted similarity, the groups to ask about, the identities to deliver."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.asking.candidates import Candidates
from reid_al_agents.asking.joins import Joins
from reid_al_agents.asking.list_length import likeliest_length
from reid_al_agents.asking.membership import membership_probabilities
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.clustering.forming import FormedGroups
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.clustering.visual_similarity import VisualSimilarity
from reid_al_agents.identities import Identities
from reid_al_env import ConstraintGraph, FeatureSet


class Grouping(NamedTuple):
    """A pool in groups.

    Attributes:
        features: The images in the space in which they are compared.
        similarities: (N, N) sparse similarities, 0 for images that are left out.
        formed: Groups of images that are assumed to show one identity each.
        sides: Which images can be compared; ``None`` where all can.
    """

    features: FeatureSet
    similarities: sparse.csr_matrix
    formed: FormedGroups
    sides: Sides | None


def group_images(
    features: FeatureSet,
    visual: VisualSimilarity,
    constraints: ConstraintGraph,
    settings: GroupSettings,
    excluded: NDArray[np.bool_],
) -> Grouping:
    """Adapt the similarities to the answers so far, and form the groups to ask about.

    Args:
        features: The images.
        visual: Their visual similarities under the present model.
        constraints: Constraints between them.
        settings: Of the groups.
        excluded: (N,) bool, images left out of all questions, each a group of its own.
    """
    if settings.adapt:
        visual = visual.adapted(constraints.groups(), likeliest_length(visual, constraints))
    kept = sparse.diags((~excluded).astype(np.float64))
    similarities = sparse.csr_matrix(kept @ visual.similarities @ kept)
    formed = Identities.form(similarities, constraints, settings.thresholds()).formed
    compared = FeatureSet(
        visual.points, features.identities, features.cameras, features.names, source=features.source
    )
    return Grouping(compared, similarities, formed, visual.sides)


@dataclass(frozen=True)
class Delivered:
    """Identities as they are delivered.

    Attributes:
        identities: The identities.
        grouping: The pool in the groups that they were formed from.
        model: The match model, fitted to the present pairs.
    """

    identities: Identities
    grouping: Grouping
    model: MatchModel

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """(N,) probability that an image shows its identity, see :func:`.membership_probabilities`."""
        features = self.grouping.features
        return membership_probabilities(
            features.features, self.grouping.similarities, self.identities, features.cameras, self.model
        )


def deliver(
    features: FeatureSet,
    visual: VisualSimilarity,
    constraints: ConstraintGraph,
    model: MatchModel,
    settings: GroupSettings,
    excluded: NDArray[np.bool_],
) -> Delivered:
    """Form the identities to deliver: groups that are likelier than not to match are one identity.

    Args:
        features: The images.
        visual: Their visual similarities under the present model.
        constraints: Constraints between them.
        model: Gives the match probabilities; a copy is fitted to the present pairs.
        settings: Of the groups.
        excluded: (N,) bool, images left out of all questions.
    """
    grouping = group_images(features, visual, constraints, settings, excluded)
    fitted = copy.copy(model)
    view = Candidates(
        grouping.features,
        grouping.similarities,
        grouping.formed,
        constraints,
        fitted,
        settings.neighbours,
        excluded,
        grouping.sides,
    )
    identities = Joins(view, grouping.formed, constraints).identities(constraints.groups())
    return Delivered(identities, grouping, fitted)
