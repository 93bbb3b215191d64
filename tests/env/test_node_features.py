"""Node features: what is observed is what was described when the episode began."""

import copy
import pickle
import warnings
from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest
import test_vector_env
from gymnasium.utils.env_checker import check_env

from reid_al_agents.selection import SELECTORS
from reid_al_env import (
    ConstraintGraph,
    EpisodeSettings,
    FeatureSet,
    InputError,
    Inquiry,
    ReIDActiveLearningEnv,
    ReIDActiveLearningVectorEnv,
    StaticNodeFeatures,
    synthetic_features,
)

DRAWS = find_spec("PIL") is not None and find_spec("pygame") is not None  # the checker draws all modes

ID = "ReIDActiveLearning-v0"
IMAGES = synthetic_features(12, 6, seed=4)
COUNT = len(IMAGES)
VALUES = np.random.default_rng(1).normal(size=(COUNT, 3)).astype(np.float32)
STATIC = StaticNodeFeatures(VALUES, ("a", "b", "c"))
SMALL = {"features": IMAGES, "pool_size": 8, "budget": 4, "k": 4}


class Pairwise:
    """Describes an image by its index and the query's; spoils all that it can lay hands on."""

    names = ("image", "query")

    def __init__(self, padding=np.nan):
        self.calls = []
        self.padding = padding
        self.given = None

    def describe(self, queries, candidates):
        self.calls.append((queries.tolist(), candidates.tolist()))
        if self.given is not None:
            self.given[:] = -7.0  # a description handed over before
        nodes = np.concatenate([queries[:, None], candidates], axis=1)
        described = np.stack([nodes, np.repeat(queries[:, None], nodes.shape[1], axis=1)], axis=2)
        described = np.where(nodes[:, :, None] < 0, self.padding, described).astype(np.float32)
        queries[:] = candidates[:] = 0
        self.given = described
        return described


class Fixed:
    """Gives the same thing whatever is asked."""

    names = ("a", "b", "c")

    def __init__(self, described):
        self.described = described

    def describe(self, queries, candidates):
        return self.described


def by_loops(query, candidates):
    """What :class:`Pairwise` says of one episode once padding is zeros."""
    rows = [[query, query]] + [[c, query] if c >= 0 else [0, 0] for c in candidates]
    return np.array(rows, dtype=np.float32)


def test_described_at_the_beginning_and_so_till_the_end():
    described = Pairwise()
    env = ReIDActiveLearningEnv(**SMALL, node_features=described)
    observation, info = env.reset(seed=0)
    for step in range(20):
        expected = by_loops(info["query"], info["candidates"])
        assert observation["node_features"].dtype == np.float32
        assert observation["node_features"].tobytes() == expected.tobytes()
        assert observation in env.observation_space
        assert list(observation) == list(env.observation_space)
        observation, _, over, _, info = env.step(step % 4)
        if over:
            assert observation["node_features"].tobytes() == expected.tobytes()
            observation, info = env.reset()
    assert len(described.calls) == 6


def test_padding_is_zeros_whatever_is_said_of_it():
    cameras = np.where(np.arange(COUNT) < COUNT - 3, 0, 1)
    images = FeatureSet(IMAGES.features, IMAGES.identities, cameras)
    small = {**SMALL, "features": images, "cross_camera": True}
    described = Pairwise()
    env = ReIDActiveLearningEnv(**small, node_features=described)
    for query in (COUNT - 1, 0):
        observation, info = env.reset(seed=0, options={"query": query})
        assert (info["candidates"] < 0).sum() == (5 if query == 0 else 0)
        expected = by_loops(query, info["candidates"])
        assert observation["node_features"].tobytes() == expected.tobytes()
    assert np.isnan(described.given[0, 4:]).all()  # what was returned is still the describer's
    static = ReIDActiveLearningEnv(**small, node_features=STATIC)
    observation, info = static.reset(options={"query": 0})
    assert (observation["node_features"][1:4] == VALUES[info["candidates"][:3]]).all()
    assert not observation["node_features"][4:].any()


def test_known_answers_change_nothing():
    nearest = int(ReIDActiveLearningEnv(**SMALL).reset(options={"query": 0})[1]["candidates"][0])
    constraints = ConstraintGraph(COUNT)
    constraints.add(0, nearest, 1)
    env = ReIDActiveLearningEnv(**SMALL, constraints=constraints, node_features=Pairwise())
    observation, info = env.reset(seed=0, options={"query": 0})
    assert observation["feedback"].any()
    assert observation["node_features"].tobytes() == by_loops(0, info["candidates"]).tobytes()


def test_some_episodes_begin_and_the_others_keep_theirs():
    described = Pairwise()
    inquiry = Inquiry(IMAGES, EpisodeSettings(8, 4, 4), size=4, node_features=described)
    assert not inquiry.observation()["node_features"].any()
    inquiry.begin(np.arange(4), np.array([3, 4, 5, 6]))
    inquiry.begin(np.array([3, 1]), np.array([30, 10]))
    inquiry.begin(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    assert [queries for queries, _ in described.calls] == [[3, 4, 5, 6], [30, 10]]
    seen = inquiry.observation()["node_features"]
    for row, query in enumerate([3, 10, 5, 30]):
        expected = by_loops(query, inquiry.batch.candidates[row])
        assert seen[row].tobytes() == expected.tobytes()
    some = inquiry.observation(np.array([2, 0]))["node_features"]
    assert some.tobytes() == seen[[2, 0]].tobytes()


@pytest.mark.parametrize("mode", ["SameStep", "NextStep", "Disabled"])
@pytest.mark.parametrize("described", [STATIC, Pairwise()], ids=["static", "pairwise"])
def test_single_and_batched_environments_agree(mode, described, monkeypatch):
    monkeypatch.setitem(test_vector_env.KWARGS, "node_features", described)
    env = test_vector_env.make(mode)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation["node_features"].shape == (5, 9, len(described.names))
    test_vector_env.test_equals_sync_vector_env(mode, limit=None)


def test_the_last_observation_describes_the_episode_that_ended():
    env = ReIDActiveLearningVectorEnv(3, "SameStep", **SMALL, node_features=Pairwise())
    observation, infos = env.reset(seed=0)
    first = observation["node_features"].copy()
    for action in range(4):
        observation, _, over, _, infos = env.step(np.full(3, action))
    assert over.all()
    for row in range(3):
        assert infos["final_obs"][row]["node_features"].tobytes() == first[row].tobytes()
        expected = by_loops(infos["query"][row], infos["candidates"][row])
        assert observation["node_features"][row].tobytes() == expected.tobytes()


def test_without_them_nothing_changes():
    plain, described = ReIDActiveLearningEnv(**SMALL), ReIDActiveLearningEnv(**SMALL, node_features=STATIC)
    assert list(plain.observation_space) == ["action_mask", "feedback", "remaining", "similarity"]
    for action in range(-1, 4):
        ours, theirs = (
            (env.reset(seed=2) if action < 0 else env.step(action))[0] for env in (plain, described)
        )
        assert list(ours) == list(plain.observation_space)
        assert set(theirs) - set(ours) == {"node_features"}
        assert all(ours[key].tobytes() == theirs[key].tobytes() for key in ours)


@pytest.mark.parametrize("kind", [ReIDActiveLearningEnv, ReIDActiveLearningVectorEnv])
def test_what_a_user_holds_is_theirs_alone(kind):
    env = kind(**SMALL, node_features=STATIC)
    action = 1 if kind is ReIDActiveLearningEnv else np.array([1])
    observation, _ = env.reset(seed=0)
    held = observation["node_features"].copy()
    observation["node_features"][:] = 9.0
    following = env.step(action)[0]["node_features"]
    assert following.tobytes() == held.tobytes()
    env.reset()
    assert following.tobytes() == held.tobytes()


def test_gymnasiums_checker_remarks_on_the_infinite_box_alone():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(
            gym.make(ID, **SMALL, node_features=STATIC, render_mode="ansi").unwrapped,
            skip_render_check=not DRAWS,
        )
    messages = [str(warning.message) for warning in caught]
    assert all("A Box observation space m" in message for message in messages), messages


def test_pickle_and_deepcopy_in_mid_episode_go_on_alike():
    env = gym.make(ID, **SMALL, node_features=STATIC).unwrapped
    env.reset(seed=3)
    env.step(2)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        same = copy.deepcopy(env)
        for act in (lambda e: e.step(1)[0], lambda e: e.reset()[0]):
            assert act(twin)["node_features"].tobytes() == act(same)["node_features"].tobytes()


def test_static_values_are_kept_apart_and_cannot_be_changed():
    values = np.ones((4, 2), dtype=np.float32)
    static = StaticNodeFeatures(values, ["x", "y"])
    values[:] = 5.0
    assert (static.values == 1).all()
    assert static.values.dtype == np.float32
    assert static.names == ("x", "y")
    assert copy.deepcopy(static) is static
    for one in (static, pickle.loads(pickle.dumps(static))):
        assert one.names == static.names
        with pytest.raises(ValueError, match="read-only"):
            one.values[0, 0] = 2.0


@pytest.mark.parametrize(
    ("values", "names", "words"),
    [
        (np.ones(4), ("x",), r"shape \(4,\).*expected numbers of shape \(images, 1\)"),
        (np.ones((4, 3)), ("x", "y"), r"shape \(4, 3\).*column for each of x, y"),
        (np.full((4, 1), "a"), ("x",), "type <U1"),
        (np.array([[0.0, 1.0], [2.0, np.nan]]), ("x", "y"), "'y' of image 1 is nan"),
        (np.array([[0.0], [1e300]]), ("x",), "'x' of image 1 is 1e[+]300"),
        (np.ones((4, 0)), (), "names are"),
        (np.ones((4, 2)), ("x", "x"), "names are"),
        (np.ones((4, 2)), ("x", ""), "names are"),
        (np.ones((4, 2)), ("x", 3), "names are"),
        (np.ones((4, 2)), "xy", "names are"),
    ],
)
def test_bad_static_values_are_named_in_one_line(values, names, words):
    with pytest.raises(InputError, match="^node_features: .*" + words) as caught:
        StaticNodeFeatures(values, names)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", [COUNT - 1, COUNT + 1])
@pytest.mark.parametrize("kind", [ReIDActiveLearningEnv, ReIDActiveLearningVectorEnv])
def test_static_values_of_other_images_are_refused(kind, rows):
    static = StaticNodeFeatures(np.ones((rows, 1)), ("x",))
    with pytest.raises(InputError, match=f"have {rows} rows but there are {COUNT} images"):
        kind(**SMALL, node_features=static)


def test_static_values_say_which_image_they_lack():
    with pytest.raises(InputError, match="image 7 is outside the 4 rows"):
        StaticNodeFeatures(np.ones((4, 1)), ("x",)).describe(np.array([0]), np.array([[7, -1]]))


def test_names_are_looked_at_before_the_first_episode():
    described = Fixed(None)
    described.names = ()
    with pytest.raises(InputError, match="names are"):
        ReIDActiveLearningEnv(**SMALL, node_features=described)


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (np.zeros((1, 8, 3)), r"shape \(1, 8, 3\).*expected float32 of shape \(1, 9, 3\)"),
        (np.zeros((1, 9, 2)), r"shape \(1, 9, 2\)"),
        (np.zeros((9, 3)), r"shape \(9, 3\)"),
        (np.full((1, 9, 3), "a"), "type <U1"),
        (None, "type object"),
        (np.full((1, 9, 3), np.inf), r"inf for 'a' of image 5 \(query 5\)"),
    ],
)
def test_a_bad_description_is_named_in_one_line(described, words):
    env = ReIDActiveLearningEnv(**SMALL, node_features=Fixed(described))
    with pytest.raises(InputError, match="^node_features: describe gave .*" + words) as caught:
        env.reset(seed=0, options={"query": 5})
    assert "\n" not in str(caught.value)


def test_a_candidate_that_is_not_finite_is_named():
    described = np.zeros((1, 9, 3))
    described[0, 4, 2] = np.nan
    env = ReIDActiveLearningEnv(**SMALL, node_features=Fixed(described))
    candidate = ReIDActiveLearningEnv(**SMALL).reset(options={"query": 5})[1]["candidates"][3]
    with pytest.raises(InputError, match=rf"nan for 'c' of image {candidate} \(query 5\)"):
        env.reset(seed=0, options={"query": 5})


@pytest.mark.parametrize("name", SELECTORS)
def test_selectors_take_no_notice(name):
    plain = ReIDActiveLearningVectorEnv(4, **SMALL).reset(seed=0)[0]
    described = ReIDActiveLearningVectorEnv(4, **SMALL, node_features=STATIC).reset(seed=0)[0]
    assert "node_features" in described
    picks = [SELECTORS[name]().select(seen, np.random.default_rng(0)) for seen in (plain, described)]
    assert picks[0].tolist() == picks[1].tolist()
