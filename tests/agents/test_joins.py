"""Identities by match probability, and questions by what their answers would change."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from asking_world import Simulation
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.asking.delivery import deliver
from reid_al_agents.asking.joins import LIKELY, Joins
from reid_al_agents.asking.value import expected_change
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.clustering.forming import Closure, FormedGroups, form_groups
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.clustering.whitening import SHRINKAGE, principal_components, whiten_within
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_env import ConstraintGraph, FeatureSet
from reid_al_env.groups import Groups
from reid_al_env.synthetic import synthetic_features


class View:
    """Groups of images with given match probabilities of some pairs."""

    def __init__(self, labels, probabilities):
        features = np.random.default_rng(0).normal(size=(len(labels), 12)).astype(np.float32)
        self.groups = Groups(FeatureSet(features), labels)
        self.pairs = np.array(sorted(probabilities), dtype=np.int64).reshape(-1, 2)
        self.pair_probabilities = np.array([probabilities[tuple(pair)] for pair in self.pairs.tolist()])
        self.pair_open = self.pair_probabilities > 0


def formed(labels):
    return FormedGroups(labels, labels, np.empty((0, 2), dtype=np.int64))


def joined_by_hand(labels, probabilities, differ):
    """The two parts of highest average probability are joined, again and again, down to ½."""
    sizes = np.bincount(labels)
    parts = [frozenset([group]) for group in range(len(sizes))]

    def average(ours, theirs):
        total = sum(
            probabilities.get((min(a, b), max(a, b)), 0.0) * sizes[a] * sizes[b] for a in ours for b in theirs
        )
        return total / (sizes[list(ours)].sum() * sizes[list(theirs)].sum())

    while True:
        found = [
            (average(ours, theirs), ours, theirs)
            for ours, theirs in combinations(parts, 2)
            if not any((min(a, b), max(a, b)) in differ for a in ours for b in theirs)
        ]
        best = max(found, key=lambda each: each[0], default=(0.0, None, None))
        if best[0] < LIKELY:
            return set(parts)
        parts = [part for part in parts if part not in best[1:]] + [best[1] | best[2]]


@st.composite
def worlds(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=7))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    pairs = list(combinations(range(len(sizes)), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    probabilities = {pair: float(rng.uniform(0.01, 0.99)) for pair in chosen}
    differ = set(draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3)))
    return labels, probabilities, differ


def joins_of(labels, probabilities, differ=()):
    constraints = ConstraintGraph(len(labels))
    for a, b in differ:
        constraints.add(int(np.argmax(labels == a)), int(np.argmax(labels == b)), -1)
    view = View(labels, probabilities)
    return view, Joins(view, formed(labels), constraints)


@settings(max_examples=150)
@given(worlds())
def test_identities_are_average_linkage_over_match_probabilities(world):
    labels, probabilities, differ = world
    view, joins = joins_of(*world)
    delivered = joins.identities(np.arange(len(labels))).groups
    parts = {}
    for group in range(len(view.groups)):
        parts.setdefault(int(delivered[view.groups.typical[group]]), set()).add(group)
    assert {frozenset(part) for part in parts.values()} == joined_by_hand(labels, probabilities, differ)


@settings(max_examples=150)
@given(worlds())
def test_each_identity_is_in_one_question_and_the_greatest_change_comes_first(world):
    labels, _, differ = world
    view, joins = joins_of(*world)
    delivered = joins.identities(np.arange(len(labels))).groups[view.groups.typical]
    asked = list(joins.comparisons())
    gains = [comparison.gain for comparison in asked]
    assert gains == sorted(gains, reverse=True)
    assert all(each.a != each.b for each in asked)
    assert all((delivered[each.a] == delivered[each.b]) == each.joined for each in asked)
    between = [each for each in asked if not each.joined]
    seen = [int(delivered[group]) for each in between for group in (each.a, each.b)]
    assert len(seen) == len(set(seen))
    assert not {(min(each.a, each.b), max(each.a, each.b)) for each in between} & differ


def test_a_question_by_hand():
    """Groups of 3, 2, 1 and 1 images; the first two are joined at .8, the others are likely apart."""
    labels = np.repeat(np.arange(4), [3, 2, 1, 1])
    _, joins = joins_of(labels, {(0, 1): 0.8, (2, 3): 0.4, (1, 2): 0.1})
    first, second = joins.comparisons()
    assert (first.a, first.b, first.joined) == (0, 1, True)
    assert first.gain == pytest.approx(0.2 * 2 * 3 * 2 / 5)
    assert (second.a, second.b, second.joined) == (2, 3, False)
    assert second.gain == pytest.approx(0.4)


@given(st.integers(1, 8), st.integers(1, 8), st.booleans())
def test_the_change_is_what_b_cubed_is_short_of(size, other, same):
    """Of an identity delivered in two parts, or of two identities delivered as one."""
    parts = np.repeat([0, 1], [size, other])
    whole = np.zeros(size + other, dtype=np.int64)
    delivered, truth = (parts, whole) if same else (whole, parts)
    f1 = evaluate_groups(delivered, truth).bcubed_f1
    images = expected_change(1.0 if same else 0.0, not same, size, other)
    share = 1 - images / (size + other)
    assert f1 == pytest.approx(2 * share / (1 + share))  # of precision and recall, one is 1


def test_a_closure_of_groups_joins_their_images_and_keeps_what_differs():
    constraints = ConstraintGraph(5)
    constraints.add(0, 4, -1)
    closure = Closure.of_groups(constraints, np.array([0, 0, 1, 1, 2]))
    assert closure.groups().tolist() == [0, 0, 1, 1, 2]
    assert not closure.may_join(0, 2)
    closure.join(0, 1)
    assert not closure.may_join(1, 2)
    assert closure.groups().tolist() == [0, 0, 0, 0, 1]


def whitened_by_hand(points, matched):
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    units = units - units.mean(axis=0)
    axes = np.linalg.svd(units, full_matrices=False)[2][: min(128, points.shape[1], len(points) // 4)]
    components = units @ axes.T
    covariance = np.zeros((len(axes), len(axes)))
    for label in set(matched.tolist()):
        members = components[matched == label]
        for row in members if len(members) > 1 else ():
            covariance += np.outer(row - members.mean(axis=0), row - members.mean(axis=0))
    covariance *= len(axes) / np.trace(covariance)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.eye(len(axes))
    return components @ np.linalg.inv(np.linalg.cholesky(covariance)).T


@pytest.mark.parametrize("count", [40, 90])
def test_whitening_is_by_the_covariance_within_matches(count):
    rng = np.random.default_rng(count)
    points = rng.normal(size=(count, 16)).astype(np.float32)
    matched = rng.integers(count // 3, size=count)
    found = whiten_within(principal_components(points), matched)
    by_hand = whitened_by_hand(points.astype(np.float64), matched)
    # equal but for a rotation, so all inner products agree
    np.testing.assert_allclose(found @ found.T, by_hand @ by_hand.T, atol=2e-4)


def test_whitening_needs_matches_images_and_directions():
    points = np.random.default_rng(0).normal(size=(60, 12)).astype(np.float32)
    components = principal_components(points)
    assert principal_components(points[:30]) is None
    assert principal_components(points[:, :4]) is None
    assert whiten_within(components, np.arange(60)) is None
    equal = principal_components(np.repeat(points[:2], 30, axis=0))
    assert whiten_within(equal, np.repeat([0, 1], 30)) is None
    assert whiten_within(components, np.arange(60) // 2).shape == (60, 12)


def test_adapted_to_matches_the_views_of_one_identity_come_nearer():
    """Two cameras that turn features in one way for all; matches of some show how, for the others too."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(60, 16))
    other = centres.copy()
    other[:, :3] += 4 * rng.normal(size=(60, 3))
    points = np.concatenate([centres, other]).astype(np.float32)
    matched = np.arange(120)
    matched[60:90] = np.arange(30)
    plain = compare_visually(points, None)
    adapted = plain.adapted(matched, plain.k1)

    def found(visual):
        near = visual.near[30:60, 1:6]
        return np.mean([row + 90 in line for row, line in enumerate(near)])

    assert found(adapted) > found(plain) + 0.15
    assert plain.adapted(np.arange(120), plain.k1) is plain


def delivered(simulation, excluded=()):
    gone = np.isin(np.arange(len(simulation.features)), list(excluded))
    return deliver(
        simulation.features,
        simulation.visual,
        simulation.constraints,
        simulation.beliefs.model,
        simulation.settings,
        gone,
    )


def test_what_is_delivered_follows_from_the_events_alone_and_changes_nothing():
    features = synthetic_features(20, 6, noise=0.6, seed=2)
    simulation = Simulation(features, seed=1).ask(60)
    model = replace(simulation.beliefs.model)
    before = delivered(simulation)
    again = Simulation(features, seed=5, before=simulation)
    after = delivered(again)
    assert (before.identities.groups == after.identities.groups).all()
    np.testing.assert_allclose(before.probabilities, after.probabilities)
    assert simulation.beliefs.model == model
    alone = np.bincount(before.identities.groups)[before.identities.groups] == 1
    assert (np.isnan(before.probabilities) == alone).all()
    assert ((before.probabilities[~alone] > 0) & (before.probabilities[~alone] <= 1)).all()


def test_an_image_that_is_left_out_is_an_identity_alone():
    features = synthetic_features(12, 6, noise=0.3, seed=2)
    simulation = Simulation(features).ask(20)
    whole = delivered(simulation).identities.groups
    unmatched = simulation.constraints.groups()
    candidates = [
        image
        for image in range(len(features))
        if np.sum(unmatched == unmatched[image]) == 1 and np.sum(whole == whole[image]) > 1
    ]
    image = candidates[0]
    left = delivered(simulation, [image]).identities.groups
    assert np.sum(left == left[image]) == 1


def test_pairs_of_images_are_not_heaped_together_because_market_has_seventeen():
    """Two images an identity: answers show that few pairs match, and the identities follow at once."""
    features = synthetic_features(120, 2, noise=0.45, seed=4)
    new = Simulation(features, seed=0).ask(24)
    old = Simulation(features, "gain-v1", seed=0, batch_share=0.025, adapt=False).ask(24)
    looks = compare_visually(features.features, features.cameras, 20, 4)
    fixed = form_groups(looks.similarities, old.constraints, 0.5, 0.2).groups  # the thresholds of version 0.1
    assert new.score() > evaluate_groups(fixed, features.identities).bcubed_f1 + 0.1


def test_the_model_gives_the_guess_as_much_weight_where_matches_are_likely():
    """A few answers about doubtful pairs must not undo the joins that are all but sure."""
    rng = np.random.default_rng(0)
    described = np.zeros((2000, 10))
    described[:, 1] = np.concatenate([rng.uniform(0, 0.3, 1950), rng.uniform(0.75, 1.0, 50)])
    model = MatchModel()
    for _ in range(8):
        doubtful = np.zeros(10)
        doubtful[1] = 0.5
        model.add(doubtful, 0.5, -1)
    model.fit(described)
    sure = np.zeros((1, 10))
    sure[0, 1] = 0.95
    assert model.probabilities(sure)[0] > 0.5
