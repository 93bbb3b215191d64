"""Files that are renamed, replaced or removed after a session began are recognised, and end nothing."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("fastapi")

from command_line import failed, succeeded
from living_world import NAMES, anna_answers, draw, image_table

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.refresh_process import refresh
from reid_al_agents.annotate.refresh_work import Work
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.data import load_data
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

EVERYONE = np.tile(np.arange(len(NAMES)), 4)
"""Who is on the images of the folder, sorted by name: ``0_0.png``, ``0_1.png``, ..."""


@pytest.fixture
def session(tmp_path):
    """A session over a folder of unsorted images, with answers; its settings."""
    image_table(tmp_path / "data")
    config = RunConfig(
        data=f"folder:{tmp_path / 'data' / 'images'}", backbone="small_cnn", size=(32, 16), adapt=False,
        refresh_steps=2, evaluate_on="none",
    )  # fmt: skip
    with reopened(config, tmp_path) as opened:
        anna_answers(opened, 8, EVERYONE)
    return config


def reopened(config, tmp_path):
    return open_session(config, AnnotationSettings(gold_share=0.0), tmp_path / "out")


def links(opened):
    known = opened.session.state.beliefs.constraints
    return known.groups().tolist(), known.group_conflicts().tolist()


def test_all_that_can_happen_is_said_and_asking_goes_on(session, tmp_path, caplog):
    images = tmp_path / "data" / "images"
    with reopened(session, tmp_path) as opened:
        before, names = links(opened), opened.session.state.features.names.tolist()
        features = opened.session.state.features.features
    (images / "0_0.png").rename(images / "z.png")
    (images / "1_1.png").unlink()
    draw(images / "2_2.png", 77, 1)  # another picture
    draw(images / "new.png", 0, 99)
    caplog.clear()
    with reopened(session, tmp_path) as opened:
        (said,) = [record.getMessage() for record in caplog.records if "since the start" in record.message]
        assert "1 renamed (0_0.png is z.png)" in said
        assert "1 replaced by another picture (2_2.png)" in said
        assert "1 removed (1_1.png)" in said
        assert "2 new" in said  # the other picture is one
        assert links(opened) == before
        assert opened.session.state.features.names.tolist() == names
        assert np.array_equal(opened.session.state.features.features, features)
        gone = {names.index("1_1.png"), names.index("2_2.png")}
        assert opened.session.state.beliefs.excluded == gone
        pairs = anna_answers(opened, 30, EVERYONE)
        assert pairs
        assert not gone & {image for query, candidate, _ in pairs for image in (query, candidate)}
        assert opened.pictures.encoded(0)[0] == (images / "z.png").read_bytes()
        assert opened.pictures.encoded(min(gone))[1] == "image/png"  # a grey one
        assert opened.pictures.taken(min(gone)) is None
    exported = succeeded("export", tmp_path / "out", "--market1501", tmp_path / "market")
    assert exported["answers"] == 8 + len(pairs)
    assert exported["images"] == len(list((tmp_path / "market" / "bounding_box_train").iterdir()))


def test_a_file_that_comes_back_is_there_again(session, tmp_path, caplog):
    images = tmp_path / "data" / "images"
    shutil.move(images / "1_1.png", tmp_path / "1_1.png")
    with reopened(session, tmp_path) as opened:
        assert opened.session.state.beliefs.excluded
    shutil.move(tmp_path / "1_1.png", images / "1_1.png")
    caplog.clear()
    with reopened(session, tmp_path) as opened:
        assert opened.session.state.beliefs.excluded == set()
        assert "since the start" not in caplog.text


def test_the_model_learns_without_what_is_gone(session, tmp_path):
    (tmp_path / "data" / "images" / "1_1.png").unlink()
    with reopened(session, tmp_path) as opened:
        last = max(event.id for event in opened.session.state.keys.values())
        store = str(opened.folder.events)
        Folder(tmp_path / "out").round(1).mkdir(parents=True)
        refresh(Work(str(tmp_path / "out"), store, 1, last, "cpu"))
    features = np.load(tmp_path / "out" / "rounds" / "001" / "features.npz")["features"]
    assert features.shape[0] == 24


def test_a_table_that_names_a_missing_file_goes_on(tmp_path, caplog):
    table = image_table(tmp_path / "data")
    config = RunConfig(
        data=table.source, backbone="small_cnn", size=(32, 16), refresh="none", evaluate_on="none"
    )
    with reopened(config, tmp_path) as opened:
        anna_answers(opened, 4)
    (tmp_path / "data" / "images" / "3_0.png").unlink()
    with reopened(config, tmp_path) as opened:
        assert "1 removed (images/3_0.png)" in caplog.text
        assert opened.session.state.beliefs.answers == 4


def test_folders_without_hashes_open_by_name_and_have_them_from_then_on(session, tmp_path, caplog):
    for path in (tmp_path / "out").glob("hashes.json*"):
        path.unlink()
    images = tmp_path / "data" / "images"
    draw(images / "2_2.png", 77, 1)
    (images / "0_0.png").rename(images / "z.png")
    with reopened(session, tmp_path) as opened:
        assert "1 removed (0_0.png), 1 new" in caplog.text
        assert opened.session.state.beliefs.excluded == {0}
    draw(images / "2_2.png", 78, 1)
    with reopened(session, tmp_path):
        assert "1 replaced by another picture (2_2.png), 1 removed (0_0.png)" in caplog.text


def test_a_folder_of_other_images_is_refused(session, tmp_path):
    shutil.rmtree(tmp_path / "data" / "images")
    draw(tmp_path / "data" / "images" / "a.png", 50, 1)
    with pytest.raises(InputError, match="none of the 24 images is there any more"):
        reopened(session, tmp_path)


def test_the_hashes_are_those_of_the_files(session, tmp_path):
    data = load_data(session.data)
    assert json.loads((tmp_path / "out" / "hashes.json").read_text())["hashes"] == list(data.content_hashes())


def test_a_relative_path_is_looked_for_where_the_session_was_begun(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image_table(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    folder = tmp_path / "out"
    config = RunConfig(data="folder:data/images?identities=no", backbone="small_cnn", evaluate_on="none")
    with open_session(config, AnnotationSettings(), folder):
        pass
    monkeypatch.chdir(tmp_path / "elsewhere")
    said = failed("export", folder)
    assert f"folder:data/images?identities=no: is not in {tmp_path / 'elsewhere'}; {folder} was begun" in said
    monkeypatch.chdir(tmp_path)
    succeeded("export", folder)
