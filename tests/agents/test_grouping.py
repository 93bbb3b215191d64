"""Between groups: what is seen of pairs, how likely they match, what an answer is worth, and the audit."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.asking.candidates import NODE_FEATURES, Candidates
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.match_model import ENOUGH, MEMORY, PAIR_FEATURES, PRIOR, MatchModel
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.weights import answer_weight, chance_of_error
from reid_al_agents.clustering.forming import FormedGroups, form_groups
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.selection import make_selector
from reid_al_env import ConstraintGraph, FeatureSet, synthetic_features
from reid_al_env.errors import InputError
from reid_al_env.groups import Groups

FEATURES = synthetic_features(14, 6, noise=0.6, seed=2)
LOOKS = compare_visually(FEATURES.features, FEATURES.cameras, 8, 3)


def answered(count=60, seed=0, features=FEATURES):
    """True answers and some "can't tell" about random pairs."""
    rng = np.random.default_rng(seed)
    constraints = ConstraintGraph(len(features))
    for _ in range(count):
        i, j = rng.choice(len(features), 2, replace=False)
        truth = 1 if features.identities[i] == features.identities[j] else -1
        constraints.add(i, j, 0 if rng.random() < 0.2 else truth)
    return constraints


def view_of(constraints, neighbours=5, model=None, features=FEATURES):
    formed = form_groups(LOOKS.similarities, constraints, 0.4)
    view = Candidates(features, LOOKS.similarities, formed, constraints, model or MatchModel(), neighbours)
    return view, formed


@pytest.fixture(scope="module")
def seen():
    constraints = answered()
    view, formed = view_of(constraints)
    assert 20 < len(view.groups) < len(FEATURES)
    assert view.groups.sizes.max() > 2
    return view, formed, constraints


# Groups as nodes


def test_groups_by_hand():
    rows = [[5, 0], [0.6, 0.8], [0, 3], [0, -2], [0.8, 0.6]]
    features = FeatureSet(
        np.array(rows), np.array([7, 7, 8, 9, 6]), paths=np.array(["a", "b", "c", "d", "e"]), source="five"
    )
    groups = Groups(features, np.array([0, 0, 1, 2, 0]))
    assert len(groups) == 3
    assert groups.sizes.tolist() == [3, 1, 1]
    summed = np.array([2.4, 1.4])
    np.testing.assert_allclose(groups.means[0], summed / np.linalg.norm(summed), atol=1e-6)
    np.testing.assert_allclose(groups.means[1:], [[0, 1], [0, -1]], atol=1e-6)
    assert groups.typical.tolist() == [4, 2, 3]
    assert [groups.by_closeness(group).tolist() for group in range(3)] == [[4, 1, 0], [2], [3]]
    assert [groups.members(group).tolist() for group in range(3)] == [[0, 1, 4], [2], [3]]
    nodes = groups.nodes()
    assert nodes.names.tolist() == ["e", "c", "d"]
    assert nodes.identities.tolist() == [6, 8, 9]
    assert nodes.cameras is None
    assert "five" in nodes.source


def test_groups_are_those_of_loops(seen):
    view, formed, _ = seen
    units = FEATURES.features.astype(float) / np.linalg.norm(FEATURES.features, axis=1, keepdims=True)
    for group in range(len(view.groups)):
        members = [i for i in range(len(FEATURES)) if formed.groups[i] == group]
        mean = np.mean([units[i] for i in members], axis=0)
        mean /= np.linalg.norm(mean)
        np.testing.assert_allclose(view.groups.means[group], mean, atol=1e-5)
        assert view.groups.members(group).tolist() == members
        typical, second = int(view.groups.typical[group]), int(view.groups.by_closeness(group)[:2][-1])
        assert {typical, second} <= set(members)
        assert (typical == second) == (len(members) == 1)
        near = sorted((float(units[i] @ mean) for i in members), reverse=True)  # two are equally near
        assert float(units[typical] @ mean) == pytest.approx(near[0], abs=1e-6)
        assert float(units[second] @ mean) == pytest.approx(near[min(1, len(near) - 1)], abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1], r"labels have shape \(2,\) but .* has 3 images"),
        ([0, 2, 2], "every number from 0"),
        ([0, -1, 1], "every number from 0"),
        ([[0], [1], [2]], r"labels have shape \(3, 1\)"),
        ([0, 1, 1], "group 1 cancel out"),
    ],
)
def test_labels_that_do_not_fit_are_an_input_error(labels, words):
    features = FeatureSet(np.array([[1.0, 0], [0, 1], [0, -1]]), source="three")
    with pytest.raises(InputError, match=words):
        Groups(features, np.array(labels))


# The view


def test_candidates_are_the_nearest_other_groups_by_cosine(seen):
    view, _, _ = seen
    means = view.groups.means.astype(float)
    for group in range(len(means)):
        others = [other for other in range(len(means)) if other != group]
        ranked = sorted(others, key=lambda other: -float(means[group] @ means[other]))
        assert view.candidates[group].tolist() == ranked[:5]


def average_similarity(formed, a, b):
    ours, theirs = np.flatnonzero(formed.groups == a), np.flatnonzero(formed.groups == b)
    return float(np.mean(LOOKS.similarities.toarray()[np.ix_(ours, theirs)]))


def exact():
    """Logistic regression by another solver, to its last digits."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(solver="newton-cg", max_iter=1000, tol=1e-12)


def pair_by_hand(view, formed, a, b):
    """The ten numbers about a pair of groups, as their documentation has it."""
    least = 0.003
    means = view.groups.means.astype(float)
    jaccard = average_similarity(formed, a, b)
    cosine = float(means[a] @ means[b])
    shares, gaps = [], []
    for side in (a, b):
        near = [other for pair in view.pairs.tolist() if side in pair for other in pair if other != side]
        best = max(average_similarity(formed, side, other) for other in near)
        shares.append(jaccard / max(best, least))
        gaps.append(cosine - max(0.0, *(float(means[side] @ means[other]) for other in near)))
    sizes = [math.log(int(np.sum(formed.groups == side))) for side in (a, b)]
    cameras = [set(FEATURES.cameras[formed.groups == side].tolist()) for side in (a, b)]
    return {
        "cosine": cosine,
        "root_jaccard": math.sqrt(jaccard),
        "log_jaccard": math.log(jaccard + least),
        "jaccard_share_low": min(shares),
        "jaccard_share_high": max(shares),
        "cosine_gap_low": min(gaps),
        "cosine_gap_high": max(gaps),
        "log_smaller": min(sizes),
        "log_larger": max(sizes),
        "shared_camera": float(bool(cameras[0] & cameras[1])),
    }


def test_pairs_of_groups_are_described_as_documented_and_alike_from_both_sides(seen):
    view, formed, _ = seen
    pairs = list(combinations(range(0, len(view.groups), 2), 2))
    a, b = np.array(pairs).T
    described = view.describe_pairs(a, b)
    assert (described == view.describe_pairs(b, a)).all()
    for row, (ours, theirs) in zip(described, pairs, strict=True):
        expected = pair_by_hand(view, formed, ours, theirs)
        assert tuple(expected) == PAIR_FEATURES
        np.testing.assert_allclose(row, list(expected.values()), atol=2e-5)
    assert len(set(described[:, PAIR_FEATURES.index("shared_camera")].tolist())) == 2
    assert view.describe_pairs(a[:0], b[:0]).shape == (0, len(PAIR_FEATURES))


def closed_by_hand(formed, constraints):
    asked = {tuple(sorted(pair)) for pair in constraints.asked_pairs().tolist()}
    closed = set()
    for i, j in combinations(range(len(formed.groups)), 2):
        a, b = sorted((int(formed.groups[i]), int(formed.groups[j])))
        if a != b and (constraints.relation(i, j) < 0 or (i, j) in asked):
            closed.add((a, b))
    return closed


def test_a_pair_is_closed_once_its_images_were_compared_or_are_known_to_differ(seen):
    view, formed, constraints = seen
    closed = closed_by_hand(formed, constraints)
    differing = {tuple(pair) for pair in formed.conflicts.tolist()}
    assert differing < closed  # "can't tell" closes too
    assert view.closed_pairs().tolist() == sorted(map(list, closed))
    assert (view.conflicts == formed.conflicts).all()
    for a, near in enumerate(view.candidates.tolist()):
        assert view.open[a].tolist() == [(min(a, b), max(a, b)) not in closed for b in near]
    assert view.open.any()
    assert not view.open.all()


def test_an_answer_is_worth_the_chance_of_a_match_by_the_root_of_both_sizes(seen):
    view, formed, _ = seen
    sizes = np.bincount(formed.groups)
    for a, near in enumerate(view.candidates.tolist()):
        for place, b in enumerate(near):
            probability = 1 / (1 + math.exp(3 - 6 * math.sqrt(average_similarity(formed, a, b))))
            assert view.probabilities[a, place] == pytest.approx(probability, abs=1e-5)
            worth = probability * math.sqrt(sizes[a] * sizes[b]) if view.open[a, place] else 0
            assert view.gain[a, place] == pytest.approx(worth, abs=1e-4)


def test_nodes_are_described_by_size_probability_and_cameras(seen):
    view, formed, _ = seen
    queries = np.array([3, 0, 11])
    candidates = np.array([[4, 9, -1, 0], [3, -1, -1, -1], [-1, 3, 0, 12]])
    described = view.describe(queries, candidates)
    assert described.shape == (3, 5, len(NODE_FEATURES))
    assert described.dtype == np.float32
    assert view.names == NODE_FEATURES
    sizes = np.bincount(formed.groups)
    for row, query in enumerate(queries.tolist()):
        np.testing.assert_allclose(described[row, 0], [math.log(sizes[query]), 1, 0], rtol=1e-6)
        for place, other in enumerate(candidates[row].tolist()):
            found = described[row, place + 1]
            if other < 0:
                assert found.tolist() == [0, 0, 0]
                continue
            pair = pair_by_hand(view, formed, query, other)
            chance = 1 / (1 + math.exp(3 - 6 * pair["root_jaccard"]))
            expected = [math.log(sizes[other]), chance, 1 - pair["shared_camera"]]
            np.testing.assert_allclose(found, expected, atol=1e-5)
    assert described[0, 4, 1] == described[1, 1, 1]  # (3, 0) as (0, 3)


def test_nodes_are_described_alike_alone_and_in_a_batch(seen):
    view, _, _ = seen
    rng = np.random.default_rng(0)
    queries = rng.integers(0, len(view.groups), 9)
    candidates = rng.integers(-1, len(view.groups), (9, 6))
    batch = view.describe(queries, candidates)
    for row in range(9):
        alone = view.describe(queries[row : row + 1], candidates[row : row + 1])
        assert (alone[0] == batch[row]).all()


def test_more_neighbours_than_groups_are_all_the_others():
    constraints = ConstraintGraph(len(FEATURES))
    labels = np.minimum(np.arange(len(FEATURES)), 3)
    formed = FormedGroups(labels, labels, np.empty((0, 2), dtype=np.int64))
    view = Candidates(FEATURES, LOOKS.similarities, formed, constraints, MatchModel(), 15)
    assert view.candidates.shape == (4, 3)
    assert [set(row) for row in view.candidates.tolist()] == [set(range(4)) - {group} for group in range(4)]
    one = FormedGroups(labels * 0, labels * 0, np.empty((0, 2), dtype=np.int64))
    assert Candidates(FEATURES, LOOKS.similarities, one, constraints, MatchModel(), 15).gain.shape == (1, 0)


def test_without_cameras_no_pair_shares_one():
    blind = FeatureSet(FEATURES.features, FEATURES.identities)
    view, _ = view_of(answered(), features=blind)
    described = view.describe_pairs(np.array([0, 1]), np.array([2, 3]))
    assert described[:, PAIR_FEATURES.index("shared_camera")].tolist() == [0, 0]


def test_the_selector_of_highest_gain_picks_what_the_view_holds_most_worth(seen):
    """Over a group's own candidates, the observation leads to the same choice as the schedule's."""
    view, _, _ = seen
    queries = np.flatnonzero(view.open.any(axis=1))
    candidates = view.candidates[queries]
    observation = {
        "action_mask": view.open[queries].astype(np.int8),
        "node_features": view.describe(queries, candidates),
    }
    chosen = make_selector("gain").select(observation, np.random.default_rng(0))
    np.testing.assert_allclose(view.gain[queries, chosen], view.gain[queries].max(axis=1), rtol=1e-6)
    assert chosen.dtype == np.int64


def test_the_selector_of_highest_gain_needs_groups():
    with pytest.raises(InputError, match="--nodes groups"):
        make_selector("gain").select(
            {"action_mask": np.ones((1, 3), dtype=np.int8)}, np.random.default_rng(0)
        )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 8), st.integers(0, 2**16))
def test_gain_is_the_highest_unmasked_product(batch, count, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 50, (batch, count + 1))
    probability = rng.uniform(1e-4, 1, (batch, count + 1))
    mask = rng.integers(0, 2, (batch, count)).astype(np.int8)
    features = np.stack([np.log(sizes), probability, np.zeros_like(probability)], axis=2).astype(np.float32)
    chosen = make_selector("gain").select({"action_mask": mask, "node_features": features}, rng)
    for row in range(batch):
        gains = {
            place: probability[row, place + 1] * math.sqrt(sizes[row, 0] * sizes[row, place + 1])
            for place in range(count)
            if mask[row, place]
        }
        if not gains:
            assert chosen[row] == 0
        else:
            assert gains[chosen[row]] == pytest.approx(max(gains.values()), rel=1e-4)


# The match model


def pairs_with(**columns):
    count = len(next(iter(columns.values())))
    described = np.zeros((count, len(PAIR_FEATURES)))
    for name, values in columns.items():
        described[:, PAIR_FEATURES.index(name)] = values
    return described


def separable(count, seed):
    """Matches are those of high cosine, while the number that the first guess trusts says the reverse."""
    rng = np.random.default_rng(seed)
    cosine = rng.uniform(0, 1, count)
    matched = cosine > 0.6
    return pairs_with(
        cosine=cosine, root_jaccard=np.where(matched, 0.2, 0.8) + rng.normal(0, 0.4, count)
    ), matched


def taught(count, seed=0):
    model = MatchModel()
    described, matched = separable(count, seed)
    for row, match in zip(described, matched, strict=True):
        model.add(row, 0.5, 1 if match else -1)
    model.fit()
    return model


def log_loss(probability, matched):
    return -float(np.mean(np.log(np.where(matched, probability, 1 - probability))))


def test_probabilities_are_those_of_logistic_regression_on_standardised_features():
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    described, matched = separable(300, 4)
    model = MatchModel()
    for row, match in zip(described, matched, strict=True):
        model.add(row, 0.5, 1 if match else -1)
    model.fit()
    reference = make_pipeline(StandardScaler(), exact()).fit(described, matched)
    np.testing.assert_allclose(
        model.probabilities(described), reference.predict_proba(described)[:, 1], rtol=1e-6
    )


def test_the_first_guess_is_even_at_a_quarter_of_the_neighbours():
    guess = MatchModel().probabilities(pairs_with(root_jaccard=[0.5, 0.0, 1.0]))
    np.testing.assert_allclose(guess, [0.5, 1 / (1 + math.exp(3)), 1 / (1 + math.exp(-3))])
    assert MatchModel().probabilities(np.empty((0, len(PAIR_FEATURES)))).shape == (0,)


def test_what_was_learned_beats_the_guess_on_pairs_never_seen():
    described, matched = separable(400, seed=9)
    guessed = MatchModel().probabilities(described)
    learned = taught(300).probabilities(described)
    assert learned.shape == (400,)
    assert ((learned > 0) & (learned < 1)).all()
    assert ((guessed > 0.5) == matched).mean() < 0.5
    assert ((learned > 0.5) == matched).mean() > 0.95
    assert log_loss(learned, matched) < 0.25 < log_loss(guessed, matched)


def test_the_guess_stays_until_there_are_enough_answers_of_both_kinds():
    described, matched = separable(500, seed=0)
    guess = MatchModel().probabilities(described)
    few = taught(ENOUGH - 1)
    assert (few.probabilities(described) == guess).all()
    assert (taught(ENOUGH).probabilities(described) != guess).any()
    one_kind = MatchModel()
    for row in described[matched]:
        one_kind.add(row, 0.5, 1)
    assert len(one_kind.matched) > ENOUGH
    one_kind.fit()
    assert (one_kind.probabilities(described) == guess).all()


def likeliest_first(count, seed):
    """Pairs of which the guess tells truly how likely they match; those it holds likeliest come first."""
    rng = np.random.default_rng(seed)
    root = np.sort(rng.uniform(0, 1, count))[::-1]
    described = pairs_with(root_jaccard=root, cosine=root + rng.normal(0, 0.05, count))
    return described, rng.random(count) < MatchModel().probabilities(described)


def hearing(described, matched, seen=None):
    model = MatchModel()
    for row, match in zip(described, matched, strict=True):
        model.add(row, 0.5, 1 if match else -1)
    model.fit(seen)
    return model


def test_answers_about_the_likeliest_pairs_do_not_spoil_the_order_of_the_rest():
    from sklearn.metrics import roc_auc_score

    with_guess, without = [], []
    for seed in range(20):
        described, matched = likeliest_first(3000, seed)
        asked, rest = slice(0, 120), slice(120, None)
        for areas, seen in ((with_guess, described), (without, None)):
            model = hearing(described[asked], matched[asked], seen)
            areas.append(roc_auc_score(matched[rest], model.probabilities(described[rest])))
    assert min(with_guess) > 0.75
    assert min(without) < 0.3
    assert np.mean(with_guess) > np.mean(without) + 0.1


def test_the_guess_counts_as_a_few_answers_about_the_pairs_there_are():
    from sklearn.preprocessing import StandardScaler

    described, matched = separable(50, seed=4)
    seen, _ = separable(120, seed=5)
    guess = MatchModel().probabilities(seen)
    pairs = np.concatenate([described, seen, seen])
    truth = np.concatenate([matched, np.ones(120, dtype=bool), np.zeros(120, dtype=bool)])
    tenths = [min(int(10 * each), 9) for each in guess]  # all that occur count alike
    each = np.array([PRIOR / len(set(tenths)) / tenths.count(tenth) for tenth in tenths])
    weights = np.concatenate([np.ones(50), guess * each, (1 - guess) * each])
    assert weights.sum() == pytest.approx(50 + PRIOR)
    scaler = StandardScaler().fit(pairs, sample_weight=weights)
    reference = exact().fit(scaler.transform(pairs), truth, sample_weight=weights)
    model = hearing(described, matched, seen)
    wanted = reference.predict_proba(scaler.transform(described))[:, 1]
    np.testing.assert_allclose(model.probabilities(described), wanted, rtol=1e-6)
    model.fit()  # the pairs of the last time
    np.testing.assert_allclose(model.probabilities(described), wanted, rtol=1e-6)


def test_before_the_first_answer_and_where_no_pair_is_open_the_guess_stays():
    described, matched = separable(200, seed=6)
    guess = MatchModel().probabilities(described)
    assert (hearing(described[:0], matched[:0], described).probabilities(described) == guess).all()
    few = hearing(described[:20], matched[:20], described[:0])
    assert (few.probabilities(described) == guess).all()
    one = hearing(described[:1], matched[:1], described).probabilities(described)
    assert np.abs(one - guess).max() < 0.4


def test_who_cannot_tell_teaches_nothing():
    model = MatchModel()
    for answer in (0, 1, 0, -1):
        model.add(np.arange(len(PAIR_FEATURES)), 0.25 + answer / 8, answer)
    assert model.matched == [True, False]
    assert model.predicted == [0.375, 0.125]
    assert len(model.described) == 2


def test_only_the_latest_answers_count():
    old, new = separable(200, seed=1), separable(MEMORY, seed=2)
    both, recent = MatchModel(), MatchModel()
    for row, match in zip(*old, strict=True):
        both.add(row, 0.5, -1 if match else 1)
    for row, match in zip(*new, strict=True):
        both.add(row, 0.5, 1 if match else -1)
        recent.add(row, 0.5, 1 if match else -1)
    both.fit()
    recent.fit()
    described, _ = separable(50, seed=3)
    assert (both.probabilities(described) == recent.probabilities(described)).all()


def predicting(predicted, matched):
    model = MatchModel()
    for probability, match in zip(predicted, matched, strict=True):
        model.add(np.zeros(len(PAIR_FEATURES)), probability, 1 if match else -1)
    return model


def test_calibration_error_by_hand():
    """In order 0.1 n, 0.3 n, 0.5 y | 0.6 y, 0.8 n, 1.0 y: gaps |1/3 − 0.3| and |2/3 − 0.8|, equally full."""
    model = predicting([0.6, 0.1, 1.0, 0.3, 0.8, 0.5], [True, False, True, False, False, True])
    assert model.calibration_error(6, bins=2) == pytest.approx((1 / 30 + 4 / 30) / 2)
    assert model.calibration_error(6, bins=1) == pytest.approx(abs(3 / 6 - 3.3 / 6))
    # of the last three, 0.3 n, 0.5 y | 0.8 n: one bin is fuller than the other
    assert model.calibration_error(3, bins=2) == pytest.approx((2 * abs(0.5 - 0.4) + 0.8) / 3)
    assert model.calibration_error(6, bins=7) is None
    assert model.calibration_error(1, bins=2) is None
    assert model.calibration_error(0) is None
    assert MatchModel().calibration_error(50) is None


def test_calibration_error_is_small_where_predictions_are_honest_and_large_where_not():
    rng = np.random.default_rng(0)
    predicted = rng.uniform(0, 1, 2000)
    matched = rng.random(2000) < predicted
    assert predicting(predicted, matched).calibration_error(2000) < 0.05
    assert predicting(1 - predicted, matched).calibration_error(2000) > 0.4


# Evidence


def test_evidence_by_hand():
    assert answer_weight(1, 0.5, 0.1) == pytest.approx(math.log(9))
    assert answer_weight(-1, 0.5, 0.1) == pytest.approx(math.log(9))
    assert answer_weight(1, 0.8, 0.1) == pytest.approx(math.log(36))
    assert answer_weight(-1, 0.8, 0.1) == pytest.approx(math.log(9 / 4))
    assert chance_of_error(1, 0.8, 0.1) == pytest.approx(1 / 37)
    assert chance_of_error(-1, 0.8, 0.1) == pytest.approx(4 / 13)
    assert chance_of_error(1, 0.5, 0.0) == chance_of_error(-1, 0.9, 0.0) == 0


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([1, -1]), st.floats(0.01, 0.99), st.floats(0.001, 0.49))
def test_evidence_is_bayes_rule_over_truth_and_error(answer, probability, rate):
    joint = {}
    for truth, wrong in product((1, -1), (False, True)):
        said = -truth if wrong else truth
        chance = (probability if truth > 0 else 1 - probability) * (rate if wrong else 1 - rate)
        joint[said, wrong] = joint.get((said, wrong), 0.0) + chance
    error = joint[answer, True] / (joint[answer, True] + joint[answer, False])
    assert chance_of_error(answer, probability, rate) == pytest.approx(error, rel=1e-6)
    assert answer_weight(answer, probability, rate) == pytest.approx(
        max(0.1, math.log((1 - error) / error)), rel=1e-6, abs=1e-9
    )


@pytest.mark.parametrize("answer", [1, -1])
def test_no_probability_is_taken_for_certain(answer):
    for certain, nearly in ((0.0, 0.01), (1.0, 0.99)):
        assert answer_weight(answer, certain, 0.1) == answer_weight(answer, nearly, 0.1)
        assert chance_of_error(answer, certain, 0.1) == chance_of_error(answer, nearly, 0.1)
    assert answer_weight(1, 0.0, 0.4) == 0.1  # an answer against all odds still counts


# When to stop


def test_the_chance_of_a_change_by_hand():
    monitor = ChangeMonitor(span=3, horizon=2, patience=0.25)  # α = 1/2
    assert (monitor.rate, monitor.chance_of_change, monitor.stable) == (1.0, 1.0, False)
    rates = []
    for changed in (False, True, False, False, False):
        monitor.add(changed)
        rates.append(monitor.rate)
    assert rates == [0.5, 0.75, 0.375, 0.1875, 0.09375]
    assert monitor.chance_of_change == pytest.approx(1 - 0.90625**2)
    assert monitor.stable
    assert (monitor.answers, monitor.changes) == (5, 1)
    monitor.add(np.bool_(True))
    assert not monitor.stable
    assert (monitor.answers, monitor.changes) == (6, 2)
    assert type(monitor.changes) is int


def test_asking_is_stable_after_as_many_quiet_answers_as_the_formula_says():
    monitor = ChangeMonitor()
    quiet = math.ceil(math.log(1 - 0.75 ** (1 / 72)) / math.log(1 - 2 / 201))
    assert 500 < quiet < 600
    for _ in range(quiet - 1):
        monitor.add(False)
    assert not monitor.stable
    monitor.add(False)
    assert monitor.stable
    monitor.add(True)
    assert not monitor.stable


# Settings


def test_default_settings_are_in_range_and_a_batch_is_a_share_of_the_images():
    assert GroupSettings().batch(8400) == 105
    assert GroupSettings().batch(100) == 10
    assert GroupSettings(batch_share=0.5).batch(101) == 50


@pytest.mark.parametrize(
    "wrong",
    [
        {"micro_cluster_similarity": 0.0},
        {"micro_cluster_similarity": 1.1},
        {"batch_share": 0.0},
        {"audit_share": 0.5},
        {"audit_share": -0.1},
        {"error_rate": 0.5},
        {"error_rate": float("nan")},
        {"micro_cluster_similarity": float("nan")},
        {"k1": 3, "k2": 4},
        {"neighbours": 0},
    ],
)
def test_settings_out_of_range_are_an_input_error_that_names_them(wrong):
    with pytest.raises(InputError, match=f"^{next(iter(wrong))}: "):
        GroupSettings(**wrong)
