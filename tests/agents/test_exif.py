"""When and where a photograph was taken, by its own EXIF data, and what that says of images."""

from datetime import datetime

import numpy as np
import pytest
from PIL import ExifTags, Image

from reid_al_agents.data import DataSettings, load_data
from reid_al_agents.data.exif import Exposure, read_exposure
from reid_al_agents.data.joining import join_images

TIME, ZONE = ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal
NORTH, EAST = (46.0, 57.0, 36.0), (7.0, 26.0, 24.0)  # 46.96, 7.44


def photograph(path, exposed=None, place=None, sides=("N", "E"), zone=None, changed=None, kind="JPEG"):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"  # Pillow writes none to PNG where the first directory is empty
    if changed:
        exif[ExifTags.Base.DateTime] = changed
    if exposed:
        exif.get_ifd(ExifTags.IFD.Exif)[TIME] = exposed
    if zone:
        exif.get_ifd(ExifTags.IFD.Exif)[ZONE] = zone
    if place:
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLongitudeRef] = sides
        gps[ExifTags.GPS.GPSLatitude], gps[ExifTags.GPS.GPSLongitude] = place
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(map(ord, path.name))
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, kind, exif=exif)
    return str(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_time_and_place_by_hand(tmp_path, kind):
    found = read_exposure(photograph(tmp_path / "a", "2026:01:31 14:05:09", (NORTH, EAST), kind=kind))
    assert found.time == found.shown == datetime(2026, 1, 31, 14, 5, 9)
    assert (found.latitude, found.longitude) == pytest.approx((46.96, 7.44))


def test_south_and_west_are_negative(tmp_path):
    found = read_exposure(photograph(tmp_path / "a", place=(NORTH, EAST), sides=("S", "W")))
    assert (found.latitude, found.longitude) == pytest.approx((-46.96, -7.44))
    assert found.time is None


def test_a_zone_is_turned_to_utc_and_the_camera_s_clock_is_shown(tmp_path):
    found = read_exposure(photograph(tmp_path / "a", "2026:01:31 14:05:09", zone="+02:00"))
    assert (found.time, found.shown) == (datetime(2026, 1, 31, 12, 5, 9), datetime(2026, 1, 31, 14, 5, 9))


def test_the_time_of_a_change_is_shown_and_is_no_time_of_exposure(tmp_path):
    found = read_exposure(photograph(tmp_path / "a", changed="2026:02:01 10:00:00"))
    assert (found.time, found.shown) == (None, datetime(2026, 2, 1, 10))


@pytest.mark.parametrize(
    ("exposed", "place"),
    [
        ("0000:00:00 00:00:00", ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))),
        ("    :  :     :  :  ", ((91.0, 0.0, 0.0), (0.0, 0.0, 0.0))),
        ("yesterday", ((46.0, 57.0), (7.0, 26.0, 24.0))),
        (None, None),
    ],
    ids=["no clock and no fix", "blanks and beyond the pole", "words and two numbers", "nothing"],
)
def test_what_makes_no_sense_is_unknown(tmp_path, exposed, place):
    found = read_exposure(photograph(tmp_path / "a", exposed, place))
    assert found.time is found.shown is None
    assert np.isnan([found.latitude, found.longitude]).all()


def test_a_file_that_is_none_says_nothing(tmp_path):
    (tmp_path / "text.jpg").write_text("no picture")
    for file in ("text.jpg", "missing.jpg"):
        assert read_exposure(str(tmp_path / file))[0] is Exposure().time is None


@pytest.fixture
def station(tmp_path):
    """Three photographs at half past one, two of them 300 km apart; and one with a time, but no place."""
    far = ((49.0, 40.0, 0.0), EAST)
    for name, time, place in (
        ("a", "13:30:00", (NORTH, EAST)),
        ("b", "13:31:00", far),
        ("c", "13:32:00", None),
    ):
        photograph(tmp_path / "photos" / f"{name}.jpg", f"2026:01:31 {time}", place)
    return tmp_path


def test_a_highest_speed_goes_by_the_photographs_where_the_data_say_nothing(station):
    images = load_data(f"folder:{station / 'photos'}", DataSettings(max_speed=5.0))
    assert images.too_far_apart.tolist() == [[0, 1]]
    assert images.notes[-2:] == (
        "EXIF gives the times of 3 and the coordinates of 2 images",
        "1 pairs of images are further apart than 5 km/h allows, and known to differ; 2 of 3 images have "
        "coordinates and a time",
    )
    assert load_data(f"folder:{station / 'photos'}").times is None  # nothing is read unless it is needed


def test_what_a_table_says_goes_before_what_the_photograph_says(station):
    table = station / "photos" / "table.csv"
    table.write_text("path,time,lat,lon\na.jpg,2026-02-05 10:00,,\nb.jpg,,47.0,7.5\nc.jpg,,46.0,7.5\n")
    images = load_data(f"csv:{table}", DataSettings(max_speed=5.0))
    assert images.times.astype(str).tolist() == [
        "2026-02-05T10:00:00", "2026-01-31T13:31:00", "2026-01-31T13:32:00",
    ]  # fmt: skip
    assert images.latitudes.tolist() == pytest.approx([46.96, 47.0, 46.0])
    assert images.longitudes.tolist() == pytest.approx([7.44, 7.5, 7.5])
    assert images.too_far_apart.tolist() == [[1, 2]]


def test_images_that_join_go_by_their_photographs_too(station):
    first = load_data(f"folder:{station / 'photos'}", DataSettings(max_speed=5.0))
    photograph(station / "more" / "d.jpg", "2026:01:31 13:33:00", ((49.0, 40.0, 0.0), EAST))
    joined = join_images(first, [("more", load_data(f"folder:{station / 'more'}"))])
    assert joined.too_far_apart.tolist() == [[0, 1], [0, 3]]
