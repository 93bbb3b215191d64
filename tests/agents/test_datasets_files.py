"""Nothing is left out silently: deep folders, every ending, damage, and images by their content."""

import csv
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reid_al_agents.data import DataSettings, DigestCache, ImageSet, compare_images, load_checked, load_data
from reid_al_agents.data import content as content_module
from reid_al_agents.data.damage import find_damaged
from reid_al_agents.data.decoding import Box
from reid_al_agents.data.listing import LeftOut, list_images
from reid_al_env.errors import InputError


def _write(folder, *names):
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(value).integers(0, 256, (24, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def _cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# Which files


def test_deep_folders_and_every_ending_are_read(tmp_path):
    names = [
        "p/day1/a.png",
        "p/day2/cam1/b.JPG",
        "q/c.tif",
        "q/d.jfif",
        "q/e.gif",
        "q/f.webp",
        "q/g.bmp",
        "q/h.jp2",
    ]
    _write(tmp_path, *names)
    images = load_data(f"folder:{tmp_path}")
    assert sorted(images.names.tolist()) == sorted(names)
    assert images.read(np.arange(8), (24, 12)).shape == (8, 24, 12, 3)
    assert not any(note.startswith("left out") for note in images.notes)


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    _write(tmp_path, "p/a.png", ".thumbnails/a.png", "p/.hidden.png")
    for name in ("p/Thumbs.db", "p/notes.txt", "p/more.txt", "IMG_1.HEIC", "film.mp4", "README"):
        (tmp_path / name).write_bytes(b"")
    assert load_data(f"folder:{tmp_path}").notes[0] == (
        "left out: 1 .db files (no images), 1 .heic files (convert them to .jpg), "
        "1 .mp4 files (films: save frames as images), 2 .txt files (no images), "
        "1 files without an ending (no images), 1 hidden files, 1 hidden folders"
    )


def test_links_are_followed_once(tmp_path):
    _write(tmp_path, "elsewhere/rex/a.png", "root/ada/b.png")
    os.symlink(tmp_path / "elsewhere" / "rex", tmp_path / "root" / "rex")
    os.symlink(tmp_path / "root", tmp_path / "root" / "ada" / "round")
    told = LeftOut()
    found = list_images(tmp_path / "root", told, deep=True)
    assert [path.relative_to(tmp_path / "root").as_posix() for path in found] == ["ada/b.png", "rex/a.png"]
    assert told.reasons["folders that are links to others here"] == 1


def test_folders_that_cannot_be_entered_are_counted(tmp_path, monkeypatch):
    _write(tmp_path, "p/a.png", "q/b.png")
    scan = os.scandir

    def refuse(path):
        if str(path).endswith("q"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    images = load_data(f"folder:{tmp_path}")
    assert images.names.tolist() == ["p/a.png"]
    assert images.notes[0] == "left out: 1 folders that cannot be entered"


# Damage


@pytest.fixture
def partly_damaged(tmp_path):
    """Twelve images, of which three do not decode."""
    _write(tmp_path, *(f"p/{number:02d}.png" for number in range(12)))
    for number in (2, 5):
        _cut(tmp_path / "p" / f"{number:02d}.png")
    (tmp_path / "p" / "09.png").write_text("no image")
    return tmp_path


def test_all_damaged_files_are_named_at_once(partly_damaged):
    with pytest.raises(InputError) as error:
        load_checked(f"folder:{partly_damaged}")
    message = str(error.value)
    assert "3 of 12 images cannot be read" in message
    for part in (
        f"{partly_damaged}/p/02.png (",
        "p/05.png (",
        "p/09.png (its content is of no image",
        "--skip-damaged",
    ):
        assert part in message
    assert "\n" not in message


def test_going_on_without_damaged_files_keeps_a_list(partly_damaged, tmp_path):
    listing = tmp_path / "damaged.csv"
    images = load_checked(f"folder:{partly_damaged}", DataSettings(skip_damaged=True), listing=listing)
    assert len(images) == 9
    assert images.notes[-1].startswith("left out as damaged: 3 of 12 images")
    assert images.read(np.arange(9), (24, 12)).shape[0] == 9
    rows = list(csv.reader(listing.open()))
    assert rows[0] == ["name", "file", "reason"]
    assert [row[0] for row in rows[1:]] == ["p/02.png", "p/05.png", "p/09.png"]
    assert rows[1][1] == str(partly_damaged / "p" / "02.png")
    assert all(row[2] for row in rows[1:])


def test_what_a_user_should_know_is_logged_once(partly_damaged, caplog):
    caplog.set_level("INFO", "reid_al_agents.data")
    (partly_damaged / "notes.txt").write_text("")
    images = load_checked(f"folder:{partly_damaged}", DataSettings(skip_damaged=True))
    assert [record.getMessage() for record in caplog.records] == list(images.notes)
    assert len(images.notes) == 3


def test_many_damaged_files_are_counted_beyond_the_first(tmp_path):
    _write(tmp_path, *(f"p/{number:02d}.png" for number in range(30)))
    for path in (tmp_path / "p").iterdir():
        _cut(path)
    with pytest.raises(InputError, match=r"30 of 30 images cannot be read: .*p/00\.png .* and 10 more"):
        load_checked(f"folder:{tmp_path}")
    with pytest.raises(InputError, match="no image is left"):
        load_checked(f"folder:{tmp_path}", DataSettings(skip_damaged=True))


def test_sound_images_are_the_same_set_with_progress(tmp_path):
    _write(tmp_path, *(f"p/{number}.png" for number in range(9)))
    calls = []
    images = load_data(f"folder:{tmp_path}")
    assert find_damaged(images, lambda done, total: calls.append((done, total))) == []
    assert calls[-1] == (9, 9)
    assert find_damaged(load_data("synthetic:tiny")) == []


def test_missing_files_of_a_table_are_named_at_once_or_left_out(tmp_path):
    _write(tmp_path, "a.png")
    (tmp_path / "t.csv").write_text("path\na.png\nb.png\nc.png\n")
    spec = f"csv:{tmp_path / 't.csv'}"
    with pytest.raises(InputError) as error:
        load_data(spec)
    for part in ("row 3: no image b.png", "row 4: no image c.png", "--root", "--skip-damaged"):
        assert part in str(error.value)
    listing = tmp_path / "skipped.csv"
    images = load_checked(spec, DataSettings(skip_damaged=True), listing=listing)
    assert images.names.tolist() == ["a.png"]
    assert images.notes[0].startswith("left out as damaged: 2 of 3 images cannot be read: ")
    rows = list(csv.reader(listing.open()))[1:]
    assert [(row[0], row[2]) for row in rows] == [("b.png", "missing"), ("c.png", "missing")]


def test_paths_are_relative_to_the_root_that_is_named(tmp_path):
    _write(tmp_path / "photos", "a.png")
    (tmp_path / "t.csv").write_text("path\na.png\n")
    images = load_data(f"csv:{tmp_path / 't.csv'}", DataSettings(root=str(tmp_path / "photos")))
    assert images.files.tolist() == [str(tmp_path / "photos" / "a.png")]


# Content


def _set(folder):
    return load_data(f"folder:{folder}")


def test_content_is_the_files_bytes_whatever_the_name(tmp_path):
    _write(tmp_path, "a.png", "b.png")
    before = _set(tmp_path).content_hashes()
    (tmp_path / "a.png").rename(tmp_path / "z.png")
    assert set(_set(tmp_path).content_hashes()) == set(before)
    assert len(set(before)) == 2
    assert all(len(digest) == 64 for digest in before)


def test_digests_are_computed_once_for_each_state_of_a_file(tmp_path, monkeypatch):
    _write(tmp_path, "p/a.png", "p/b.png")
    read = []
    digest = content_module._digest_file
    monkeypatch.setattr(content_module, "_digest_file", lambda file: read.append(file) or digest(file))
    kept = tmp_path / "digests.json"
    first = _set(tmp_path).content_hashes(DigestCache(kept))
    assert len(read) == 2
    assert _set(tmp_path).content_hashes(DigestCache(kept)) == first
    assert len(read) == 2
    _write(tmp_path, "p/none.png", "p/b.png")  # another size or time of change
    os.utime(tmp_path / "p" / "b.png", ns=(1, 1))
    (tmp_path / "p" / "none.png").unlink()
    assert _set(tmp_path).content_hashes(DigestCache(kept)) == first
    assert len(read) == 3


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"a": 1}', "[" * 100_000])
def test_a_damaged_cache_is_begun_again(tmp_path, damage):
    _write(tmp_path, "p/a.png")
    kept = tmp_path / "digests.json"
    kept.write_text(damage)
    assert all(_set(tmp_path).content_hashes(DigestCache(kept)))
    assert len(json.loads(kept.read_text())) == 1


def test_content_of_boxes_pixels_and_missing_files(tmp_path):
    _write(tmp_path, "a.png")
    path = str(tmp_path / "a.png")
    boxes = [None, Box(0, 0, 5, 5), Box(0, 0, 6, 5), Box(0, 0, 5, 5)]
    digests = ImageSet(list("abcd"), [-1] * 4, source="test", paths=[path] * 4, boxes=boxes).content_hashes()
    assert len(set(digests)) == 3
    assert digests[1] == digests[3]
    assert ImageSet(["a"], [-1], source="test", paths=[str(tmp_path / "none")]).content_hashes() == ("",)
    pixels = np.zeros((3, 4, 4, 3), np.uint8)
    pixels[2] = 1
    first, second, third = ImageSet(list("abc"), [-1] * 3, source="test", pixels=pixels).content_hashes()
    assert first == second != third


def test_changes_are_recognised_and_said():
    changes = compare_images(
        ["a", "b", "c", "d", "e"], list("12345"), ["a", "new", "x", "d"], ["1", "9", "2", "7"]
    )
    assert changes.places == (0, 2, -1, -1, -1)
    assert changes.renamed == (("b", "x"),)
    assert changes.replaced == ("d",)
    assert changes.removed == ("c", "e")
    assert changes.added == (1, 3)
    assert changes.describe() == (
        "1 renamed (b is x), 1 replaced by another picture (d), 2 removed (c, e), 2 new"
    )
    same = compare_images(["a"], ["1"], ["a"], ["1"])
    assert not same
    assert same.describe() == "nothing changed"


def test_equal_images_keep_their_names_and_unknown_digests_go_by_name():
    twins = compare_images(["a", "b"], ["1", "1"], ["b", "c"], ["1", "1"])
    assert twins.places == (1, 0)
    assert twins.renamed == (("a", "c"),)
    assert compare_images(["a"], [""], ["a"], ["1"]).places == (0,)


_NAMES = st.lists(
    st.tuples(st.sampled_from("abcdefg"), st.sampled_from("123")), unique_by=lambda pair: pair[0]
)


@given(_NAMES, _NAMES)
def test_every_image_is_told_once(before, now):
    names_before, digests_before = [pair[0] for pair in before], [pair[1] for pair in before]
    names, digests = [pair[0] for pair in now], [pair[1] for pair in now]
    changes = compare_images(names_before, digests_before, names, digests)
    kept = [place for place in changes.places if place >= 0]
    assert len(set(kept)) == len(kept)
    assert sorted([*kept, *changes.added]) == list(range(len(now)))
    for (_, digest), place in zip(before, changes.places, strict=True):
        assert place < 0 or digests[place] == digest
    gone = [name for name, place in zip(names_before, changes.places, strict=True) if place < 0]
    assert sorted([*changes.removed, *changes.replaced]) == sorted(gone)
    left = {digest for digest, row in zip(digests, range(len(now)), strict=True) if row in changes.added}
    lost = {digest for (_, digest), place in zip(before, changes.places, strict=True) if place < 0}
    assert not left & lost  # nothing is new that could be one of those that are gone
