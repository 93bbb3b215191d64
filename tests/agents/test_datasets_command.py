"""``reid-al datasets``: what it lists, and what it says of a data set."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import call, failed, succeeded
from PIL import Image

from reid_al_agents.data.catalogue import LAYOUTS
from reid_al_agents.data.layouts.table import COLUMNS
from reid_al_env.image_formats import NOT_READ


def _write(folder, *names):
    for value, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(value).integers(0, 256, (24, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)


def test_every_layout_is_listed_with_its_folder_and_where_to_get_it():
    code, shown, told = call("datasets")
    assert (code, shown) == (0, "")
    for layout in LAYOUTS.values():
        assert f"{layout.prefix}:{layout.place}  {layout.title}" in told
        for line in layout.tree.splitlines():
            assert line in told
        assert layout.origin in told
    assert "train 12,936 of 751" in told
    assert "withdrawn by its authors" in told
    assert "Nothing is downloaded" in told


def test_the_list_as_json():
    listed = succeeded("datasets")
    assert set(listed["layouts"]) == set(LAYOUTS)
    assert listed["layouts"]["market1501"]["published"]["query"] == {"images": 3368, "identities": 750}
    assert "JPEG" in listed["formats"]
    assert "EPS" in listed["formats_not_read"]


@pytest.fixture
def market(tmp_path):
    """A tiny Market-1501 with a distractor, a leak, a contradiction, and a damaged file."""
    _write(
        tmp_path / "bounding_box_train",
        *(f"{who:04d}_c{c}s1_00000{who}_00.jpg" for who in (1, 3) for c in (1, 2)),
    )
    _write(tmp_path / "bounding_box_test", "0002_c1s1_000001_00.jpg", "0000_c2s1_000002_00.jpg")
    _write(tmp_path / "query", "0002_c2s1_000003_00.jpg")
    train = tmp_path / "bounding_box_train"
    (tmp_path / "bounding_box_test" / "0002_c2s1_000009_00.jpg").write_bytes(
        (train / "0003_c1s1_000003_00.jpg").read_bytes()
    )
    path = train / "0001_c1s1_000001_00.jpg"
    path.write_bytes(path.read_bytes()[:200])
    return tmp_path


def test_what_is_in_a_data_set(market):
    code, shown, told = call("datasets", "check", f"market1501:{market}")
    assert (code, shown) == (0, "")
    for part in (
        "12,936 of 751 (DIFFERS)",
        "cameras: 1 (3), 2 (5)",
        "sizes (height x width): 24x12 to 24x12, median 24x12",
        "equal in content: ",
        "equal in content but of different identities: ",
        "equal in content but both in training and in test: ",
        "0003_c1s1_000003_00.jpg = 0002_c2s1_000009_00.jpg",
        "damaged: 1",
        "  0001_c1s1_000001_00.jpg: ",
    ):
        assert part in told


def test_what_is_in_a_data_set_as_json(market):
    summary = succeeded("datasets", "check", f"market1501:{market}")
    parts = {part["name"]: part for part in summary["parts"]}
    assert parts["all"]["images"] == 8
    assert parts["all"]["as_published"] is None
    assert (parts["train"]["images"], parts["train"]["identities"]) == (4, 2)
    assert (parts["gallery"]["images"], parts["gallery"]["unknown"]) == (3, 1)
    assert parts["query"]["published"] == {"images": 3368, "identities": 750}
    assert parts["query"]["as_published"] is False
    assert ["0003_c1s1_000003_00.jpg", "0002_c2s1_000009_00.jpg"] in summary["leaks"]
    assert summary["damaged"][0]["name"] == "0001_c1s1_000001_00.jpg"
    assert json.dumps(summary)


def test_unlabelled_images_and_settings(tmp_path):
    _write(tmp_path, "a.png", "b.png")
    (tmp_path / "t.csv").write_text(
        "path,identity,side,date\na.png,n.n.,left,2026-01-01 10:00:00\nb.png,n.n.,,\n"
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "t.csv").rename(tmp_path / "elsewhere" / "t.csv")
    data = f"csv:{tmp_path / 'elsewhere' / 't.csv'}"
    code, _, told = call("datasets", "check", data, "--unknown", "N.N., other", "--root", tmp_path)
    assert code == 0
    for part in (
        "no identity is known: annotate and embed work",
        "sides: unknown (1), left (1)",
        "2026-01-01T10:00:00",
    ):
        assert part in told
    summary = succeeded("datasets", "check", data, "--root", tmp_path)
    assert summary["per_identity"] == [2, 2.0, 2]
    assert summary["damaged"] == []


def test_what_the_report_says_is_said_once(tmp_path):
    _write(tmp_path, "a.png", "b.png")
    (tmp_path / "table.csv").write_text("path,remark\na.png,lame\nb.png,\n")
    _, _, told = call("datasets", "check", f"csv:{tmp_path / 'table.csv'}")
    assert told.count("columns that are not used: remark") == 1


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("PHOTOS", "write folder:PHOTOS for the images in this folder"),
        ("animals.csv", "write csv:animals.csv"),
        ("boxes.json", "write megadetector:boxes.json"),
        ("PHOTO", "expected folder:DIR, csv:FILE"),
    ],
)
def test_a_path_without_a_layout_is_answered_with_what_to_write(tmp_path, monkeypatch, word, advice):
    monkeypatch.chdir(tmp_path)
    Path("PHOTOS").mkdir()
    for name in ("animals.csv", "boxes.json"):
        Path(name).write_text("path\n")
    for command in (
        ("datasets", "check", word),
        ("evaluate", word),
        ("embed", word, "--out", "o"),
    ):
        assert f"{word}: unknown kind of data; {advice}" in failed(*command)


def test_what_cannot_be_checked_is_one_line(tmp_path):
    assert "holds features" in failed("datasets", "check", _features(tmp_path))
    assert "no such folder" in failed("datasets", "check", f"folder:{tmp_path / 'none'}")
    for words in (("check",), ("look", "folder:x")):
        assert "expected nothing, or check DATA" in failed("datasets", *words)


def _features(folder):
    path = folder / "f.npz"
    np.savez(path, features=np.eye(3, dtype=np.float32))
    return str(path)


def test_the_page_on_data_names_every_layout_column_and_unread_format():
    page = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for prefix in {*LAYOUTS} - {"market1501", "dukemtmc", "msmt17", "cuhk03", "veri776", "viper", "prid2011"}:
        assert f"{prefix}:" in page
    for title in ("Market-1501", "DukeMTMC-reID", "MSMT17", "CUHK03", "VeRi-776", "VIPeR", "PRID 2011"):
        assert title in page
    for names in COLUMNS.values():
        for name in names:
            assert f"`{name}`" in page
    for unread in NOT_READ:
        assert unread in page
