"""Groups by looks: Jaccard against plain loops, linkage against SciPy, no answer ever broken."""

import copy
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from reid_al_agents.clustering import jaccard
from reid_al_agents.clustering.cameras import standardise_by_camera
from reid_al_agents.clustering.density import dbscan
from reid_al_agents.clustering.forming import form_dense_groups, form_groups
from reid_al_agents.clustering.jaccard import jaccard_similarities
from reid_al_agents.clustering.linkage import average_linkage, by_first_appearance, group_sums
from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_env import ConstraintGraph
from reid_al_env.errors import InputError


def directions(count, dimensions=8, seed=0, clusters=None):
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(count, dimensions))
    if clusters:
        drawn = 0.4 * drawn + rng.normal(size=(clusters, dimensions))[rng.integers(clusters, size=count)]
    return drawn.astype(np.float32)


def loops_jaccard(features, k1, k2):
    """k-reciprocal encoding (Zhong et al., CVPR 2017), written down pair by pair in double precision."""
    points = features.astype(float)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    count = len(points)
    distance = [
        [0.0 if i == j else 2 - 2 * float(points[i] @ points[j]) for j in range(count)] for i in range(count)
    ]
    k1 = min(k1, count)
    k2 = min(k2, k1)
    ranked = [sorted(range(count), key=lambda j, i=i: (j != i, distance[i][j], j)) for i in range(count)]

    def reciprocal(i, k):
        return {j for j in ranked[i][:k] if i in ranked[j][:k]}

    encoding = np.zeros((count, count))
    for i in range(count):
        own = reciprocal(i, k1)
        expanded = set(own)
        for q in own:
            half = reciprocal(q, round(k1 / 2))
            if len(own & half) > 2 / 3 * len(half):
                expanded |= half
        for j in expanded:
            encoding[i, j] = np.exp(-distance[i][j])
        encoding[i] /= encoding[i].sum()
    averaged = np.array([np.mean([encoding[j] for j in ranked[i][:k2]], axis=0) for i in range(count)])
    similarity = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            if i != j and (averaged[i, j] > 0 or averaged[j, i] > 0):
                smaller = sum(min(a, b) for a, b in zip(averaged[i], averaged[j], strict=True))
                larger = sum(max(a, b) for a, b in zip(averaged[i], averaged[j], strict=True))
                similarity[i, j] = smaller / larger
    return similarity


@pytest.mark.parametrize(
    ("count", "k1", "k2", "clusters"),
    [
        (60, 10, 4, 6),
        (60, 30, 6, None),
        (45, 7, 1, 5),  # no averaging, odd neighbour lists
        (40, 20, 20, 4),
        (12, 30, 6, 2),  # lists longer than there are images
        (5, 3, 2, None),
        (3, 20, 4, None),
        (2, 20, 4, None),
    ],
)
def test_jaccard_similarities_are_those_of_plain_loops(count, k1, k2, clusters):
    for seed in range(3):
        features = directions(count, seed=seed, clusters=clusters)
        found = jaccard_similarities(features, k1, k2)
        np.testing.assert_allclose(found.toarray(), loops_jaccard(features, k1, k2), atol=2e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(2, 12), st.integers(1, 12), st.integers(0, 2**16))
def test_jaccard_of_any_small_set(count, k1, k2, seed):
    features = directions(count, 4, seed, clusters=3)
    k2 = min(k1, k2)
    found = jaccard_similarities(features, k1, k2)
    np.testing.assert_allclose(found.toarray(), loops_jaccard(features, k1, k2), atol=2e-5)


@pytest.mark.parametrize(("k1", "k2"), [(8, 4), (4, 2), (12, 2), (12, 6)])
def test_jaccard_where_every_image_is_there_twice(k1, k2):
    """Neighbour lists of even length never part two equal images, so their order cannot matter."""
    features = np.concatenate([directions(20, seed=3, clusters=5)] * 2)[
        np.random.default_rng(0).permutation(40)
    ]
    found = jaccard_similarities(features, k1, k2)
    expected = loops_jaccard(features, k1, k2)
    twin = (features[:, None] == features[None]).all(axis=2) & ~np.eye(40, dtype=bool)
    np.testing.assert_allclose(found.toarray(), expected, atol=2e-5)
    np.testing.assert_allclose(found.toarray()[twin], 1, atol=1e-5)


def check_form(similarities, count):
    dense = similarities.toarray()
    assert similarities.shape == (count, count)
    assert similarities.dtype == np.float32
    assert (similarities.data > 0).all()
    assert (similarities.data <= 1 + 1e-6).all()
    assert (np.diag(dense) == 0).all()
    assert (dense == dense.T).all()
    assert np.isfinite(similarities.data).all()


@pytest.mark.parametrize(("count", "k1", "k2"), [(80, 20, 4), (80, 3, 3), (300, 30, 6), (2, 2, 1)])
def test_jaccard_is_symmetric_without_a_diagonal_and_at_most_one(count, k1, k2):
    check_form(jaccard_similarities(directions(count, clusters=9), k1, k2), count)


@pytest.mark.parametrize("count", [2, 6, 31])
def test_jaccard_of_nothing_but_duplicates_still_has_its_form(count):
    """Which of many equal images are neighbours is anyone's choice; lists that hold all make all alike."""
    features = np.repeat(directions(1), count, axis=0)
    check_form(jaccard_similarities(features, 4, 2), count)
    alike = jaccard_similarities(features, 40, 6).toarray()
    np.testing.assert_allclose(alike, 1 - np.eye(count), atol=1e-5)


def test_jaccard_does_not_depend_on_how_it_is_cut_into_blocks(monkeypatch):
    features = directions(70, clusters=6)
    whole = jaccard_similarities(features, 12, 4)
    for elements in (1, 100, 1000):
        monkeypatch.setattr(jaccard, "_ELEMENTS", elements)
        cut = jaccard_similarities(features, 12, 4)
        assert (cut.indices == whole.indices).all()
        np.testing.assert_allclose(cut.data, whole.data, atol=1e-6)


def test_jaccard_does_not_depend_on_length_or_order_and_leaves_its_input():
    features = directions(50, clusters=6)
    before = features.copy()
    order = np.random.default_rng(1).permutation(50)
    scaled = features * np.random.default_rng(2).uniform(0.1, 9, (50, 1)).astype(np.float32)
    plain = jaccard_similarities(features, 10, 3).toarray()
    assert (features == before).all()
    np.testing.assert_allclose(jaccard_similarities(scaled, 10, 3).toarray(), plain, atol=1e-5)
    np.testing.assert_allclose(
        jaccard_similarities(features[order], 10, 3).toarray(), plain[np.ix_(order, order)], atol=1e-5
    )


def test_wrong_input_of_jaccard_is_named():
    features = directions(10)
    for k1, k2 in ((4, 5), (4, 0), (0, 0)):
        with pytest.raises(InputError, match=f"k1 is {k1} and k2 is {k2}"):
            jaccard_similarities(features, k1, k2)
    features[7] = 0
    with pytest.raises(InputError, match="row 7 is zero"):
        jaccard_similarities(features, 4, 2)


@pytest.mark.parametrize("count", [1, 5, 40])
def test_neighbours_are_those_of_sorting(count):
    points = unit_rows(directions(40, 6))
    expected = np.argsort(-(points @ points.T) - 10 * np.eye(40), axis=1, kind="stable")[:, :count]
    assert nearest_neighbours(points, count).tolist() == expected.tolist()


def test_every_point_leads_its_own_list_even_among_duplicates():
    points = unit_rows(np.concatenate([np.repeat(directions(1), 30, axis=0), directions(10, seed=1)]))
    for count in (1, 2, 8, 40):
        found = nearest_neighbours(points, count)
        assert found[:, 0].tolist() == list(range(40))
        assert all(len(set(row)) == count for row in found.tolist())
        assert (found[:30, : min(count, 30)] < 30).all()
    for count in (0, 41):
        with pytest.raises(InputError, match=f"neighbours: {count} of 40"):
            nearest_neighbours(points, count)


# Average linkage


class Free:
    """Forbids nothing, or the pairs of nodes that are given."""

    def __init__(self, forbidden=()):
        self.forbidden = {frozenset(pair) for pair in forbidden}
        self.group = {}
        self.joins = []

    def _members(self, a):
        return next((part for part in self.group.values() if a in part), {a})

    def may_join(self, a, b):
        return not any(
            frozenset((x, y)) in self.forbidden for x in self._members(a) for y in self._members(b)
        )

    def join(self, a, b):
        self.joins.append((a, b))
        joined = self._members(a) | self._members(b)
        self.group = {key: part for key, part in self.group.items() if not part & joined}
        self.group[min(joined)] = joined


def random_similarities(count, seed=0, density=1.0):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.uniform(0.01, 1, (count, count)) * (rng.random((count, count)) < density), 1)
    return upper + upper.T


def same_partition(a, b):
    return by_first_appearance(np.asarray(a)).tolist() == by_first_appearance(np.asarray(b)).tolist()


def greedy(dense, groups, threshold, may_join=None):
    """Average linkage as it is defined: look at all pairs of groups, join the best, begin again."""
    parts = {g: [i for i, own in enumerate(groups) if own == g] for g in sorted(set(groups))}

    def average(a, b):
        return float(np.mean([dense[i, j] for i in parts[a] for j in parts[b]]))

    while True:
        allowed = [
            (average(a, b), a, b)
            for a, b in combinations(parts, 2)
            if may_join is None or may_join(parts[a], parts[b])
        ]
        if not allowed or max(allowed)[0] < threshold:
            break
        _, a, b = max(allowed)
        parts[a] += parts.pop(b)
    labels = np.empty(len(dense), dtype=int)
    for number, members in parts.items():
        labels[members] = number
    return by_first_appearance(labels)


@pytest.mark.parametrize("threshold", [0.3, 0.45, 0.5, 0.55, 0.7, 0.99])
def test_linkage_is_scipys_cut_at_the_threshold(threshold):
    for seed in range(8):
        dense = random_similarities(40, seed)
        tree = linkage(squareform(1 - dense - np.eye(40)), method="average")
        expected = fcluster(tree, 1 - threshold, criterion="distance")
        found = average_linkage(sparse.csr_matrix(dense), np.arange(40), threshold, Free())
        assert same_partition(found, expected)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 14), st.integers(0, 2**16), st.floats(0.05, 0.9), st.sampled_from([0.3, 0.6, 1.0]))
def test_linkage_of_groups_over_sparse_similarities_is_the_definition(count, seed, threshold, density):
    """Begins with groups of several images; what is not stored counts as 0."""
    dense = random_similarities(count, seed, density)
    groups = by_first_appearance(np.random.default_rng(seed).integers(0, max(1, count // 2), count))
    found = average_linkage(sparse.csr_matrix(dense), groups, threshold, Free())
    assert found.tolist() == greedy(dense, groups.tolist(), threshold).tolist()


def test_zeros_that_are_stored_are_zeros_that_are_not():
    dense = random_similarities(30, 1, 0.4)
    plain = sparse.csr_matrix(dense)
    rows, columns = np.indices(dense.shape).reshape(2, -1)
    off = rows != columns
    explicit = sparse.csr_matrix(
        (dense[rows[off], columns[off]], (rows[off], columns[off])), shape=dense.shape
    )
    assert explicit.nnz > plain.nnz
    for threshold in (0.1, 0.3, 0.6):
        found = average_linkage(explicit, np.arange(30), threshold, Free())
        assert found.tolist() == average_linkage(plain, np.arange(30), threshold, Free()).tolist()


def test_linkage_by_hand():
    """0-1 join first (0.9); 2 is then 0.5 from them on average, which is just enough; 3 never is."""
    dense = np.zeros((4, 4))
    for i, j, similarity in ((0, 1, 0.9), (0, 2, 0.75), (1, 2, 0.25), (2, 3, 0.8), (0, 3, 0.0)):
        dense[i, j] = dense[j, i] = similarity
    dense[2, 3] = dense[3, 2] = 0.4
    joining = Free()
    found = average_linkage(sparse.csr_matrix(dense), np.arange(4), 0.5, joining)
    assert found.tolist() == [0, 0, 0, 1]
    assert set(joining.joins[0]) == {0, 1}
    assert average_linkage(sparse.csr_matrix(dense), np.arange(4), 0.51, Free()).tolist() == [0, 0, 1, 2]


def test_of_equal_averages_the_lower_numbers_join_first():
    dense = np.zeros((3, 3))
    dense[0, 1] = dense[1, 0] = dense[1, 2] = dense[2, 1] = 0.75
    joining = Free()
    assert average_linkage(sparse.csr_matrix(dense), np.arange(3), 0.5, joining).tolist() == [0, 0, 1]
    assert joining.joins == [(0, 1)]
    just_enough = average_linkage(sparse.csr_matrix(dense), np.arange(3), 0.75, Free())
    assert just_enough.tolist() == [0, 0, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**16), st.floats(0.05, 0.8), st.data())
def test_what_is_forbidden_is_passed_over_and_both_can_still_join_others(count, seed, threshold, data):
    pairs = list(combinations(range(count), 2))
    forbidden = data.draw(st.lists(st.sampled_from(pairs), max_size=12))
    dense = random_similarities(count, seed)
    found = average_linkage(sparse.csr_matrix(dense), np.arange(count), threshold, Free(forbidden))
    assert all(found[i] != found[j] for i, j in forbidden)

    def may_join(ours, theirs):
        return not any((min(i, j), max(i, j)) in forbidden for i in ours for j in theirs)

    assert found.tolist() == greedy(dense, list(range(count)), threshold, may_join).tolist()


def test_sums_between_groups_are_those_of_loops():
    dense = random_similarities(12, 2, 0.5)
    groups = np.array([0, 1, 2, 0, 1, 2, 3, 3, 0, 1, 0, 3])
    expected = np.zeros((4, 4))
    for i in range(12):
        for j in range(12):
            expected[groups[i], groups[j]] += dense[i, j]
    np.testing.assert_allclose(group_sums(sparse.csr_matrix(dense), groups).toarray(), expected)


# Groups under constraints


def links(constraints):
    count = len(constraints)
    return {(i, j): constraints.relation(i, j) for i, j in combinations(range(count), 2)}


def check_groups(formed, constraints):
    count = len(constraints)
    groups, micro_clusters = formed.groups, formed.micro_clusters
    for labels in (groups, micro_clusters):
        assert labels.shape == (count,)
        assert labels.dtype == np.int64
        assert by_first_appearance(labels).tolist() == labels.tolist()
    differing = set()
    for (i, j), known in links(constraints).items():
        if known < 0:
            assert groups[i] != groups[j]
            differing.add((min(groups[i], groups[j]), max(groups[i], groups[j])))
        if known > 0:
            assert groups[i] == groups[j]
        if micro_clusters[i] == micro_clusters[j]:
            assert groups[i] == groups[j]
    assert formed.conflicts.shape == (len(differing), 2)
    assert {tuple(pair) for pair in formed.conflicts.tolist()} == differing


@st.composite
def pools(draw):
    """Similarities and answers about up to twelve images; answers may contradict each other."""
    count = draw(st.integers(2, 12))
    dense = random_similarities(count, draw(st.integers(0, 2**16)), draw(st.sampled_from([0.4, 1.0])))
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda ij: ij[0] != ij[1])
    answer = st.tuples(pair, st.sampled_from([1, 1, -1, -1, 0]), st.floats(0.5, 4))
    constraints = ConstraintGraph(count)
    for (i, j), said, weight in draw(st.lists(answer, max_size=20)):
        constraints.add(i, j, said, weight)
    return dense, constraints


@settings(max_examples=120, deadline=None)
@given(pools(), st.floats(0.1, 0.9), st.none() | st.floats(0.05, 0.9))
def test_groups_agree_with_every_answer_that_holds_and_lose_nothing(
    pool, micro_cluster_similarity, group_similarity
):
    dense, constraints = pool
    before = copy.deepcopy(links(constraints))
    formed = form_groups(sparse.csr_matrix(dense), constraints, micro_cluster_similarity, group_similarity)
    check_groups(formed, constraints)
    assert links(constraints) == before


@settings(max_examples=80, deadline=None)
@given(pools(), st.floats(0.1, 0.9), st.floats(0.05, 0.9))
def test_groups_are_those_of_the_definition(pool, micro_cluster_similarity, group_similarity):
    """Brute force: best allowed pair of micro-clusters, then must-links, then best allowed pair of groups."""
    dense, constraints = pool
    count = len(constraints)
    known = links(constraints)

    def closure(labels):
        """Everything that is the same identity by ``labels`` and by must-links."""
        labels = list(labels)
        for _ in range(count):
            for (i, j), relation in known.items():
                if relation > 0 and labels[i] != labels[j]:
                    old = labels[j]
                    labels = [labels[i] if label == old else label for label in labels]
        return labels

    def greedy_under_answers(labels, threshold):
        labels = list(labels)
        while True:
            same = closure(labels)
            found = []
            for a, b in combinations(sorted(set(labels)), 2):
                ours = [i for i in range(count) if labels[i] == a]
                theirs = [i for i in range(count) if labels[i] == b]
                joint = {same[ours[0]], same[theirs[0]]}
                within = [i for i in range(count) if same[i] in joint]
                if all(known[pair] >= 0 for pair in combinations(within, 2)):
                    found.append((np.mean(dense[np.ix_(ours, theirs)]), a, b))
            if not found or max(found)[0] < threshold:
                return np.array(labels)
            _, a, b = max(found)
            labels = [a if label == b else label for label in labels]

    micro_clusters = greedy_under_answers(range(count), micro_cluster_similarity)
    groups = greedy_under_answers(closure(micro_clusters), group_similarity)
    formed = form_groups(sparse.csr_matrix(dense), constraints, micro_cluster_similarity, group_similarity)
    assert same_partition(formed.micro_clusters, micro_clusters)
    assert same_partition(formed.groups, groups)


def blocks(*sizes, inside=0.9, across=0.0):
    label = np.repeat(np.arange(len(sizes)), sizes)
    dense = np.where(label[:, None] == label, inside, across)
    # a little unevenness, so that nothing is a tie
    uneven = np.random.default_rng(0).uniform(0, 0.01, dense.shape)
    dense = dense + np.triu(uneven, 1) + np.triu(uneven, 1).T
    np.fill_diagonal(dense, 0)
    return sparse.csr_matrix(dense)


def test_a_wrong_piece_is_split_by_a_cannot_link():
    """Six images look like one person; one answer says that the first half and the second are two."""
    similarities = blocks(3, 3, inside=0.9, across=0.75)
    nothing = ConstraintGraph(6)
    assert form_groups(similarities, nothing, 0.5).groups.tolist() == [0] * 6
    answered = ConstraintGraph(6)
    answered.add(1, 4, -1)
    formed = form_groups(similarities, answered, 0.5)
    assert formed.micro_clusters.tolist() == formed.groups.tolist() == [0, 0, 0, 1, 1, 1]
    assert formed.conflicts.tolist() == [[0, 1]]


def test_images_far_apart_that_match_each_keep_their_own_look_alikes():
    """Front views and back views of one person share nothing; joined first, they would attract nobody."""
    similarities = blocks(3, 3, 2)
    constraints = ConstraintGraph(8)
    constraints.add(0, 3, 1)
    formed = form_groups(similarities, constraints, 0.7)
    assert formed.micro_clusters.tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert formed.groups.tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    joined_first = average_linkage(similarities, constraints.groups(), 0.7, Free())
    assert len(set(joined_first.tolist())) > 2


def test_a_must_link_carries_the_answers_of_one_piece_to_the_other():
    """0 and 3 match, 3 and 6 do not: so nothing that looks like 0 may join what looks like 6."""
    similarities = blocks(3, 3, 3, across=0.6)
    constraints = ConstraintGraph(9)
    constraints.add(0, 3, 1)
    constraints.add(3, 6, -1)
    formed = form_groups(similarities, constraints, 0.5, 0.5)
    assert formed.groups.tolist() == [0] * 6 + [1] * 3


def test_whole_groups_join_only_where_that_is_asked_for():
    similarities = blocks(2, 2, across=0.4)
    nothing = ConstraintGraph(4)
    assert form_groups(similarities, nothing, 0.8).groups.tolist() == [0, 0, 1, 1]
    assert form_groups(similarities, nothing, 0.8, 0.5).groups.tolist() == [0, 0, 1, 1]
    joined = form_groups(similarities, nothing, 0.8, 0.3)
    assert joined.groups.tolist() == [0, 0, 0, 0]
    assert joined.micro_clusters.tolist() == [0, 0, 1, 1]


def test_without_any_similarity_groups_are_what_follows_from_answers():
    constraints = ConstraintGraph(5)
    constraints.add(0, 4, 1)
    constraints.add(4, 2, 1)
    constraints.add(2, 1, -1)
    formed = form_groups(sparse.csr_matrix((5, 5), dtype=np.float32), constraints, 0.5, 0.2)
    assert formed.micro_clusters.tolist() == [0, 1, 2, 3, 4]
    assert formed.groups.tolist() == [0, 1, 0, 2, 0]
    assert formed.conflicts.tolist() == [[0, 1]]


# Cameras


def on_the_sphere(values):
    """Rows of length 1 whose first columns are ``values``: normalisation changes nothing."""
    last = np.sqrt(1 - (values**2).sum(axis=1, keepdims=True))
    return np.concatenate([values, last], axis=1).astype(np.float32)


def test_what_a_camera_shifts_and_scales_is_undone():
    """Forty people at two cameras; the second sees every value halved and moved."""
    seen = np.random.default_rng(0).uniform(-0.2, 0.2, (40, 3))
    features = on_the_sphere(np.concatenate([seen, 0.5 * seen + [0.3, -0.2, 0.1]]))
    cameras = np.repeat([3, 8], 40)
    twin = np.arange(40)
    plain = features @ features.T
    assert (plain[:40, 40:].argmax(axis=1) == twin).mean() < 0.5
    points = standardise_by_camera(features, cameras)
    units = points[:, :3] / np.linalg.norm(points[:, :3], axis=1, keepdims=True)
    assert ((units[:40] @ units[40:].T).argmax(axis=1) == twin).all()
    # exactly: (x − mean) / (deviation + 0.01), so the halved side is short of the other by the floor alone
    deviation = seen.std(axis=0)
    expected = (seen - seen.mean(axis=0)) / (deviation + 0.01)
    np.testing.assert_allclose(points[:40, :3], expected, atol=1e-4)
    np.testing.assert_allclose(
        points[40:, :3], expected * 0.5 * (deviation + 0.01) / (0.5 * deviation + 0.01), atol=1e-4
    )
    np.testing.assert_allclose([points[:40, :3].mean(axis=0), points[40:, :3].mean(axis=0)], 0, atol=1e-5)


def test_the_largest_camera_does_not_decide_for_the_others():
    features = directions(300, 5, clusters=4)
    cameras = np.repeat([0, 1, 2], [200, 60, 40])
    points = standardise_by_camera(features, cameras)
    for camera in range(3):
        alone = points[cameras == camera]
        np.testing.assert_allclose(alone.mean(axis=0), 0, atol=1e-5)
        assert (alone.std(axis=0) < 1).all()
        assert (alone.std(axis=0) > 0.9).all()


def test_a_camera_of_few_images_takes_the_statistics_of_all():
    features = unit_rows(directions(100, 4))
    cameras = np.zeros(100, dtype=np.int64)
    cameras[:29] = 1
    points = standardise_by_camera(features, cameras)
    overall = (features - features.mean(axis=0)) / (features.std(axis=0) + 0.01)
    np.testing.assert_allclose(points[:29], overall[:29], atol=1e-5)
    own = features[29:]
    np.testing.assert_allclose(points[29:], (own - own.mean(axis=0)) / (own.std(axis=0) + 0.01), atol=1e-5)
    cameras[29] = 1  # thirty are enough
    points = standardise_by_camera(features, cameras)
    np.testing.assert_allclose(points[:30].mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("cameras", [None, np.full(50, 4)])
def test_one_camera_or_none_leaves_directions_as_they_are(cameras):
    features = directions(50)
    points = standardise_by_camera(features, cameras)
    np.testing.assert_allclose(points, features / np.linalg.norm(features, axis=1, keepdims=True), atol=1e-6)
    assert points.dtype == np.float32
    assert points.flags.c_contiguous


def test_what_does_not_vary_at_a_camera_is_not_blown_up():
    features = on_the_sphere(
        np.concatenate([np.full((60, 1), 0.25), np.linspace(0, 0.5, 60)[:, None]], axis=1)
    )
    points = standardise_by_camera(features, np.tile([0, 1], 30))
    assert np.isfinite(points).all()
    np.testing.assert_allclose(points[:, 0], 0, atol=1e-4)


def test_looks_are_standardised_and_then_compared():
    features = directions(90, clusters=10)
    cameras = np.tile([0, 1], 45)
    before = features.copy()
    looks = compare_visually(features, cameras, 8, 3)
    points = standardise_by_camera(features, cameras)
    assert (looks.points == points).all()
    assert (looks.similarities.toarray() == jaccard_similarities(points, 8, 3).toarray()).all()
    assert (features == before).all()


# Dense groups


def test_dbscan_knows_cores_borders_and_outliers():
    similar = np.zeros((6, 6), dtype=np.float32)
    for i, j in [(0, 1), (0, 2), (0, 3), (1, 2), (3, 4)]:
        similar[i, j] = similar[j, i] = 0.6
    similar[4, 5] = similar[5, 4] = 0.4  # farther apart than eps
    labels = dbscan(sparse.csr_matrix(similar), 0.5, 4)
    # Only 0 has three neighbours beside itself; 4 is near none but the border image 3.
    assert labels.tolist() == [0, 0, 0, 0, -1, -1]


def test_identical_images_are_neighbours_to_dbscan():
    similar = sparse.csr_matrix(np.ones((4, 4), dtype=np.float32) - np.eye(4, dtype=np.float32))
    assert dbscan(similar, 0.5, 4).tolist() == [0, 0, 0, 0]


def test_dense_groups_without_answers_are_the_clusters_and_lone_outliers():
    formed = form_dense_groups(blocks(5, 4, 2, inside=0.7, across=0.3), ConstraintGraph(11), 0.5, 4)
    assert formed.groups.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 3]
    assert (formed.micro_clusters == formed.groups).all()
    assert formed.conflicts.shape == (0, 2)


def test_dense_groups_agree_with_answers():
    known = ConstraintGraph(11)
    known.add(4, 9, 1)  # an outlier belongs to the first cluster
    known.add(5, 10, 1)  # and so does another to the second
    known.add(0, 2, -1)  # the first cluster holds two identities
    known.add(0, 10, -1)
    formed = form_dense_groups(blocks(5, 4, 2, inside=0.7, across=0.3), known, 0.5, 4)
    assert formed.groups.tolist() == [0, 0, 1, 0, 0, 2, 2, 2, 2, 0, 2]
    assert formed.conflicts.tolist() == [[0, 1], [0, 2]]


@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.sampled_from([1, -1]))),
)
@settings(max_examples=60, deadline=None)
def test_no_answer_is_violated_by_dense_groups(seed, answers):
    rng = np.random.default_rng(seed)
    similar = np.triu(rng.random((12, 12)), 1)
    known = ConstraintGraph(12)
    for a, b, sign in answers:
        if a != b:
            known.add(a, b, sign)
    formed = form_dense_groups(sparse.csr_matrix(similar + similar.T), known, 0.5, 3)
    for a, b in combinations(range(12), 2):
        relation = known.relation(a, b)
        if relation:
            assert (formed.groups[a] == formed.groups[b]) == (relation > 0)
    for piece in np.unique(formed.micro_clusters):
        assert len(np.unique(formed.groups[formed.micro_clusters == piece])) == 1


@pytest.mark.parametrize("count", [5, 12, 20, 40, 60])
def test_in_a_small_pool_different_images_are_not_taken_for_one_identity(count):
    """Where everybody is among the twenty nearest of everybody, lists of twenty would make all alike."""
    points = np.random.default_rng(0).standard_normal((count, 64)).astype(np.float32)
    nothing = ConstraintGraph(count)
    of_lists_of_twenty = form_groups(jaccard_similarities(points, 20, 4), nothing, 0.7).groups
    micro_clusters = form_groups(compare_visually(points, None).similarities, nothing, 0.7).groups
    assert micro_clusters.max() >= of_lists_of_twenty.max()
    assert micro_clusters.max() + 1 >= 0.6 * count
    handed = form_groups(compare_visually(points, None).similarities, nothing, 0.5, 0.2).groups
    assert handed.max() + 1 >= 2
