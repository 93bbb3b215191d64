"""Images too far apart for the time between them: by brute force, from tables, and what follows from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from living_world import draw

from reid_al_agents.data import Corrections, DataSettings, ImageSet, load_data
from reid_al_agents.data.joining import join_images
from reid_al_agents.data.travel import (
    EARTH_RADIUS,
    distance_between,
    one_of_each,
    too_far_apart,
)
from reid_al_agents.training.pool import known_of
from reid_al_env import InputError

NO_TIME = np.datetime64("NaT", "s")


def haversine(lat1, lon1, lat2, lon2):
    """Distance in kilometres by the haversine formula."""
    lat1, lon1, lat2, lon2 = map(math.radians, (lat1, lon1, lat2, lon2))
    inner = math.sin((lat2 - lat1) / 2) ** 2
    inner += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(min(1.0, math.sqrt(inner)))


def spans(time):
    """First and last second of a time; a date without a time of day is a whole day."""
    first = int(time.astype("M8[s]").astype(np.int64))
    return first, first + (86_399 if first % 86_400 == 0 else 0)


def by_brute_force(latitudes, longitudes, times, speed):
    pairs = []
    for i in range(len(times)):
        for j in range(i + 1, len(times)):
            if np.isnat(times[[i, j]]).any() or np.isnan(latitudes[[i, j]]).any():
                continue
            (a, b), (c, d) = spans(times[i]), spans(times[j])
            longest = max(abs(x - y) for x in (a, b) for y in (c, d))
            if haversine(latitudes[i], longitudes[i], latitudes[j], longitudes[j]) > speed * longest / 3600:
                pairs.append([i, j])
    return pairs


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 5.0, 60.0, 900.0]), st.sampled_from([0.01, 1.0, 80.0]))
def test_the_pairs_are_those_of_brute_force(seed, speed, spread):
    rng = np.random.default_rng(seed)
    count = 25
    latitudes = np.clip(10 + spread * rng.normal(size=count), -90, 90)
    longitudes = np.clip(170 + spread * rng.normal(size=count), -180, 180)
    latitudes[rng.random(count) < 0.1] = np.nan
    longitudes[np.isnan(latitudes)] = np.nan
    times = np.datetime64("2026-01-31T00:00:00") + rng.integers(0, 10**5, count).astype("m8[s]")
    times[rng.random(count) < 0.2] = np.datetime64("2026-01-31")  # a date alone
    times[rng.random(count) < 0.1] = NO_TIME
    found = too_far_apart(latitudes, longitudes, times, speed)
    assert found.tolist() == by_brute_force(latitudes, longitudes, times, speed)


def test_distances_by_hand():
    zurich, berne = (47.3769, 8.5417), (46.9480, 7.4474)
    points = np.array([zurich, berne]).T
    assert distance_between(*points) == pytest.approx(95.5, abs=0.5)
    assert distance_between(np.array([0.0, 0.0]), np.array([0.0, 180.0])) == pytest.approx(20015.1, abs=0.1)
    assert distance_between(np.array([47.0, 47.0]), np.array([8.0, 8.0])) == 0
    assert math.isnan(distance_between(np.array([np.nan, 47.0]), np.array([8.0, 8.0])))


def test_of_two_sequences_one_pair_is_kept_and_none_within_one():
    pairs = np.array([[0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [3, 4], [2, 4]])
    assert one_of_each(pairs, None) is pairs
    kept = one_of_each(np.array(sorted(pairs.tolist())), np.array([0, 0, 7, 7, -1]))
    assert kept.tolist() == [[0, 2], [2, 4]]


def test_too_many_pairs_are_refused(stations, monkeypatch):
    monkeypatch.setattr("reid_al_agents.data.travel.MOST_PAIRS", 1)
    assert len(load_data(stations, DataSettings(max_speed=5)).known_different) == 1
    with pytest.raises(InputError, match=r"--max-speed 0.5 makes 2 pairs.*give a higher speed"):
        load_data(stations, DataSettings(max_speed=0.5))


@pytest.fixture
def stations(tmp_path):
    """Two stations 11.1 km apart; images an hour and six hours after the first, one without coordinates."""
    for number in range(5):
        draw(tmp_path / f"{number}.png", number, 0)
    rows = [
        "0.png,0.0,10.0,2026-01-31 08:00:00,",
        "1.png,0.1,10.0,2026-01-31 09:00:00,",
        "2.png,0.1,10.0,2026-01-31 14:00:00,",
        "3.png,,,2026-01-31 08:00:00,",
        "4.png,91,10.0,2026-01-31 08:00:00,",
    ]
    table = tmp_path / "table.csv"
    table.write_text("path,lat,lon,time,individual\n" + "\n".join(rows) + "\n")
    return f"csv:{table}"


def test_a_table_with_coordinates(stations):
    images = load_data(stations)
    assert images.latitudes.tolist()[:3] == [0.0, 0.1, 0.1]
    assert np.isnan(images.latitudes[3:]).all()
    assert np.isnan(images.longitudes[3:]).all()
    assert images.known_different.shape == (0, 2)  # off unless a speed is given
    assert images.notes == (
        "1 coordinates cannot be read and are taken as unknown; write degrees such as 47.37, -8.54",
    )


@pytest.mark.parametrize(
    ("speed", "expected"), [(12.0, []), (5.0, [[0, 1]]), (1.5, [[0, 1], [0, 2]]), (0.5, [[0, 1], [0, 2]])]
)
def test_a_highest_speed(stations, speed, expected):
    images = load_data(stations, DataSettings(max_speed=speed))
    assert images.known_different.tolist() == expected
    assert images.subset([2, 1, 0]).known_different.tolist() == sorted([2 - j, 2 - i] for i, j in expected)
    assert images.notes[-1] == (
        f"{len(expected)} pairs of images are further apart than {speed:g} km/h allows, and known to differ; "
        "3 of 5 images have coordinates and a time"
    )
    known = known_of(images, len(images))
    graph = known(Corrections())
    assert sorted(graph.asked_pairs().tolist()) == expected
    assert all(graph.relation(i, j) == -1 for i, j in expected)


def test_a_corrected_time_excludes_and_an_unusable_image_does_not(stations):
    known = known_of(load_data(stations, DataSettings(max_speed=5.0)), 5)
    later = Corrections(times={1: "2026-01-31 18:00:00"})
    assert known(later).asked_pairs().tolist() == []
    sooner = Corrections(times={1: "2026-01-31 18:00:00", 2: "2026-01-31T08:30"})
    assert known(sooner).asked_pairs().tolist() == [[0, 2]]
    assert known(Corrections(times={0: ""})).asked_pairs().tolist() == []
    assert known(Corrections(frozenset([1]))).asked_pairs().tolist() == []


def test_what_the_data_call_one_individual_is_not_known_to_differ(stations, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(
        table.read_text().replace("08:00:00,\n1", "08:00:00,Rex\n1").replace("09:00:00,", "09:00:00,Rex")
    )
    images = load_data(stations, DataSettings(max_speed=1.5))
    assert images.identities.tolist()[:3] == [0, 0, -1]
    assert images.known_different.tolist() == [[0, 2]]


def test_images_that_are_added_count_too(stations, tmp_path):
    first = load_data(stations, DataSettings(max_speed=5.0))
    draw(tmp_path / "more" / "9.png", 9, 9)
    (tmp_path / "more.csv").write_text("path,lat,lon,time\nmore/9.png,0.0,10.5,2026-01-31 08:10:00\n")
    joined = join_images(first, [("more", load_data(f"csv:{tmp_path / 'more.csv'}"))])
    assert joined.max_speed == 5.0
    assert joined.known_different.tolist() == [[0, 1], [0, 5], [1, 5], [2, 5]]
    unlike = join_images(first, [("more", ImageSet(["x"], [-1], source="x", paths=["/x.png"]))])
    assert np.isnan(unlike.latitudes[5])


def test_deployments_of_a_camera_trap_package(tmp_path):
    draw(tmp_path / "a.png", 0, 0)
    draw(tmp_path / "b.png", 1, 1)
    tables = {
        "deployments": "deploymentID,latitude,longitude\nd1,46.9,7.4\nd2,47.4,8.5\n",
        "media": "mediaID,deploymentID,timestamp,filePath\nm1,d1,2026-01-31T08:00:00+01:00,a.png\n"
        "m2,d2,2026-01-31T08:30:00+01:00,b.png\n",
        "observations": "observationID,deploymentID,mediaID,observationType\n"
        "o1,d1,m1,animal\no2,d2,m2,animal\n",
    }
    for name, text in tables.items():
        (tmp_path / f"{name}.csv").write_text(text)
    images = load_data(f"camtrapdp:{tmp_path}", DataSettings(max_speed=100))
    assert images.latitudes.tolist() == [46.9, 47.4]
    assert images.longitudes.tolist() == [7.4, 8.5]
    assert images.known_different.tolist() == [[0, 1]]
    assert load_data(f"camtrapdp:{tmp_path}", DataSettings(max_speed=300)).known_different.tolist() == []


def test_a_speed_for_data_without_coordinates_is_said_to_exclude_nothing(tmp_path):
    draw(tmp_path / "images" / "a.png", 0, 0)
    images = load_data(f"folder:{tmp_path / 'images'}", DataSettings(max_speed=5.0))
    assert images.notes[-1].startswith("0 pairs of images are further apart than 5 km/h allows")
    assert images.notes[-1].endswith("0 of 1 images have coordinates and a time")
