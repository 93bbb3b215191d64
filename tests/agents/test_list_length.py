"""The length of the neighbour lists, chosen by the answers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.asking.delivery import group_images
from reid_al_agents.asking.list_length import likeliest_length
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.clustering.jaccard import jaccard_similarities
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_env import ConstraintGraph, synthetic_features


def answered(features, visual, count, seed=0):
    """True answers about pairs of near images."""
    rng = np.random.default_rng(seed)
    constraints = ConstraintGraph(len(features))
    for image in rng.choice(len(features), count):
        other = int(rng.choice(visual.near[image, 1:40]))
        truth = 1 if features.identities[image] == features.identities[other] else -1
        constraints.add(int(image), other, truth)
    return constraints


@settings(max_examples=25, deadline=None)
@given(st.integers(12, 60), st.integers(2, 14), st.integers(0, 2**16))
def test_similarities_of_pairs_are_those_of_all_images(count, k1, seed):
    features = synthetic_features(count // 4, 4, dimensions=8, noise=0.5, seed=seed).features
    visual = compare_visually(features, None, 10, 3)
    k1 = min(k1, len(features))
    pairs = np.random.default_rng(seed).integers(0, len(features), (30, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    found = visual.of_pairs(pairs, k1)
    expected = np.asarray(jaccard_similarities(visual.points, k1, min(visual.k2, k1))[tuple(pairs.T)]).ravel()
    assert (found >= 0).all()
    assert (found <= 1).all()
    stored = expected > 0
    np.testing.assert_allclose(found[stored], expected[stored], atol=1e-5)


@pytest.mark.parametrize(("each", "shorter"), [(2, True), (45, False)])
def test_lists_come_to_fit_the_number_of_images_of_an_identity(each, shorter):
    """A dozen answers are enough; more do not lead away from it again."""
    features = synthetic_features(360 // each, each, noise=0.6, seed=1)
    visual = compare_visually(features.features, features.cameras, 14, 4)
    for count in (12, 40, 200):
        length = likeliest_length(visual, answered(features, visual, count))
        assert length < 14 if shorter else length > 14


def test_the_length_is_the_most_probable_one_by_plain_loops():
    features = synthetic_features(30, 10, noise=0.6, seed=4)
    visual = compare_visually(features.features, features.cameras, 14, 4)
    constraints = answered(features, visual, 25)
    constraints.add(0, 299, 0)  # "can't tell" says nothing

    def log_posterior(length):
        total = -(math.log2(length / 14) ** 2)
        for i, j in constraints.asked_pairs().tolist():
            relation = constraints.relation(i, j)
            similarity = float(visual.of_pairs(np.array([[i, j]]), length)[0])
            match = 1 / (1 + math.exp(3 - 6 * math.sqrt(similarity)))
            total += math.log(match if relation > 0 else 1 - match) if relation else 0.0
        return total

    lengths = [5, 7, 10, 14, 20, 28, 40]
    best = max(lengths, key=log_posterior)
    assert likeliest_length(visual, constraints) == best
    assert best != min(lengths, key=log_posterior)


def test_without_answers_and_in_small_pools_lists_stay_as_they_are_or_short():
    features = synthetic_features(6, 5, seed=0)
    visual = compare_visually(features.features, features.cameras, 14, 4)
    assert visual.k1 == 5  # a sixth of the pool
    assert likeliest_length(visual, ConstraintGraph(30)) == 5
    every = ConstraintGraph(30)
    for i in range(30):
        for j in range(i):
            every.add(i, j, 1 if features.identities[i] == features.identities[j] else -1)
    assert likeliest_length(visual, every) <= 5


def test_groups_are_formed_from_lists_of_that_length():
    features = synthetic_features(180, 2, noise=0.6, seed=1)
    visual = compare_visually(features.features, features.cameras, 14, 4)
    constraints, nothing = answered(features, visual, 40), np.zeros(360, dtype=bool)
    length = likeliest_length(visual, constraints)
    adapted = visual.adapted(constraints.groups(), length)
    assert adapted.k1 == length < 14
    found = group_images(features, visual, constraints, GroupSettings(), nothing).similarities
    assert (found != adapted.similarities).nnz == 0
    fixed = group_images(features, visual, constraints, GroupSettings(adapt=False), nothing).similarities
    assert (fixed != visual.similarities).nnz == 0


def test_lists_of_another_length_need_no_matches():
    features = synthetic_features(30, 10, seed=2)
    visual = compare_visually(features.features, features.cameras, 14, 4)
    plain = visual.adapted(np.arange(300), 7)
    wanted = compare_visually(features.features, features.cameras, 7, 4)
    assert (plain.similarities != wanted.similarities).nnz == 0
    assert visual.adapted(np.arange(300), 14) is visual
