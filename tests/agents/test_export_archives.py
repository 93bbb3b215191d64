"""Exports with images or several tables: Camtrap DP, folders of identities, and the ZIP files."""

import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from reid_al_agents.data import ImageSet, load_data
from reid_al_agents.data.decoding import Box
from reid_al_agents.log.camtrap_package import OBSERVATIONS, camtrap_tables
from reid_al_agents.log.identity_folders import write_identity_folders
from reid_al_env import InputError


@pytest.fixture
def photographs(tmp_path):
    """Three photographs; the second holds two animals."""
    for name in "abc":
        Image.new("RGB", (40, 20), (50, 60, ord(name))).save(tmp_path / f"{name}.jpg")
    boxes = [
        Box(0, 0, 40, 20),
        Box(0, 0, 10, 20),
        Box(0.5, 0.25, 0.25, 0.5, relative=True),
        Box(0, 0, 20, 20),
    ]
    return ImageSet(
        ["a.jpg", "b.jpg#1", "b.jpg#2", "c.jpg"],
        [-1] * 4,
        [0, 1, 1, -1],
        source="test",
        paths=[str(tmp_path / f"{name}.jpg") for name in "abbc"],
        boxes=boxes,
        camera_names=("north", "south"),
        places=[0, 0, 0, -1],
        place_names=("hill",),
        times=np.array(["2024-05-06T07:08:09", "2024-05-06T08:00:00", "2024-05-06T08:00:00", "NaT"], "M8[s]"),
    )


GROUPS = np.array([0, 0, 1, 2])
CONFIRMED = np.array([True, True, False, False])
LIKELY = np.array([0.9, 0.8, np.nan, np.nan])


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_camera_trap_package_says_of_each_observation_which_individual_it_is(photographs):
    tables = camtrap_tables(photographs, GROUPS, {0: "Limpy"}, CONFIRMED, LIKELY)
    observed = rows(tables["observations.csv"])
    assert list(observed[0]) == list(OBSERVATIONS)
    assert [row["individualID"] for row in observed] == ["Limpy", "Limpy", "", ""]
    assert [row["mediaID"] for row in observed] == ["a.jpg", "b.jpg", "b.jpg", "c.jpg"]
    assert [row["deploymentID"] for row in observed] == ["hill_north", "hill_south", "hill_south", "unknown"]
    assert observed[1]["bboxWidth"] == "0.25"
    assert [observed[2][f"bbox{name}"] for name in ("X", "Y", "Width", "Height")] == [
        "0.5",
        "0.25",
        "0.25",
        "0.5",
    ]
    assert [row["classificationMethod"] for row in observed] == ["human", "human", "", ""]
    assert len(rows(tables["media.csv"])) == 3
    assert rows(tables["media.csv"])[0]["fileMediatype"] == "image/jpeg"
    suggested = camtrap_tables(photographs, GROUPS, {}, np.zeros(4, dtype=bool), LIKELY, "person")
    first = rows(suggested["observations.csv"])[0]
    assert (first["classificationMethod"], first["classificationProbability"]) == ("machine", "0.9")
    assert (first["observationType"], first["individualID"]) == ("human", "identity_0")


def test_a_package_that_was_written_is_read_again(photographs, tmp_path):
    for name, text in camtrap_tables(photographs, GROUPS, {0: "Limpy"}, CONFIRMED, LIKELY).items():
        (tmp_path / name).write_text(text)
    again = load_data(f"camtrapdp:{tmp_path}")
    assert again.names.tolist() == photographs.names.tolist()
    assert again.identity_names == ("Limpy",)
    assert again.identities.tolist() == [0, 0, -1, -1]
    assert again.times.tolist()[:3] == photographs.times.tolist()[:3]
    assert [again.camera_names[camera] for camera in again.cameras[:3]] == ["north", "south", "south"]


def test_identities_are_folders_of_their_names(photographs, tmp_path):
    names = {0: "a/b", 1: "Unknown", 2: "A_b"}
    count = write_identity_folders(tmp_path / "out", photographs, GROUPS, names)
    found = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")
    )
    assert count == len(found) == 4
    assert found == [
        "A_b (2)/000003_c.png",
        "Unknown (1)/000002_b.png",
        "a_b/000000_a.png",
        "a_b/000001_b.png",
    ]
    with pytest.raises(InputError, match="is not an empty folder"):
        write_identity_folders(tmp_path / "out", photographs, GROUPS)


def test_whole_files_are_copied_byte_for_byte_or_linked(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "a.jpg")
    images = ImageSet(["a.jpg"], [-1], source="test", paths=[str(tmp_path / "in" / "a.jpg")])
    for link in (False, True):
        write_identity_folders(tmp_path / str(link), images, np.array([0]), link=link)
        (copy,) = (tmp_path / str(link)).rglob("*.jpg")
        assert copy.parent.name == "unknown"
        assert copy.read_bytes() == (tmp_path / "in" / "a.jpg").read_bytes()
        assert (copy.stat().st_nlink > 1) == link


def names_in(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_the_page_gives_archives_and_leaves_nothing_behind(tmp_path, monkeypatch):
    pytest.importorskip("fastapi")
    from live_world import opened, pool
    from page_client import Browser, key_

    from reid_al_agents.annotate.server.access import Access
    from reid_al_agents.annotate.server.app import create_app

    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    features = pool(8, 4, noise=0.3)
    np.savez(tmp_path / "features.npz", features=features.features)
    with opened(tmp_path, features) as world:
        anna = Browser(create_app(world.session, world.refreshing, world.pictures, Access(b"s" * 32)))
        found = world.session.identities()
        first = found.key(found.ordered("size")[0])
        same = found.images(found.find(first))
        refused = anna.get("/api/export/market1501.zip", confirmed=True)
        assert refused.status_code == 409  # nothing is confirmed yet
        anna.post("/api/identities/name", {"identity": first, "name": "Limpy", "key": key_()})
        anna.post("/api/identities/confirm", {"identity": first, "same": same, "key": key_()})
        everything = names_in(anna.get("/api/export/identities.zip").content)
        assert len(everything) == len(features)
        sure = names_in(anna.get("/api/export/identities.zip", confirmed=True).content)
        assert sum("/Limpy/" in name for name in sure) == len(same)
        assert sum("/unknown/" in name for name in sure) == len(features) - len(same)
        market = names_in(anna.get("/api/export/market1501.zip", confirmed=True).content)
        assert len(market) == len(same) + 1
        assert "market1501/names.csv" in market
        tables = names_in(anna.get("/api/export/camtrapdp.zip").content)
        assert tables == [f"camtrapdp/{name}.csv" for name in ("deployments", "media", "observations")]
    assert list((tmp_path / "tmp").iterdir()) == []
