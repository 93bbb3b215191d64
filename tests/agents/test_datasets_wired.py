"""What users have, through the commands: unlabelled, damaged and cut-out images, and tests of their own."""

import csv
import json

import numpy as np
import pytest
from command_line import SMALL, call, succeeded
from PIL import Image

from reid_al_agents.annotate.pictures import Pictures
from reid_al_agents.asking.candidates import _cameras_of
from reid_al_agents.clustering.cameras import standardise_by_camera
from reid_al_agents.data import ImageSet, load_data, load_split
from reid_al_agents.data.decoding import Box
from reid_al_agents.evaluation.ranking import evaluate_ranking
from reid_al_agents.log.market1501_folder import write_market1501

FEW = ["--answers", "6", "--refresh", "none", "--no-adapt", "--pool-size", "4"]


def _crops(people=12, each=4):
    """(identity, camera, pixels) of rendered pedestrians."""
    data = load_data("synthetic:pedestrians-target?identities=20")
    for identity in np.unique(data.identities)[:people]:
        for row in np.flatnonzero(data.identities == identity)[:each]:
            yield int(identity), int(data.cameras[row]), data.read([row], (64, 32))[0]


@pytest.fixture(scope="module")
def crops():
    """Rendered pedestrians."""
    return list(_crops())


@pytest.fixture
def folder(tmp_path, crops):
    """A folder per identity; a loose image, a text file, and two damaged images."""
    for number, (identity, camera, pixels) in enumerate(crops):
        path = tmp_path / "data" / f"p{identity:03d}" / f"c{camera}_{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        if number in (3, 17):
            path.write_bytes(path.read_bytes()[:300])
    Image.fromarray(crops[0][2][::-1]).save(tmp_path / "data" / "loose.png")
    (tmp_path / "data" / "notes.txt").write_text("")
    return tmp_path / "data"


@pytest.fixture
def market(tmp_path, crops):
    """A whole Market-1501: people 1 to 6 for training, 7 to 9 for the test, the others distractors."""
    asked = set()
    for number, (identity, camera, pixels) in enumerate(crops):
        part = "bounding_box_train" if identity <= 6 else "bounding_box_test"
        shown = identity if identity <= 9 else 0
        if part != "bounding_box_train" and shown and (identity, camera) not in asked:
            asked.add((identity, camera))
            part = "query"
        path = tmp_path / "market" / part / f"{shown:04d}_c{camera + 1}s1_{number:06d}_00.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "market"


def test_damaged_images_stop_every_command_before_any_work(folder, tmp_path):
    for command in (("embed", "--out", tmp_path / "f.npz"), ("run", *FEW, "--out", tmp_path / "r")):
        code, _, told = call(command[0], f"folder:{folder}", *SMALL, *command[1:])
        assert code == 2
        assert "2 of 49 images cannot be read" in told
        assert "c1_003" in told.replace("c2_003", "c1_003")
        assert "--skip-damaged" in told
    assert not (tmp_path / "f.npz").exists()


def test_going_on_without_damaged_images_says_so_and_keeps_a_list(folder, tmp_path):
    out = tmp_path / "f.npz"
    code, _, told = call("embed", f"folder:{folder}", *SMALL, "--out", out, "--skip-damaged")
    assert code == 0, told
    for part in (
        "left out: 1 .txt files",
        "left out as damaged: 2 of 49",
        "12 folders are taken for identities",
    ):
        assert told.count(part) == 1
    assert "47 images" in told
    listed = list(csv.DictReader((tmp_path / "f.skipped.csv").open()))
    assert len(listed) == 2
    code, _, told = call("run", f"folder:{folder}", *SMALL, *FEW, "--out", tmp_path / "r", "--skip-damaged")
    assert code == 0, told
    assert "scored on validation identities of the split" in told
    assert len(list(csv.DictReader((tmp_path / "r" / "skipped.csv").open()))) == 2


def test_commands_that_need_labels_refuse_unlabelled_images_in_one_line(folder, tmp_path):
    data = f"folder:{folder}?identities=no"
    line = failed_last("evaluate", data, *SMALL, "--skip-damaged")
    assert "no identity of its 47 images is known; run, benchmark, train and evaluate" in line
    line = failed_last("run", data, *SMALL, *FEW, "--out", tmp_path / "r", "--skip-damaged")
    assert "annotate and embed need none" in line


def failed_last(*arguments):
    """Run a command that is to be refused; its last line."""
    code, shown, told = call(*arguments)
    assert (code, shown) == (2, ""), told
    return told.strip().splitlines()[-1]


@pytest.mark.parametrize("on", ["validation", "test", "both"])
def test_evaluate_scores_the_queries_and_gallery_that_the_data_comes_with(market, on):
    scores = succeeded("evaluate", f"market1501:{market}", *SMALL, "--on", on)
    queries = len(list((market / "query").iterdir()))
    gallery = len(list((market / "bounding_box_test").iterdir()))
    distractors = len(list((market / "bounding_box_test").glob("0000*")))
    assert distractors == 12
    assert scores["scored"] == (
        f"Market-1501's own test set: {queries} queries among {gallery} images"
        f", {distractors} of them distractors"
    )


def test_run_takes_its_pool_from_the_training_part(market, tmp_path):
    code, _, told = call("run", f"market1501:{market}", *SMALL, *FEW, "--out", tmp_path / "r", "--final")
    assert code == 0, told
    assert "scored on Market-1501's own test set: " in told
    split = load_split(tmp_path / "r" / "split.json")
    pool = json.loads((tmp_path / "r" / "pool.json").read_text())["names"]
    assert set(pool) == set(split.pool_images)
    assert {int(name[:4]) for name in pool} <= set(range(1, 7))
    assert {int(name[:4]) for name in split.test_queries} == {7, 8, 9}


def test_the_option_names_further_words_for_unknown(tmp_path, crops):
    for number, (_, _, pixels) in enumerate(crops[:6]):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    rows = "".join(f"{number}.png,{'N.N.' if number % 2 else 'rex'}\n" for number in range(6))
    (tmp_path / "t.csv").write_text("path,identity\n" + rows)
    out = tmp_path / "f.npz"
    assert (
        succeeded("embed", f"csv:{tmp_path / 't.csv'}", *SMALL, "--out", out, "--unknown", "n.n.")["images"]
        == 6
    )
    with np.load(out) as features:
        assert features["identities"].tolist() == [0, -1, 0, -1, 0, -1]


# What the page shows


@pytest.fixture
def turned(tmp_path, crops):
    """Files that show one picture: upright, turned by EXIF, and as a box in a larger one."""
    picture = Image.fromarray(crops[0][2]).resize((480, 960), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png")
    picture.rotate(90, expand=True).save(tmp_path / "b.webp", lossless=True, exif=exif)
    larger = Image.new("RGB", (1000, 1000))
    larger.paste(picture, (100, 20))
    larger.save(tmp_path / "c.png")
    clear = picture.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    clear.save(tmp_path / "d.png")
    paths = [str(tmp_path / name) for name in ("a.png", "b.webp", "c.png", "d.png")]
    boxes = [None, None, Box(100, 20, 480, 960), None]
    return ImageSet(list("abcd"), [-1] * 4, source="test", paths=paths, boxes=boxes)


@pytest.mark.parametrize("reduction", [None, "small"])
def test_the_page_shows_what_the_model_sees(turned, tmp_path, reduction):
    pictures = Pictures(turned, (128, 64), tmp_path / "cache")
    for image in range(4):
        assert pictures.size(image) == (480, 960)
        content, kind = pictures.encoded(image, reduction)
        assert kind == ("image/jpeg" if reduction else "image/png")
        (tmp_path / "shown").write_bytes(content)
        with Image.open(tmp_path / "shown") as shown:
            assert shown.mode == "RGB"
            seen = np.asarray(shown.resize((48, 96), Image.Resampling.BOX)).astype(int)
        expected = np.asarray(turned.open(image).resize((48, 96), Image.Resampling.BOX)).astype(int)
        assert np.abs(seen - expected).mean() < 2
        assert pictures.encoded(image, reduction) == (content, kind)
    pictures.close()


def test_a_box_is_exported_as_a_file_of_its_own(turned, tmp_path):
    write_market1501(tmp_path / "out", turned, np.array([0, 0, 0, 0]))
    names = sorted(path.name for path in (tmp_path / "out" / "bounding_box_train").iterdir())
    assert len(names) == 4
    with Image.open(tmp_path / "out" / "bounding_box_train" / names[2]) as written:
        assert written.size == (480, 960)


def test_an_export_in_market1501s_layout_comes_back_with_names_and_cameras(tmp_path, crops):
    pixels = np.stack([crop[2] for crop in crops[:6]])
    names = [f"a/{number}.png" for number in range(6)]
    groups = np.array([0, 0, 1, 1, 2, 2])
    for cameras in ([0, -1, 0, 1, 0, 1], None):
        images = ImageSet(
            names, [-1] * 6, cameras, camera_names=("gate", "well"), source="test", pixels=pixels
        )
        out = tmp_path / f"out{cameras is None}"
        write_market1501(out, images, groups)
        again = load_data(f"market1501:{out}")
        order = np.argsort(again.names)
        assert again.names[order].tolist() == names
        assert again.identities[order].tolist() == [1, 1, 2, 2, 3, 3]
        if cameras is None:
            assert again.cameras is None
        else:
            assert again.cameras[order].tolist() == cameras
            assert again.camera_names == ("gate", "well")
        assert np.array_equal(again.read(order, (64, 32)), pixels)


# Unknown cameras


def test_an_unknown_camera_is_not_the_same_camera_in_a_ranking():
    features = np.array([[1, 0], [1, 0.1], [0, 1], [1, 0.05]], dtype=np.float32)
    identities, cameras = np.array([0, 0, 1, 1]), np.array([-1, -1, 2, -1])
    scores = evaluate_ranking(features, identities, cameras, np.array([0]), np.array([1, 2, 3]))
    assert scores.queries == 1
    assert scores.map == 50.0  # image 3 ranks before the match, which the camera rule does not remove


def test_images_of_unknown_camera_are_scaled_with_all_images():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((120, 5)).astype(np.float32) + 1
    cameras = np.repeat([0, 1, -1], 40)
    known = standardise_by_camera(features, cameras)
    units = features / np.linalg.norm(features, axis=1, keepdims=True)
    everything = (units - units.mean(axis=0)) / (units.std(axis=0) + 0.01)
    assert np.allclose(known[80:], everything[80:], atol=1e-5)
    assert np.abs(known[:40].mean(axis=0)).max() < 1e-5
    assert np.abs(known[80:].mean(axis=0)).max() > 1e-3


def test_unknown_cameras_are_seen_by_no_group():
    class Groups:
        labels = np.array([0, 0, 1, 2])

        def __len__(self):
            return 3

    seen = _cameras_of(Groups(), np.array([5, -1, -1, 7]))
    assert seen.tolist() == [[True, False], [False, False], [False, True]]
