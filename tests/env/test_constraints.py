"""Constraints against the closure computed by brute force, and against a slow settlement of disputes."""

import copy
import itertools
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_min_cut import brute_force_cut

from reid_al_env import ConstraintGraph, Dispute, InputError
from reid_al_env.evidence.disputes import Evidence

SIZE = 7

pairs_strategy = st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda t: t[0] != t[1])
answers_strategy = st.lists(st.tuples(pairs_strategy, st.sampled_from([-1, 0, 1])), max_size=30)

# Halves are exact in binary, so that the slow settlement can compare sums without a tolerance.
few_pairs = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).filter(lambda t: t[0] != t[1])
weights_strategy = st.sampled_from([0.5, 1.0, 1.0, 1.0, 1.5, 3.0])
add_events = st.tuples(few_pairs, st.sampled_from([-1, -1, 0, 1, 1, 1]), weights_strategy)
link_events = st.tuples(st.lists(st.integers(-1, 2), min_size=SIZE, max_size=SIZE), weights_strategy)


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


class SlowConstraints:
    """Everything that follows from a list of answers, from the list alone."""

    def __init__(self, events):
        self.net, self.since = {}, {}
        for now, event in enumerate(events):
            for pair, change in self._changes(event):
                before = self.net.get(pair, 0)
                self.net[pair] = before + change
                if np.sign(before) != np.sign(self.net[pair]) or pair not in self.since:
                    self.since[pair] = now
        matches = [pair for pair, net in self.net.items() if net > 0]
        self.matches = sorted(matches, key=lambda pair: (self.since[pair], pair))
        non_matches = [pair for pair, net in self.net.items() if net < 0]
        self.non_matches = sorted(non_matches, key=lambda pair: (self.net[pair], self.since[pair]))
        self.same, self.differ = self._settle()
        joined, _ = brute_relations(SIZE, [(*pair, 1) for pair in self.matches])
        self.disputed = [pair for pair in self.non_matches if joined[pair]]

    def _changes(self, event):
        if len(event) == 3:
            (i, j), answer, weight = event
            return [((min(i, j), max(i, j)), answer * weight)]
        labels, weight = event
        groups = [[x for x in range(SIZE) if labels[x] == label] for label in range(3)]
        return [(pair, weight) for group in groups for pair in itertools.pairwise(group)]

    def _settle(self):
        held = list(self.matches)
        for pair in self.non_matches:
            weight, cut = self.lightest_cut(held, pair)
            newer = bool(cut) and max(self.since[match] for match in cut) > self.since[pair]
            if weight < -self.net[pair] or (weight == -self.net[pair] and newer):
                held = [match for match in held if match not in cut]
        same, _ = brute_relations(SIZE, [(*pair, 1) for pair in held])
        apart = [pair for pair in self.non_matches if not same[pair]]
        return brute_relations(SIZE, [(*pair, 1) for pair in held] + [(*pair, -1) for pair in apart])

    def lightest_cut(self, matches, pair):
        weight, cut = brute_force_cut(matches, [self.net[match] for match in matches], *pair, range(SIZE))
        return weight, [matches[k] for k in cut]

    def dispute(self, pair):
        weight, cut = self.lightest_cut(self.matches, pair)
        lightest = min(cut, key=lambda match: (self.net[match], match))
        ask = pair if -self.net[pair] <= weight else lightest
        return Dispute(*pair, -self.net[pair], tuple(sorted(cut)), weight, ask)

    def held(self, answers, wanted):
        holds = self.same if wanted > 0 else self.differ
        return [
            (i, j)
            for (i, j), answer, _ in answers
            if answer == wanted and holds[i, j] and self.net[min(i, j), max(i, j)] * wanted > 0
        ]


def assert_equal(graph, slow, arisen, events):
    known = np.array([graph.implied(i, np.arange(SIZE)) for i in range(SIZE)])
    assert (known == slow.same.astype(int) - slow.differ).all()
    groups = graph.groups()
    assert ((groups[:, None] == groups[None, :]) == slow.same).all()
    conflicts = {(groups[i], groups[j]) for i, j in np.argwhere(slow.differ) if groups[i] < groups[j]}
    assert [tuple(pair) for pair in graph.group_conflicts()] == sorted(conflicts)
    assert graph.disputes() == [slow.dispute(pair) for pair in arisen]
    answers = [event for event in events if len(event) == 3]
    assert graph.must_links == slow.held(answers, 1)
    assert graph.cannot_links == slow.held(answers, -1)
    asked = {(min(pair), max(pair)) for pair, _, _ in answers}
    assert {tuple(pair) for pair in graph.asked_pairs().tolist()} == asked
    assert len(graph.asked_pairs()) == len(asked)


def check_events(events):
    graph, arisen, contradictions = ConstraintGraph(SIZE), [], []
    before = SlowConstraints([])
    for count, event in enumerate(events, start=1):
        slow = SlowConstraints(events[:count])
        if len(event) == 3:
            (i, j), answer, weight = event
            known = int(before.same[i, j]) - int(before.differ[i, j])
            opposed = answer != 0 and known == -answer
            assert graph.add(i, j, answer, weight) == (not opposed)
            contradictions += [(i, j, answer)] if opposed else []
        else:
            graph.link_groups(np.array(event[0]), event[1])
        arisen = [pair for pair in arisen if pair in slow.disputed]
        new = [pair for pair in slow.disputed if pair not in arisen]
        if len(event) == 3:
            arisen += sorted(new, key=slow.net.get)
        else:  # several groups at once: in what order theirs arise is not promised
            arisen += [(d.i, d.j) for d in graph.disputes() if (d.i, d.j) in new]
            assert len(arisen) == len(slow.disputed)
        assert_equal(graph, slow, arisen, events[:count])
        before = slow
    assert graph.contradictions == contradictions


@given(st.lists(add_events, max_size=24))
@settings(max_examples=150, deadline=None)
def test_answers_equal_the_slow_settlement(events):
    check_events(events)


@given(st.lists(add_events | add_events | add_events | link_events, max_size=16))
@settings(max_examples=150, deadline=None)
def test_assumed_links_equal_the_slow_settlement(events):
    check_events(events)


def answers(*said):
    return [((i, j), answer, weight) for i, j, answer, weight in said]


DISPUTE = answers((0, 1, 1, 1.0), (1, 2, 1, 1.0), (0, 2, -1, 1.5))  # of the groups 0-1 and 2


@pytest.mark.parametrize(
    "events",
    [
        # A larger group joins one of the two, and so the dispute.
        [*DISPUTE, *answers((3, 4, 1, 1.0), (4, 5, 1, 1.0), (2, 3, 1, 1.0), (0, 4, -1, 1.0))],
        # Two disputes are joined where nothing was said, but elsewhere something was.
        [
            *DISPUTE,
            *answers((3, 4, 1, 1.0), (4, 5, 1, 1.0), (3, 5, -1, 1.5), (0, 3, -1, 2.0), (2, 5, 1, 1.0)),
        ],
        # A denied link parts a chain, and what lies behind it is linked nevertheless.
        [*answers((0, 1, -1, 3.0)), ([0, 0, 0, 0, -1, -1, -1], 1.0)],
        # A non-match that a cut of others' parts holds again, though it was outweighed.
        answers((0, 1, 1, 1.0), (1, 2, 1, 0.5), (0, 2, -1, 0.5), (0, 2, -1, 0.5), (0, 1, -1, 1.0)),
    ],
)
def test_hard_cases_equal_the_slow_settlement(events):
    check_events(events)


@given(answers_strategy)
def test_closure_equals_brute_force(answers):
    """Answers that agree with all before them: nothing is weighed, everything follows."""
    graph = ConstraintGraph(9)
    accepted = []
    for (i, j), a in answers:
        same, differ = brute_relations(9, accepted)
        if (a > 0 and differ[i, j]) or (a < 0 and same[i, j]):
            continue
        assert graph.add(i, j, a)
        accepted += [(i, j, a)] if a else []
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
    assert graph.must_links == [(i, j) for i, j, a in accepted if a > 0]
    assert graph.cannot_links == [(i, j) for i, j, a in accepted if a < 0]
    assert not graph.contradictions
    assert not graph.disputes()


def test_a_dispute_from_first_to_last():
    a, b, c, d = range(4)
    graph = ConstraintGraph(4)
    graph.add(a, b, 1)
    graph.add(b, c, 1)
    assert not graph.add(a, c, -1)  # weighs as much as either match, and came later
    assert graph.disputes() == [Dispute(a, c, 1.0, ((b, c),), 1.0, ask=(a, c))]
    assert graph.groups().tolist() == [0, 0, 0, 1]
    assert graph.cannot_links == []

    assert not graph.add(a, c, -1)  # asked again: now the later of the two matches gives way
    assert graph.disputes() == [Dispute(a, c, 2.0, ((b, c),), 1.0, ask=(b, c))]
    assert graph.groups().tolist() == [0, 0, 1, 2]
    assert graph.must_links == [(a, b)]
    assert graph.cannot_links == [(a, c), (a, c)]
    assert graph.relation(b, c) == -1

    graph.add(a, d, 1, weight=1.5)  # a second path: the first match comes back with it
    graph.add(d, c, 1, weight=1.5)
    assert graph.disputes() == [Dispute(a, c, 2.0, ((a, b), (c, d)), 2.5, ask=(a, c))]
    assert graph.groups().tolist() == [0, 0, 0, 0]
    assert graph.must_links == [(a, b), (b, c), (a, d), (d, c)]

    for disputes in (1, 0):  # two answers against it, and now two for it
        assert graph.add(a, c, 1)
        assert len(graph.disputes()) == disputes
        assert graph.must_links == [(a, b), (b, c), (a, d), (d, c)]
    graph.add(a, c, 1)
    assert graph.must_links == [(a, b), (b, c), (a, d), (d, c), (a, c), (a, c), (a, c)]
    assert graph.cannot_links == []
    assert graph.contradictions == [(a, c, -1), (a, c, -1), (d, c, 1)]


def test_a_dispute_ends_with_the_match_that_made_it():
    graph = ConstraintGraph(3)
    graph.add(0, 2, -1)
    graph.add(0, 1, 1)
    assert not graph.add(1, 2, 1)  # the non-match was known first
    assert graph.disputes() == [Dispute(0, 2, 1.0, ((1, 2),), 1.0, ask=(0, 2))]
    assert graph.groups().tolist() == [0, 0, 1]
    assert graph.add(2, 1, -1)  # agrees with what holds, and leaves the pair undecided
    assert graph.disputes() == []
    assert (graph.relation(1, 2), graph.must_links, graph.cannot_links) == (-1, [(0, 1)], [(0, 2)])


def test_answers_about_one_pair_add_up():
    graph = ConstraintGraph(2)
    for answer, weight, known in [(1, 0.1, 1), (1, 0.2, 1), (-1, 0.3, 0), (-1, 0.1, -1), (0, 9.0, -1)]:
        graph.add(0, 1, answer, weight)  # 0.1 + 0.2 - 0.3 is nothing, though not in binary
        assert graph.relation(0, 1) == known
    assert graph.contradictions == [(0, 1, -1)]
    assert graph.cannot_links == [(0, 1), (0, 1)]
    assert graph.must_links == []


@given(st.lists(add_events, max_size=16), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_what_is_known_depends_on_the_answers_alone(events, random):
    """Not on which image of a pair is named first, whether answers come one by one, or what was read."""
    one_by_one, at_once = ConstraintGraph(SIZE), ConstraintGraph(SIZE)
    for (i, j), answer, weight in events:
        one_by_one.add(*random.sample([i, j], 2), answer, weight)
        one_by_one.disputes()
        one_by_one.groups()
    columns = (np.array([event[0][k] for event in events], dtype=np.int64) for k in range(2))
    answers = np.array([event[1] for event in events], dtype=np.int8)
    opposed = at_once.add_many(*columns, answers, weights=[event[2] for event in events])
    again = pickle.loads(pickle.dumps(at_once))
    assert opposed == len(at_once.contradictions) == len(one_by_one.contradictions)
    for other in (one_by_one, again):
        assert (other.groups() == at_once.groups()).all()
        assert (other.group_conflicts() == at_once.group_conflicts()).all()
        assert other.disputes() == at_once.disputes()


@given(
    st.lists(add_events | add_events | add_events | link_events, max_size=16), st.sets(few_pairs, max_size=4)
)
@settings(max_examples=200, deadline=None)
def test_without_some_pairs_all_is_as_if_they_had_never_been_asked(events, pairs):
    whole, never = ConstraintGraph(SIZE), ConstraintGraph(SIZE)
    gone = {(min(pair), max(pair)) for pair in pairs}
    for event in events:
        if len(event) == 2:
            for graph in (whole, never):
                graph.link_groups(np.array(event[0]), event[1])
            continue
        (i, j), answer, weight = event
        whole.add(i, j, answer, weight)
        if (min(i, j), max(i, j)) not in gone:
            never.add(i, j, answer, weight)
    before = pickle.dumps(whole)
    less = whole.without(np.array(sorted(pairs), dtype=np.int64))
    assert pickle.dumps(whole) == before
    for more in ((0, 1, -1, 1.5), (1, 2, 1, 1.0)):  # and goes on as that would
        assert (less.groups() == never.groups()).all()
        assert (less.group_conflicts() == never.group_conflicts()).all()
        assert sorted(less.disputes(), key=repr) == sorted(never.disputes(), key=repr)
        assert (less.must_links, less.cannot_links) == (never.must_links, never.cannot_links)
        assert sorted(less.asked_pairs().tolist()) == sorted(never.asked_pairs().tolist())
        less.add(*more)
        never.add(*more)


def test_assumed_links_can_be_cut_but_are_no_answers():
    graph = ConstraintGraph(6)
    graph.link_groups(np.array([0, 0, 0, -1, 5, 5]), weight=2.0)
    assert graph.assumed_links.tolist() == [[0, 1], [1, 2], [4, 5]]
    assert graph.groups().tolist() == [0, 0, 0, 1, 2, 2]
    assert not graph.asked(0, np.array([1, 2])).any()
    assert (graph.must_links, graph.asked_pairs().shape) == ([], (0, 2))
    assert not graph.add(0, 2, -1, weight=3.0)
    assert graph.disputes() == [Dispute(0, 2, 3.0, ((1, 2),), 2.0, ask=(1, 2))]
    assert graph.groups().tolist() == [0, 0, 1, 2, 3, 3]
    graph.add(1, 2, -1, weight=2.0)  # as much as was assumed: the link is gone
    assert graph.disputes() == []
    assert graph.assumed_links.tolist() == [[0, 1], [1, 2], [4, 5]]


def test_groups_are_linked_around_what_is_known():
    graph = ConstraintGraph(6)
    graph.add(0, 1, -1, weight=2.0)  # denies the first link of the chain 0-1-2 beforehand
    graph.add(2, 5, 1)
    graph.link_groups(np.array([7, 7, 7, 3, 3, -1], dtype=np.int8))
    assert graph.groups().tolist() == [0, 1, 1, 2, 2, 1]
    graph.link_groups(np.array([0, 0, -1, -1, -1, -1]), weight=4.0)  # a second opinion on the same pair
    assert graph.groups().tolist() == [0, 0, 0, 1, 1, 0]
    assert graph.assumed_links.tolist() == [[0, 1], [1, 2], [3, 4], [0, 1]]


def test_agreeing_answers_search_nothing_and_disputes_only_their_component(monkeypatch):
    searched = []
    component = Evidence.component

    def spy(evidence, image):
        searched.append(len(component(evidence, image).images))
        return component(evidence, image)

    monkeypatch.setattr(Evidence, "component", spy)
    graph = ConstraintGraph(1000)
    identities = np.arange(1000) // 10
    order = np.random.default_rng(0).permutation(1000)
    for i, j in zip(order, np.roll(order, 1), strict=True):
        graph.add(i, j, 1 if identities[i] == identities[j] else -1)
    for i in range(999):
        graph.add(i, i + 1, 1 if identities[i] == identities[i + 1] else -1)
    assert searched == []
    graph.add(0, 2, -1)
    graph.add(500, 3, 1)  # between two identities, nothing said of them
    graph.add(700, 1, -1)
    graph.add(7, 999, 0)
    assert searched == [10]


def test_memory_is_a_few_numbers_an_image():
    tracemalloc.start()
    graph = ConstraintGraph(500_000)
    graph.add(0, 499_999, 1)
    held, _ = tracemalloc.get_traced_memory()
    graph.link_groups(np.arange(500_000) // 4)
    linked, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 30 * 500_000
    assert linked < 60 * 500_000


def test_padding_is_unknown():
    graph = ConstraintGraph(4)
    graph.add(0, 3, 1)
    assert graph.implied(0, np.array([3, -1])).tolist() == [1, 0]


@pytest.mark.parametrize(
    "answer",
    [(0, 4, 1), (-1, 2, 1), (1, 1, 1), (0, 1, 2), (0, 1, 1, 0.0), (0, 1, 1, -1.0), (0, 1, 0, np.nan)],
)
def test_bad_answers_are_named_and_change_nothing(answer):
    graph = ConstraintGraph(4)
    with pytest.raises(InputError, match="constraints"):
        graph.add(*answer)
    assert len(graph.asked_pairs()) == 0


@pytest.mark.parametrize(
    ("labels", "weight", "message"),
    [([0, 0], 1.0, "each of the 4 images"), ([0.0] * 4, 1.0, "float64"), ([0] * 4, np.inf, "weight inf")],
)
def test_bad_links_are_named_and_change_nothing(labels, weight, message):
    graph = ConstraintGraph(4)
    with pytest.raises(InputError, match=message):
        graph.link_groups(np.array(labels), weight)
    assert graph.groups().tolist() == [0, 1, 2, 3]


def told(graph, events):
    for event in events:
        if len(event) == 3:
            (i, j), answer, weight = event
            graph.add(i, j, answer, weight)
        else:
            graph.link_groups(np.array(event[0]), event[1])
    return graph


def everything(graph):
    return (
        graph.groups().tolist(), graph.group_conflicts().tolist(), graph.must_links, graph.cannot_links,
        graph.disputes(), graph.contradictions, graph.asked_pairs().tolist(), graph.assumed_links.tolist(),
    )  # fmt: skip


@given(
    st.lists(st.one_of(add_events, link_events), max_size=12),
    st.lists(st.one_of(add_events, link_events), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_a_deep_copy_goes_its_own_way(first, then):
    graph = told(ConstraintGraph(SIZE), first)
    before = everything(graph)
    twin = told(copy.deepcopy(graph), then)
    assert everything(graph) == before
    assert everything(twin) == everything(told(ConstraintGraph(SIZE), [*first, *then]))
