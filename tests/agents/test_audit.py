"""The audit: which pairs it draws, and what it says of groups that may have changed since."""

import math

import numpy as np
import pytest
from scipy.stats import beta

from reid_al_agents.beliefs.audit import (
    REACH,
    AuditedPair,
    Design,
    Strata,
    _expected,
    estimate_quality,
)
from reid_al_agents.beliefs.audit_events import AuditNote, packed_design
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.neighbours import nearest_neighbours, unit_rows
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.log.events import Event
from reid_al_env import ConstraintGraph


def pool(seed=0, count=40, near=15):
    """Points of five images an identity, groups that are partly wrong, and their neighbours."""
    rng = np.random.default_rng(seed)
    identities = np.repeat(np.arange(count // 5), 5)
    points = rng.normal(size=(count // 5, 6))[identities] + 0.7 * rng.normal(size=(count, 6))
    groups = identities.copy()
    moved = rng.choice(count, count // 5, replace=False)
    groups[moved] = rng.integers(0, count // 5, len(moved))
    groups = np.unique(groups, return_inverse=True)[1]
    return groups, nearest_neighbours(unit_rows(points), near), identities


def strata_by_hand(groups, neighbours, allowed=lambda i, j: True):
    """Every ordered pair of images by stratum."""
    count = len(groups)
    inside = [(i, j) for i in range(count) for j in range(count) if i != j and groups[i] == groups[j]]
    strata = [[pair for pair in inside if allowed(*pair)]]
    first = 1
    for end in REACH:
        ranks = range(first, min(end + 1, neighbours.shape[1]))
        pairs = [(i, int(neighbours[i, rank])) for rank in ranks for i in range(count)]
        if ranks:
            strata.append([(i, j) for i, j in pairs if groups[i] != groups[j] and allowed(i, j)])
        first = end + 1
    return strata


def every_pair(count):
    i, j = np.divmod(np.arange(count * count), count)
    return i[i != j], j[i != j]


def check_strata(strata, by_hand, count):
    assert strata.sizes.tolist() == [len(stratum) for stratum in by_hand]
    expected = {pair: number for number, stratum in enumerate(by_hand) for pair in stratum}
    i, j = every_pair(count)
    assert strata.of(i, j).tolist() == [expected.get(pair, -1) for pair in zip(i, j, strict=True)]


@pytest.mark.parametrize("near", [2, 8, 11, 12, 31, 40])
def test_strata_are_those_of_going_through_all_pairs(near):
    groups, neighbours, _ = pool(near=near)
    check_strata(Strata(groups, neighbours), strata_by_hand(groups, neighbours), 40)


@pytest.mark.parametrize("seed", range(4))
def test_images_that_were_taken_out_or_cannot_be_compared_are_in_no_stratum(seed):
    groups, neighbours, _ = pool(seed)
    rng = np.random.default_rng(seed)
    excluded, sides = rng.random(40) < 0.2, rng.integers(-1, 3, 40)

    def allowed(i, j):
        seen = sides[i] == sides[j] or -1 in (sides[i], sides[j])
        return seen and not excluded[i] and not excluded[j]

    strata = Strata(groups, neighbours, excluded, Sides(sides))
    check_strata(strata, strata_by_hand(groups, neighbours, allowed), 40)
    assert all(allowed(*pair[:2]) for pair in draws(strata, 300, rng))


def draws(strata, count, rng):
    """That many pairs (i, j, stratum), one after the other."""
    drawn, found = np.zeros(len(strata.sizes), dtype=np.int64), []
    for _ in range(count):
        found.append(strata.draw(rng, drawn))
        drawn[found[-1][2]] += 1
    return found


def test_draws_are_of_their_stratum_and_uniform_in_it():
    groups, neighbours, _ = pool(count=20)
    by_hand = strata_by_hand(groups, neighbours)
    found = draws(Strata(groups, neighbours), 6000, np.random.default_rng(1))
    assert all((i, j) in by_hand[stratum] for i, j, stratum in found)
    for number, stratum in enumerate(by_hand):
        drawn = [(i, j) for i, j, which in found if which == number]
        expected = len(drawn) / len(stratum)
        times = np.array([drawn.count(pair) for pair in stratum])
        # χ² of a uniform draw: mean k − 1, deviation √(2 (k − 1))
        surplus = float(((times - expected) ** 2 / expected).sum()) - (len(stratum) - 1)
        assert abs(surplus) < 5 * math.sqrt(2 * len(stratum))


@pytest.mark.parametrize("near", [8, 20, 40])
def test_half_of_the_draws_are_inside_groups_and_the_others_even_at_any_moment(near):
    groups, neighbours, _ = pool(near=near)
    strata = Strata(groups, neighbours)
    others = len(strata.sizes) - 1
    found = [stratum for *_, stratum in draws(strata, 240, np.random.default_rng(0))]
    for many in range(1, 241):
        inside, *rest = np.bincount(found[:many], minlength=others + 1)
        assert max(rest) - min(rest) <= 1
        assert abs(inside - many / 2) <= 1
    behind = np.array([500, 100, 500, 500][: others + 1])
    assert strata.draw(np.random.default_rng(0), behind)[2] == 1  # whatever was drawn before


def test_rare_pairs_are_found():
    """One pair of a thousand images is outside groups and among the neighbours."""
    groups = np.zeros(1000, dtype=np.int64)
    groups[7] = 1
    neighbours = np.stack([np.arange(1000), np.roll(np.arange(1000), -1)], axis=1)
    neighbours[6, 1] = 8
    strata = Strata(groups, neighbours)
    assert strata.sizes.tolist() == [999 * 998, 1]
    assert (7, 8, 1) in draws(strata, 40, np.random.default_rng(0))


def judged(drawn, strata, design=None):
    """What pairs (i, j, stratum, answer), all of one design, say of groups."""
    audited = [AuditedPair(i, j, 0, stratum, answer) for i, j, stratum, answer in drawn]
    return estimate_quality(audited, {0: strata.design if design is None else design}, strata)


def test_where_no_pair_is_inside_groups_all_draws_are_outside_and_the_other_way_round():
    _, neighbours, _ = pool()
    rng = np.random.default_rng(0)
    alone = Strata(np.arange(40), neighbours)
    assert alone.sizes[0] == 0
    estimate = judged([(*pair, -1) for pair in draws(alone, 200, rng)], alone)
    assert estimate.precision is None  # of no pairs nothing can be said
    assert estimate.recall[0] == 0
    together = Strata(np.zeros(40, dtype=np.int64), neighbours)
    assert together.sizes.tolist() == [40 * 39, 0, 0]
    estimate = judged([(*pair, 1) for pair in draws(together, 200, rng)], together)
    assert estimate.precision[0] == pytest.approx(1, abs=1e-12)  # a weighted mean of ones
    assert estimate.recall == (1, 1, 1)


def test_nothing_to_draw_from_draws_nothing_and_estimates_nothing():
    strata = Strata(np.zeros(1, dtype=np.int64), np.zeros((1, 1), dtype=np.int64))
    assert strata.draw(np.random.default_rng(0), np.zeros(len(strata.sizes))) is None
    assert estimate_quality([], {}, strata) is None
    nobody = np.ones(40, dtype=bool)
    groups, neighbours, _ = pool()
    before, after = Strata(groups, neighbours), Strata(groups, neighbours, nobody)
    assert judged([(*draws(before, 1, np.random.default_rng(0))[0], 1)], after, before.design) is None


def test_precision_is_the_jeffreys_interval_of_the_pairs_inside():
    groups, neighbours, _ = pool()
    strata = Strata(groups, neighbours)
    inside = strata_by_hand(groups, neighbours)[0][:40]
    drawn = [(*pair, 0, 1 if number < 31 else -1) for number, pair in enumerate(inside)]
    estimate = judged(drawn, strata)
    middle, *ends = estimate.precision
    assert middle == pytest.approx(31 / 40)
    np.testing.assert_allclose(ends, beta(31.5, 9.5).ppf([0.025, 0.975]), atol=0.01)
    assert estimate == judged(drawn, strata)
    assert estimate.recall is None  # outside nothing was audited


def test_pairs_count_by_the_inverse_of_how_often_all_designs_together_would_give_them():
    """Of groups {0, 1} and {2, 3, 4, 5}: first only {0, 1} and {2, 3} were groups, with four ordered pairs.

    Two draws inside of the first design, expected 2/4 of each of its pairs; two of the second, 2/14 of each.
    Pairs of both designs weigh 1 / (1/2 + 1/7) = 14/9, those of the second alone 7.
    """
    groups = np.array([0, 0, 1, 1, 1, 1])
    neighbours = np.argsort(np.random.default_rng(0).random((6, 6)), axis=1)
    neighbours = np.array([[i, *(j for j in row if j != i)] for i, row in enumerate(neighbours)])
    first, now = Strata(np.array([0, 0, 1, 1, 2, 3]), neighbours), Strata(groups, neighbours)
    assert (first.sizes[0], now.sizes[0]) == (4, 14)
    audited = [
        AuditedPair(0, 1, 7, 0, 1), AuditedPair(2, 3, 7, 0, -1),
        AuditedPair(1, 0, 9, 0, 1), AuditedPair(4, 5, 9, 0, 1),
    ]  # fmt: skip
    middle, *ends = estimate_quality(audited, {7: first.design, 9: now.design}, now).precision
    weights = np.array([14 / 9, 14 / 9, 14 / 9, 7])
    assert middle == pytest.approx(1 - weights[1] / weights.sum())
    count = weights.sum() ** 2 / (weights @ weights)
    expected = beta(0.5 + count * middle, 0.5 + count * (1 - middle)).ppf([0.025, 0.975])
    np.testing.assert_allclose(ends, expected, atol=0.02)


def test_recall_waits_for_thirty_pairs_in_every_stratum():
    groups, neighbours, _ = pool()
    strata = Strata(groups, neighbours)
    by_hand = strata_by_hand(groups, neighbours)
    drawn = [(*pair, number, 1) for number, stratum in enumerate(by_hand) for pair in stratum[:30]]
    assert judged(drawn, strata).recall is not None
    assert judged(drawn[:-1], strata).recall is None


def truth_of(groups, neighbours, identities):
    strata = strata_by_hand(groups, neighbours)
    matching = [sum(identities[i] == identities[j] for i, j in stratum) for stratum in strata]
    return matching[0] / len(strata[0]), matching[0] / sum(matching)


@pytest.fixture(scope="module")
def simulations():
    """Two hundred audits: 160 pairs while groups were others, 160 since, beside the truth of the latter."""
    earlier, _, _ = pool(seed=4, count=120, near=31)
    groups, neighbours, identities = pool(seed=3, count=120, near=31)
    strata = Strata(earlier, neighbours), Strata(groups, neighbours)
    designs = {number: each.design for number, each in enumerate(strata)}
    estimates = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        drawn = [(design, *pair) for design in designs for pair in draws(strata[design], 160, rng)]
        audited = [
            AuditedPair(i, j, design, stratum, 1 if identities[i] == identities[j] else -1)
            for design, i, j, stratum in drawn
        ]
        estimates.append(estimate_quality(audited, designs, strata[1]))
    return *truth_of(groups, neighbours, identities), estimates


@pytest.mark.parametrize("which", ["precision", "recall"])
def test_estimates_are_right_on_average_and_nineteen_intervals_of_twenty_hold_the_truth(simulations, which):
    truth = dict(zip(("precision", "recall"), simulations, strict=False))[which]
    assert 0.5 < truth < 0.95
    found = np.array([getattr(estimate, which) for estimate in simulations[2]])
    middle, low, high = found.T
    assert ((low <= middle) & (middle <= high)).all()
    assert abs(middle.mean() - truth) < 0.02
    assert abs(middle - truth).max() > 0.02  # the simulations do differ
    assert ((low <= truth) & (truth <= high)).mean() >= 0.9
    assert (high - low).mean() < 0.4


@pytest.mark.parametrize("shares", [(0.97, 0.15, 0.03, 0.005), (0.97, 0.03, 0.008, 0.002)])
def test_where_matches_are_rare_outside_intervals_of_recall_hold_the_truth(shares):
    """Strata as large and as poor as those of Market-1501, thirty pairs in each."""

    class Told:
        """Image i stands for a pair of stratum i; the first are of a pair within one group."""

        sizes = np.array([60_000, 50_000, 160_000, 588_000])
        design = Design(np.array([0, 1, 2, 3, 0]), sizes)

        def of(self, i, j):
            return i

        by_rank = of

    truth = shares[0] * Told.sizes[0] / (shares * Told.sizes).sum()
    rng, held, middles = np.random.default_rng(0), [], []
    for _ in range(300):
        drawn = [
            (stratum, 4, stratum, 1 if rng.random() < share else -1)
            for stratum, share in enumerate(shares)
            for _ in range(30)
        ]
        middle, low, high = judged(drawn, Told()).recall
        held.append(low <= truth <= high)
        middles.append(middle)
    assert np.mean(held) >= 0.93
    assert abs(np.mean(middles) - truth) < 0.03


def test_pairs_with_images_that_came_later_were_not_drawn_from_the_earlier_design():
    """Four images in two groups, then two more: expected draws by hand, over both designs."""
    small = Design(np.array([0, 0, 1, 1], dtype=np.int32), np.array([4, 8]))
    large = Design(np.array([0, 0, 1, 1, 2, 2], dtype=np.int32), np.array([6, 24]))
    pairs = np.array([[0, 1, 0, 0, 1], [0, 2, 0, 1, -1], [4, 5, 1, 0, 1], [0, 4, 1, 1, -1], [2, 3, 1, 0, 1]])
    expected = _expected(pairs, np.array([-1, 1, -1, 1, -1]), {0: small, 1: large})
    inside, outside = 1 / 4, 1 / 8  # one pair of each stratum of the first design
    assert expected.tolist() == pytest.approx(
        [inside + 2 / 6, outside + 1 / 24, 2 / 6, 1 / 24, inside + 2 / 6]
    )


def test_a_pool_that_has_grown_in_a_round_gets_a_design_of_its_own():
    def design(event_id, groups):
        payload = packed_design(Design(np.array(groups, dtype=np.int32), np.array([2, 4])))
        return Event(
            f"design/{event_id}", "run", "audit", "labels", 0.0, round=0, payload=payload, id=event_id
        )

    def answer(event_id, i, j):
        note = AuditNote(0, 1, False).as_dict()
        return Event(
            f"answer/{event_id}", "run", "answer", "anna", 0.0, query=i, candidate=j, answer="different",
            question_kind="audit", payload={"audit": note}, id=event_id,
        )  # fmt: skip

    log = [design(1, [0, 0, 1]), answer(2, 0, 2), design(3, [0, 0, 1, 2]), answer(4, 0, 3)]
    beliefs = Beliefs.replay(lambda _: ConstraintGraph(4), log, 0.02)
    assert {number: len(made.groups) for number, made in beliefs.designs.items()} == {-1: 3, 0: 4}
    assert [pair.design for pair in beliefs.audit.pairs()] == [-1, 0]
    before = Beliefs.replay(lambda _: ConstraintGraph(4), log[:2], 0.02)
    assert before.designs.get(0) is None  # so that the engine draws up another
