"""One episode worked by hand: five nodes, k = 2, every matrix between features and rewards written out.

The images lie at (0, 3), (1, 2), (3, 3), (4, 2) and (4, 1); the first is the query. The largest squared
distance is 20, so all similarities are 40ths. Answers: node 1 is no match, node 3 a match, node 4 no match.
"""

import numpy as np
import pytest

from reid_al_env import EpisodeSettings, FeatureSet, Inquiry
from reid_al_env.mdp.graph import k_reciprocal, node_distances
from reid_al_env.mdp.specification import Episode, reciprocal_nodes

POINTS = np.array([[0, 3], [1, 2], [3, 3], [4, 2], [4, 1]], dtype=np.float32)
SAME_AS_QUERY = np.array([7, 1, 2, 7, 4])
ALL = np.ones(5, dtype=bool)

# 20 d(i, j), for example (4−3)² + (1−3)² = 5 between nodes 2 and 4.
DISTANCES = [
    [0, 2, 9, 17, 20],
    [2, 0, 5, 9, 10],
    [9, 5, 0, 2, 5],
    [17, 9, 2, 0, 1],
    [20, 10, 5, 1, 0],
]
# 40 Sim = 40 − 40 d before the reciprocal step, zero diagonal.
DENSE = [
    [0, 36, 22, 6, 0],
    [36, 0, 30, 22, 20],
    [22, 30, 0, 36, 30],
    [6, 22, 36, 0, 38],
    [0, 20, 30, 38, 0],
]
# N: q{1,2} 1{q,2} 2{3,1} (30 to 1 and to 4: the lower index) 3{4,2} 4{3,2}. Pairs in both: q1 12 23 34.
RECIPROCAL_0 = [
    [0, 1, 0, 0, 0],
    [1, 0, 1, 0, 0],
    [0, 1, 0, 1, 0],
    [0, 0, 1, 0, 1],
    [0, 0, 0, 1, 0],
]
SPARSE_0 = [
    [0, 36, 0, 0, 0],
    [36, 0, 30, 0, 0],
    [0, 30, 0, 36, 0],
    [0, 0, 36, 0, 38],
    [0, 0, 0, 38, 0],
]
# Node 1 no match: its entry is 0; node 2 max(0 − 30, 0), nodes 3 and 4 max(0 − 0, 0).
RULED_1 = [
    [0, 0, 0, 0, 0],
    [0, 0, 30, 0, 0],
    [0, 30, 0, 36, 0],
    [0, 0, 36, 0, 38],
    [0, 0, 0, 38, 0],
]
# N: q{1,2} (all 0: lowest indices) 1{2,q} 2{3,1} 3{4,2} 4{3,q}. Both: q1 12 23 34; q1 is 0 all the same.
RECIPROCAL_1 = RECIPROCAL_0
SPARSE_1 = RULED_1
# Node 3 match: its entry is 1; node 2 ½(0 + 36), node 4 ½(0 + 38); node 1 stays as answered.
RULED_2 = [
    [0, 0, 18, 40, 19],
    [0, 0, 30, 0, 0],
    [18, 30, 0, 36, 0],
    [40, 0, 36, 0, 38],
    [19, 0, 0, 38, 0],
]
# N: q{3,4} 1{2,q} 2{3,1} 3{q,4} 4{3,q}. Both: q3 q4 12 34. The query has taken the place that node 2 had with
# node 3, and node 2 is not among the query's two.
RECIPROCAL_2 = [
    [0, 0, 0, 1, 1],
    [0, 0, 1, 0, 0],
    [0, 1, 0, 0, 0],
    [1, 0, 0, 0, 1],
    [1, 0, 0, 1, 0],
]
SPARSE_2 = [
    [0, 0, 0, 40, 19],
    [0, 0, 30, 0, 0],
    [0, 30, 0, 0, 0],
    [40, 0, 0, 0, 38],
    [19, 0, 0, 38, 0],
]
# Node 4 no match: its entry is 0; node 2 max(0 − 0, 0); nodes 1 and 3 stay as answered.
RULED_3 = [
    [0, 0, 0, 40, 0],
    [0, 0, 30, 0, 0],
    [0, 30, 0, 0, 0],
    [40, 0, 0, 0, 38],
    [0, 0, 0, 38, 0],
]
# N: q{3,1} 1{2,q} 2{1,q} 3{q,4} 4{3,q}. Both: q1 (0) q3 12 34.
RECIPROCAL_3 = [
    [0, 1, 0, 1, 0],
    [1, 0, 1, 0, 0],
    [0, 1, 0, 0, 0],
    [1, 0, 0, 0, 1],
    [0, 0, 0, 1, 0],
]
SPARSE_3 = RULED_3

# Node, answer; graph by the feedback rule, reciprocal pairs, graph; 20 R with the minimum over nothing as 1,
# and with the gap over nothing as 0:
# 1: 4 − (2 − 20) = 22, or 4;  3: 4 + (17 − 9) = 12;  4: 4 − (max(20, 1) − 10) < 0.
STEPS = [
    (1, -1, RULED_1, RECIPROCAL_1, SPARSE_1, 22, 4),
    (3, +1, RULED_2, RECIPROCAL_2, SPARSE_2, 12, 12),
    (4, -1, RULED_3, RECIPROCAL_3, SPARSE_3, 0, 0),
]


def of_40(matrix):
    return np.array(matrix, dtype=np.float32) / np.float32(40)


def inquiry(empty_negatives):
    settings = EpisodeSettings(4, 4, 2, 0.2, "euclidean", empty_negatives=empty_negatives)
    episode = Inquiry(FeatureSet(POINTS, SAME_AS_QUERY), settings)
    episode.begin(np.array([0]), np.array([0]))
    return episode


def test_the_matrices_follow_from_one_another():
    """Each matrix is what the functions of ``reid_al_env.mdp.graph`` make of the one before."""
    np.testing.assert_allclose(node_distances(POINTS, ALL) * 20, DISTANCES, rtol=1e-6)
    assert (40 - 2 * np.array(DISTANCES) - 40 * np.eye(5) == DENSE).all()
    assert (k_reciprocal(of_40(DENSE), 2, ALL) == RECIPROCAL_0).all()
    assert (np.array(DENSE) * RECIPROCAL_0 == SPARSE_0).all()
    for _, _, ruled, reciprocal, sparse, _, _ in STEPS:
        assert (k_reciprocal(of_40(ruled), 2, ALL) == reciprocal).all()
        assert (np.array(ruled) * reciprocal == sparse).all()


@pytest.mark.parametrize("empty_negatives", ["farthest", "neutral"])
def test_the_kernel_goes_through_them(empty_negatives):
    episode = inquiry(empty_negatives)
    assert episode.batch.candidates[0].tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(episode.batch.similarity[0], of_40(SPARSE_0), rtol=1e-6)
    masked = []
    for node, answer, _, _, sparse, farthest, neutral in STEPS:
        outcome = episode.step(np.array([node - 1]))
        masked.append(node - 1)
        assert outcome.answers[0] == answer
        np.testing.assert_allclose(episode.batch.similarity[0], of_40(sparse), rtol=1e-6, atol=1e-7)
        expected = farthest if empty_negatives == "farthest" else neutral
        assert outcome.rewards[0] * 20 == pytest.approx(expected, abs=1e-5)
        assert np.flatnonzero(episode.batch.action_mask[0] == 0).tolist() == sorted(masked)
        assert not outcome.terminated[0]
    assert episode.step(np.array([1])).terminated[0]  # the budget of four


def test_the_specification_goes_through_them():
    """The plain loops that the kernel is compared with have been checked by hand too."""
    distances = [[value / 20 for value in row] for row in DISTANCES]
    episode = Episode(distances, k=2, margin=0.2, budget=4, empty_negatives="farthest")
    np.testing.assert_allclose(episode.similarity, np.array(SPARSE_0) / 40)
    for node, answer, ruled, reciprocal, sparse, reward, _ in STEPS:
        np.testing.assert_allclose(episode.feedback(node, answer), np.array(ruled) / 40, atol=1e-12)
        assert reciprocal_nodes(ruled, 2) == [set(np.flatnonzero(row)) for row in reciprocal]
        assert episode.step(node - 1, answer) * 20 == pytest.approx(reward, abs=1e-9)
        np.testing.assert_allclose(episode.similarity, np.array(sparse) / 40, atol=1e-12)
