"""Splits: files, random ones, and what they select."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.data import ImageSet, Split, load_data, load_split, make_split, save_split
from reid_al_env.errors import InputError
from reid_al_env.feature_set import FeatureSet

MARKET = Path(__file__).resolve().parents[3] / "shared" / "data" / "market1501"
SPLIT = {"pool_identities": [1], "validation_identities": [2], "test_identities": [3], "query": ["c", "e"]}


def _images(identities, cameras=None, names=None):
    count = len(identities)
    names = [f"{row:04d}.png" for row in range(count)] if names is None else names
    pixels = np.zeros((count, 2, 2, 3), np.uint8)
    return ImageSet(names, identities, cameras, source="test", pixels=pixels)


def _seven():
    return _images([1, 1, 2, 2, 3, 3, -1], names=list("abcdefg"))


def _write(folder, content):
    path = folder / "split.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_sets_are_selected_by_identity_and_query_by_name(tmp_path):
    split, images = load_split(_write(tmp_path, SPLIT)), _seven()
    assert split.pool(images).tolist() == [0, 1]
    assert split.pool(images).dtype == np.int64
    assert split.validation(images).query.tolist() == [2]
    assert split.validation(images).gallery.tolist() == [3]
    assert split.test(images).query.tolist() == [4]
    assert split.test(images).gallery.tolist() == [5]


def test_indices_are_of_the_data_given(tmp_path):
    split, images = load_split(_write(tmp_path, SPLIT)), _seven().subset([5, 4, 3, 2, 1])
    assert split.pool(images).tolist() == [4]
    assert split.validation(images).query.tolist() == [3]
    assert split.test(images).gallery.tolist() == [0]


def test_features_with_paths_and_without(tmp_path):
    rows, identities = np.eye(6, dtype=np.float32), np.array([1, 1, 2, 2, 3, 3])
    named = FeatureSet(features=rows, identities=identities, paths=np.array(list("abcdef")))
    assert load_split(_write(tmp_path, SPLIT)).test(named).query.tolist() == [4]
    unnamed = FeatureSet(features=rows, identities=identities)
    split = Split((1,), (2,), (3,), ("3", "4"))
    assert split.validation(unnamed).query.tolist() == [3]
    assert split.test(unnamed).query.tolist() == [4]
    assert set(make_split(unnamed, 0).query) <= set("012345")


def test_file_round_trip_and_optional_parts(tmp_path):
    split = Split((4, 5), (), (6,), ("x", "y"))
    save_split(split, tmp_path / "s.json")
    assert load_split(tmp_path / "s.json") == split
    assert {path.name for path in tmp_path.iterdir()} == {"s.json", "s.json.before"}
    text = {"pool_identities": ["0002"], "test_identities": ["7"], "query": [], "source": "by hand"}
    assert load_split(_write(tmp_path, text)) == Split((2,), (), (7,), ())


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "cannot be read as a split"),
        ([1], "JSON list"),
        ({"query": []}, "no pool_identities, test_identities"),
        ({**SPLIT, "query": None}, "'query' is not a list of names"),
        ({**SPLIT, "query": [1]}, "'query' is not a list of names"),
        ({**SPLIT, "test_identities": ["x"]}, "'test_identities' is not a list of whole numbers"),
        ({**SPLIT, "test_identities": [1.5]}, "'test_identities' is not a list of whole numbers"),
        ({**SPLIT, "pool_identities": 3}, "'pool_identities' is not a list of whole numbers"),
        ({**SPLIT, "test_identities": [3, 1]}, "identity 1 is in both pool_identities and test_identities"),
        (
            {**SPLIT, "test_identities": [2]},
            "identity 2 is in both validation_identities and test_identities",
        ),
    ],
)
def test_bad_files(tmp_path, content, part):
    path = _write(tmp_path, content)
    with pytest.raises(InputError) as error:
        load_split(path)
    assert part in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match="none"):
        load_split(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be written"):
        save_split(Split((1,), (), (2,), ()), tmp_path / "no" / "such" / "s.json")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"query": ["c", "zzz"]}, "query zzz is not in the data, where names are like a"),
        ({"query": ["a", "e"]}, "query a shows identity 1"),
        ({"query": ["g", "e"]}, "query g shows identity -1"),
        ({"query": ["c"]}, "test_identities have no query"),
        ({"query": ["e", "f"]}, "test_identities have no gallery"),
        ({"test_identities": [99]}, "none of the test_identities"),
        ({"test_identities": []}, "has no test_identities"),
    ],
)
def test_splits_that_do_not_fit_the_data(tmp_path, change, part):
    split = load_split(_write(tmp_path, {**SPLIT, "query": ["e"], **change}))
    with pytest.raises(InputError) as error:
        split.test(_seven())
    assert part in str(error.value)


@st.composite
def _labelled(draw):
    count = draw(st.integers(12, 60))
    identities = draw(st.lists(st.integers(-1, 8), min_size=count, max_size=count))
    cameras = draw(st.none() | st.lists(st.integers(0, 3), min_size=count, max_size=count))
    return _images(identities, cameras)


def _has_match(images, query, gallery):
    same = images.identities[gallery] == images.identities[query]
    return bool(
        np.any(same if images.cameras is None else same & (images.cameras[gallery] != images.cameras[query]))
    )


@settings(max_examples=80, deadline=None)
@given(images=_labelled(), seed=st.integers(0, 5))
def test_random_splits_cover_everybody_once_and_every_query_has_a_match(images, seed):
    try:
        split = make_split(images, seed)
    except InputError:
        return
    people = [*split.pool_identities, *split.validation_identities, *split.test_identities]
    assert sorted(people) == sorted(set(images.identities.tolist()) - {-1})
    assert split == make_split(images, seed)
    rows = []
    for part in (split.validation(images), split.test(images)):
        cameras = np.zeros(len(images), int) if images.cameras is None else images.cameras
        asked = [(images.identities[row], cameras[row]) for row in part.query]
        assert len(asked) == len(set(asked))
        assert all(_has_match(images, row, part.gallery) for row in part.query)
        rows += [*part.query, *part.gallery]
    rows += [*split.pool(images)]
    assert sorted(rows) == np.flatnonzero(images.identities >= 0).tolist()


def test_random_split_shares_queries_and_seeds():
    images = _images(np.repeat(np.arange(30), 6), np.tile([0, 0, 1, 1, 2, 2], 30))
    split = make_split(images, 0)
    sizes = [len(split.pool_identities), len(split.validation_identities), len(split.test_identities)]
    assert sizes == [20, 5, 5]
    assert len(split.query) == 10 * 3
    assert split != make_split(images, 1)
    assert len(make_split(images, 0, pool_share=0.5).pool_identities) == 15


def test_queries_stop_before_the_gallery_loses_its_matches():
    images = _images(np.repeat(np.arange(9), 2), np.tile([0, 1], 9))  # one image in each of two cameras
    split = make_split(images, 0)
    for part in (split.validation(images), split.test(images)):
        assert len(part.query) == len(part.gallery)  # one of the two, not both


@pytest.mark.parametrize(
    ("images", "part"),
    [
        (_images([0, 0, 1, 1, -1]), "2 known identities"),
        (_images(np.arange(9)), "no validation_identities have two images"),
        (_images(np.repeat(np.arange(9), 2), np.zeros(18, int)), "no validation_identities have two images"),
    ],
)
def test_data_that_cannot_be_split(images, part):
    with pytest.raises(InputError, match=part):
        make_split(images, 0)


@pytest.mark.real_data
@pytest.mark.skipif(not MARKET.is_dir(), reason="photographs are absent")
def test_market1501_split_has_the_documented_counts():
    images, split = load_data(f"market1501:{MARKET}"), load_split(MARKET / "split.json")
    assert len(split.pool(images)) == 8_400
    for part, queries, total in ((split.validation(images), 449, 1_921), (split.test(images), 658, 2_615)):
        assert len(part.query) == queries
        assert len(part.query) + len(part.gallery) == total
