"""Metrics, feature sets, oracles and browsing."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_al_env import FeatureSet, InputError, LabelOracle, NoisyOracle
from reid_al_env.mdp.browsing import QueryBrowser
from reid_al_env.mdp.graph import squared_distances
from reid_al_env.mdp.metric import covariance, l2_normalise, to_metric_space
from reid_al_env.mdp.pool import PoolTable
from reid_al_env.mdp.reward import hardness_gap, hinge, softplus
from reid_al_env.mdp.specification import nearest_images, squared_mahalanobis


def test_whitening_is_the_mahalanobis_distance():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((60, 7)).astype(np.float32) @ rng.standard_normal((7, 7)).astype(
        np.float32
    )
    unit = l2_normalise(features).astype(np.float64)
    centred = unit - unit.mean(axis=0)
    sigma = covariance(centred, 0.1)
    sample = centred.T @ centred / 60
    np.testing.assert_allclose(sigma, 0.9 * sample + 0.1 * np.trace(sample) / 7 * np.eye(7))
    points = to_metric_space(features, "mahalanobis", 0.1)
    for i, j in [(0, 1), (5, 44), (59, 3)]:
        expected = squared_mahalanobis(unit[i], unit[j], np.linalg.inv(sigma))
        assert np.sum((points[i] - points[j]).astype(np.float64) ** 2) == pytest.approx(expected, rel=1e-4)


def test_ledoit_wolf_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.covariance")
    rng = np.random.default_rng(1)
    for count, width in [(20, 30), (200, 10)]:
        centred = rng.standard_normal((count, width)) * np.arange(1, width + 1)
        centred -= centred.mean(axis=0)
        expected = sklearn.LedoitWolf(assume_centered=True).fit(centred).covariance_
        np.testing.assert_allclose(covariance(centred), expected, rtol=1e-8, atol=1e-10)


def test_verified_metric_shortens_the_directions_in_which_matches_differ():
    features = np.eye(4, dtype=np.float32)[[0, 1, 2, 3]] + 0.01
    unit = l2_normalise(features).astype(np.float64)
    differences = np.array([unit[0] - unit[1], unit[1] - unit[0], 1.1 * (unit[0] - unit[1])])
    cosine = squared_distances(to_metric_space(features, "cosine"))
    verified = squared_distances(to_metric_space(features, "verified", 0.1, differences))
    assert verified[0, 1] / verified[2, 3] < 0.5 * cosine[0, 1] / cosine[2, 3]
    assert (to_metric_space(features, "verified") == to_metric_space(features, "cosine")).all()


@given(st.integers(1, 40), st.integers(0, 1000))
def test_browsing_is_a_permutation_each_pass(size, seed):
    browser = QueryBrowser(size, np.random.default_rng(seed))
    for _ in range(3):
        assert sorted(browser.next() for _ in range(size)) == list(range(size))


def test_browsing_is_uniform():
    firsts = [QueryBrowser(4, np.random.default_rng(s)) for s in range(2000)]
    orders = [tuple(b.next() for _ in range(4)) for b in firsts]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert counts.max() < 3 * counts.min()


def test_label_oracle_and_unknown_identities():
    oracle = LabelOracle(np.array([3, 3, 4, -1, -1]))
    assert oracle.answer(np.array([0, 0, 0, 3]), np.array([1, 2, 3, 4])).tolist() == [1, -1, 0, 0]


def test_noisy_oracle_errs_at_its_rates_and_by_its_seed():
    identities = np.arange(20_000) % 2
    pairs = np.zeros(20_000, int), np.arange(20_000)
    noisy = NoisyOracle(
        LabelOracle(identities), false_match=0.1, false_non_match=0.3, cannot_tell=0.05, seed=1
    ).answer(*pairs)
    truth = LabelOracle(identities).answer(*pairs)
    assert np.mean(noisy == 0) == pytest.approx(0.05, abs=0.01)
    decided = noisy != 0
    assert np.mean(noisy[decided & (truth < 0)] > 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(noisy[decided & (truth > 0)] < 0) == pytest.approx(0.3, abs=0.015)
    again = NoisyOracle(
        LabelOracle(identities), false_match=0.1, false_non_match=0.3, cannot_tell=0.05, seed=1
    )
    halves = [again.answer(pairs[0][a:b], pairs[1][a:b]) for a, b in [(0, 7), (7, 20_000)]]
    assert np.concatenate(halves).tolist() == noisy.tolist()


def test_rewards_and_empty_sets():
    far, near = np.float32([0.4, 0.4]), np.float32([np.inf, 0.1])
    np.testing.assert_allclose(hardness_gap(far, near, "neutral"), [0.0, 0.3], rtol=1e-6)
    np.testing.assert_allclose(hardness_gap(far, near, "farthest"), [-0.6, 0.3], rtol=1e-6)
    gap = np.float32([-0.6, 0.3, 0.3])
    answers = np.int8([1, 1, -1])
    np.testing.assert_allclose(hinge(answers, gap, 0.2), [0.0, 0.5, 0.0], atol=1e-7)
    np.testing.assert_allclose(softplus(answers, gap, 0.2), np.log1p(np.exp([-0.4, 0.5, -0.1])), rtol=1e-6)


def test_feature_set_round_trip(tmp_path):
    features = FeatureSet(np.eye(5), np.arange(5), np.arange(5) % 2, np.array(list("abcde")))
    features.save(tmp_path / "f.npz")
    again = FeatureSet.load(tmp_path / "f.npz")
    for name in ("features", "identities", "cameras", "paths"):
        assert (getattr(again, name) == getattr(features, name)).all()
    assert copy.deepcopy(again) is again
    assert (pickle.loads(pickle.dumps(features)).features == features.features).all()
    with pytest.raises(AttributeError, match="immutable"):
        features.source = "x"
    with pytest.raises(ValueError, match="read-only"):
        features.features[0, 0] = 1


def test_memory_mapped_features_are_pickled_by_path(tmp_path):
    big = np.random.default_rng(0).standard_normal((500, 40)).astype(np.float32)
    np.save(tmp_path / "big.npy", big)
    np.save(tmp_path / "big.identities.npy", np.arange(500))
    features = FeatureSet.load(tmp_path / "big.npy")
    blob = pickle.dumps(features)
    assert len(blob) < 1000
    again = pickle.loads(blob)
    assert (again.features == big).all()
    assert again.identities[7] == 7


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"features": np.full((3, 2), np.nan)}, r"row 0 .*NaN"),
        ({"features": np.array([[1.0, 2], [0, 0]])}, r"row 1 .*zero norm"),
        ({"features": np.eye(3), "identities": np.arange(2)}, "'identities' has shape"),
        ({"features": np.eye(3), "cameras": np.array(["a", "b", "c"])}, "whole numbers"),
        ({"features": np.ones(3)}, "expected numbers of shape"),
        ({"identities": np.arange(2)}, "no 'features'"),
        ({"features": np.array([{}, {}])}, "without pickle"),
    ],
)
def test_bad_feature_files_are_named(tmp_path, columns, words):
    np.savez(tmp_path / "bad.npz", **columns)
    with pytest.raises(InputError, match=words):
        FeatureSet.load(tmp_path / "bad.npz")
    (tmp_path / "junk.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match=r"junk\.npz"):
        FeatureSet.load(tmp_path / "junk.npz")


def test_an_index_takes_search_parameters():
    points = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
    exact = PoolTable(points, 10)

    def recall(index):
        table = PoolTable(points, 10, index=index)
        return np.mean([np.isin(exact.candidates(i), table.candidates(i)).mean() for i in range(100)])

    assert recall("IVF20,Flat") < recall("IVF20,Flat;nprobe=5") < recall("IVF20,Flat;nprobe=20") == 1
    with pytest.raises(InputError, match="'IVF20,Flat;probes=5'"):
        PoolTable(points, 10, index="IVF20,Flat;probes=5")


@pytest.mark.parametrize("cameras", [None, np.arange(2000) % 3])
@pytest.mark.parametrize("index", ["Flat", "IVF8,Flat;nprobe=8"])
def test_a_common_offset_leaves_the_neighbours_as_they_are(cameras, index):
    rng = np.random.default_rng(0)
    points = (rng.standard_normal((2000, 512)) + 1000).astype(np.float32)
    table = PoolTable(points, 10, cameras, index)
    for query in range(20):
        distances = np.sum((points.astype(np.float64) - points[query]) ** 2, axis=1)
        distances[query] = np.inf
        if cameras is not None:
            distances[cameras == cameras[query]] = np.inf
        assert table.candidates(query).tolist() == np.argsort(distances)[:10].tolist()


def test_lengths_count_where_the_index_normalises():
    points = np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32) + 3
    unit = l2_normalise(points).astype(np.float64)
    table = PoolTable(points, 5, index="L2norm,Flat")
    fetched = 5 + 5  # besides the image itself; among them, distance decides
    for query in range(10):
        nearest = np.argsort(-unit @ unit[query], kind="stable")[1 : fetched + 1]
        distances = np.sum((points[nearest].astype(np.float64) - points[query]) ** 2, axis=1)
        assert table.candidates(query).tolist() == nearest[np.argsort(distances)][:5].tolist()


class Truncating:
    """FAISS's search, but in no order, and of equal distances any may be missing."""

    is_trained = True

    def __init__(self, width):
        self.points = np.empty((0, width), dtype=np.float32)

    def add(self, points):
        self.points = np.concatenate([self.points, points])

    def search(self, points, wanted):
        distances = ((points[:, None] - self.points[None]) ** 2).sum(axis=2)
        backwards = len(self.points) - 1 - np.argsort(distances[:, ::-1], axis=1, kind="stable")
        return None, backwards[:, :wanted][:, ::-1]


@pytest.mark.parametrize("cameras", [None, np.arange(60) % 2])
@pytest.mark.parametrize("points", [np.ones((60, 2)), np.eye(60), np.arange(60)[:, None] // 20 + [[1.0, 0]]])
def test_the_order_is_by_distance_and_index_whatever_the_search_returns(monkeypatch, points, cameras):
    points = points.astype(np.float32)
    monkeypatch.setattr("faiss.index_factory", lambda width, description: Truncating(width))
    table = PoolTable(points, 6, cameras)
    for query in range(60):
        others = [i for i in range(60) if i != query and (cameras is None or cameras[i] != cameras[query])]
        near = nearest_images([points[i] for i in [query, *others]], 0, 6, np.float32)
        assert table.candidates(query).tolist() == [others[i - 1] for i in near]
