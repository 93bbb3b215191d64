"""The kernel equals the specification in plain loops, state by state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, Inquiry, synthetic_features
from reid_al_env.mdp.graph import k_reciprocal, node_distances
from reid_al_env.mdp.specification import Episode, nearest_images, reciprocal_nodes, scaled_distances

# Small whole numbers: sums of squares are exact in any order, and ties and duplicates abound.
features_strategy = st.integers(6, 14).flatmap(
    lambda count: st.lists(
        st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any), min_size=count, max_size=count
    )
)


class Scripted:
    """Answers from a fixed table."""

    def __init__(self, table):
        self.table = table

    def answer(self, queries, galleries):
        return self.table[queries, galleries]


def build(features, pool_size, budget, k, empty="neutral", size=1, oracle=None, constraints=None, **more):
    settings_ = EpisodeSettings(
        pool_size, budget, k, 0.2, more.pop("metric", "euclidean"), empty_negatives=empty, **more
    )
    return Inquiry(features, settings_, oracle, constraints, size)


@settings(max_examples=150, deadline=None)
@given(
    rows=features_strategy,
    k=st.integers(1, 8),
    pool=st.integers(2, 12),
    budget=st.integers(1, 8),
    empty=st.sampled_from(["neutral", "farthest"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_specification(rows, k, pool, budget, empty, seed):
    """Pool, distances, graph after every answer, rewards, mask and end, with invalid and undecided picks."""
    rng = np.random.default_rng(seed)
    features = FeatureSet(np.array(rows, dtype=np.float32), np.zeros(len(rows), dtype=int))
    pool = min(pool, len(rows) - 1)
    answers = rng.choice([-1, -1, 1, 1, 0], size=(len(rows), len(rows))).astype(np.int8)
    inquiry = build(features, pool, budget, k, empty, oracle=Scripted(answers))
    query = int(rng.integers(len(rows)))
    inquiry.begin(np.array([0]), np.array([query]))

    candidates = nearest_images(rows, query, pool, np.float32)
    assert inquiry.batch.candidates[0].tolist() == candidates
    distances = scaled_distances([rows[i] for i in [query, *candidates]], np.float32)
    np.testing.assert_array_equal(inquiry.batch.distances[0], np.array(distances))
    specified = Episode(distances, k, 0.2, budget, empty, number=np.float32)
    np.testing.assert_array_equal(inquiry.batch.similarity[0], np.array(specified.similarity))
    while not specified.is_over():
        action = int(rng.integers(pool))
        outcome = inquiry.step(np.array([action]))
        expected = specified.step(action, int(answers[query, candidates[action]]))
        np.testing.assert_array_equal(inquiry.batch.similarity[0], np.array(specified.similarity))
        assert outcome.rewards[0] == np.float32(expected)
        assert bool(outcome.terminated[0]) == specified.is_over()
        masked = {i + 1 for i in np.flatnonzero(inquiry.batch.action_mask[0] == 0)}
        assert masked == specified.closed


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=4, max_size=13),
    k=st.integers(1, 8),
    budget=st.integers(1, 12),
    empty=st.sampled_from(["neutral", "farthest"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_the_specification_in_float64(rows, k, budget, empty, seed):
    """With two opposite corners among the nodes the largest distance is 64, so that all numbers are exact."""
    rng = np.random.default_rng(seed)
    rows = [[value + 1 for value in row] for row in [*rows, [0] * 4, [4] * 4]]
    answers = rng.choice([-1, 1, 1, 0], size=(len(rows), len(rows))).astype(np.int8)
    features = FeatureSet(np.array(rows, dtype=np.float32), np.zeros(len(rows), dtype=int))
    settings_ = EpisodeSettings(len(rows) - 1, budget, k, 0.25, "euclidean", empty_negatives=empty)
    inquiry = Inquiry(features, settings_, Scripted(answers))
    query = int(rng.integers(len(rows)))
    inquiry.begin(np.array([0]), np.array([query]))
    candidates = nearest_images(rows, query, len(rows) - 1, np.float32)
    distances = scaled_distances([rows[i] for i in [query, *candidates]], np.float64)
    specified = Episode(distances, k, 0.25, budget, empty, number=np.float64)
    np.testing.assert_array_equal(inquiry.batch.distances[0].astype(np.float64), distances)
    np.testing.assert_array_equal(inquiry.batch.similarity[0].astype(np.float64), specified.similarity)
    while not specified.is_over():
        action = int(rng.integers(len(rows) - 1))
        outcome = inquiry.step(np.array([action]))
        assert float(outcome.rewards[0]) == specified.step(action, int(answers[query, candidates[action]]))
        np.testing.assert_array_equal(inquiry.batch.similarity[0].astype(np.float64), specified.similarity)
        assert bool(outcome.terminated[0]) == specified.is_over()


@pytest.mark.parametrize("metric", ["cosine", "mahalanobis"])
@pytest.mark.parametrize("k", [5, 15])
def test_a_whole_batch_equals_the_specification_on_features_like_real_ones(metric, k):
    """The paper's sizes: thirty candidates, ten answers, sixteen queries side by side."""
    features = synthetic_features(40, 8, seed=7)
    inquiry = build(features, 30, 10, k, size=16, metric=metric)
    rng = np.random.default_rng(k)
    inquiry.begin(np.arange(16), rng.choice(len(features), 16, replace=False))
    specified = [Episode(list(map(list, d)), k, 0.2, 10, number=np.float32) for d in inquiry.batch.distances]
    for _ in range(10):
        actions = rng.integers(30, size=16)
        outcome = inquiry.step(actions)
        for row, episode in enumerate(specified):
            reward = episode.step(int(actions[row]), int(outcome.answers[row]))
            assert outcome.rewards[row] == np.float32(reward)
            np.testing.assert_array_equal(inquiry.batch.similarity[row], np.array(episode.similarity))


@given(
    rows=st.lists(st.lists(st.floats(-100, 100, width=32), min_size=5, max_size=5), min_size=2, max_size=9)
)
def test_distances_of_any_features(rows):
    """Within float32's own rounding of what plain loops in float64 give; symmetric, zero on the diagonal."""
    points = np.array(rows, dtype=np.float32)
    distances = node_distances(points, np.ones(len(points), dtype=bool))
    if np.ptp(points, axis=0).max() < 1e-15:
        return  # squares are below float32's range
    np.testing.assert_allclose(distances, scaled_distances(points, np.float64), rtol=3e-7, atol=1e-9)
    assert (distances == distances.T).all()
    assert not np.diagonal(distances).any()
    assert distances.max() == 1


@given(
    values=st.lists(st.integers(0, 3), min_size=36, max_size=36),
    k=st.integers(1, 9),
    padded=st.integers(0, 4),
)
def test_reciprocal_sets_with_ties_and_padding(values, k, padded):
    """Of values in 0..3 most are tied; padding is in nobody's first k."""
    similarity = np.array(values, dtype=np.float32).reshape(6, 6)
    similarity = np.maximum(similarity, similarity.T)
    np.fill_diagonal(similarity, 0)
    count = 6 - padded
    reciprocal = reciprocal_nodes(similarity[:count, :count].tolist(), k)
    found = k_reciprocal(similarity, k, np.arange(6) < count)
    for i in range(6):
        for j in range(6):
            expected = i < count and j < count and j in reciprocal[i]
            assert found[i, j] == expected


@settings(max_examples=60, deadline=None)
@given(rows=features_strategy, k=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_known_answers_stand_from_the_start(rows, k, seed):
    """Implied answers enter before the first reciprocal step and join X_p and X_n."""
    rng = np.random.default_rng(seed)
    identities = rng.integers(0, 3, len(rows))
    features = FeatureSet(np.array(rows, dtype=np.float32), identities)
    constraints = ConstraintGraph(len(rows))
    for _ in range(len(rows)):
        i, j = rng.choice(len(rows), 2, replace=False)
        constraints.add(i, j, 1 if identities[i] == identities[j] else -1)
    pool = len(rows) - 2
    inquiry = build(features, pool, pool, k, "farthest", constraints=constraints)
    query = int(rng.integers(len(rows)))
    inquiry.begin(np.array([0]), np.array([query]))
    candidates = nearest_images(rows, query, pool, np.float32)
    known = constraints.implied(query, np.array(candidates))
    distances = scaled_distances([rows[i] for i in [query, *candidates]], np.float32)
    specified = Episode(distances, k, 0.2, pool, "farthest", known.tolist(), np.float32)
    np.testing.assert_array_equal(inquiry.batch.similarity[0], np.array(specified.similarity))
    assert inquiry.batch.feedback[0].tolist() == known.tolist()
    for action in np.flatnonzero(inquiry.batch.action_mask[0]):
        outcome = inquiry.step(np.array([action]))
        truth = 1 if identities[query] == identities[candidates[action]] else -1
        assert outcome.rewards[0] == np.float32(specified.step(int(action), truth))
        np.testing.assert_array_equal(inquiry.batch.similarity[0], np.array(specified.similarity))


@pytest.mark.parametrize("metric", ["cosine", "mahalanobis", "euclidean"])
def test_batch_size_does_not_matter(metric):
    """The same queries and actions give the same bytes alone and side by side."""
    rng = np.random.default_rng(3)
    features = FeatureSet(rng.standard_normal((200, 24)), rng.integers(0, 20, 200))
    together = build(features, 20, 6, 7, size=8, metric=metric)
    queries = rng.choice(200, 8, replace=False)
    together.begin(np.arange(8), queries)
    actions = np.stack([rng.permutation(20)[:6] for _ in range(8)])
    alone = [build(features, 20, 6, 7, metric=metric) for _ in range(8)]
    for inquiry, query in zip(alone, queries, strict=True):
        inquiry.begin(np.array([0]), np.array([query]))
    for step in range(6):
        outcome = together.step(actions[:, step])
        for row, inquiry in enumerate(alone):
            single = inquiry.step(actions[row, step : step + 1])
            assert single.rewards[0] == outcome.rewards[row]
            assert inquiry.batch.similarity[0].tobytes() == together.batch.similarity[row].tobytes()


def test_hand_worked_example():
    """Five nodes on a line at 0, 1, 2, 4, 5 (the query at 0), k = 2, answers: no match to 2, match to 1."""
    line = np.array([[0.0, 1], [1, 1], [2, 1], [4, 1], [5, 1]])
    inquiry = build(FeatureSet(line, np.array([0, 0, 1, 1, 2])), 4, 4, 2, "farthest")
    inquiry.begin(np.array([0]), np.array([0]))
    d = np.array(
        [[0, 1, 4, 16, 25], [1, 0, 1, 9, 16], [4, 1, 0, 4, 9], [16, 9, 4, 0, 1], [25, 16, 9, 1, 0]],
        dtype=np.float32,
    ) / np.float32(25)
    np.testing.assert_allclose(inquiry.batch.distances[0], d, rtol=1e-6)
    # N: q{1,2} 1{q,2} 2{1,q} (4 to q and to 3: the lower index) 3{4,2} 4{3,2}
    s0 = np.zeros((5, 5), dtype=np.float32)
    for i, j in [(0, 1), (0, 2), (1, 2), (3, 4)]:
        s0[i, j] = s0[j, i] = 1 - d[i, j]
    np.testing.assert_allclose(inquiry.batch.similarity[0], s0, rtol=1e-6)

    first = inquiry.step(np.array([1]))  # node 2: no match; X_n was empty, taken as 1
    assert first.rewards[0] == pytest.approx(0.2 - (4 / 25 - 1))
    s1 = s0.copy()
    s1[0, 2] = s1[2, 0] = 0
    s1[0, 1] = s1[1, 0] = 0  # max(24/25 - 24/25, 0)
    np.testing.assert_allclose(inquiry.batch.similarity[0], s1, rtol=1e-6, atol=1e-7)

    second = inquiry.step(np.array([0]))  # node 1: match; X_n = {2}
    assert second.rewards[0] == pytest.approx(0.2 + (1 / 25 - 1 / 25), abs=1e-6)
    s2 = s1.copy()
    s2[0, 1] = s2[1, 0] = 1  # answered; node 2 stays 0 as answered, nodes 3 and 4 get ½(0 + 0)
    np.testing.assert_allclose(inquiry.batch.similarity[0], s2, rtol=1e-6, atol=1e-7)


def test_cannot_tell_changes_only_the_mask():
    """A pick without an answer is spent, earns nothing and leaves the graph alone."""
    rng = np.random.default_rng(0)
    features = FeatureSet(rng.standard_normal((30, 5)), np.zeros(30, dtype=int))
    inquiry = build(features, 10, 5, 4, oracle=Scripted(np.zeros((30, 30), dtype=np.int8)))
    inquiry.begin(np.array([0]), np.array([4]))
    before = inquiry.batch.similarity.copy()
    outcome = inquiry.step(np.array([3]))
    assert outcome.rewards[0] == 0
    assert outcome.asked[0]
    assert inquiry.batch.similarity.tobytes() == before.tobytes()
    assert inquiry.batch.action_mask[0].tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
    assert inquiry.batch.picks[0] == 1


def test_cross_camera_pads_and_padding_counts_for_nothing():
    """Candidates come from other cameras; a query with too few is padded, and padding is never a node."""
    rng = np.random.default_rng(1)
    features = FeatureSet(rng.standard_normal((12, 4)), np.zeros(12, int), np.array([0] * 9 + [1] * 3))
    inquiry = build(features, 5, 5, 3, cross_camera=True)
    inquiry.begin(np.array([0]), np.array([0]))
    candidates = inquiry.batch.candidates[0]
    assert sorted(candidates[:3]) == [9, 10, 11]
    assert candidates[3:].tolist() == [-1, -1]
    assert inquiry.batch.action_mask[0].tolist() == [1, 1, 1, 0, 0]
    assert not inquiry.batch.similarity[0, 4:].any()
    points = [features.features[i] for i in [0, *candidates[:3]]]
    np.testing.assert_allclose(
        inquiry.batch.distances[0, :4, :4], np.array(scaled_distances(points)), rtol=1e-5
    )


@settings(max_examples=60, deadline=None)
@given(rows=features_strategy, k=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_cross_camera_episodes_equal_the_specification(rows, k, seed):
    """State by state, a padded episode is that of its real candidates alone."""
    rng = np.random.default_rng(seed)
    cameras = rng.integers(3, size=len(rows))
    cameras[:2] = [0, 1]
    features = FeatureSet(np.array(rows, dtype=np.float32), rng.integers(3, size=len(rows)), cameras)
    pool = len(rows) - 1
    inquiry = build(features, pool, pool, k, cross_camera=True)
    query = int(rng.integers(len(rows)))
    inquiry.begin(np.array([0]), np.array([query]))
    others = [i for i in range(len(rows)) if cameras[i] != cameras[query]]
    near = nearest_images([rows[i] for i in [query, *others]], 0, pool, np.float32)
    candidates = [others[i - 1] for i in near]
    padding = pool - len(candidates)
    assert inquiry.batch.candidates[0].tolist() == candidates + [-1] * padding
    specified = Episode(
        scaled_distances([rows[i] for i in [query, *candidates]], np.float32), k, 0.2, pool, number=np.float32
    )
    for action in rng.permutation(len(candidates)):
        outcome = inquiry.step(np.array([action]))
        truth = 1 if features.identities[query] == features.identities[candidates[action]] else -1
        assert outcome.rewards[0] == np.float32(specified.step(int(action), truth))
        size = len(candidates) + 1
        np.testing.assert_array_equal(
            inquiry.batch.similarity[0, :size, :size], np.array(specified.similarity)
        )
        assert not inquiry.batch.similarity[0, size:].any()
        assert bool(outcome.terminated[0]) == specified.is_over()
