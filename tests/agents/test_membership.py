"""The probability that an image belongs to its identity."""

import numpy as np
import pytest
from live_world import pool

from reid_al_agents.asking.candidates import Candidates
from reid_al_agents.asking.membership import membership_probabilities
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.clustering.forming import FormedGroups
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.identities import Identities
from reid_al_env import ConstraintGraph, FeatureSet


class Recorder(MatchModel):
    """Keeps the described pairs and is not refitted."""

    def probabilities(self, described):
        self.last = described
        return super().probabilities(described)

    def fit(self, seen=None):
        pass


def world(matches=(), wrong=()):
    """A pool in its true identities but for ``wrong`` (image, identity), the images of ``matches`` joined."""
    made = pool(8, 5)
    order = np.argsort(made.identities, kind="stable")
    features = FeatureSet(
        made.features[order], made.identities[order], made.cameras[order], made.names[order]
    )
    known = ConstraintGraph(len(features))
    for i, j in matches:
        known.add(i, j, 1)
    groups = features.identities.copy()
    for image, identity in wrong:
        groups[image] = identity
    visual = compare_visually(features.features, features.cameras)
    empty = np.empty((0, 2), dtype=np.int64)
    identities = Identities(FormedGroups(groups, groups, empty), known.groups())
    return features, visual, identities


def test_the_pair_of_an_image_and_the_rest_of_its_identity_is_described_as_pairs_of_groups_are():
    features, visual, identities = world(matches=[(0, 1), (1, 2)])
    model = Recorder()
    membership_probabilities(visual.points, visual.similarities, identities, features.cameras, model)
    mine = model.last
    for image in (3, 12, 39):
        group = identities.groups[image]
        members = np.flatnonzero(identities.groups == group)
        rest = [0, 1, 2] if group == 0 else [each for each in members if each != image]
        # The image as a group of its own, the rest as another, and what is left of its identity alone.
        labels = identities.groups.copy()
        labels[image] = 8
        for number, other in enumerate(set(members) - {image, *rest}):
            labels[other] = 9 + number
        candidates = Candidates(
            FeatureSet(visual.points, features.identities, features.cameras, features.names),
            visual.similarities,
            FormedGroups(labels, labels, np.empty((0, 2), dtype=np.int64)),
            ConstraintGraph(len(features)),
            model,
            neighbours=len(features),
        )
        wanted = candidates.describe_pairs(np.array([8]), np.array([group]))[0]
        exact = [0, 1, 2, 7, 8, 9]  # the others compare with the best of the other groups, which here are cut
        np.testing.assert_allclose(mine[image][exact], wanted[exact], rtol=1e-5, atol=1e-6)
        if group != 0:
            np.testing.assert_allclose(mine[image], wanted, rtol=1e-5, atol=1e-6)


def test_an_image_of_another_identity_is_the_least_probable_of_its_group_confirmed_or_not():
    for matches in ([], [(0, 1), (1, 2)], [(0, 20), (0, 1), (1, 2), (2, 3), (3, 4)]):
        features, visual, identities = world(matches, wrong=[(20, 0)])
        found = membership_probabilities(
            visual.points, visual.similarities, identities, features.cameras, MatchModel()
        )
        group = np.flatnonzero(identities.groups == 0)
        assert group[np.argmin(found[group])] == 20
        assert found[20] < 0.5 < found[[0, 1, 2]].min()


def test_images_that_stand_alone_have_no_probability():
    _, visual, identities = world(wrong=[(0, 8)])
    found = membership_probabilities(visual.points, visual.similarities, identities, None, MatchModel())
    assert np.flatnonzero(np.isnan(found)).tolist() == [0]
    assert ((found[1:] >= 0) & (found[1:] <= 1)).all()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_nothing_depends_on_the_order_of_the_images(share):
    features, visual, identities = world(matches=[(0, 1)] if share else [])
    found = membership_probabilities(
        visual.points, visual.similarities, identities, features.cameras, MatchModel()
    )
    order = np.random.default_rng(1).permutation(len(features))
    back = np.argsort(order)
    known = ConstraintGraph(len(features))
    if share:
        known.add(int(back[0]), int(back[1]), 1)
    groups = identities.groups[order]
    formed = FormedGroups(groups, groups, np.empty((0, 2), dtype=np.int64))
    shuffled = membership_probabilities(
        visual.points[order],
        visual.similarities[order][:, order],
        Identities(formed, known.groups()),
        features.cameras[order],
        MatchModel(),
    )
    np.testing.assert_allclose(shuffled, found[order], rtol=1e-5)
