"""Tables: cameras, sides, places and times are names; boxes are images; what is not used is said."""

import json
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reid_al_agents.data import DataSettings, ImageSet, load_data, make_split
from reid_al_agents.data.cells import read_box, read_time, read_times
from reid_al_agents.data.decoding import Box
from reid_al_agents.data.known_pairs import bursts, overlap
from reid_al_agents.data.rows import read_rows
from reid_al_env.errors import InputError


def _photographs(folder, *names, size=(40, 20)):
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (value, 0, 0)).save(path)


def _load(folder, text, settings=None, prefix="csv"):
    (folder / "t.csv").write_text(text)
    return load_data(f"{prefix}:{folder / 't.csv'}", settings)


@pytest.fixture
def four(tmp_path):
    _photographs(tmp_path, *(f"{number}.png" for number in range(4)))
    return tmp_path


def test_cameras_are_any_text_and_blank_is_unknown(four):
    images = _load(four, "path,camera\n0.png,Station 2\n1.png,\n2.png,Station 10\n3.png,Station 2\n")
    assert images.camera_names == ("Station 10", "Station 2")
    assert images.cameras.tolist() == [1, -1, 0, 1]


def test_cameras_that_pandas_wrote_are_whole_numbers(four):
    images = _load(four, "path,camera\n0.png,1.0\n1.png,2.0\n2.png,nan\n3.png,1\n")
    assert images.cameras.tolist() == [1, 2, -1, 1]
    assert images.camera_names is None


def test_a_column_of_blanks_is_no_column(four):
    images = _load(four, "path,camera,side,place,date\n0.png,,,,\n1.png,,unknown,,\n2.png,,,,\n3.png,,,,\n")
    assert images.cameras is images.sides is images.places is images.times is images.tracklets is None


def test_sides_and_places_are_words(four):
    images = _load(four, "path,side,place\n0.png,left,gate\n1.png,right,\n2.png,,gate\n3.png,left,well\n")
    assert images.side_names == ("left", "right")
    assert images.sides.tolist() == [0, 1, -1, 0]
    assert images.place_names == ("gate", "well")
    assert images.places.tolist() == [0, -1, 0, 1]


def test_an_unknown_camera_is_never_the_same_camera():
    pixels = np.zeros((18, 2, 2, 3), np.uint8)
    identities, cameras = np.repeat(np.arange(9), 2), np.tile([0, -1], 9)
    images = ImageSet([str(i) for i in range(18)], identities, cameras, source="test", pixels=pixels)
    split = make_split(images, 0)
    for part in (split.validation(images), split.test(images)):
        assert (images.cameras[part.query] == 0).all()
        assert len(part.query) == len(part.gallery)  # the match is the image of unknown camera
    assert images.subset(np.flatnonzero(cameras < 0)).cameras is None
    nowhere = ImageSet(images.names, identities, np.full(18, -1), source="test", pixels=pixels)
    assert nowhere.cameras is None


def test_columns_of_wildlife_datasets_are_read(four):
    text = (
        ",image_id,identity,path,bbox,orientation,date,species,keypoints,video\n"
        '0,a1,t001,0.png,"[4, 2, 10, 8]",left,2014-07-02,turtle,"[1, 2]",3\n'
        "1,a2,unknown,1.png,,right,2014-07-03 10:00:05,turtle,,\n"
        "2,a3,t001,2.png,nan,,spring,turtle,,\n"
        "3,a4,t002,3.png,[],left,,turtle,,\n"
    )
    images = _load(four, text, prefix="wildlife")
    assert images.names.tolist() == ["0.png", "1.png", "2.png", "3.png"]
    assert images.identity_names == ("t001", "t002")
    assert images.identities.tolist() == [0, -1, 0, 1]
    assert images.side_names == ("left", "right")
    assert images.sides.tolist() == [0, 1, -1, 0]
    assert images.size(0) == (8, 10)
    assert images.size(1) == (20, 40)
    assert images.times.astype(str).tolist() == ["2014-07-02T00:00:00", "2014-07-03T10:00:05", "NaT", "NaT"]
    assert images.notes == (
        "columns that are not used: keypoints, video",
        "1 times cannot be read and are taken as unknown; write 2026-01-31 14:05:09",
    )


def test_one_name_in_two_species_is_two_animals(four):
    images = _load(
        four, "path,identity,species\n0.png,Limpy,lynx\n1.png,Limpy,turtle\n2.png,Limpy,lynx\n3.png,,lynx\n"
    )
    assert images.identity_names == ("lynx Limpy", "turtle Limpy")
    assert images.identities.tolist() == [0, 1, 0, -1]
    assert images.notes == ("1 names are of several species: these are taken as different animals",)


def test_two_boxes_in_one_photograph_are_two_images_known_to_differ(four):
    text = (
        'path,bbox,identity\n0.png,"[0, 0, 10, 20]",\n0.png,"[20, 0, 10, 20]",\n1.png,"[0, 0, 9, 9]",\n'
        '0.png,"1 0 10 20",\n2.png,"[0,0,9,9]",rex\n2.png,"[20,0,9,9]",rex\n'
    )
    images = _load(four, text)
    assert images.names.tolist() == ["0.png#1", "0.png#2", "1.png", "0.png#3", "2.png#1", "2.png#2"]
    # 0 and 3 cover each other: one animal found twice; 4 and 5 are said to be one.
    assert images.known_different.tolist() == [[0, 1], [1, 3]]
    assert images.subset([3, 1]).known_different.tolist() == [[0, 1]]
    assert images.cached((8, 8)).known_different.tolist() == [[0, 1], [1, 3]]
    assert images.paths is None


def test_images_without_boxes_are_not_known_to_differ(four):
    assert _load(four, "path\n0.png\n1.png\n").known_different.shape == (0, 2)
    assert load_data("synthetic:tiny").known_different.shape == (0, 2)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_of_spreadsheets(four, separator):
    camera = "north gate" if separator == "," else "gate, north"
    images = _load(four, f"path{separator}camera\n0.png{separator}{camera}\n\n")
    assert images.camera_names == (camera,)


def test_backslashes_and_other_names_of_columns(tmp_path):
    _photographs(tmp_path, "crops/a.png")
    images = _load(tmp_path, "FileName,individualID,Station\ncrops\\a.png,rex,north\n")
    assert images.identity_names == ("rex",)
    assert images.camera_names == ("north",)


# Sequences


def test_bursts_of_one_camera_are_sequences_when_asked_for(tmp_path):
    _photographs(tmp_path, *(f"{number}.png" for number in range(7)))
    rows = [
        ("0.png", "a", "2026-01-01 10:00:00"),
        ("1.png", "a", "2026-01-01 10:00:20"),
        ("2.png", "b", "2026-01-01 10:00:10"),
        ("3.png", "a", "2026-01-01 10:00:45"),
        ("4.png", "a", "2026-01-01 10:02:00"),
        ("5.png", "", "2026-01-01 10:00:01"),
        ("6.png", "b", "2026-01-01"),
    ]
    text = "path,camera,date\n" + "".join(",".join(row) + "\n" for row in rows)
    assert _load(tmp_path, text).tracklets is None
    images = _load(tmp_path, text, DataSettings(sequence_gap=30))
    assert images.tracklets.tolist() == [0, 0, -1, 0, -1, -1, -1]
    assert images.notes == (
        "1 sequences of images at most 30 s apart at one camera: each is taken for one individual",
    )


def test_photographs_of_several_animals_are_in_no_sequence(tmp_path):
    _photographs(tmp_path, "0.png", "1.png")
    text = (
        'path,bbox,camera,date\n0.png,"[0,0,9,9]",a,2026-01-01 10:00:00\n'
        '0.png,"[20,0,9,9]",a,2026-01-01 10:00:00\n1.png,"[0,0,9,9]",a,2026-01-01 10:00:01\n'
    )
    assert _load(tmp_path, text, DataSettings(sequence_gap=30)).tracklets is None


@given(
    st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 60), st.booleans(), st.booleans()), max_size=14),
    st.integers(1, 20),
)
def test_bursts_by_plain_loops(images, gap):
    stations = np.array([image[0] for image in images], dtype=np.int64)
    times = np.array(
        [np.datetime64(image[1], "s") if image[2] else np.datetime64("NaT") for image in images],
        dtype="M8[s]",
    )
    alone = np.array([image[3] for image in images], dtype=bool)
    found = bursts(times, stations, alone, gap)
    usable = [i for i in range(len(images)) if stations[i] >= 0 and images[i][2] and alone[i]]
    of = {i: {i} for i in usable}
    for i in usable:  # join what one step links, until nothing changes
        for j in usable:
            if stations[i] == stations[j] and abs(images[i][1] - images[j][1]) <= gap and of[i] is not of[j]:
                of[i] |= of[j]
                for k in of[i]:
                    of[k] = of[i]
    for i in range(len(images)):
        for j in range(len(images)):
            together = i in of and j in of[i] and len(of[i]) > 1
            assert (found[i] >= 0 and found[i] == found[j]) == together
    assert sorted(set(found[found >= 0].tolist())) == list(range(int(found.max(initial=-1)) + 1))


def test_settings_are_checked():
    with pytest.raises(InputError, match="sequence_gap: -1 is out of range"):
        DataSettings(sequence_gap=-1)
    with pytest.raises(InputError, match="sequence_gap: nan"):
        DataSettings(sequence_gap=float("nan"))


# Cells


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31 14:05:09", (2026, 1, 31, 14, 5, 9)),
        ("2026-01-31T14:05:09Z", (2026, 1, 31, 14, 5, 9)),
        ("2026-01-31T14:05:09+02:00", (2026, 1, 31, 12, 5, 9)),
        ("2026-01-31T14:05:09.123-0100", (2026, 1, 31, 15, 5, 9)),
        ("2026-01-31 14:05", (2026, 1, 31, 14, 5)),
        ("2026:01:31 14:05:09", (2026, 1, 31, 14, 5, 9)),
        ("2026/01/31", (2026, 1, 31)),
        ("20260131_140509", (2026, 1, 31, 14, 5, 9)),
        ("31 January", None),
        ("2026-02-30", None),
        ("", None),
    ],
)
def test_times(text, time):
    assert read_time(text) == (None if time is None else datetime(*time))


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
def test_iso_times_are_read_back(time):
    assert read_time(time.isoformat()) == time.replace(microsecond=0)
    times, clocks, bad = read_times([time.isoformat(), time.date().isoformat(), "soon", ""])
    assert clocks.tolist() == [True, False, False, False]
    assert np.isnat(times).tolist() == [False, False, True, True]
    assert bad == 1


_NUMBERS = st.floats(0, 5000, width=32)


@given(
    st.tuples(_NUMBERS, _NUMBERS), st.tuples(*[st.floats(0.5, 5000, width=32)] * 2), st.sampled_from(", ; ")
)
def test_boxes_are_read_back(corner, sides, separator):
    box = Box(*corner, *sides)
    assert read_box(f"[{separator.join(str(number) for number in box[:4])}]", "here") == box


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,0", "1,2,3,4,5", "a,b,c,d", "[1, 2, -3, 4]"])
def test_bad_boxes(four, text):
    with pytest.raises(InputError, match="row 2: bbox"):
        _load(four, f'path,bbox\n0.png,"{text}"\n')


@given(*[st.tuples(_NUMBERS, _NUMBERS, st.floats(1, 99, width=32), st.floats(1, 99, width=32))] * 2)
def test_overlap_is_symmetric_and_whole_with_itself(a, b):
    first, second = Box(*a), Box(*b)
    assert overlap(first, second) == pytest.approx(overlap(second, first))
    assert overlap(first, first) == pytest.approx(1, rel=1e-3)
    assert 0 <= overlap(first, second) <= 1 + 1e-9


def test_overlap_by_hand():
    assert overlap(Box(0, 0, 10, 10), Box(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap(Box(0, 0, 10, 10), Box(10, 0, 10, 10)) == 0


_CELL = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)


@given(rows=st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=6))
def test_any_cells_are_read_back_stripped(tmp_path_factory, rows):
    import csv

    file = tmp_path_factory.mktemp("cells") / "t.csv"
    with file.open("w", newline="", encoding="utf-8") as content:
        csv.writer(content).writerows([("path", "other"), *rows])
    wanted = [tuple(cell.strip() for cell in row) for row in rows if any(cell.strip() for cell in row)]
    if not wanted:
        with pytest.raises(InputError, match="no rows"):
            read_rows(file)
        return
    assert [tuple(row.values()) for row in read_rows(file).rows] == wanted


# MegaDetector


def _megadetector(folder, content, options="", settings=None):
    (folder / "md.json").write_text(json.dumps(content))
    return load_data(f"megadetector:{folder / 'md.json'}{options}", settings)


RESULTS = {
    "info": {"format_version": "1.4"},
    "detection_categories": {"1": "animal", "2": "person"},
    "images": [
        {
            "file": "0.png",
            "datetime": "2026:01:31 14:05:09",
            "detections": [
                {"category": "1", "conf": 0.9, "bbox": [0.0, 0.0, 0.25, 1.0]},
                {"category": "1", "conf": 0.1, "bbox": [0.0, 0.0, 0.25, 1.0]},
                {"category": "2", "conf": 0.9, "bbox": [0.0, 0.0, 0.25, 1.0]},
                {"category": "1", "conf": 0.8, "bbox": [0.5, 0.5, 0.25, 0.5]},
            ],
        },
        {"file": "1.png", "detections": []},
        {"file": "2.png", "failure": "cannot open"},
        {"file": "3.png", "detections": [{"category": "1", "conf": 0.3, "bbox": [0.1, 0.1, 0.5, 0.5]}]},
    ],
}


def test_megadetectors_boxes_are_images(four):
    images = _megadetector(four, RESULTS)
    assert images.names.tolist() == ["0.png#1", "0.png#2", "3.png"]
    assert [images.size(row) for row in range(3)] == [(20, 10), (10, 10), (10, 20)]
    assert not images.labelled.any()
    assert images.known_different.tolist() == [[0, 1]]
    assert str(images.times[0]) == "2026-01-31T14:05:09"
    assert images.notes == (
        "left out: 1 boxes of a confidence below 0.2, 1 boxes of the category person, "
        "1 photographs that MegaDetector could not read, 1 photographs without a box",
    )


def test_megadetectors_options_and_root(four):
    assert len(_megadetector(four, RESULTS, "?confidence=0.05")) == 4
    assert len(_megadetector(four, RESULTS, "?confidence=0.5&category=person")) == 1
    (four / "results").mkdir()
    (four / "results" / "md.json").write_text(json.dumps(RESULTS))
    spec = f"megadetector:{four / 'results' / 'md.json'}"
    assert len(load_data(spec, DataSettings(root=str(four)))) == 3
    with pytest.raises(InputError, match=r"no image 0\.png"):
        load_data(spec)
    with pytest.raises(InputError, match="confidence=2; expected a number from 0 to 1"):
        _megadetector(four, RESULTS, "?confidence=2")


def test_the_list_that_newer_packages_write(four):
    found = [
        {"file": "0.png", "detections": [{"category": "animal", "confidence": 0.9, "bbox": [4, 2, 14, 12]}]}
    ]
    images = _megadetector(four, found)
    assert images.size(0) == (10, 10)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"images": 3},
        {"images": [{"detections": []}]},
        {"images": [{"file": "0.png", "detections": [{"category": "1"}]}]},
        {"images": [{"file": "0.png", "detections": [{"category": "1", "conf": 1, "bbox": [1, 2]}]}]},
        {"images": [{"file": "0.png", "detections": [{"category": "1", "conf": "x", "bbox": [0, 0, 1, 1]}]}]},
        {"images": []},
        [],
        "text",
    ],
)
def test_what_does_not_fit_megadetector_is_one_line(four, content):
    with pytest.raises(InputError) as error:
        _megadetector(four, content)
    assert "md.json" in str(error.value)
    assert "\n" not in str(error.value)


# Camtrap DP


def _package(folder):
    _photographs(folder, "media/m1.jpg", "media/m2.jpg", "media/m3.jpg", "media/m4.jpg", "media/m5.jpg")
    tables = {
        "deployments": "deploymentID,locationID,locationName,cameraID\nd1,l1,North gate,c7\nd2,l2,,\n",
        "media": (
            "mediaID,deploymentID,timestamp,filePath,fileMediatype\n"
            "m1,d1,2026-01-31T10:00:00Z,media/m1.jpg,image/jpeg\n"
            "m2,d1,2026-01-31T10:00:10Z,media/m2.jpg,image/jpeg\n"
            "m3,d1,2026-01-31T10:00:20Z,media/m3.jpg,image/jpeg\n"
            "m4,d2,2026-01-31T11:00:00Z,media/m4.jpg,image/jpeg\n"
            "m5,d2,2026-01-31T12:00:00Z,media/m5.jpg,image/jpeg\n"
            "m6,d2,2026-01-31T12:00:00Z,media/m6.mp4,video/mp4\n"
            "m7,d2,2026-01-31T12:00:00Z,https://example.org/m7.jpg,image/jpeg\n"
        ),
        "observations": (
            "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,"
            "scientificName,count,individualID,bboxX,bboxY,bboxWidth,bboxHeight\n"
            "o1,d1,m1,,,,media,animal,Lynx lynx,1,Luna,0,0,0.5,1\n"
            "o2,d1,m1,,,,media,animal,Lynx lynx,1,NA,0.5,0,0.5,1\n"
            "o3,d1,,e1,2026-01-31T10:00:05Z,2026-01-31T10:01:00Z,event,animal,Lynx lynx,1,Luna,,,,\n"
            "o4,d2,m4,,,,media,human,,,,,,,\n"
            "o5,d2,m5,,,,media,animal,Meles meles,1,,,,,\n"
        ),
    }
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return f"camtrapdp:{folder}"


def test_a_camera_trap_data_package(tmp_path):
    images = load_data(_package(tmp_path))
    assert images.names.tolist() == [
        "media/m1.jpg#1",
        "media/m1.jpg#2",
        "media/m2.jpg",
        "media/m3.jpg",
        "media/m5.jpg",
    ]
    assert images.identity_names == ("Luna",)
    assert images.identities.tolist() == [0, -1, 0, 0, -1]
    assert images.camera_names == ("c7", "d2")
    assert images.place_names == ("North gate", "l2")
    assert images.tracklets.tolist() == [-1, -1, 0, 0, -1]
    assert images.known_different.tolist() == [[0, 1]]
    assert images.size(0) == (20, 20)
    assert images.size(2) == (20, 40)
    assert str(images.times[4]) == "2026-01-31T12:00:00"
    assert images.notes == (
        "left out: 1 media of the type video/mp4, "
        "1 media on the web (download them and name their folder by --root), "
        "1 observations of no animal, 1 photographs in which no animal was seen",
    )


def test_a_package_that_lacks_a_table(tmp_path):
    spec = _package(tmp_path)
    (tmp_path / "media.csv").unlink()
    with pytest.raises(InputError, match=r"no media\.csv in it"):
        load_data(spec)
