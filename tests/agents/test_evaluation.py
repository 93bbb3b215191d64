"""Rank-k, mAP and mINP, and scores of groups, against hand-worked examples and plain loops."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.evaluation import ranking as ranking_module
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_env.errors import InputError


def brute_force(features, identities, cameras, query, gallery):
    """The protocol in loops: exact squared Euclidean distances, ties by index."""
    first, precisions, inps = [], [], []
    for q in query:
        if identities[q] == -1:
            continue
        kept = []
        for g in sorted(gallery):
            same = identities[g] == identities[q]
            if g == q or (cameras is not None and same and cameras[g] == cameras[q]):
                continue
            kept.append(
                (sum((int(a) - int(b)) ** 2 for a, b in zip(features[q], features[g], strict=True)), g, same)
            )
        hits = [rank for rank, (_, _, same) in enumerate(sorted(kept), start=1) if same]
        if hits:
            first.append(hits[0])
            precisions.append(sum((i + 1) / rank for i, rank in enumerate(hits)) / len(hits))
            inps.append(len(hits) / hits[-1])
    if not first:
        return None
    cmc = [100 * sum(rank <= k for rank in first) / len(first) for k in range(1, 51)]
    return cmc, 100 * sum(precisions) / len(first), 100 * sum(inps) / len(first), len(first)


@st.composite
def problems(draw):
    """Small integer features (many exact ties), few identities, some of them −1, and cameras or none."""
    size = draw(st.integers(4, 24))
    features = draw(st.lists(st.tuples(*[st.integers(-2, 2)] * 2), min_size=size, max_size=size))
    identities = draw(st.lists(st.integers(-1, 3), min_size=size, max_size=size))
    cameras = draw(st.none() | st.lists(st.integers(0, 2), min_size=size, max_size=size))
    query = draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    gallery = draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    return (
        np.array(features, dtype=np.float32),
        np.array(identities, dtype=np.int64),
        None if cameras is None else np.array(cameras, dtype=np.int64),
        np.array(query, dtype=np.int64),
        np.array(gallery, dtype=np.int64),
    )


@settings(max_examples=150, deadline=None)
@given(problems())
def test_equals_a_plain_loop(problem):
    expected = brute_force(*problem)
    if expected is None:
        with pytest.raises(InputError, match="none of the"):
            evaluate_ranking(*problem, metric="euclidean")
        return
    cmc, mean_precision, mean_inp, queries = expected
    scores = evaluate_ranking(*problem, metric="euclidean")
    assert scores.queries == queries
    assert scores.cmc == pytest.approx(cmc)
    assert (scores.rank1, scores.rank5, scores.rank10) == pytest.approx((cmc[0], cmc[4], cmc[9]))
    assert scores.map == pytest.approx(mean_precision)
    assert scores.minp == pytest.approx(mean_inp)


@settings(max_examples=30, deadline=None)
@given(problems(), st.integers(1, 3))
def test_chunks_change_nothing(problem, chunk):
    def scores():
        try:
            return evaluate_ranking(*problem, metric="euclidean")
        except InputError as error:
            return str(error)

    whole = scores()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking_module, "CHUNK", chunk)
        assert scores() == whole


def line(*positions):
    return np.array([[position, 0.0] for position in positions], dtype=np.float32)


def test_hand_worked_example():
    # Query 0 at 0; the gallery in order of distance: wrong, right, wrong, right, right.
    identities = np.array([5, 6, 5, 7, 5, 5])
    scores = evaluate_ranking(
        line(0, 1, 2, 3, 4, 5), identities, None, np.array([0]), np.arange(1, 6), metric="euclidean"
    )
    assert scores.rank1 == 0
    assert scores.cmc[1] == 100
    assert scores.map == pytest.approx(100 * (1 / 2 + 2 / 4 + 3 / 5) / 3)
    assert scores.minp == pytest.approx(100 * 3 / 5)


def test_same_identity_and_camera_is_left_out_and_other_cameras_count():
    identities = np.array([5, 5, 6, 5])
    cameras = np.array([1, 1, 1, 2])
    scores = evaluate_ranking(
        line(0, 1, 2, 3), identities, cameras, np.array([0]), np.arange(4), metric="euclidean"
    )
    assert (scores.rank1, scores.map) == (0, pytest.approx(50))


def test_distractors_count_as_non_matches_and_do_not_match_each_other():
    identities = np.array([5, -1, 5, -1])
    scores = evaluate_ranking(
        line(0, 1, 2, 1.5), identities, None, np.array([0, 1]), np.arange(4), metric="euclidean"
    )
    assert scores.queries == 1
    assert scores.map == pytest.approx(100 / 3)


def test_ties_go_by_gallery_index_whatever_the_order_of_the_gallery():
    identities = np.array([5, 6, 5])
    for gallery in ([1, 2], [2, 1]):
        scores = evaluate_ranking(
            line(0, 1, 1), identities, None, np.array([0]), np.array(gallery), metric="euclidean"
        )
        assert scores.map == pytest.approx(50)


def test_cosine_ignores_lengths():
    features = np.array([[1, 0], [100, 1], [0.5, 0.5]], dtype=np.float32)
    identities = np.array([5, 5, 6])
    arguments = (identities, None, np.array([0]), np.array([1, 2]))
    assert evaluate_ranking(features, *arguments).map == 100
    assert evaluate_ranking(features, *arguments, metric="euclidean").map == 50


def test_features_that_are_not_finite_are_an_input_error():
    features = line(0, np.nan, 1)
    with pytest.raises(InputError, match="not finite"):
        evaluate_ranking(features, np.zeros(3, dtype=np.int64), None, np.array([0]), np.array([1, 2]))


# Groups


def groups_by_hand(groups, identities):
    """All scores in plain loops over images and pairs of those whose identity is known."""
    known = [i for i in range(len(groups)) if identities[i] >= 0]
    same_group = {i: [j for j in known if groups[j] == groups[i]] for i in known}
    same_identity = {i: [j for j in known if identities[j] == identities[i]] for i in known}
    grouped = sum(len(same_group[i]) - 1 for i in known)
    belonging = sum(len(same_identity[i]) - 1 for i in known)
    right = sum(len(set(same_group[i]) & set(same_identity[i])) - 1 for i in known)
    precision = right / grouped if grouped else 1.0
    recall = right / belonging if belonging else 1.0
    parts = [len(set(same_group[i]) & set(same_identity[i])) for i in known]
    bcubed = [
        sum(part / len(whole[i]) for i, part in zip(known, parts, strict=True)) / len(known)
        for whole in (same_group, same_identity)
    ]
    expected = grouped * belonging / max(len(known) * (len(known) - 1), 1)
    most = (grouped + belonging) / 2
    return {
        "pairwise_precision": precision,
        "pairwise_recall": recall,
        "pairwise_f1": 2 * precision * recall / (precision + recall) if precision + recall else 0.0,
        "bcubed_f1": 2 * bcubed[0] * bcubed[1] / sum(bcubed),
        "ari": (right - expected) / (most - expected) if most != expected else 1.0,
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 4)), min_size=1, max_size=18))
def test_group_scores_equal_plain_loops(images):
    groups, identities = np.array(images, dtype=np.int64).T
    if (identities < 0).all():
        with pytest.raises(InputError, match="no identity is known"):
            evaluate_groups(groups, identities)
        return
    assert asdict(evaluate_groups(groups, identities)) == pytest.approx(groups_by_hand(groups, identities))


def test_group_scores_count_the_pairs_of_many_images_without_overflow():
    """100,000 images: one group of two identities of half of them each, 10¹⁰ ordered pairs."""
    identities = np.arange(100_000, dtype=np.int64) % 2
    scores = evaluate_groups(np.zeros(100_000, dtype=np.int64), identities)
    assert scores.pairwise_precision == pytest.approx(49_999 / 99_999)
    assert (scores.pairwise_recall, scores.ari) == (1.0, 0.0)
    assert scores.bcubed_f1 == pytest.approx(2 / 3)
