"""Loaders: Market-1501, CSV, folder per identity, features, and the names of data on the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_al_agents.data import ImageSet, load_data
from reid_al_agents.training.pool import known_beforehand
from reid_al_env.errors import InputError
from reid_al_env.feature_set import FeatureSet

MARKET = Path(__file__).resolve().parents[3] / "shared" / "data" / "market1501"


def _write(folder, *names):
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8), (value, 0, 0)).save(path)


def _refuses(spec, *parts):
    with pytest.raises(InputError) as error:
        load_data(spec)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_market1501_reads_identity_and_camera(tmp_path):
    _write(tmp_path / "bounding_box_train", "0007_c3s2_000451_03.jpg", "0002_c1s1_000451_03.jpg")
    images = load_data(f"market1501:{tmp_path}")
    assert isinstance(images, ImageSet)
    assert images.names.tolist() == ["0002_c1s1_000451_03.jpg", "0007_c3s2_000451_03.jpg"]
    assert images.identities.tolist() == [2, 7]
    assert images.cameras.tolist() == [1, 3]
    assert images.source == f"market1501:{tmp_path}"
    assert images.paths[0] == str(tmp_path / "bounding_box_train" / "0002_c1s1_000451_03.jpg")
    assert images.notes == ()


def test_market1501_drops_junk_and_keeps_distractors_as_unknown(tmp_path):
    names = ("-1_c1s1_000401_03.jpg", "0000_c1s1_000151_01.jpg", "0005_c2s1_000451_03.jpg")
    _write(tmp_path / "bounding_box_train", *names)
    (tmp_path / "bounding_box_train" / "Thumbs.db").write_bytes(b"")
    images = load_data(f"market1501:{tmp_path}")
    assert images.names.tolist() == list(names[1:])
    assert images.identities.tolist() == [-1, 5]
    assert images.notes == ("left out: 1 .db files (no images), 1 junk images (identity -1)",)


def test_market1501_of_one_camera_has_no_cameras(tmp_path):
    _write(tmp_path, "0001_c1s1_000001_00.jpg", "0001_c1s1_000002_00.jpg", "0002_c1s1_000003_00.jpg")
    images = load_data(f"market1501:{tmp_path}")
    assert images.cameras is None
    assert "one camera number" in images.notes[0]


def test_an_exported_folder_gives_back_names_and_cameras(tmp_path):
    files = ["0001_c1s1_000000_00.jpg", "0001_c0s1_000004_00.jpg", "0002_c2s1_000009_00.jpg"]
    _write(tmp_path / "bounding_box_train", *files)
    rows = zip(sorted(files), ("b.jpg", "a/1.jpg", "a/2.jpg"), ("", "gate", "well"), strict=True)
    (tmp_path / "names.csv").write_text("file,name,camera\n" + "".join(",".join(row) + "\n" for row in rows))
    images = load_data(f"market1501:{tmp_path}")
    assert images.names.tolist() == ["b.jpg", "a/1.jpg", "a/2.jpg"]
    assert images.identities.tolist() == [1, 1, 2]
    assert images.cameras.tolist() == [-1, 0, 1]
    assert images.camera_names == ("gate", "well")
    (tmp_path / "names.csv").write_text("file,name\nother.jpg,a\n")
    assert load_data(f"market1501:{tmp_path}").names.tolist() == sorted(files)


def test_market1501_reads_all_three_folders_and_tells_equal_names_apart(tmp_path):
    _write(tmp_path / "bounding_box_train", "0002_c1s1_000451_03.jpg")
    _write(tmp_path / "bounding_box_test", "0001_c1s1_001051_00.jpg", "0001_c2s1_001051_01.jpg")
    _write(tmp_path / "query", "0001_c1s1_001051_00.jpg")
    assert load_data(f"market1501:{tmp_path}").names.tolist() == [
        "0002_c1s1_000451_03.jpg",
        "bounding_box_test/0001_c1s1_001051_00.jpg",
        "0001_c2s1_001051_01.jpg",
        "query/0001_c1s1_001051_00.jpg",
    ]


@pytest.mark.parametrize("name", ["0002_c1_0003.png", "0002_c1_f0046182.jpg", "1501_c6s3_086567_00.jpg"])
def test_market1501_reads_a_bare_folder_and_its_relatives(tmp_path, name):
    _write(tmp_path, name)
    images = load_data(f"market1501:{tmp_path}")
    assert images.identities[0] == int(name[:4])
    assert images.cameras[0] == int(name[6])


@pytest.mark.parametrize("name", ["person7.jpg", "0002_000451.jpg", "x0002_c1s1_000451_03.jpg"])
def test_market1501_names_the_file_that_does_not_fit(tmp_path, name):
    _write(tmp_path / "bounding_box_train", "0002_c1s1_000451_03.jpg", name)
    _refuses(f"market1501:{tmp_path}", name, "0002_c1s1_000451_03.jpg", "IDENTITY_cCAMERA")


def test_market1501_without_folder_images_or_people(tmp_path):
    _refuses(f"market1501:{tmp_path / 'nowhere'}", "nowhere", "no such folder")
    _refuses(f"market1501:{tmp_path}", "no images", "bounding_box_train")
    _write(tmp_path, "-1_c1s1_000401_03.jpg")
    _refuses(f"market1501:{tmp_path}", "junk")


def test_csv_keeps_order_and_reads_cameras(tmp_path):
    _write(tmp_path, "b/2.png", "a/1.png")
    (tmp_path / "t.csv").write_text("path, identity ,camera,colour\nb/2.png,12,3,red\n a/1.png ,7,1,\n")
    images = load_data(f"csv:{tmp_path / 't.csv'}")
    assert images.names.tolist() == ["b/2.png", "a/1.png"]
    assert images.identities.tolist() == [12, 7]
    assert images.identity_names is None
    assert images.cameras.tolist() == [3, 1]
    assert images.read([1], (8, 4))[0, 0, 0].tolist() == [1, 0, 0]
    assert images.notes == ("columns that are not used: colour",)


def test_csv_images_of_one_sequence_at_one_camera_are_known_to_match(tmp_path):
    _write(tmp_path, *(f"{number}.png" for number in range(7)))
    rows = ["0.png,,1,a", "1.png,,1,a", "2.png,,2,a", "3.png,,1,b", "4.png,,1,", "5.png,,1,", "6.png,,2, a "]
    (tmp_path / "t.csv").write_text("\n".join(["path,identity,camera,sequence", *rows]))
    images = load_data(f"csv:{tmp_path / 't.csv'}")
    assert images.tracklets.tolist() == [0, 0, 1, 2, -1, -1, 1]
    assert known_beforehand(len(images), images.tracklets).groups().tolist() == [0, 0, 1, 2, 3, 4, 1]
    (tmp_path / "t.csv").write_text("path,identity,sequence\n0.png,,a\n1.png,,b\n2.png,,a\n")
    assert load_data(f"csv:{tmp_path / 't.csv'}").tracklets.tolist() == [0, 1, 0]


def test_csv_numbers_names_in_sorted_order_and_leaves_blanks_unknown(tmp_path):
    _write(tmp_path, *(f"{row}.png" for row in range(5)))
    rows = "".join(f"{row}.png,{who}\n" for row, who in enumerate(["rex", "", "ada", "rex", "-1"]))
    (tmp_path / "t.csv").write_text("path,identity\n" + rows)
    images = load_data(f"csv:{tmp_path / 't.csv'}")
    assert images.identities.tolist() == [1, -1, 0, 1, -1]
    assert images.identity_names == ("ada", "rex")
    assert images.cameras is None


def test_csv_does_not_merge_numbers_written_in_two_ways(tmp_path):
    _write(tmp_path, "0.png", "1.png")
    (tmp_path / "t.csv").write_text("path,identity\n0.png,2\n1.png,02\n")
    images = load_data(f"csv:{tmp_path / 't.csv'}")
    assert images.identity_names == ("02", "2")
    assert images.identities.tolist() == [1, 0]


def test_csv_with_byte_order_mark_and_absolute_paths(tmp_path):
    _write(tmp_path / "elsewhere", "0.png")
    path = tmp_path / "elsewhere" / "0.png"
    (tmp_path / "t.csv").write_text(f"path,identity\n{path},1\n", encoding="utf-8-sig")
    assert load_data(f"csv:{tmp_path / 't.csv'}").paths.tolist() == [str(path)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("thing,identity\n0.png,1\n", "no column path, found thing, identity"),
        ("who,camera\n0.png,1\n", "no column path, found who, camera"),
        ("", "no rows"),
        ("path,identity\n", "no rows"),
        ("path,identity,path\n0.png,1,0.png\n", "column path comes twice"),
        ("path,identity\n0.png,1\n9.png,1\n", "row 3: no image"),
        ("path,identity\n,1\n", "row 2: 'path' is blank"),
        ("path,identity\n0.png,1\n0.png,1\n", "listed twice"),
    ],
)
def test_csv_errors_name_row_and_cause(tmp_path, text, part):
    _write(tmp_path, "0.png")
    (tmp_path / "t.csv").write_text(text)
    _refuses(f"csv:{tmp_path / 't.csv'}", "t.csv", part)


def test_csv_missing_or_not_text(tmp_path):
    _refuses(f"csv:{tmp_path / 'none.csv'}", "none.csv", "cannot be read")
    (tmp_path / "t.csv").write_bytes(b"path,identity\n\xff\xfe,1\n")
    _refuses(f"csv:{tmp_path / 't.csv'}", "t.csv", "UTF-8")


def test_folder_per_identity(tmp_path):
    _write(tmp_path, "012/b.png", "012/a.png", "3/a.png", ".hidden/a.png")
    images = load_data(f"folder:{tmp_path}")
    assert images.names.tolist() == ["012/a.png", "012/b.png", "3/a.png"]
    assert images.identities.tolist() == [12, 12, 3]
    assert images.cameras is None
    assert images.notes[0] == "left out: 1 hidden folders"


def test_folder_with_names_for_people(tmp_path):
    _write(tmp_path, "rex/a.png", "ada/a.png")
    images = load_data(f"folder:{tmp_path}")
    assert images.identity_names == ("ada", "rex")
    assert images.identities.tolist() == [0, 1]
    assert images.notes == (
        "2 folders are taken for identities (ada, rex); if they are not, add ?identities=no",
    )


def test_folder_errors(tmp_path):
    _refuses(f"folder:{tmp_path / 'nowhere'}", "nowhere", "no such folder")
    _refuses(f"folder:{tmp_path}", "no images")
    (tmp_path / "notes.txt").write_text("")
    _refuses(f"folder:{tmp_path}", "no images", "1 .txt files (no images)")
    _write(tmp_path, "train/a/1.png", "Test/a/1.png")
    _refuses(f"folder:{tmp_path}", "Test, train, which are no identities", "imagefolder:")
    _refuses(f"folder:{tmp_path}?identities=maybe", "identities=maybe", "yes or no")
    _refuses(f"folder:{tmp_path}?cameras=2", "option 'cameras' is unknown", "identities=")


def test_features_load_as_features(tmp_path):
    FeatureSet(features=np.eye(4, dtype=np.float32), identities=np.array([0, 0, 1, 1])).save(
        tmp_path / "f.npz"
    )
    features = load_data(str(tmp_path / "f.npz"))
    assert isinstance(features, FeatureSet)
    assert len(features) == 4


@pytest.mark.parametrize("spec", ["cuhk99:/data", "/data", "", "market1501", "C:/x"])
def test_unknown_data_lists_what_is_known(spec):
    _refuses(spec, "market1501:DIR", "csv:FILE", "folder:DIR", "synthetic:NAME", ".npz", "viper:DIR")


@pytest.mark.parametrize("spec", ["market1501:", "csv:", "folder:", "synthetic:"])
def test_prefix_without_a_place(spec):
    _refuses(spec, "nothing after the colon")


@pytest.mark.real_data
@pytest.mark.skipif(not MARKET.is_dir(), reason="photographs are absent")
def test_market1501_photographs():
    images = load_data(f"market1501:{MARKET}")
    assert len(images) == 12_936
    assert len(np.unique(images.identities)) == 751
    assert np.unique(images.cameras).tolist() == [1, 2, 3, 4, 5, 6]
    assert images.read([0, 12_935], (128, 64)).shape == (2, 128, 64, 3)
