"""Frames say what the state says; how it looks is looked at, not tested."""

import copy
import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from reid_al_env import FeatureSet, InputError, synthetic_features
from reid_al_env.render import frame as frame_module
from reid_al_env.render.canvas import COLOURS, INK, Canvas
from reid_al_env.render.frame import Scene

pillow = pytest.importorskip("PIL.Image")
ID = "ReIDActiveLearningSmall-v0"
SHAPE = (540, 880, 3)


def with_files(folder, readable=True):
    """Features whose paths are images, each of its own colour, one of them damaged."""
    features = synthetic_features(6, 5)
    paths = [str(folder / f"{i:03d}.png") for i in range(30)]
    for i, path in enumerate(paths):
        if readable:
            pillow.new("RGB", (32, 64), (8 * i, 90, 240 - 8 * i)).save(path)
    (folder / "007.png").write_bytes(b"no image")
    return FeatureSet(features.features, features.identities, features.cameras, np.array(paths))


def test_a_frame_of_each_state():
    env = gym.make(ID, render_mode="rgb_array")
    env.reset(seed=0)
    frames = [env.render()]
    for action in (0, 3, 3):
        env.step(action)
        frames.append(env.render())
    for frame in frames:
        assert frame.shape == SHAPE
        assert frame.dtype == np.uint8
    assert all((a != b).any() for a, b in itertools.pairwise(frames))
    assert (env.render() == frames[-1]).all()


def test_crops_are_shown_where_paths_can_be_read(tmp_path):
    for readable in (True, False):
        folder = tmp_path / str(readable)
        folder.mkdir()
        env = gym.make(ID, features=with_files(folder, readable), render_mode="rgb_array")
        env.reset(seed=0, options={"query": 3})
        query = np.array([24, 90, 216])
        seen = (np.abs(env.render().astype(int) - query) < 3).all(axis=2).mean()
        assert (seen > 0.05) == readable
        env.step(0)
        assert env.render().shape == SHAPE


def test_paths_that_are_names_alone_give_the_graph():
    named = FeatureSet(
        np.eye(20) + 0.1, np.arange(20) // 2, None, np.array([f"image {i}" for i in range(20)])
    )
    env = gym.make(ID, features=named, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == SHAPE


@pytest.mark.parametrize("pool_size", [1, 29, 90])
def test_any_number_of_candidates_padding_included(pool_size, tmp_path):
    features = synthetic_features(10, 10, cameras=2)
    env = gym.make(ID, features=features, pool_size=pool_size, cross_camera=True, render_mode="rgb_array")
    env.reset(seed=0)
    env.step(0)
    assert env.render().shape == SHAPE
    if pool_size == 29:
        env = gym.make(ID, features=with_files(tmp_path), pool_size=29, render_mode="rgb_array")
        env.reset(seed=0)
        assert env.render().shape == SHAPE


def test_what_an_item_is_called():
    scene = Scene(
        query=9,
        candidates=np.array([3, 4, 5, 6, -1]),
        similarity=np.zeros((6, 6), dtype=np.float32),
        feedback=np.array([1, -1, 0, 0, 0], dtype=np.int8),
        action_mask=np.array([0, 0, 0, 1, 0], dtype=np.int8),
        picks=3,
        budget=4,
        last=2,
        total=0.2,
        line="",
    )
    assert [scene.status(item) for item in range(5)] == ["match", "no match", "can't tell", "open", ""]


STATUSES = ["match", "no match", "can't tell", "open", ""]


class Spy(Canvas):
    """Notes what is drawn and draws it."""

    def __init__(self, width, height):
        super().__init__(width, height)
        self.boxes, self.marks, self.words, self.discs = [], [], [], []

    def box(self, x, y, w, h, **style):
        self.boxes.append(((x, y, w, h), dict(style)))
        super().box(x, y, w, h, **style)

    def disc(self, x, y, radius, **style):
        self.discs.append(((x, y), dict(style)))
        super().disc(x, y, radius, **style)

    def mark(self, x, y, status, size=9):
        self.marks.append(((x, y), status))
        super().mark(x, y, status, size)

    def text(self, x, y, words, *args, **style):
        self.words.append(((x, y), words))
        return super().text(x, y, words, *args, **style)


def drawn(monkeypatch, files=None):
    """What is drawn of an episode with one item of each status."""
    spies = []
    monkeypatch.setattr(frame_module, "Canvas", lambda *size: spies.append(Spy(*size)) or spies[0])
    similarity = np.zeros((6, 6), dtype=np.float32)
    similarity[0, 1:] = similarity[1:, 0] = [1.0, 0.0, 0.41, 0.73, 0.0]
    scene = Scene(
        query=9,
        candidates=np.array([3, 4, 5, 6, -1]),
        similarity=similarity,
        feedback=np.array([1, -1, 0, 0, 0], dtype=np.int8),
        action_mask=np.array([0, 0, 0, 1, 0], dtype=np.int8),
        picks=3,
        budget=4,
        last=2,
        total=0.25,
        line="what happened last",
        files=files,
    )
    frame_module.draw(scene)
    words = [said for _, said in spies[0].words]
    assert "Query 9" in words
    assert "step 3 of 4    return 0.25" in words
    assert "what happened last" in words
    legend = [said for said in words if said.startswith(("match ", "no match ", "can't tell ", "not asked "))]
    assert legend == ["match 1", "no match 1", "can't tell 1", "not asked 1"]
    bottom = [status for (_, y), status in spies[0].marks if y > 500]
    assert bottom == STATUSES[:4]
    spies[0].marks = [mark for mark in spies[0].marks if mark[0][1] < 500]
    return spies[0]


def test_crops_say_what_was_answered(monkeypatch, tmp_path):
    files = tuple(str(tmp_path / f"{i}.png") for i in range(6))
    for file in files[:4]:  # the open item's file is missing
        pillow.new("RGB", (32, 64), "navy").save(file)
    spy = drawn(monkeypatch, files)
    borders = [(place, style["outline"]) for place, style in spy.boxes if style.get("outline")]
    by_colour = {colour: place for place, colour in borders if colour in COLOURS.values()}
    assert [colour for _, colour in borders if colour in COLOURS.values()] == [
        COLOURS[status] for status in STATUSES[:4]
    ]
    numbers = {said: place for place, said in spy.words if said in ("1.00", "0.00", "0.41", "0.73")}
    assert [status for _, status in spy.marks] == ["match", "no match", "can't tell"]
    marks = {status: place for place, status in spy.marks}
    for status, number in zip(STATUSES[:4], ("1.00", "0.00", "0.41", "0.73"), strict=True):
        x, y, w, h = by_colour[COLOURS[status]]
        assert x < numbers[number][0] < x + w  # below its own crop
        assert y + h < numbers[number][1] < y + h + 20
        if status != "open":
            assert marks[status] == pytest.approx((x + w - 4, y + 4), abs=1)  # at its corner
    x, y, w, h = by_colour[COLOURS["can't tell"]]  # the last pick has a frame around its border
    assert [place for place, colour in borders if colour == INK] == [
        pytest.approx((x - 3, y - 3, w + 6, h + 6))
    ]
    assert "6" in [said for _, said in spy.words]  # the image that cannot be read, by its index


def test_the_graph_and_its_bars_say_what_was_answered(monkeypatch):
    spy = drawn(monkeypatch)
    ring = [mark for mark in spy.marks if mark[0][0] < 500]
    bars = [mark for mark in spy.marks if mark[0][0] > 500]
    assert [status for _, status in ring] == ["match", "no match", "can't tell"]
    assert [status for _, status in bars] == STATUSES[:4]
    (around,) = [place for place, style in spy.discs if style.get("outline") == INK and place[1] < 500]
    assert around == ring[2][0]  # the last pick
    beside = {place[1]: said for place, said in spy.words if place[0] == 520 + 122 and place[1] > 80}
    assert [beside[place[1]] for place, _ in bars] == ["1.00", "0.00", "0.41", "0.73"]
    images = {place[1]: said for place, said in spy.words if place[0] == 520 + 50 and place[1] > 80}
    assert [images[place[1]] for place, _ in bars] == ["3", "4", "5", "6"]
    widths = [place[2] for place, style in spy.boxes if place[0] == 520 + 158]
    assert widths == pytest.approx([170, 170 * 0.41, 170 * 0.73])


@pytest.mark.parametrize("status", STATUSES[:4])
def test_a_mark_has_the_colour_of_its_status(status):
    canvas = Canvas(40, 40)
    canvas.mark(20, 20, status, 12)
    red, green, blue = (int(COLOURS[status][place : place + 2], 16) for place in (1, 3, 5))
    assert (canvas.pixels() == (red, green, blue)).all(axis=2).sum() > 10


def test_lines_tell_each_pick():
    env = gym.make(ID, render_mode="ansi")
    _, info = env.reset(seed=0)
    assert env.render() == f"query {info['query']}"
    _, reward, _, _, info = env.step(2)
    said = {1: "match", -1: "no match"}[info["answer"]]
    assert env.render() == f"query {info['query']}  picked {info['picked']}: {said}  reward {reward:.3f}"
    env.step(2)
    assert "already masked, not asked" in env.render()


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_the_batched_environment_shows_what_the_single_one_shows(mode):
    batched = gym.make_vec(
        ID, num_envs=3, vectorization_mode="vector_entry_point", autoreset_mode="Disabled", render_mode=mode
    )
    _, infos = batched.reset(seed=0)
    singles = [gym.make(ID, render_mode=mode) for _ in range(3)]
    for env, query in zip(singles, infos["query"], strict=True):
        env.reset(seed=0, options={"query": int(query)})
    for action in (None, 1, 5):
        if action is not None:
            batched.step(np.full(3, action))
            for env in singles:
                env.step(action)
        shown = batched.render()
        assert isinstance(shown, tuple)
        for ours, env in zip(shown, singles, strict=True):
            assert np.array_equal(ours, env.render())


def test_a_window_shows_each_step(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setattr("reid_al_env.render.rendering.RENDER_FPS", 0)  # without waiting between frames
    env = gym.make(ID, render_mode="human")
    env.reset(seed=0)
    env.step(1)
    surface = pygame.display.get_surface()
    assert surface.get_size() == (880, 540)
    still = gym.make(ID, render_mode="rgb_array")
    still.reset(seed=0)
    still.step(1)
    assert (pygame.surfarray.array3d(surface).swapaxes(0, 1) == still.render()).all()
    assert env.render() is None
    twins = copy.deepcopy(env.unwrapped), pickle.loads(pickle.dumps(env.unwrapped))
    assert twins[0].action_masks().tolist() == twins[1].action_masks().tolist()
    env.close()
    env.close()
    assert not pygame.display.get_init()


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="only Linux tells which libraries are loaded"
)
def test_a_window_loads_no_graphics_driver():
    """One would bring an LLVM of its own, with which torch's compiler crashes."""
    pytest.importorskip("pygame")
    code = (
        "import gymnasium as gym, reid_al_env\n"
        f"gym.make({ID!r}, render_mode='human').reset(seed=0)\n"
        "print('LLVM' in open('/proc/self/maps').read())"
    )
    hints = ("SDL_VIDEODRIVER", "SDL_FRAMEBUFFER_ACCELERATION", "DISPLAY", "WAYLAND_DISPLAY")
    without = {name: value for name, value in os.environ.items() if name not in hints}
    done = subprocess.run(
        [sys.executable, "-c", code], env=without, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_before_reset_there_is_nothing_to_show():
    with pytest.raises(gym.error.ResetNeeded):
        gym.make(ID, render_mode="rgb_array").unwrapped.render()
    with pytest.warns(UserWarning, match="without a render mode"):
        assert gym.make(ID).unwrapped.render() is None


def test_modes_that_do_not_exist_are_named():
    with pytest.raises(InputError, match="'human' shows one environment"):
        gym.make_vec(ID, num_envs=2, vectorization_mode="vector_entry_point", render_mode="human")


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(gym.error.DependencyNotInstalled, match=r"pillow: pip install .*\[render\]"):
        gym.make(ID, render_mode="rgb_array")
    assert "PIL" in sys.modules
