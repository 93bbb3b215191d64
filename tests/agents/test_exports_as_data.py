"""Exported tables are data again: the files are found, and what was known of the images is known."""

import csv

import numpy as np
import pytest

pytest.importorskip("PIL")

from living_world import draw

from reid_al_agents.cli.export import as_lines
from reid_al_agents.data import DataSettings, ImageSet, load_data
from reid_al_agents.log.fact_columns import facts_of, relative_paths
from reid_al_agents.workspace.export import Export

TABLE = """path,identity,camera,side,place,time,latitude,longitude,sequence,bbox
a.png,Limpy,North gate,left,Hill,2026-01-31 14:05:09,47.37,-8.54,s1,"[1, 2, 6, 9]"
a.png,Mo,North gate,right,Hill,2026-01-31 14:05:09,47.37,-8.54,s1,"[6, 12, 5.5, 11]"
sub/b.png,Limpy,1.0,left,,2026-02-01,,,,
c.png,Mo,,,River,,-1.5,30,s2,"[0, 0, 12, 24]"
"""
GROUPS = np.array([0, 1, 0, 1])


@pytest.fixture
def images(tmp_path):
    for number, name in enumerate(("a.png", "sub/b.png", "c.png")):
        draw(tmp_path / "photos" / name, number, 0)
    (tmp_path / "photos" / "table.csv").write_text(TABLE)
    return load_data(f"csv:{tmp_path / 'photos' / 'table.csv'}")


def exported(images, groups, folder):
    """The two tables of an export, read as data."""
    sure, likely = np.array([True, *[False] * (len(groups) - 1)]), np.full(len(groups), 0.5)
    export = Export(images.names, [], [], groups, sure, likely, {0: "Limpy"}, data=images)
    folder.mkdir()
    settings = DataSettings(root=str(relative_paths(images)[0]))
    for name in ("identities.csv", "wildlife.csv"):
        (folder / name).write_text(export.make(name)[0])
        yield load_data(f"csv:{folder / name}", settings)


def words(images):
    """What is known of each image, in words; sequences by which images share them."""
    facts = facts_of(images)
    numbers = facts.pop("sequence")
    facts["sequence"] = [[cell == other != "" for other in numbers] for cell in numbers]
    return facts


def test_what_is_known_goes_out_and_in(images, tmp_path):
    assert facts_of(images)["camera"] == ["North gate", "North gate", "1", ""]
    assert facts_of(images)["bbox"] == ["[1, 2, 6, 9]", "[6, 12, 5.5, 11]", "", "[0, 0, 12, 24]"]
    for again in exported(images, GROUPS, tmp_path / "out"):
        assert words(again) == words(images)
        assert again.files.tolist() == images.files.tolist()
        assert again.boxes == images.boxes
        assert (again.identities[:, None] == again.identities).tolist() == (
            GROUPS[:, None] == GROUPS
        ).tolist()
        assert again.known_different.tolist() == images.known_different.tolist() == [[0, 1]]


def test_shares_of_a_photograph_become_pixels(images):
    from reid_al_agents.data.decoding import Box

    photo = ImageSet(["p"], [0], source="t", paths=images.files[:1], boxes=[Box(0.25, 0.5, 0.5, 0.25, True)])
    assert facts_of(photo)["bbox"] == ["[3, 12, 6, 6]"]  # 12 pixels wide, 24 high


def test_names_that_are_paths_in_one_folder_need_no_other(images, tmp_path):
    whole = images.subset([2])
    assert relative_paths(whole) == (tmp_path / "photos", None)
    (again, _) = exported(whole, np.array([0]), tmp_path / "out")
    assert again.names.tolist() == ["sub/b.png"]


def test_images_from_several_folders_are_found_from_the_one_that_holds_them(tmp_path):
    files = [tmp_path / "PHOTOS" / "a.png", tmp_path / "WEEK2" / "b.png"]
    for number, file in enumerate(files):
        draw(file, number, 0)
    grown = ImageSet(["a.png", "WEEK2/b.png"], [0, 1], source="t", paths=[str(file) for file in files])
    assert relative_paths(grown) == (tmp_path, ["PHOTOS/a.png", "WEEK2/b.png"])
    for again in exported(grown, np.array([0, 0]), tmp_path / "out"):
        assert again.files.tolist() == grown.files.tolist()
    for name in ("identities.csv", "wildlife.csv"):
        with open(tmp_path / "out" / name, newline="") as table:
            assert [row["name"] for row in csv.DictReader(table)] == grown.names.tolist()


def test_images_in_no_file_have_no_folder():
    rendered = ImageSet(["a"], [0], source="t", pixels=np.zeros((1, 4, 2, 3), dtype=np.uint8))
    assert relative_paths(rendered) == (None, None)


def test_the_command_says_where_the_paths_begin():
    result = {
        "answers": 3,
        "identities": 2,
        "grouped_images": 5,
        "confirmed_images": 4,
        "contradictions": 0,
        "removed_images": 1,
        "files": ["ex/pairs.csv"],
        "market1501": "market",
        "images": 5,
        "root": "/data",
    }
    assert as_lines(result) == [
        "3 answers, 2 identities of 5 images (4 confirmed), 0 contradictions; 1 removed images are left out",
        "written: ex/pairs.csv",
        "written: market with 5 images",
        "paths in the tables begin in /data; to read them as data: --root /data",
    ]
