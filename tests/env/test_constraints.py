"""Constraints against the closure computed by brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_al_env import ConstraintGraph, InputError

answers_strategy = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 8), st.sampled_from([-1, 0, 1])).filter(
        lambda t: t[0] != t[1]
    ),
    max_size=30,
)


def brute_relations(size, accepted):
    """Same and different as matrices, grown until nothing changes."""
    same = np.eye(size, dtype=bool)
    differ = np.zeros((size, size), dtype=bool)
    for i, j, a in accepted:
        target = same if a > 0 else differ
        target[i, j] = target[j, i] = True
    while True:
        more_same = (same.astype(int) @ same.astype(int)) > 0
        more_differ = (same.astype(int) @ differ.astype(int) @ same.astype(int)) > 0
        if (more_same == same).all() and (more_differ == differ).all():
            return same, differ
        same, differ = more_same, more_differ


@given(answers_strategy)
def test_closure_equals_brute_force(answers):
    graph = ConstraintGraph(9)
    accepted = []
    for i, j, a in answers:
        same, differ = brute_relations(9, accepted)
        contradicts = (a > 0 and differ[i, j]) or (a < 0 and same[i, j])
        assert graph.add(i, j, a) == (not contradicts)
        if a and not contradicts:
            accepted.append((i, j, a))
    same, differ = brute_relations(9, accepted)
    for i in range(9):
        expected = same[i].astype(int) - differ[i].astype(int)
        assert graph.implied(i, np.arange(9)).tolist() == expected.tolist()
    groups = graph.groups()
    assert ((groups[:, None] == groups[None, :]) == same).all()
    conflicts = {tuple(pair) for pair in graph.group_conflicts().tolist()}
    assert conflicts == {
        (groups[i], groups[j]) for i, j in zip(*np.nonzero(differ), strict=True) if groups[i] < groups[j]
    }
    assert len(graph.contradictions) == len([a for a in answers if a[2]]) - len(accepted)


def test_padding_is_unknown():
    graph = ConstraintGraph(4)
    graph.add(0, 3, 1)
    assert graph.implied(0, np.array([3, -1])).tolist() == [1, 0]


@pytest.mark.parametrize("pair", [(0, 4, 1), (-1, 2, 1), (1, 1, 1), (0, 1, 2)])
def test_bad_pairs_are_named(pair):
    with pytest.raises(InputError, match="constraints"):
        ConstraintGraph(4).add(*pair)
