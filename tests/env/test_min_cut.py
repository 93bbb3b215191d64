"""Minimum cuts against the enumeration of all cuts."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_env import InputError, minimum_cut
from reid_al_env.evidence.min_cut import CutFinder, Partition

NODES = 6
SOURCE, SINK = 0, 5


def brute_force_cut(edges, weights, source, sink, nodes=range(NODES)):
    """Every way to part the nodes; of the lightest the one with the latest edge, then the smallest side."""
    cuts = []
    between = [node for node in nodes if node not in (source, sink)]
    for size in range(len(between) + 1):
        for others in itertools.combinations(between, size):
            side = {source, *others}
            cut = [k for k, (i, j) in enumerate(edges) if (i in side) != (j in side)]
            cuts.append((sum(weights[k] for k in cut), -max(cut, default=-1), size, cut))
    lightest = min(weight for weight, *_ in cuts)
    equal = [cut for cut in cuts if math.isclose(cut[0], lightest, rel_tol=1e-6)]
    return lightest, min(equal, key=lambda cut: cut[1:3])[3]


edge_lists = st.lists(
    st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)).filter(lambda e: e[0] != e[1]),
    max_size=14,
)


@given(edge_lists, st.data())
@settings(max_examples=400)
def test_equals_the_best_of_all_cuts(edges, data):
    # Tenths are not exact in binary: equal cuts must be seen as equal all the same.
    weights = [data.draw(st.sampled_from([0.1, 0.2, 0.3, 1.0])) for _ in edges]
    expected_weight, expected_cut = brute_force_cut(edges, weights, SOURCE, SINK)
    weight, cut = minimum_cut(edges, weights, SOURCE, SINK)
    assert weight == pytest.approx(expected_weight)
    assert cut.tolist() == expected_cut


@given(edge_lists, st.data())
def test_a_limit_only_saves_work_and_removed_edges_are_gone(edges, data):
    weights = [data.draw(st.floats(0.01, 5)) for _ in edges]
    finder = CutFinder(edges, weights)
    gone = data.draw(st.sets(st.sampled_from(range(len(edges))))) if edges else set()
    finder.remove(gone)
    left = [k for k in range(len(edges)) if k not in gone]
    weight, cut = minimum_cut([edges[k] for k in left], [weights[k] for k in left], SOURCE, SINK)
    whole = finder.cut(SOURCE, SINK)
    assert whole == (weight, [left[k] for k in cut])
    assert finder.cut(SOURCE, SINK, at_most=weight) == whole
    if weight:
        assert finder.cut(SOURCE, SINK, at_most=0.99 * weight) is None


def test_flow_that_was_sent_back_leaves_room_both_ways():
    s, a, b, t, x, y, p, q = range(8)
    edges = [(s, a), (a, b), (s, x), (x, y), (y, b), (a, p), (p, q), (q, t), (b, t)]
    weights = [1, 1, 2, 2, 2, 1, 1, 1, 1]  # s-a-b-t is shortest, and s-x-y-b-a-p-q-t takes a-b back
    assert brute_force_cut(edges, weights, s, t, range(8)) == (2, [5, 8])
    weight, cut = minimum_cut(edges, weights, s, t)
    assert (weight, cut.tolist()) == (2, [5, 8])


def test_of_equal_cuts_the_latest_edge_decides():
    path = [(0, 1), (1, 2), (2, 3)]
    assert minimum_cut(path, [1, 1, 1], 0, 3)[1].tolist() == [2]
    assert minimum_cut(path, [1, 1, 1], 3, 0)[1].tolist() == [2]
    assert minimum_cut(path[::-1], [1, 1, 1], 0, 3)[1].tolist() == [2]
    assert minimum_cut(path, [2, 1, 2], 0, 3)[1].tolist() == [1]


def test_nothing_to_cut():
    weight, cut = minimum_cut(np.empty((0, 2)), [], 0, 1)
    assert (weight, cut.tolist(), cut.dtype) == (0.0, [], np.int64)
    assert minimum_cut([(0, 1), (2, 3)], [1, 1], 0, 3)[0] == 0.0


def test_the_larger_group_keeps_its_label():
    groups = Partition(7)
    groups.replace([[4, 5, 6], [3, 2]])
    assert groups.join(3, 4) == 4
    assert groups.join(0, 4) == 4
    groups.form(np.array([0, 1, 0, 0, 0, 0, 0]), np.full(7, -1), known=np.array([], dtype=np.int64))
    assert groups.labels.tolist() == [4, 1, 4, 4, 4, 4, 4]
    assert groups.join(1, 4) == 4
    assert groups.numbered().tolist() == [0] * 7


@pytest.mark.parametrize(
    ("weights", "source", "message"),
    [
        ([1.0], 0, "give one each"),
        ([1.0, 0.0], 0, "positive"),
        ([1.0, np.nan], 0, "positive"),
        ([1.0, 1.0], 2, "two nodes"),
    ],
)
def test_bad_input_is_named(weights, source, message):
    with pytest.raises(InputError, match=message):
        minimum_cut([(0, 1), (1, 2)], weights, source, 2)
