"""The rivals' ways to form groups, by hand and on random problems."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_env import ConstraintGraph

_FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "rivals.py"
_SPEC = importlib.util.spec_from_file_location("benchmark_rivals", _FILE)
rivals = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rivals)


def at(*degrees):
    """Points on the unit circle."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def answered(size, must=(), cannot=()):
    constraints = ConstraintGraph(size)
    for i, j in must:
        constraints.add(i, j, 1)
    for i, j in cannot:
        constraints.add(i, j, -1)
    return constraints


def as_sets(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def test_first_neighbours_chain_into_the_first_partition_and_means_into_the_second():
    # 0 and 3 are each other's nearest, 7's nearest is 3; so are 50, 52; 80, 83.
    points = at(0, 3, 7, 50, 52, 80, 83)
    first, second = rivals.finch(points, 2)
    assert as_sets(first) == {frozenset({0, 1, 2}), frozenset({3, 4}), frozenset({5, 6})}
    # The means lie near 3, 51 and 81.5 degrees: all are linked, 3 - 51 - 81.5.
    assert as_sets(second) == {frozenset(range(7))}


def test_finch_stops_once_all_is_one_cluster():
    assert len(rivals.finch(at(0, 1, 2), 5)) == 1


def test_naive_merging_gives_up_clusters_with_a_cannot_link():
    clusters = np.array([0, 0, 0, 1, 1, -1, 2, 2])
    constraints = answered(8, must=[(0, 1), (3, 5)], cannot=[(0, 2)])
    expected = {frozenset({0, 1}), frozenset({2}), frozenset({3, 4, 5}), frozenset({6, 7})}
    assert as_sets(rivals.merge_naively(clusters, constraints)) == expected


def test_clean_up_as_worked_by_hand():
    # One cluster. The triangle 0, 1, 2 needs three colours, which is the palette, at 0, 40 and 80 degrees.
    # The pair 3, 4 at 41 and 43 degrees: both are nearest to 40, but they differ; the cheapest matching is
    # 3 to 40 (1 degree) and 4 to 80 (37), against 4 to 40 (3) and 3 to 80 (39) or 3 to 0 (41).
    # 5 is free, at 10 degrees, and joins 0; 6 and 7 are one person, centroid 70, and join 80 with 4 in it
    # (their cluster's centroid is at 61.5 degrees; that of 40 and 41 is at 40.5).
    points = at(0, 40, 80, 41, 43, 10, 60, 80)
    constraints = answered(8, must=[(6, 7)], cannot=[(0, 1), (1, 2), (0, 2), (3, 4)])
    groups = rivals.np3(np.zeros(8, dtype=np.int64), points, constraints)
    assert as_sets(groups) == {frozenset({0, 5}), frozenset({1, 3}), frozenset({2, 4, 6, 7})}


def test_clean_up_joins_clusters_and_outliers_by_must_links_first():
    clusters = np.array([0, 0, 1, 1, -1, -1])
    groups = rivals.np3(clusters, at(0, 1, 50, 51, 90, 95), answered(6, must=[(1, 2), (3, 4)]))
    assert as_sets(groups) == {frozenset({0, 1, 2, 3, 4}), frozenset({5})}


def test_clean_up_leaves_clusters_alone_that_agree_with_the_answers():
    clusters = np.array([0, 0, 1, 1])
    groups = rivals.np3(clusters, at(0, 1, 50, 51), answered(4, must=[(0, 1)], cannot=[(0, 2)]))
    assert as_sets(groups) == {frozenset({0, 1}), frozenset({2, 3})}


@pytest.mark.parametrize(("edges", "needed"), [([(0, 1), (1, 2), (2, 3)], 2), ([(0, 1), (1, 2), (0, 2)], 3)])
def test_greedy_colours_are_few_and_proper(edges, needed):
    graph = {}
    for a, b in edges:
        graph.setdefault(a, set()).add(b)
        graph.setdefault(b, set()).add(a)
    colours = rivals.greedy_colours(graph, graph)
    assert max(colours.values()) + 1 == needed
    assert all(colours[a] != colours[b] for a, b in edges)


def test_violated_answers_are_counted():
    constraints = answered(4, must=[(0, 1), (2, 3)], cannot=[(0, 2), (1, 3)])
    assert rivals.count_violated(np.array([0, 0, 0, 1]), constraints) == 2
    assert rivals.count_violated(np.array([0, 0, 1, 1]), constraints) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 6), st.integers(0, 60))
def test_nothing_known_is_violated_after_either_clean_up(seed, size, people, asked):
    rng = np.random.default_rng(seed)
    identities = rng.integers(people, size=size)
    constraints = ConstraintGraph(size)
    for _ in range(asked):
        i, j = rng.choice(size, 2, replace=False)
        constraints.add(int(i), int(j), 1 if identities[i] == identities[j] else -1)
    clusters = rng.integers(-1, 4, size=size)
    points = rng.standard_normal((size, 3)).astype(np.float32)
    for groups in (rivals.np3(clusters, points, constraints), rivals.merge_naively(clusters, constraints)):
        known = constraints.groups()
        assert all(len(np.unique(groups[known == label])) == 1 for label in np.unique(known))
        for a, b in constraints.group_conflicts():
            assert groups[known == a][0] != groups[known == b][0]
        assert rivals.count_violated(groups, constraints) == 0
