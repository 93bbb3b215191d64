"""Sets of images as one: numbers of the first stay, names mean the same in all, files come once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_al_agents.data import ImageSet
from reid_al_agents.data.decoding import Box
from reid_al_agents.data.joining import join_images, unique_names, with_identities_of
from reid_al_agents.data.names import number_names
from reid_al_agents.data.protocol import own_protocol
from reid_al_env import InputError


def make(words, folder="a", **columns):
    identities, names = number_names(words)
    files = [f"/{folder}/{row}.png" for row in range(len(words))]
    return ImageSet([f"{row}.png" for row in range(len(words))], identities, source=f"folder:{folder}",
                    paths=files, identity_names=names, **columns)  # fmt: skip


def words_of(images):
    """What each image's identity is called."""
    named = images.identity_names
    return ["" if i < 0 else str(i) if named is None else named[i] for i in images.identities.tolist()]


WORDS = st.lists(st.sampled_from(["", "Limpy", "Zoë", "Mo", "7", "12"]), min_size=1, max_size=6)


@given(WORDS, WORDS, WORDS)
def test_names_mean_the_same_and_numbers_of_the_first_stay(first, second, third):
    sets = [make(words, folder) for words, folder in ((first, "a"), (second, "b"), (third, "c"))]
    joined = join_images(sets[0], [("b", sets[1]), ("c", sets[2])])
    assert words_of(joined) == [word for images in sets for word in words_of(images)]
    assert joined.identities[: len(first)].tolist() == sets[0].identities.tolist()
    assert joined.names[: len(first)].tolist() == sets[0].names.tolist()
    assert joined.names[len(first)] == "b/0.png"
    one_by_one = join_images(join_images(sets[0], [("b", sets[1])]), [("c", sets[2])])
    assert one_by_one.names.tolist() == joined.names.tolist()
    assert one_by_one.files.tolist() == joined.files.tolist()
    assert words_of(one_by_one) == words_of(joined)


def test_cameras_sides_places_and_times_come_along():
    day = np.array(["2026-01-31T14:05:09", "NaT"], dtype="M8[s]")
    first = make(["A", ""], cameras=[3, -1], tracklets=[0, 0])
    second = make(["", "A"], "b", cameras=[0, 1], camera_names=["gate", "3"], sides=[1, -1],
                  side_names=["left", "right"], places=[0, 0], place_names=["hill"], times=day,
                  tracklets=[-1, 0])  # fmt: skip
    joined = join_images(first, [("b", second)])
    assert [None if c < 0 else joined.camera_names[c] for c in joined.cameras] == ["3", None, "gate", "3"]
    assert joined.sides.tolist() == [-1, -1, joined.side_names.index("right"), -1]
    assert joined.places.tolist() == [-1, -1, 0, 0]
    assert np.isnat(joined.times).tolist() == [True, True, False, True]
    assert joined.tracklets.tolist() == [0, 0, -1, 1]


def test_a_file_in_both_is_taken_once_and_its_boxes_are_others():
    box = Box(0, 0, 4, 4)
    first = ImageSet(["p.png"], [-1], source="a", paths=["/a/p.png"])
    second = ImageSet(["p.png", "p.png#1"], [-1, -1], source="b", paths=["/a/p.png"] * 2, boxes=[None, box])
    joined = join_images(first, [("b", second)])
    assert joined.names.tolist() == ["p.png", "b/p.png#1"]
    assert joined.boxes == (None, box)
    assert join_images(first, [("b", first)]) is first


def test_the_test_set_of_the_first_stays():
    protocol = own_protocol("own", ["train", "query"])
    first = make(["A", "B"], protocol=protocol)
    joined = join_images(first, [("b", make(["A"], "b"))])
    assert joined.protocol.train.tolist() == [True, False, False]
    assert joined.protocol.query.tolist() == [False, True, False]


def test_images_in_no_files_cannot_join():
    rendered = ImageSet(["r"], [-1], source="synthetic:x", pixels=np.zeros((1, 4, 4, 3), dtype=np.uint8))
    with pytest.raises(InputError, match="synthetic:x: its images are in no files"):
        join_images(make(["A"]), [("r", rendered)])


def test_huge_numbers_beside_names_are_refused():
    with pytest.raises(InputError, match="a number as large as 99999999999"):
        join_images(make(["99999999999"]), [("b", make(["Limpy"], "b"))])


@given(st.lists(st.sampled_from(["a", "b", "a (2)", "a (3)"]), max_size=8))
def test_names_are_unique_and_the_first_of_each_stays(names):
    unique = unique_names(names)
    assert len(set(unique)) == len(names)
    assert all(made.startswith(name) for made, name in zip(unique, names, strict=True))


@given(WORDS, WORDS)
def test_identities_keep_their_numbers_when_names_come_in_between(before, added):
    earlier = make(before)
    now = make([*before, *added])
    if earlier.identity_names is None or now.identity_names is None:
        return
    again = with_identities_of(now, earlier.identity_names)
    assert again.identities[: len(before)].tolist() == earlier.identities.tolist()
    assert words_of(again) == words_of(now)
