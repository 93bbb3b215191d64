"""Which pairs count as known, the batches drawn from them, and the triplets mined: against plain loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.training.triplet.known_pairs import KnownPairs
from reid_al_agents.training.triplet.mining import hardest_triplets, known_triplets, semihard_triplets
from reid_al_agents.training.triplet.objective import GroupCrossEntropy, triplet_loss
from reid_al_agents.training.triplet.sampler import sample_batches
from reid_al_agents.training.triplet.settings import TripletSettings
from reid_al_env.evidence.constraints import ConstraintGraph


@st.composite
def answered(draw):
    """A constraint graph over a few images with truthful answers about random pairs."""
    size = draw(st.integers(3, 14))
    identities = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    pairs = draw(st.lists(st.tuples(*[st.integers(0, size - 1)] * 2), max_size=25))
    graph = ConstraintGraph(size)
    for i, j in pairs:
        if i != j:
            graph.add(i, j, 1 if identities[i] == identities[j] else -1)
    return graph


def in_loops(graph):
    size = len(graph)
    relation = np.array([[graph.relation(i, j) for j in range(size)] for i in range(size)])
    np.fill_diagonal(relation, 0)
    return relation == 1, relation == -1


def usable_anchors(matches, differs):
    return {i for i in range(len(matches)) if matches[i].any() and differs[i].any()}


@settings(max_examples=100, deadline=None)
@given(answered(), st.randoms(use_true_random=False))
def test_pairs_of_a_batch_are_what_follows_from_the_answers(graph, random):
    matches, differs = in_loops(graph)
    known = KnownPairs.from_constraints(graph)
    batch = np.array(random.sample(range(len(graph)), random.randint(1, len(graph))))
    np.testing.assert_array_equal(known.matches(batch), matches[np.ix_(batch, batch)])
    np.testing.assert_array_equal(known.differs(batch), differs[np.ix_(batch, batch)])


@settings(max_examples=100, deadline=None)
@given(answered())
def test_anchors_and_participants_are_the_images_of_known_triplets(graph):
    matches, differs = in_loops(graph)
    known = KnownPairs.from_constraints(graph)
    anchors = usable_anchors(matches, differs)
    found = {image for group in known.anchors() for image in known.members(group).tolist()}
    assert found == anchors
    rivals = {j for i in anchors for j in np.flatnonzero(differs[i]).tolist()}
    assert set(known.participants().tolist()) == anchors | rivals


@settings(max_examples=60, deadline=None)
@given(answered(), st.integers(4, 10), st.integers(0, 9))
def test_batches_are_small_enough_distinct_and_full_of_known_triplets(graph, size, seed):
    matches, differs = in_loops(graph)
    known = KnownPairs.from_constraints(graph)
    options = TripletSettings(batch_size=size, images_per_group=2, rivals_per_group=1)
    batches = sample_batches(known, np.random.default_rng(seed), options)
    anchors = usable_anchors(matches, differs)
    if not anchors:
        assert next(batches, None) is None
        return
    drawn = [next(batches) for _ in range(4)]
    for batch in drawn:
        assert len(set(batch.tolist())) == len(batch) <= size
        assert usable_anchors(matches[np.ix_(batch, batch)], differs[np.ix_(batch, batch)])
    again = sample_batches(known, np.random.default_rng(seed), options)
    for batch in drawn:
        np.testing.assert_array_equal(batch, next(again))


def test_every_group_that_gives_triplets_is_drawn_before_any_comes_twice():
    graph = ConstraintGraph(24)
    for group in range(8):  # images 3g, 3g+1 match; 3g+2 is a rival
        graph.add(3 * group, 3 * group + 1, 1)
        graph.add(3 * group, 3 * group + 2, -1)
    known = KnownPairs.from_constraints(graph)
    options = TripletSettings(batch_size=6, images_per_group=2, rivals_per_group=1)
    batches = sample_batches(known, np.random.default_rng(0), options)
    seen = np.concatenate([next(batches) for _ in range(4)])
    assert sorted(seen.tolist()) == list(range(24))


def test_labels_make_every_pair_known():
    known = KnownPairs.from_labels(np.array([7, 3, 7, 9]))
    batch = np.array([0, 1, 2])
    assert known.matches(batch).tolist() == [
        [False, False, True],
        [False, False, False],
        [True, False, False],
    ]
    assert known.differs(batch).tolist() == [
        [False, True, False],
        [True, False, True],
        [False, True, False],
    ]
    assert known.anchors().tolist() == [1]  # identity 7, the only one with two images
    assert known.participants().tolist() == [0, 1, 2, 3]


@st.composite
def batches(draw):
    """Distances (B, B), and known matches and non-matches that are symmetric and exclude each other."""
    size = draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    distances = rng.random((size, size))
    known = np.triu(rng.integers(-1, 2, (size, size)), k=1)
    known += known.T
    return (
        torch.from_numpy(distances + distances.T),
        torch.from_numpy(known == 1),
        torch.from_numpy(known == -1),
    )


def triplet_loop(matches, differs):
    size = range(len(matches))
    return [(a, p, n) for a in size for p in size for n in size if matches[a, p] and differs[a, n]]


def as_list(triplets):
    return list(zip(*(part.tolist() for part in triplets), strict=True))


@settings(max_examples=100, deadline=None)
@given(batches())
def test_mining_equals_plain_loops(batch):
    distances, matches, differs = batch
    every = triplet_loop(matches, differs)
    assert as_list(known_triplets(matches, differs)) == every
    semihard = [(a, p, n) for a, p, n in every if distances[a, p] < distances[a, n] < distances[a, p] + 0.3]
    assert as_list(semihard_triplets(distances, matches, differs, 0.3)) == semihard
    hardest = {}
    for a, p, n in every:
        gap = float(distances[a, p] - distances[a, n])
        if a not in hardest or gap > hardest[a][0]:
            hardest[a] = (gap, p, n)
    assert as_list(hardest_triplets(distances, matches, differs)) == [
        (a, p, n) for a, (_, p, n) in hardest.items()
    ]


@pytest.mark.parametrize("mining", ["hardest", "semihard", "all"])
def test_triplet_loss_is_the_mean_over_violated_known_triplets(mining):
    graph = ConstraintGraph(9)
    for i, j, answer in [(0, 1, 1), (1, 2, 1), (3, 4, 1), (0, 3, -1), (0, 5, -1), (3, 6, -1), (4, 7, -1)]:
        graph.add(i, j, answer)
    matches, differs = in_loops(graph)
    features = torch.randn(9, 5, generator=torch.Generator().manual_seed(1))
    unit = (features / features.norm(dim=1, keepdim=True)).double().numpy()
    distance = np.array([[np.linalg.norm(x - y) for y in unit] for x in unit])
    triplets = triplet_loop(matches, differs)
    if mining == "hardest":
        anchors = sorted({a for a, _, _ in triplets})
        gap = lambda t: distance[t[0], t[1]] - distance[t[0], t[2]]  # noqa: E731
        triplets = [max((t for t in triplets if t[0] == a), key=gap) for a in anchors]
    elif mining == "semihard":
        triplets = [t for t in triplets if 0 < distance[t[0], t[2]] - distance[t[0], t[1]] < 0.6]
    violations = [distance[a, p] - distance[a, n] + 0.6 for a, p, n in triplets]
    violations = [value for value in violations if value > 0]
    options = TripletSettings(margin=0.6, mining=mining)
    result = triplet_loss(features, np.arange(9), KnownPairs.from_constraints(graph), options)
    assert result.active_triplets == len(violations) > 0
    assert float(result.loss) == pytest.approx(np.mean(violations), rel=1e-4)


def test_cross_entropy_is_over_groups_of_two_or_more():
    known = KnownPairs.from_labels(np.array([5, 5, 6, 8, 8]))
    torch.manual_seed(0)
    loss = GroupCrossEntropy(known, 3)
    assert loss.directions.shape == (2, 3)
    features = torch.randn(4, 3)
    batch = np.array([4, 2, 0, 1])  # the second is alone in its group
    directions = loss.directions.detach().double().numpy()
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    expected = []
    for row, target in ((0, 1), (2, 0), (3, 0)):
        x = features[row].double().numpy()
        logits = 16 * directions @ (x / np.linalg.norm(x))
        expected.append(np.log(np.exp(logits).sum()) - logits[target])
    assert float(loss(features, batch).detach()) == pytest.approx(np.mean(expected), rel=1e-4)
