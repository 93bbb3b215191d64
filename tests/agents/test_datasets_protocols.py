"""Layouts with a query and a gallery of their own: each read from a tiny replica of its true layout."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reid_al_agents.data import ImageSet, Split, load_data, load_split, make_split, save_split
from reid_al_agents.data.layouts import cuhk03 as cuhk03_module
from reid_al_env.errors import InputError
from reid_al_env.feature_set import FeatureSet

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def _write(folder, *names, size=(4, 8)):
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (value % 256, 0, 0)).save(path)


def _refuses(spec, *parts):
    with pytest.raises(InputError) as error:
        load_data(spec)
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


def _names(images, rows):
    return sorted(images.names[rows].tolist())


def _parts(images):
    """Names by part."""
    protocol = images.protocol
    return {part: _names(images, getattr(protocol, part)) for part in ("train", "query", "gallery")}


def _check_split(images, seed=0):
    """The test is exactly the protocol's; pool and validation are the training part, no image twice."""
    split, protocol = make_split(images, seed), images.protocol
    test = split.test(images)
    assert test.query.tolist() == np.flatnonzero(protocol.query).tolist()
    assert test.gallery.tolist() == np.flatnonzero(protocol.gallery).tolist()
    pool = split.pool(images)
    assert protocol.train[pool].all()
    assert not set(split.pool_identities) & set(split.validation_identities)
    rows = pool.tolist()
    if split.validation_identities:
        validation = split.validation(images)
        assert protocol.train[validation.query].all()
        assert not np.isin(validation.query, pool).any()
        rows += [
            *validation.query.tolist(),
            *np.intersect1d(validation.gallery, np.flatnonzero(protocol.train)),
        ]
    assert sorted(rows) == np.flatnonzero(protocol.train).tolist()
    return split


def _market(folder, train=8):
    """Training people 1, 3, ...; test people 2, 4 with queries; distractors, junk, and a system file."""
    numbers = range(1, 2 * train, 2)
    _write(
        folder / "bounding_box_train",
        *(f"{who:04d}_c{camera}s1_{who:05d}{camera}_00.jpg" for who in numbers for camera in (1, 2, 3)),
    )
    _write(
        folder / "bounding_box_test",
        *(f"{who:04d}_c{camera}s1_{who:05d}{camera}_01.jpg" for who in (2, 4) for camera in (1, 2)),
        "0000_c1s1_000151_01.jpg",
        "0000_c4s1_000152_02.jpg",
        "-1_c3s1_000401_03.jpg",
    )
    _write(folder / "query", "0002_c1s1_000002_00.jpg", "0004_c2s1_000004_00.jpg")
    (folder / "bounding_box_test" / "Thumbs.db").write_bytes(b"")
    return folder


def test_market1501s_own_test(tmp_path):
    images = load_data(f"market1501:{_market(tmp_path)}")
    parts = _parts(images)
    assert parts["query"] == ["0002_c1s1_000002_00.jpg", "0004_c2s1_000004_00.jpg"]
    assert parts["gallery"] == [
        "0000_c1s1_000151_01.jpg",
        "0000_c4s1_000152_02.jpg",
        "0002_c1s1_000021_01.jpg",
        "0002_c2s1_000022_01.jpg",
        "0004_c1s1_000041_01.jpg",
        "0004_c2s1_000042_01.jpg",
    ]
    assert len(parts["train"]) == 24
    assert "junk" in images.notes[0]
    split = _check_split(images)
    assert split.test_identities == (2, 4)
    assert split.describe(images, "test") == (
        "Market-1501's own test set: 2 queries among 6 images, 2 of them distractors"
    )
    assert split.describe(images, "validation").startswith("validation identities of the split: ")


def test_without_queries_they_are_drawn_from_the_test_part(tmp_path):
    _market(tmp_path)
    for path in (tmp_path / "query").iterdir():
        path.unlink()
    images = load_data(f"market1501:{tmp_path}")
    split = make_split(images, 0)
    test = split.test(images)
    assert images.protocol.train[split.pool(images)].all()
    assert images.protocol.gallery[np.concatenate([test.query, test.gallery])].all()
    assert set(images.identities[test.query].tolist()) == {2, 4}
    assert (images.identities[test.gallery] == -1).sum() == 2


def test_the_training_folder_alone_is_split_as_before(tmp_path):
    _market(tmp_path)
    for folder in ("query", "bounding_box_test"):
        for path in (tmp_path / folder).iterdir():
            path.unlink()
    images = load_data(f"market1501:{tmp_path}")
    bare = load_data(f"market1501:{tmp_path / 'bounding_box_train'}")
    assert bare.protocol is None
    assert images.protocol.train.all()
    assert make_split(images, 3) == make_split(bare, 3)
    assert make_split(images, 3).protocol == ""


def test_distractors_are_in_the_gallery_of_any_split(tmp_path):
    images = load_data(f"market1501:{_market(tmp_path)}")
    query = ("0002_c1s1_000002_00.jpg", "0004_c2s1_000004_00.jpg")
    own, with_unknown = (Split((1, 3), (), test, query).test(images) for test in ((2, 4), (2, 4, -1)))
    assert own.gallery.tolist() == with_unknown.gallery.tolist()
    assert (images.identities[own.gallery] == -1).sum() == 2


def test_splits_of_a_protocol_are_kept_and_fit_features(tmp_path):
    images = load_data(f"market1501:{_market(tmp_path)}")
    split = make_split(images, 1)
    save_split(split, tmp_path / "split.json")
    again = load_split(tmp_path / "split.json")
    assert again == split
    rows = np.random.default_rng(0).standard_normal((len(images), 4)).astype(np.float32)
    features = FeatureSet(rows, images.identities, images.cameras, images.names)
    assert again.test(features).gallery.tolist() == split.test(images).gallery.tolist()
    assert again.pool(features).tolist() == split.pool(images).tolist()
    part = images.subset(split.test(images).query)
    with pytest.raises(InputError, match=r"pool image .* is not in the data"):
        split.pool(part)
    assert part.protocol.query.all()


def test_dukemtmc_says_that_it_was_withdrawn(tmp_path):
    _write(
        tmp_path / "bounding_box_train",
        "0001_c2_f0046182.jpg",
        "0001_c3_f0046183.jpg",
        "0005_c2_f0046184.jpg",
    )
    _write(tmp_path / "bounding_box_test", "0002_c1_f0044158.jpg", "7099_c8_f0044159.jpg")
    _write(tmp_path / "query", "0002_c3_f0044160.jpg")
    images = load_data(f"dukemtmc:{tmp_path}")
    assert "withdrawn by its authors in 2019" in images.notes[-1]
    assert images.identities.tolist() == [1, 1, 5, 2, 7099, 2]
    assert len(_parts(images)["gallery"]) == 2
    _check_split(images)


def test_veri776(tmp_path):
    _write(
        tmp_path / "image_train",
        *(f"{who:04d}_c00{c}_0001645{who}_0.jpg" for who in (1, 3, 4) for c in (1, 2)),
    )
    _write(tmp_path / "image_test", "0002_c002_00030600_0.jpg", "0002_c003_00084280_0.jpg")
    _write(tmp_path / "image_query", "0002_c002_00030600_0.jpg")
    images = load_data(f"veri776:{tmp_path}")
    assert _parts(images)["query"] == ["image_query/0002_c002_00030600_0.jpg"]
    assert _parts(images)["gallery"] == ["0002_c003_00084280_0.jpg", "image_test/0002_c002_00030600_0.jpg"]
    assert images.cameras.max() == 3
    _check_split(images)
    _refuses(f"veri776:{tmp_path / 'none'}", "no such folder", "image_train")


@pytest.mark.parametrize(
    ("version", "train", "test"), [(1, "train", "test"), (2, "mask_train_v2", "mask_test_v2")]
)
@pytest.mark.parametrize("below", [True, False])
def test_msmt17(tmp_path, version, train, test, below):
    root = tmp_path / f"MSMT17_V{version}"
    lists = {
        "train": [(train, who, camera) for who in range(4) for camera in (1, 15)],
        "val": [(train, who, 3) for who in range(4)],
        "query": [(test, who, 1) for who in range(2)],
        "gallery": [(test, who, camera) for who in range(2) for camera in (1, 2)],
    }
    for number, (name, rows) in enumerate(lists.items()):
        paths = [
            f"{who:04d}/{who:04d}_{number:03d}_{camera:02d}_0303morning_0008_{camera}.jpg"
            for _, who, camera in rows
        ]
        _write(root, *(f"{folder}/{path}" for (folder, _, _), path in zip(rows, paths, strict=True)))
        lines = (f"{path} {who}" for (_, who, _), path in zip(rows, paths, strict=True))
        (root / f"list_{name}.txt").write_text("\n".join(lines) + "\n")
    images = load_data(f"msmt17:{tmp_path if below else root}")
    assert len(images) == 8 + 4 + 2 + 4
    # Person 0 of the training part and person 0 of the test part are two people.
    assert images.identity_names == tuple(
        f"{half}/{who:04d}" for half, n in (("test", 2), ("train", 4)) for who in range(n)
    )
    assert sorted(set(images.cameras.tolist())) == [1, 2, 3, 15]
    assert [len(names) for names in _parts(images).values()] == [12, 2, 4]
    split = _check_split(images)
    assert split.protocol == "MSMT17's own test set"


def test_msmt17_names_what_is_missing_or_does_not_fit(tmp_path):
    _refuses(f"msmt17:{tmp_path}", "no list_train.txt in it")
    for name in ("train", "val", "query", "gallery"):
        (tmp_path / f"list_{name}.txt").write_text("")
    _refuses(f"msmt17:{tmp_path}", "no train or mask_train_v2 in it")
    _write(tmp_path, "train/a.jpg", "test/a.jpg")
    (tmp_path / "list_train.txt").write_text("0000/a.jpg 0\n")
    _refuses(f"msmt17:{tmp_path}", "list_train.txt: line 1: '0000/a.jpg 0'")
    (tmp_path / "list_train.txt").write_text("0000/0000_000_01_0303morning_0008_0.jpg 0\n")
    _refuses(f"msmt17:{tmp_path}", "list_train.txt, line 1: no image train/0000/0000_000_01")


def test_viper_in_halves_by_trial(tmp_path):
    _write(tmp_path / "VIPeR", *(f"cam_a/{who:03d}_45.bmp" for who in range(12)))
    _write(tmp_path / "VIPeR", *(f"cam_b/{who:03d}_90.bmp" for who in range(12)))
    images = load_data(f"viper:{tmp_path}?trial=3")
    parts = _parts(images)
    assert [len(names) for names in parts.values()] == [12, 6, 6]
    assert all(name.startswith("cam_a") for name in parts["query"])
    assert all(name.startswith("cam_b") for name in parts["gallery"])
    assert {name[6:9] for name in parts["query"]} == {name[6:9] for name in parts["gallery"]}
    _check_split(images)
    again, other = (load_data(f"viper:{tmp_path}?trial={trial}") for trial in (3, 4))
    assert _parts(again) == parts != _parts(other)
    _refuses(f"viper:{tmp_path}?trial=-1", "trial=-1; expected a number from 0 to 999")
    _refuses(f"viper:{tmp_path}?seed=1", "option 'seed' is unknown; expected trial=")


def test_prid2011(tmp_path):
    root = tmp_path / "single_shot"
    _write(root, *(f"cam_a/person_{who:04d}.png" for who in (1, 2, 3, 4, 199, 200, 201, 385)))
    _write(root, *(f"cam_b/person_{who:04d}.png" for who in (1, 2, 3, 4, 199, 200, 201, 749)))
    images = load_data(f"prid2011:{tmp_path}")
    parts = _parts(images)
    assert [len(names) for names in parts.values()] == [6, 3, 5]
    assert {"cam_b/person_0201.png", "cam_b/person_0749.png"} < set(parts["gallery"])
    assert not {"cam_a/person_0201.png", "cam_a/person_0385.png"} & {*parts["query"], *parts["gallery"]}
    names = dict(zip(images.names.tolist(), images.identities.tolist(), strict=True))
    assert names["cam_a/person_0200.png"] == names["cam_b/person_0200.png"]
    assert names["cam_a/person_0201.png"] != names["cam_b/person_0201.png"]
    _check_split(images)


def test_prid2011_multi_shot_has_tracklets(tmp_path):
    _write(
        tmp_path,
        *(f"multi_shot/cam_{c}/person_{who:04d}/{f:04d}.png" for c in "ab" for who in (1, 2) for f in (1, 2)),
    )
    images = load_data(f"prid2011:{tmp_path / 'multi_shot'}")
    assert images.tracklets.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert images.identities.tolist() == [1, 1, 2, 2, 1, 1, 2, 2]
    _write(tmp_path, "multi_shot/cam_a/someone/0001.png")
    _refuses(f"prid2011:{tmp_path / 'multi_shot'}", "does not fit the PRID 2011 layout")


# CUHK03


def _cuhk03_mat(file):
    """A MATLAB 7.3 file as CUHK03's: cells of cells of images, transposed, empty cells for missing ones."""
    h5py = pytest.importorskip("h5py")
    images = {}
    with h5py.File(file, "w") as archive:
        cells = archive.create_group("#refs#")
        empty = cells.create_dataset("empty", data=np.zeros(2, np.uint64))
        for boxes in ("detected", "labeled"):
            pairs = []
            for pair, people in enumerate((3, 1, 1, 1, 1), start=1):
                references = np.empty((10, people), dtype=h5py.ref_dtype)
                for person in range(people):
                    for number in range(10):
                        references[number, person] = empty.ref
                        if number in (0, 1, 5) or (boxes == "labeled" and number == 6):
                            name = f"{pair}_{person + 1:03d}_{1 if number < 5 else 2}_{number + 1:02d}"
                            pixels = np.random.default_rng(len(images)).integers(
                                0, 256, (9 + person, 5, 3), np.uint8
                            )
                            stored = cells.create_dataset(f"{boxes}{name}", data=pixels.T)
                            references[number, person] = stored.ref
                            images[boxes, name] = pixels
                pairs.append(cells.create_dataset(f"{boxes}{pair}", data=references).ref)
            archive.create_dataset(boxes, data=np.array([pairs], dtype=h5py.ref_dtype))
    return images


def _cuhk03_protocol(folder, boxes, names):
    from scipy.io import savemat

    listed = sorted(names)
    train = [row for row, name in enumerate(listed) if not name.startswith(("1_003", "5_"))]
    query = [
        row for row, name in enumerate(listed) if name.startswith(("1_003", "5_")) and name.endswith("_01")
    ]
    gallery = sorted(set(range(len(listed))) - set(train) - set(query))
    savemat(
        folder / f"cuhk03_new_protocol_config_{boxes}.mat",
        {
            "filelist": np.array([[f"{name}.png"] for name in listed], dtype=object),
            "labels": np.arange(len(listed))[:, None],
            **{
                f"{part}_idx": np.array(rows)[:, None] + 1
                for part, rows in (("train", train), ("query", query), ("gallery", gallery))
            },
        },
    )


@pytest.mark.parametrize("boxes", ["detected", "labelled"])
def test_cuhk03_from_its_matlab_file(tmp_path, boxes):
    stored = _cuhk03_mat(tmp_path / "cuhk-03.mat")
    key = {"labelled": "labeled"}.get(boxes, boxes)
    names = [name for kind, name in stored if kind == key]
    _cuhk03_protocol(tmp_path, key, names)
    images = load_data(f"cuhk03:{tmp_path}?boxes={boxes}")
    assert images.names.tolist() == sorted(names)
    assert len(images) == (7 * 3 if boxes == "detected" else 7 * 4)
    for row, name in enumerate(images.names.tolist()):
        assert np.array_equal(np.asarray(images.open(row)), stored[key, name])
        assert images.size(row) == stored[key, name].shape[:2]
        pair, _, view, _ = name.split("_")
        assert images.cameras[row] == 2 * int(pair) - 2 + int(view)
    assert images.identity_names == ("1_001", "1_002", "1_003", "2_001", "3_001", "4_001", "5_001")
    assert images.read(np.arange(len(images)), (8, 4)).shape == (len(images), 8, 4, 3)
    assert images.paths is None
    assert len(set(images.content_hashes())) == len(images)
    parts = _parts(images)
    assert parts["query"] == ["1_003_1_01", "5_001_1_01"]
    assert len(parts["train"]) == 5 * len(names) // 7
    _check_split(images)
    assert images.subset([3]).open(0).tobytes() == images.open(3).tobytes()
    assert images.cached((8, 4)).memory_size == (8, 4)


def test_cuhk03_from_images_that_others_took_out(tmp_path):
    names = [
        f"1_{who:03d}_{view}_{number:02d}" for who in (1, 2, 3) for view, number in ((1, 1), (1, 2), (2, 6))
    ]
    _write(tmp_path / "images_detected", *(f"{name}.png" for name in names))
    images = load_data(f"cuhk03:{tmp_path}")
    assert images.names.tolist() == sorted(names)
    assert images.protocol is None
    assert images.notes == (
        "no cuhk03_new_protocol_config_detected.mat: CUHK03's own query and gallery are unknown",
    )
    _cuhk03_protocol(tmp_path, "detected", names)
    assert _parts(load_data(f"cuhk03:{tmp_path}"))["query"] == ["1_003_1_01"]


def test_cuhk03_that_cannot_be_read(tmp_path, monkeypatch):
    _refuses(f"cuhk03:{tmp_path}", "neither cuhk-03.mat nor images_detected")
    _refuses(f"cuhk03:{tmp_path}?boxes=both", "boxes=both; expected detected or labelled")
    (tmp_path / "cuhk-03.mat").write_bytes(b"no such file")
    pytest.importorskip("h5py")
    _refuses(f"cuhk03:{tmp_path}", "cannot be read as the MATLAB 7.3 file")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(InputError, match=r"needs h5py; pip install .*datasets"):
        cuhk03_module.Cells(tmp_path / "cuhk-03.mat", "detected")


def test_a_damaged_protocol_of_cuhk03_is_named(tmp_path):
    _write(tmp_path / "images_labeled", "1_001_1_01.png")
    (tmp_path / "cuhk03_new_protocol_config_labeled.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(150))
    _refuses(f"cuhk03:{tmp_path}?boxes=labelled", "config_labeled.mat: cannot be read")


# Tables and image folders


def _table(folder, rows):
    _write(folder, *(row[0] for row in rows))
    lines = "".join(",".join(row) + "\n" for row in rows)
    (folder / "t.csv").write_text("path,identity,split\n" + lines)
    return f"wildlife:{folder / 't.csv'}"


def test_a_table_with_query_and_gallery(tmp_path):
    people = [(f"t{who}{n}.png", f"p{who}", "train") for who in range(6) for n in range(2)]
    test = [("q.png", "x", "query"), ("g.png", "x", "gallery"), ("d.png", "", "gallery"), ("n.png", "y", "")]
    images = load_data(_table(tmp_path, people + test))
    assert _parts(images)["query"] == ["q.png"]
    assert _parts(images)["gallery"] == ["d.png", "g.png"]
    split = _check_split(images)
    assert "n.png" not in images.names[split.pool(images)]


def test_test_images_are_searched_for_among_training_images_of_the_same_animals(tmp_path):
    rows = [
        (f"{part}{who}{n}.png", f"p{who}", part)
        for who in range(6)
        for part in ("train", "test")
        for n in range(2)
    ]
    images = load_data(_table(tmp_path, rows))
    parts = _parts(images)
    assert all(name.startswith("test") for name in parts["query"])
    assert parts["gallery"] == parts["train"] == sorted(row[0] for row in rows if row[2] == "train")
    split = _check_split(images)
    assert not np.isin(split.pool(images), split.test(images).query).any()
    assert not np.isin(split.validation(images).gallery, split.test(images).query).any()


def test_test_images_of_other_animals_have_queries_drawn(tmp_path):
    rows = [
        (f"{part}{who}{n}.png", f"{part}{who}", part)
        for who in range(4)
        for part in ("train", "test")
        for n in "ab"
    ]
    images = load_data(_table(tmp_path, rows))
    split = make_split(images, 0)
    test = split.test(images)
    assert len(test.query) == len(test.gallery) == 4
    assert all(name.startswith("test") for name in images.names[np.concatenate([test.query, test.gallery])])
    assert all(name.startswith("train") for name in images.names[split.pool(images)])


def test_queries_that_nobody_knows_cannot_be_scored(tmp_path):
    rows = [(f"d{who}{n}.png", f"p{who}", "database") for who in range(6) for n in range(3)]
    images = load_data(_table(tmp_path, [*rows, ("q1.png", "", "query"), ("q2.png", "", "query")]))
    assert not images.protocol.scores
    split = make_split(images, 0)
    assert split.test_identities
    assert not split.test_queries
    known = load_data(_table(tmp_path, [*rows, ("q1.png", "p1", "query"), ("q2.png", "new", "query")]))
    assert _parts(known)["query"] == ["q1.png", "q2.png"]
    assert len(_parts(known)["gallery"]) == 18


def test_an_image_folder_of_hugging_face(tmp_path):
    _write(
        tmp_path,
        *(
            f"{part}/{who}/{n}.png"
            for part in ("train", "test")
            for who in ("ada", "rex", "tom")
            for n in "ab"
        ),
    )
    images = load_data(f"imagefolder:{tmp_path}")
    assert images.identity_names == ("ada", "rex", "tom")
    assert _parts(images)["query"] == [f"test/{who}/{n}.png" for who in ("ada", "rex", "tom") for n in "ab"]
    _check_split(images)
    assert load_data(f"imagefolder:{tmp_path / 'train'}").protocol is None


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_image_folder_with_metadata(tmp_path, kind):
    _write(tmp_path, "train/a.png", "train/deep/b.png", "test/c.png")
    if kind == "csv":
        (tmp_path / "train" / "metadata.csv").write_text(
            "file_name,label,camera,text\na.png,rex,gate,hello\ndeep/b.png,,gate,\n"
        )
    else:
        (tmp_path / "train" / "metadata.jsonl").write_text(
            '{"file_name": "a.png", "label": "rex", "camera": "gate", "text": "hello"}\n'
            '{"file_name": "deep/b.png", "label": null, "camera": "gate"}\n'
        )
    images = load_data(f"imagefolder:{tmp_path}")
    of = dict(zip(images.names.tolist(), images.identities.tolist(), strict=True))
    assert of == {"train/a.png": 0, "train/deep/b.png": -1, "test/c.png": -1}
    assert images.camera_names == ("gate",)
    assert images.notes == (f"metadata.{kind}: columns that are not used: text",)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"name": "a.png"}'])
def test_bad_metadata_is_one_line(tmp_path, text):
    _write(tmp_path, "a.png")
    (tmp_path / "metadata.jsonl").write_text(text)
    _refuses(f"imagefolder:{tmp_path}", "metadata.jsonl")


# Without a protocol nothing changes


def test_what_is_scored_says_where_cameras_are_unknown():
    pixels = np.zeros((24, 2, 2, 3), np.uint8)
    images = ImageSet([str(i) for i in range(24)], np.repeat(np.arange(12), 2), source="test", pixels=pixels)
    told = make_split(images, 0).describe(images, "test")
    assert told.startswith("test identities of the split: 2 queries among 2 images; cameras are unknown")


def test_a_set_without_a_protocol_is_split_as_ever():
    pixels = np.zeros((24, 2, 2, 3), np.uint8)
    images = ImageSet([str(i) for i in range(24)], np.repeat(np.arange(12), 2), source="test", pixels=pixels)
    split = make_split(images, 0)
    assert (split.pool_images, split.test_queries, split.test_gallery, split.protocol) == ((), (), (), "")


# Real photographs


@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="photographs are absent")
@pytest.mark.parametrize(
    ("spec", "images", "identities", "cameras"),
    [
        ("market1501:{}/market1501", 12_936, 751, 6),
        ("market1501:{}/cuhk03_dev", 3_841, 400, 10),
        ("folder:{}/pku_reid/train", 992, 62, 0),
        ("imagefolder:{}/pku_reid", 1_184, 74, 0),
        ("csv:{}/vehicle_2cam/labels.csv", 1_134, 567, 2),
        ("csv:{}/fs48_fish/labels.csv", 2_508, 24, 3),
    ],
    ids=["market1501", "cuhk03_dev", "pku_reid", "pku_reid in parts", "vehicle_2cam", "fs48_fish"],
)
def test_photographs(spec, images, identities, cameras):
    data = load_data(spec.format(SHARED))
    assert len(data) == images
    assert len(np.unique(data.identities)) == identities
    assert (0 if data.cameras is None else len(np.unique(data.cameras))) == cameras
    assert data.read([0, images - 1], (128, 64)).shape == (2, 128, 64, 3)
    assert data.known_different.shape == (0, 2)
