"""Images of unknown identity: the normal case, however "unknown" is spelt."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reid_al_agents.data import DataSettings, ImageSet, load_data, make_split, whole_pool
from reid_al_agents.data.names import is_unknown, number_names
from reid_al_agents.log.tables import identities_csv, wildlife_csv
from reid_al_env.errors import InputError

SPELLINGS = [
    "",
    " ",
    "unknown",
    "Unknown",
    "UNKNOWN",
    "nan",
    "NaN",
    "None",
    "null",
    "NULL",
    "?",
    "??",
    "-1",
    "-1.0",
]


def _write(folder, *names):
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8), (value, 0, 0)).save(path)


def _table(folder, text):
    (folder / "t.csv").write_text(text)
    return f"csv:{folder / 't.csv'}"


def test_loose_images_are_of_unknown_identity(tmp_path):
    _write(tmp_path, "b.png", "a.png")
    images = load_data(f"folder:{tmp_path}")
    assert images.names.tolist() == ["a.png", "b.png"]
    assert images.identities.tolist() == [-1, -1]
    assert not images.labelled.any()
    assert images.notes == ("no identity is known: 2 images are in no folder of an identity",)


def test_loose_images_beside_folders_of_identities(tmp_path):
    _write(tmp_path, "rex/a.png", "loose.png", "rex/day 2/b.png", "unknown/c.png", "None/d.png")
    images = load_data(f"folder:{tmp_path}")
    assert dict(zip(images.names.tolist(), images.identities.tolist(), strict=True)) == {
        "rex/a.png": 0,
        "rex/day 2/b.png": 0,
        "loose.png": -1,
        "unknown/c.png": -1,
        "None/d.png": -1,
    }
    assert images.identity_names == ("rex",)


def test_folders_may_be_anything_but_identities(tmp_path):
    _write(tmp_path, "monday/a.png", "tuesday/a.png")
    images = load_data(f"folder:{tmp_path}?identities=no")
    assert images.names.tolist() == ["monday/a.png", "tuesday/a.png"]
    assert not images.labelled.any()


def test_a_table_of_paths_alone(tmp_path):
    _write(tmp_path, "a.png", "b.png")
    images = load_data(_table(tmp_path, "path\na.png\nb.png\n"))
    assert images.identities.tolist() == [-1, -1]
    assert images.cameras is None


@pytest.mark.parametrize("word", SPELLINGS)
def test_no_spelling_of_unknown_becomes_an_individual(tmp_path, word):
    _write(tmp_path, "a.png", "b.png", "c.png")
    images = load_data(_table(tmp_path, f'path,identity\na.png,"{word}"\nb.png,"{word}"\nc.png,rex\n'))
    assert images.identities.tolist() == [-1, -1, 0]


def test_further_spellings_are_named_by_settings(tmp_path):
    _write(tmp_path, "a.png", "b.png", "unbekannt/c.png")
    settings = DataSettings(unknown="Unbekannt, n.n.")
    table = _table(tmp_path, "path,identity,camera\na.png,UNBEKANNT,1\nb.png,N.N.,unbekannt\n")
    images = load_data(table, settings)
    assert images.identities.tolist() == [-1, -1]
    assert images.cameras.tolist() == [1, -1]
    assert not load_data(f"folder:{tmp_path}", settings).labelled.any()
    assert load_data(table).identity_names == ("N.N.", "UNBEKANNT")


def test_our_own_exports_say_the_same_when_they_are_read_again(tmp_path):
    names = [f"{row}.png" for row in range(5)]
    _write(tmp_path, *names)
    groups = np.array([0, 0, 1, 2, 3])  # the last three stand alone; one of them has a name
    for table in (
        wildlife_csv(names, groups, labels={2: "Limpy"}),
        identities_csv(names, groups, {2: "Limpy"}),
    ):
        images = load_data(_table(tmp_path, table))
        assert images.names.tolist() == names
        assert (images.identities >= 0).tolist() == [True, True, False, True, False]
        assert images.identities[0] == images.identities[1] != images.identities[3]
        assert images.identity_names[images.identities[3]] == "Limpy"


def test_suggestions_that_are_read_as_identities_are_said(tmp_path):
    names = [f"{row}.png" for row in range(5)]
    _write(tmp_path, *names)
    groups, sure = np.array([0, 0, 0, 1, 2]), np.array([True, True, False, False, False])
    likely = np.full(5, 0.6)
    for table in (
        wildlife_csv(names, groups, labels={1: "Limpy"}, confirmed=sure, probabilities=likely),
        identities_csv(names, groups, {1: "Limpy"}, confirmed=sure, probabilities=likely),
    ):
        assert load_data(_table(tmp_path, table)).notes == (
            "the identities of 1 images are suggestions of a model and count as known here; reid-al export "
            "--confirmed-only leaves them out",
        )
    moved = wildlife_csv(
        ["a", "b"], np.array([0, 0]), paths=names[:2], confirmed=sure[:2], probabilities=likely[:2]
    )
    assert load_data(_table(tmp_path, moved)).notes == ()  # its column name is no news
    without = wildlife_csv(names, np.array([0, 0, 3, 1, 2]), confirmed=sure, probabilities=likely)
    assert load_data(_table(tmp_path, without)).notes == ()


def test_commands_that_need_labels_say_which_and_why(tmp_path):
    _write(tmp_path, "a.png", "b.png")
    images = load_data(f"folder:{tmp_path}")
    with pytest.raises(InputError) as error:
        make_split(images, 0)
    for part in ("no identity of its 2 images is known", "run", "evaluate", "annotate and embed need none"):
        assert part in str(error.value)


def test_all_unknown_images_make_a_pool_of_everything(tmp_path):
    _write(tmp_path, "a.png", "b.png", "rex/c.png")
    images = load_data(f"folder:{tmp_path}")
    assert whole_pool(images).pool(images).tolist() == [0, 1, 2]
    unknown = images.subset([0, 1])
    assert whole_pool(unknown).pool(unknown).tolist() == [0, 1]


def test_unknown_images_are_in_no_set_of_a_random_split():
    identities = [*np.repeat(np.arange(6), 3), -1, -1]
    pixels = np.zeros((len(identities), 2, 2, 3), np.uint8)
    images = ImageSet([str(row) for row in range(len(identities))], identities, source="test", pixels=pixels)
    split = make_split(images, 0)
    test = split.test(images)
    assert (images.identities[np.concatenate([split.pool(images), test.query, test.gallery])] >= 0).all()


# Names and numbers


def test_numbers_of_spreadsheets_are_whole():
    assert number_names(["1.0", "2", "", "3.000"]) == ([1, 2, -1, 3], None)
    assert number_names(["1.5", "2.0"]) == ([0, 1], ("1.5", "2"))
    assert number_names(["2", "2.0", "02"]) == ([1, 1, 0], ("02", "2"))


@given(st.lists(st.text(max_size=6), max_size=12))
def test_equal_names_have_equal_numbers_and_unknown_ones_none(words):
    numbers, names = number_names(words)
    assert len(numbers) == len(words)
    for word, number in zip(words, numbers, strict=True):
        assert (number == -1) == is_unknown(word)
        if names is not None and number >= 0:
            assert names[number] in (word.strip(), word.strip().split(".")[0].replace("\N{MINUS SIGN}", "-"))
    if names is not None:
        assert list(names) == sorted(set(names))


@given(st.sets(st.integers(0, 10**9), min_size=1, max_size=8))
def test_whole_numbers_are_kept(numbers):
    words = [str(number) for number in numbers]
    assert number_names(words) == (list(numbers), None)
    assert number_names([f"{word}.0" for word in words]) == (list(numbers), None)
