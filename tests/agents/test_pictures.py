"""Pictures as browsers are sent them: of a size that fits, kept on disk within a limit."""

import io
import os

import pytest

pytest.importorskip("PIL")

from PIL import Image

from reid_al_agents.annotate.picture_cache import PictureCache
from reid_al_agents.annotate.pictures import LONGEST_SIDE, Pictures
from reid_al_agents.data import ImageSet
from reid_al_agents.data.colour import BACKGROUND
from reid_al_env import InputError

ORIENTATION, EXIF, EXPOSED = 0x0112, 0x8769, 0x9003


def pictures_of(folder, *paths):
    names = [path.name for path in paths]
    images = ImageSet(names, [-1] * len(names), source="test", paths=[str(path) for path in paths])
    return Pictures(images, (16, 8), folder / "thumbnails")


def photograph(path, size=(4000, 3000), *, mode="RGB", orientation=None, **options):
    picture = Image.linear_gradient("L").resize(size).convert(mode)
    exif = Image.Exif()
    if orientation is not None:
        exif[ORIENTATION] = orientation
    picture.save(path, exif=exif, **options)
    return path


def shown(content):
    """The picture as a browser shows it."""
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("reduction", LONGEST_SIDE)
def test_large_photographs_are_reduced_to_fit(tmp_path, reduction):
    path = photograph(tmp_path / "a.jpg")
    pictures = pictures_of(tmp_path, path)
    content, kind = pictures.encoded(0, reduction)
    longest = LONGEST_SIDE[reduction]
    assert kind == "image/jpeg"
    assert shown(content).size == (longest, longest * 3 // 4)
    assert len(content) < path.stat().st_size / 2
    assert pictures.encoded(0) == (path.read_bytes(), "image/jpeg")  # the original, for those who enlarge


def test_small_pictures_are_sent_as_they_are(tmp_path):
    path = photograph(tmp_path / "a.png", (128, 256))
    pictures = pictures_of(tmp_path, path)
    assert not pictures.is_reduced(0, "small")
    assert pictures.encoded(0, "small") == (path.read_bytes(), "image/png")
    assert not (tmp_path / "thumbnails").exists()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photographs_are_upright_and_measured_so(tmp_path, orientation):
    pictures = pictures_of(tmp_path, photograph(tmp_path / "a.jpg", (800, 600), orientation=orientation))
    size = (600, 800) if orientation >= 5 else (800, 600)
    assert pictures.size(0) == size
    reduced = shown(pictures.encoded(0, "small")[0])
    assert reduced.size == ((240, 320) if orientation >= 5 else (320, 240))
    assert ORIENTATION not in reduced.getexif()  # or a browser would turn it once more


@pytest.mark.parametrize(
    ("name", "mode"),
    [("grey.jpg", "L"), ("print.jpg", "CMYK"), ("clear.png", "RGBA"), ("few.gif", "P"), ("deep.tif", "I;16")],
)
def test_all_kinds_of_colour_are_reduced(tmp_path, name, mode):
    picture = Image.new(mode, (700, 500))
    picture.save(tmp_path / name)
    content, kind = pictures_of(tmp_path, tmp_path / name).encoded(0, "small")
    assert kind == "image/jpeg"
    assert shown(content).size == (320, 229)


def test_transparent_pictures_are_not_blackened(tmp_path):
    Image.new("RGBA", (700, 500), (0, 0, 0, 0)).save(tmp_path / "a.png")
    content, _ = pictures_of(tmp_path, tmp_path / "a.png").encoded(0, "small")
    assert shown(content).getpixel((10, 10)) == BACKGROUND


def test_reduced_pictures_are_kept_and_made_again_when_the_file_changes(tmp_path):
    path = photograph(tmp_path / "a.jpg", (800, 600))
    pictures = pictures_of(tmp_path, path)
    content, _ = pictures.encoded(0, "small")
    (kept,) = (tmp_path / "thumbnails").iterdir()
    kept.write_bytes(b"as kept")
    assert pictures.encoded(0, "small")[0] == b"as kept"
    Image.new("RGB", (800, 600), "red").save(path)
    assert pictures.encoded(0, "small")[0] not in (b"as kept", content)


def test_pictures_of_coming_questions_are_made_ahead(tmp_path):
    paths = [photograph(tmp_path / f"{name}.jpg", (800, 600)) for name in "ab"]
    pictures = pictures_of(tmp_path, *paths, photograph(tmp_path / "c.png", (64, 128)))
    for made in pictures.prepare([0, 1, 2], "small") + pictures.prepare([0], "small"):
        made.result()
    assert len(list((tmp_path / "thumbnails").iterdir())) == 2


def test_a_picture_that_is_gone_is_told_when_it_is_asked_for(tmp_path):
    path = photograph(tmp_path / "a.jpg", (800, 600))
    pictures = pictures_of(tmp_path, path)
    pictures.size(0)
    path.unlink()
    for made in pictures.prepare([0], "small"):
        made.result()
    with pytest.raises(InputError, match=r"a\.jpg: cannot be shown .*; restore the file"):
        pictures.encoded(0, "small")


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    path = photograph(tmp_path / "a.jpg", (800, 600))
    (tmp_path / "thumbnails").write_text("in the way")
    assert pictures_of(tmp_path, path).encoded(0, "small")[1] == "image/jpeg"


def test_the_cache_stays_within_its_limit_and_keeps_what_was_used_last(tmp_path):
    cache = PictureCache(tmp_path / "kept", limit=1000)
    for number in range(9):
        cache.put(f"{number}", bytes(100))
        os.utime(tmp_path / "kept" / f"{number}", (number, number))
    assert cache.get("0") == bytes(100)  # used now
    cache.put("last", bytes(200))
    left = {path.name for path in (tmp_path / "kept").iterdir()}
    assert sum(path.stat().st_size for path in (tmp_path / "kept").iterdir()) <= 900
    assert {"0", "last", "8"} <= left
    assert "1" not in left
    again = PictureCache(tmp_path / "kept", limit=500)  # another start, a smaller limit
    again.put("more", bytes(100))
    assert sum(path.stat().st_size for path in (tmp_path / "kept").iterdir()) <= 450
