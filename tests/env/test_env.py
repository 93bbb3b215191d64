"""The registered environment as its users meet it."""

import copy
import inspect
import json
import pickle
import re
import subprocess
import sys
import warnings
from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeAwareObservation, TimeLimit

import reid_al_env
from reid_al_env import (
    ConstraintGraph,
    EpisodeSettings,
    FeatureSet,
    InputError,
    Inquiry,
    LabelOracle,
    NoisyOracle,
    synthetic_features,
)
from reid_al_env.mdp import starts
from reid_al_env.mdp.starts import StartTable

DRAWS = find_spec("PIL") is not None and find_spec("pygame") is not None  # the checker draws all modes

ID = "ReIDActiveLearning-v0"
VARIANTS = [ID, "ReIDActiveLearningSmall-v0", "ReIDActiveLearningCrossCamera-v0"]


def play(env, seed, picks=25):
    """A seeded masked random walk through several episodes, as bytes."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    seen = [observation["similarity"].tobytes(), info["query"]]
    for _ in range(picks):
        observation, reward, terminated, truncated, info = env.step(
            rng.choice(np.flatnonzero(info["action_mask"]))
        )
        seen += [
            observation["similarity"].tobytes(),
            observation["feedback"].tobytes(),
            reward,
            info["picked"],
        ]
        assert type(reward) is float
        assert type(terminated) is bool
        assert truncated is False
        if terminated:
            _, info = env.reset()
            seen.append(info["query"])
    return seen


@pytest.mark.parametrize("name", VARIANTS)
def test_gymnasium_checker_has_nothing_to_say(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # pygame's own
        check_env(gym.make(name, render_mode="ansi").unwrapped, skip_render_check=not DRAWS)


@pytest.mark.parametrize("name", VARIANTS)
def test_same_seed_same_bytes(name):
    assert play(gym.make(name), 5) == play(gym.make(name), 5)
    assert play(gym.make(name), 5) != play(gym.make(name), 6)


def test_the_variants_are_what_they_are_called():
    assert gym.make(VARIANTS[1]).observation_space["feedback"].shape == (10,)
    env = gym.make(VARIANTS[2], features=synthetic_features(8, 6))
    for _ in range(5):
        _, info = env.reset(seed=0)
        cameras = env.unwrapped._inquiry.features.cameras
        assert (cameras[info["candidates"]] != cameras[info["query"]])[info["candidates"] >= 0].all()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_has_its_batched_twin_and_a_spec_in_json(name):
    env = gym.make_vec(name, num_envs=2, vectorization_mode="vector_entry_point")
    single = gym.make(gym.envs.registration.EnvSpec.from_json(gym.spec(name).to_json()))
    assert env.single_observation_space == single.observation_space
    env.reset(seed=0)
    env.step(np.array([0, 1]))


@pytest.mark.parametrize("name", VARIANTS)
def test_the_threshold_is_what_greedy_on_the_labels_reaches(name):
    """Over all queries of the default features; picking in order stays below it, and random far below."""
    env = gym.make_vec(
        name, num_envs=1000, vectorization_mode="vector_entry_point", autoreset_mode="Disabled"
    )
    rng = np.random.default_rng(0)

    def mean_return(choose):
        env.reset(options={"query": np.arange(1000)})
        total, over = 0.0, False
        while not over:
            _, rewards, terminated, _, _ = env.step(choose())
            total, over = total + rewards.mean(), terminated.all()
            assert over == terminated.any()
            assert rewards.min() >= 0
            assert rewards.max() <= 1.2
        return total

    greedy = mean_return(lambda: env.true_rewards().argmax(axis=1))
    nearest = mean_return(lambda: env.action_masks().argmax(axis=1))
    random = mean_return(lambda: (rng.random(env.action_masks().shape) * env.action_masks()).argmax(axis=1))
    assert greedy == pytest.approx(gym.spec(name).reward_threshold, abs=0.005)
    assert greedy > nearest > 1.1 * random


@pytest.mark.parametrize("name", VARIANTS)
def test_time_can_be_observed_and_no_episode_is_truncated_by_itself(name):
    env = TimeAwareObservation(gym.make(name), flatten=False)
    budget = env.spec.max_episode_steps - 1
    again = gym.make(gym.envs.registration.EnvSpec.from_json(gym.make(name).spec.to_json()))
    assert isinstance(again, TimeLimit)
    for each in (env, again):
        each.reset(seed=0)
        ends = [each.step(action)[2:4] for action in range(budget)]
        assert ends == [(False, False)] * (budget - 1) + [(True, False)]
    assert env.timesteps == budget
    cut = gym.make(name, max_episode_steps=2)
    cut.reset(seed=0)
    assert [cut.step(action)[2:4] for action in range(2)] == [(False, False), (False, True)]


def test_any_callable_is_a_reward():
    def difference(answers, gap, margin):
        return (answers * gap + 10 * margin).astype(np.float32)

    single = gym.make(ID, reward=difference, empty_negatives="farthest")
    batched = gym.make_vec(
        ID,
        num_envs=2,
        vectorization_mode="vector_entry_point",
        reward=difference,
        empty_negatives="farthest",
    )
    _, info = single.reset(seed=0)
    batched.reset(options={"query": info["query"]})
    for action in range(6):
        distances = single.unwrapped._inquiry.batch.distances[0]
        seen = single.unwrapped._inquiry.observation()["feedback"][0]
        matches = [0, *(np.flatnonzero(seen > 0) + 1)]
        others = np.flatnonzero(seen < 0) + 1
        far = distances[matches, action + 1].max()
        near = distances[others, action + 1].min() if len(others) else 1.0
        _, reward, _, _, info = single.step(action)
        assert reward == pytest.approx(info["answer"] * (far - near) + 2.0, rel=1e-6)
        assert batched.step(np.full(2, action))[1].tolist() == [reward, reward]


@pytest.mark.parametrize("reward", ["softplus", "hinge"])
def test_softplus_lies_above_the_hinge(reward):
    env = gym.make(ID, reward=reward)
    env.reset(seed=0)
    rewards = np.array([env.step(action)[1] for action in range(10)])
    hinge = gym.make(ID)
    hinge.reset(seed=0)
    floor = np.array([hinge.step(action)[1] for action in range(10)])
    assert ((rewards > floor) if reward == "softplus" else (rewards == floor)).all()


def test_contradictions_are_kept_and_never_stop_an_episode():
    """Half of the answers are wrong, and every answer is a constraint."""
    features = synthetic_features(5, 6, seed=1)
    constraints = ConstraintGraph(len(features))
    oracle = NoisyOracle(LabelOracle(features.identities), false_match=0.5, false_non_match=0.5, seed=2)
    kwargs = {"features": features, "pool_size": 12, "budget": 12, "oracle": oracle}
    single = gym.make(ID, **kwargs, constraints=constraints)
    batched = gym.make_vec(
        ID, num_envs=4, vectorization_mode="vector_entry_point", **kwargs, constraints=constraints
    )
    rng = np.random.default_rng(0)
    batched.reset(seed=0)
    for _ in range(40):
        batched.step(rng.integers(12, size=4))
        _, info = single.reset()
        terminated = not info["action_mask"].any()
        while not terminated:
            _, _, terminated, _, info = single.step(rng.choice(np.flatnonzero(info["action_mask"])))
        for i, j in rng.choice(len(features), (3, 2), replace=False):
            constraints.add(int(i), int(j), int(rng.choice([-1, 1])))  # what someone else said meanwhile
    assert constraints.contradictions


def test_queries_come_once_each_and_a_chosen_one_takes_none():
    features = synthetic_features(4, 5)
    env = gym.make(ID, features=features, pool_size=5)
    queries = [env.reset(seed=1)[1]["query"]]
    for i in range(19):
        if i == 7:
            assert env.reset(options={"query": 3})[1]["query"] == 3
        queries.append(env.reset()[1]["query"])
    assert sorted(queries) == list(range(20))
    again = [env.reset()[1]["query"] for _ in range(20)]
    assert sorted(again) == list(range(20))
    assert again != queries


def test_masks_agree_and_a_masked_pick_earns_nothing():
    env = gym.make(ID)
    observation, info = env.reset(seed=0)
    _, _, _, _, info = env.step(4)
    assert info["action_mask"].dtype == np.int8
    assert info["answer"] in (-1, 1)
    observation, reward, _, _, info = env.step(4)
    assert reward == 0.0
    assert info["invalid_action"]
    assert not info["asked"]
    assert observation["remaining"][0] == pytest.approx(0.8)
    assert (env.unwrapped.action_masks() == observation["action_mask"].astype(bool)).all()
    assert (info["action_mask"] == observation["action_mask"]).all()
    assert env.action_space.sample(info["action_mask"]) != 4


def test_what_a_user_holds_is_never_changed():
    env = gym.make(ID)
    observation, info = env.reset(seed=0)
    held = copy.deepcopy((observation, info))
    for action in range(5):
        env.step(action)
    for name, values in held[0].items():
        assert observation[name].tobytes() == values.tobytes()
    assert (info["candidates"] == held[1]["candidates"]).all()
    assert (info["action_mask"] == held[1]["action_mask"]).all()


def noisy_and_constrained():
    """Everything that an episode remembers or draws: noise, answers, and a metric that follows them."""
    features = synthetic_features(6, 5, seed=3)
    noisy = NoisyOracle(
        LabelOracle(features.identities), false_match=0.3, false_non_match=0.3, cannot_tell=0.2
    )
    constraints = ConstraintGraph(len(features))
    return {
        "features": features,
        "pool_size": 12,
        "metric": "verified",
        "oracle": noisy,
        "constraints": constraints,
    }


@pytest.mark.parametrize("more", [dict, noisy_and_constrained])
def test_pickle_and_deepcopy_in_mid_episode_go_on_alike(more):
    env = gym.make(ID, **more()).unwrapped
    env.reset(seed=3)
    for action in (2, 5, 0):
        env.step(action)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    assert twins[0]._inquiry.features is env._inquiry.features
    expected = goes_on(env)
    for twin in twins:
        assert goes_on(twin) == expected


def goes_on(env):
    """All that is seen of the rest of an episode and of two more, arrays as bytes."""
    events = [env.step(action) for action in (7, 7, 1, 4)]
    for _ in range(2):
        events.append(env.reset())
        events += [env.step(action) for action in range(8)]
    return [as_bytes(part) for event in events for part in event]


def as_bytes(part):
    if isinstance(part, dict):
        return {name: as_bytes(value) for name, value in part.items()}
    return (part.dtype.str, part.shape, part.tobytes()) if isinstance(part, np.ndarray) else part


def test_spec_goes_to_json(tmp_path):
    synthetic_features(5, 8).save(tmp_path / "features.npz")
    for features in (None, str(tmp_path / "features.npz")):
        spec = gym.make(ID, features=features, pool_size=10).spec
        assert spec is not None
        again = gym.make(gym.envs.registration.EnvSpec.from_json(spec.to_json()))
        assert again.unwrapped.observation_space["feedback"].shape == (10,)
        json.loads(spec.to_json())


def test_the_ends_of_an_episode():
    env = gym.make(ID, features=synthetic_features(4, 5), pool_size=3, budget=10)
    env.reset(seed=0)
    ends = [env.step(a)[2] for a in range(3)]
    assert ends == [False, False, True]


def test_known_answers_are_filled_in_and_never_asked():
    features = synthetic_features(3, 4, seed=2)
    constraints = ConstraintGraph(len(features))
    env = gym.make(ID, features=features, pool_size=11, budget=11, constraints=constraints)
    asked = set()
    for _ in range(200):
        _, info = env.reset(seed=None)
        if not info["action_mask"].any():
            break
        terminated = False
        while not terminated:
            action = int(np.argmax(info["action_mask"]))
            _, _, terminated, _, info = env.step(action)
            if info["asked"]:
                pair = frozenset((info["query"], info["picked"]))
                assert pair not in asked
                asked.add(pair)
    else:
        pytest.fail("questions never ran out")
    groups = constraints.groups()
    assert len(set(zip(groups.tolist(), features.identities.tolist(), strict=True))) == 3
    assert len(asked) < 12 * 11 // 2


def test_a_query_about_which_all_is_known_is_skipped():
    features = synthetic_features(6, 4, seed=2)
    constraints = ConstraintGraph(len(features))
    same = features.identities == features.identities[0]
    for image in range(1, len(features)):
        constraints.add(0, image, 1 if same[image] else -1)
    kwargs = {"features": features, "pool_size": 23, "constraints": constraints}
    single = gym.make(ID, **kwargs)
    batched = gym.make_vec(ID, num_envs=5, vectorization_mode="vector_entry_point", **kwargs)
    alone = [single.reset(seed=None if i else 0)[1] for i in range(20)]
    together = [batched.reset(seed=None if i else 0)[1] for i in range(4)]
    for queries in (
        [info["query"] for info in alone],
        np.concatenate([infos["query"] for infos in together]),
    ):
        assert sorted(queries) == np.flatnonzero(~same).tolist()
    assert all(info["action_mask"].any() for info in alone)
    assert all(infos["action_mask"].any(axis=1).all() for infos in together)


def test_a_pair_that_could_not_be_told_is_closed_from_the_start():
    features = synthetic_features(2, 4)
    constraints = ConstraintGraph(8)

    def nobody_can_tell(queries, galleries):
        return np.zeros(len(queries), dtype=np.int8)

    env = gym.make(ID, features=features, pool_size=7, oracle=nobody_can_tell, constraints=constraints)
    asked = set()
    for query in range(8):
        _, info = env.reset(options={"query": query})
        closed = [frozenset((query, image)) in asked for image in info["candidates"].tolist()]
        assert info["action_mask"].tolist() == [0 if shut else 1 for shut in closed]
        assert sum(closed) == query
        for action in np.flatnonzero(info["action_mask"])[: 7 if query < 7 else None]:
            _, reward, _, _, info = env.step(action)
            assert info["asked"]
            assert (info["answer"], reward) == (0, 0.0)
            asked.add(frozenset((query, info["picked"])))
    assert len(asked) == len(constraints.asked_pairs()) == 28


def test_the_defaults_are_the_papers():
    """Liu et al., ICCV 2019, section 4.1."""
    paper = {
        "pool_size": 30,
        "budget": 10,
        "k": 15,
        "margin": 0.2,
        "metric": "mahalanobis",
        "empty_negatives": "neutral",
        "reward": "hinge",
        "cross_camera": False,
        "index": "Flat",
    }
    environments = (reid_al_env.ReIDActiveLearningEnv, reid_al_env.ReIDActiveLearningVectorEnv)
    for made in (EpisodeSettings, *environments):
        taken = inspect.signature(made).parameters
        assert {name: taken[name].default for name in paper} == paper
    for made in environments:
        assert inspect.signature(made).parameters["constraints"].default is None
    assert gym.spec(ID).kwargs == {}


def test_the_docstring_answers_what_gymnasiums_users_ask():
    found = re.findall(r"^ *## (.+)$", reid_al_env.ReIDActiveLearningEnv.__doc__, flags=re.MULTILINE)
    asked = [
        "Description",
        "Action Space",
        "Observation Space",
        "Starting State",
        "Rewards",
        "Episode End",
        "Information",
        "Arguments",
        "References",
        "Version History",
    ]
    assert [heading for heading in found if heading in asked] == asked
    information = reid_al_env.ReIDActiveLearningEnv.__doc__.split("## Information")[1].split("##")[0]
    for key in gym.make(ID).reset(seed=0)[1]:
        assert f"``{key}``" in information
    for name in ("contradictions", "disputes"):
        assert name in information
        assert hasattr(ConstraintGraph(2), name)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"pool_size": 0}, "pool_size"),
        ({"pool_size": 1000}, "1000 images"),
        ({"budget": -1}, "budget"),
        ({"metric": "l3"}, "'l3' is unknown"),
        ({"empty_negatives": "x"}, "empty_negatives"),
        ({"reward": "x"}, "reward"),
        ({"shrinkage": 2.0}, "shrinkage"),
        ({"features": "missing.npz"}, "no such file"),
        ({"features": FeatureSet(np.eye(40))}, "no identity is known"),
        ({"features": FeatureSet(np.eye(40), np.zeros(40, int)), "cross_camera": True}, "cameras"),
        ({"index": "Nonsense7"}, "FAISS"),
        ({"render_mode": "holo"}, "render_mode"),
    ],
)
def test_bad_settings_are_named_in_one_line(kwargs, words):
    with pytest.raises(InputError, match=words) as caught:
        reid_al_env.ReIDActiveLearningEnv(**kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cameras", "words"),
    [
        (np.zeros(40, int), "all images are from camera 0"),
        (np.full(40, -1), r"image 0 \(a0\) has the unknown camera -1"),
        (np.where(np.arange(40) < 25, np.arange(40) % 2, -1), r"image 25 \(a25\) has the unknown camera"),
    ],
)
def test_cameras_that_cannot_be_crossed_are_named_at_once(cameras, words):
    names = np.array([f"a{i}" for i in range(40)])
    features = FeatureSet(np.eye(40), np.arange(40) // 4, cameras, names)
    for make in (gym.make, gym.make_vec):
        with pytest.raises(InputError, match=words) as caught:
            make(VARIANTS[2], features=features)
        assert "\n" not in str(caught.value)
    assert gym.make(ID, features=features).reset()[1]["action_mask"].all()


def test_importing_loads_nothing_heavy():
    """Not even FAISS, which is loaded when the first pool is searched."""
    heavy = {
        "torch",
        "stable_baselines3",
        "PIL",
        "pygame",
        "matplotlib",
        "faiss",
        "scipy",
        "sklearn",
        "pandas",
    }
    code = f"import sys, reid_al_env; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_can_t_tell_is_not_asked_again_the_other_way_round():
    features = synthetic_features(4, 5, seed=3)

    class Unsure:
        def __init__(self):
            self.pairs = []

        def answer(self, queries, galleries):
            self.pairs += [frozenset(pair) for pair in zip(queries.tolist(), galleries.tolist(), strict=True)]
            return np.zeros(len(queries), dtype=np.int8)

    oracle = Unsure()
    env = gym.make(
        ID,
        features=features,
        pool_size=19,
        budget=19,
        oracle=oracle,
        constraints=ConstraintGraph(len(features)),
    )
    for _ in range(len(features)):
        _, info = env.reset()
        terminated = not info["action_mask"].any()
        while not terminated:
            _, _, terminated, _, info = env.step(int(np.argmax(info["action_mask"])))
    assert len(oracle.pairs) == len(set(oracle.pairs)) == 20 * 19 // 2


def test_an_episode_that_is_over_asks_nobody():
    env = gym.make(ID, budget=1).unwrapped
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    env.step(0)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(1)


def test_verified_metric_goes_on_from_known_matches():
    features = synthetic_features(20, 6, seed=5)
    matches = [
        (i, j) for i in range(60) for j in range(i) if features.identities[i] == features.identities[j]
    ]
    constraints = ConstraintGraph(len(features))
    for i, j in matches:
        constraints.add(i, j, 1)
    rows = np.array([0])
    distances = {}
    for name, known in (("fresh", None), ("known", constraints)):
        inquiry = Inquiry(features, EpisodeSettings(metric="verified"), None, known)
        inquiry.begin(rows, np.array([7]))
        distances[name] = inquiry.batch.distances.copy()
    assert not np.array_equal(distances["fresh"], distances["known"])


def test_a_small_memory_gives_the_same_starts(monkeypatch):
    """Dropping what is remembered to make room must never hand out another query's state."""
    features = synthetic_features(12, 6)
    settings = EpisodeSettings(pool_size=10, k=5)
    whole = StartTable(features, settings, batch=8)
    monkeypatch.setattr(starts, "_MEMORY_BYTES", 1)
    small = StartTable(features, settings, batch=8)
    rng = np.random.default_rng(0)
    for _ in range(60):
        queries = rng.integers(0, len(features), 8)
        ours, expected = small.get(queries), whole.get(queries)
        assert ours.candidates.tolist() == expected.candidates.tolist()
        assert ours.similarity.tobytes() == expected.similarity.tobytes()


def test_a_subset_keeps_the_names_of_the_whole():
    features = synthetic_features(5, 4)
    assert features.subset(np.array([7, 3, 9])).names.tolist() == ["7", "3", "9"]
