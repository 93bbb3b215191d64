"""Features made elsewhere: asked on while the images are shown, with nothing to refresh."""

import numpy as np
import pytest

pytest.importorskip("fastapi")

from command_line import call, failed, succeeded
from living_world import anna_answers, image_table

from reid_al_agents.annotate.begin import open_session
from reid_al_agents.annotate.messages import Conflict
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError

ASKED = AnnotationSettings(gold_share=0.0)


def features_of(table, path):
    """A row for each image and one more, in another order, by path; those of the images."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(int(table.identities.max()) + 1, 8))
    rows = (centres[table.identities] + 0.1 * rng.normal(size=(len(table), 8))).astype(np.float32)
    order = rng.permutation(len(rows))
    names = [*(table.names[row] for row in order), "another.png"]
    np.savez(path, features=np.concatenate([rows[order], np.ones((1, 8), np.float32)]), paths=names)
    return rows


def test_a_session_asks_on_them_and_shows_the_images(tmp_path):
    table = image_table(tmp_path / "data")
    rows = features_of(table, tmp_path / "own.npz")
    config = RunConfig(data=table.source, features=str(tmp_path / "own.npz"), evaluate_on="none")
    assert config.refresh == "none"
    with open_session(config, ASKED, tmp_path / "out") as opened:
        assert np.array_equal(opened.session.state.features.features, rows)
        anna_answers(opened, 6)
        assert opened.pictures.encoded(0)[1] == "image/png"
        with pytest.raises(Conflict, match=r"own\.npz"):
            opened.refreshing.start()
    (tmp_path / "own.npz").unlink()  # the folder has its copy
    with open_session(config, ASKED, tmp_path / "out") as opened:
        assert np.array_equal(opened.session.state.features.features, rows)
        assert opened.session.state.beliefs.answers == 6
    assert succeeded("export", tmp_path / "out")["answers"] == 6


def test_labels_answer_on_them_and_it_is_said(tmp_path):
    table = image_table(tmp_path / "data")
    features_of(table, tmp_path / "own.npz")
    arguments = ["run", table.source, "--features", tmp_path / "own.npz", "--answers", "8", "--rounds", "2"]
    code, _, told = call(*arguments, "--pool-size", "4", "--out", tmp_path / "out")
    assert code == 0, told
    assert "nothing is refreshed" in told
    assert succeeded("export", tmp_path / "out")["answers"] == 8


def test_what_contradicts_them_is_refused(tmp_path):
    table = image_table(tmp_path / "data")
    features_of(table, tmp_path / "own.npz")
    usual = ["annotate", table.source, "--out", tmp_path / "out", "--no-open"]
    both = failed(*usual, "--features", tmp_path / "own.npz", "--weights", "w.pth")
    assert "--weights: the features come from --features" in both
    assert "missing.npz: no such file" in failed(*usual, "--features", tmp_path / "missing.npz")
    np.save(tmp_path / "few.npy", np.ones((3, 8)))
    config = RunConfig(data=table.source, features=str(tmp_path / "few.npy"), evaluate_on="none")
    with pytest.raises(InputError, match="3 rows for 24 images"):
        open_session(config, ASKED, tmp_path / "other")
