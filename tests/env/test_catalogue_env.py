"""The registered catalogue environments as their users meet them, single and batched."""

import copy
import json
import pickle
import re
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeAwareObservation
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from test_vector_env import MODES, arrays_in, assert_same

from reid_al_env import FeatureSet, InputError, ReIDCatalogueEnv, action_masks, synthetic_features
from reid_al_env.catalogue.questions import QUESTION_FEATURES
from reid_al_env.catalogue.references import label_seeing, nearest_first, score_scale
from reid_al_env.catalogue.tasks import TEST_FAMILIES, TRAIN_FAMILIES, held_out_tasks

ID, SMALL, NOISY = "ReIDCatalogue-v0", "ReIDCatalogueSmall-v0", "ReIDCatalogueNoisy-v0"
SCORED = [name.replace("-v0", "Test-v0") for name in (ID, SMALL, NOISY)]
TINY = {"identities": 8, "budget": 5, "questions": 6, "cannot_tell": 0.2}
COUNT = 3


def make_batch(mode, **more):
    return gym.make_vec(
        ID, num_envs=COUNT, vectorization_mode="vector_entry_point", autoreset_mode=mode, **TINY, **more
    )


def as_bytes(part):
    if isinstance(part, dict):
        return {name: as_bytes(value) for name, value in part.items()}
    if isinstance(part, np.ndarray) and part.dtype == object:
        return [as_bytes(each) for each in part]
    return (part.dtype.str, part.shape, part.tobytes()) if isinstance(part, np.ndarray) else part


def play(env, steps=30, seed=0):
    """Everything seen in a seeded walk through several episodes, masked picks included."""
    rng, seen, batch = np.random.default_rng(seed), [], getattr(env, "num_envs", None)
    actions = (env.action_space if batch is None else env.single_action_space).n
    for _ in range(steps):
        event = env.step(rng.integers(actions, size=batch))
        seen += [as_bytes(part) for part in event]
        if batch is None and event[2]:
            seen += [as_bytes(part) for part in env.reset()]
        elif batch is not None and env.autoreset_mode.value == "Disabled" and event[2].any():
            seen += [as_bytes(part) for part in env.reset(options={"reset_mask": event[2]})]
    return seen


@pytest.mark.parametrize("name", [ID, SMALL, NOISY, *SCORED])
def test_gymnasium_checker_has_nothing_to_say(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        more = {} if name in (ID, SMALL, NOISY, SCORED[1]) else {"scored": False}  # references take seconds
        check_env(gym.make(name, render_mode="ansi", **more).unwrapped)


@pytest.mark.parametrize("name", [SMALL, NOISY])
def test_same_seed_same_bytes(name):
    runs = []
    for seed in (5, 5, 6):
        env = gym.make(name, budget=7).unwrapped
        runs.append([as_bytes(part) for part in env.reset(seed=seed)] + play(env, 20))
    assert runs[0] == runs[1] != runs[2]


def test_observations_are_in_their_space_and_rewards_add_up():
    env = gym.make(NOISY).unwrapped
    observation, info = env.reset(seed=1)
    start, total, over, rng = info["f1"], 0.0, False, np.random.default_rng(1)
    while not over:
        assert observation in env.observation_space
        assert (observation["action_mask"] == info["action_mask"]).all()
        assert (env.action_masks() == (info["action_mask"] > 0)).all()
        assert ((observation["groups"] >= 0).all(axis=1) == env.action_masks()).all()
        assert not observation["questions"][~env.action_masks()].any()
        observation, reward, over, truncated, info = env.step(rng.choice(np.flatnonzero(info["action_mask"])))
        assert type(reward) is float
        assert type(over) is bool
        assert truncated is False
        assert -1 <= reward <= 1
        total += reward
    assert env.game.spent == 200
    assert total == pytest.approx(info["f1"] - start, abs=1e-9)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)


def test_a_masked_action_spends_an_answer_and_asks_nothing():
    env = gym.make(SMALL, questions=2000).unwrapped
    _, info = env.reset(seed=0)
    before = env.game.slots.tolist()
    observation, reward, _, _, info = env.step(1999)
    assert info["invalid_action"]
    assert (info["left"], info["right"], info["answer"], reward) == (-1, -1, 0, 0.0)
    assert env.game.slots.tolist() == before
    assert observation["summary"][0] == pytest.approx(1 - 1 / 40)


def test_an_episode_ends_when_no_question_is_open():
    env = gym.make(SMALL, budget=10_000, questions=500, identities=6).unwrapped
    _, info = env.reset(seed=0)
    over = False
    while not over:
        _, _, over, _, info = env.step(0)
    assert not info["action_mask"].any()
    assert env.game.spent < 10_000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [None, 3, 5], ids=["no limit", "limit before the end", "limit at the end"])
@pytest.mark.parametrize("scored", [False, True], ids=["train", "test"])
def test_the_batched_twin_equals_the_single_one(mode, limit, scored):
    more = {"tasks": "test"} if scored else {}
    batched = make_batch(mode, max_episode_steps=limit, **more)
    sync = SyncVectorEnv(
        [lambda: gym.make(ID, max_episode_steps=limit, **TINY, **more)] * COUNT,
        autoreset_mode=AutoresetMode(mode),
    )
    rng = np.random.default_rng(0)
    events = [(batched.reset(seed=9), sync.reset(seed=9))]
    for number in range(17):
        actions = rng.integers(6, size=COUNT)
        events.append((batched.step(actions), sync.step(actions)))
        ours = events[-1][0]
        if mode == "Disabled" and (over := ours[2] | ours[3]).any():
            options = {"reset_mask": over}
            events.append((batched.reset(options=dict(options)), sync.reset(options=dict(options))))
        if number == 9:
            events.append((batched.reset(seed=[4, None, 6]), sync.reset(seed=[4, None, 6])))
    for number, (ours, theirs) in enumerate(events):
        for part, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, f"event {number}, part {part}")
        assert ours[0] in batched.observation_space


@pytest.mark.parametrize("mode", MODES)
def test_no_array_is_handed_out_twice(mode):
    env = make_batch(mode)
    rng, given = np.random.default_rng(1), [env.reset(seed=2)]
    held = [pickle.dumps(given[0])]
    for _ in range(12):
        given.append(env.step(rng.integers(6, size=COUNT)))
        if mode == "Disabled" and given[-1][2].any():
            given.append(env.reset(options={"reset_mask": given[-1][2].copy()}))
            held.append(pickle.dumps(given[-2]))
        held.append(pickle.dumps(given[-1]))
    for event, kept in zip(given, held, strict=True):
        for ours, theirs in zip(event, pickle.loads(kept), strict=True):
            assert_same(ours, theirs)
    arrays = [array for event in given for part in event for array in arrays_in(part)]
    for place, array in enumerate(arrays):
        assert not any(np.may_share_memory(array, other) for other in arrays[:place])


KINDS = {
    "single": lambda **more: gym.make(ID, **TINY, **more).unwrapped,
    "same step": lambda **more: make_batch("SameStep", **more),
    "disabled": lambda **more: make_batch("Disabled", **more),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tasks", ["train", "test"])
def test_a_restored_state_goes_on_to_the_byte(kind, tasks):
    env = KINDS[kind](tasks=tasks)
    env.reset(seed=4)
    play(env, 7)
    state = env.clone_state()
    expected = play(env)
    for _ in range(2):
        env.restore_state(state)
        assert play(env) == expected
    env.restore_state(pickle.loads(pickle.dumps(state)))
    assert play(env) == expected
    other = KINDS[kind](tasks=tasks, scored=tasks != "test")
    other.reset(seed=0)
    with pytest.raises(InputError, match="does not fit"):
        env.restore_state(other.clone_state())


def test_pools_are_shared_between_states():
    env = gym.make(ID).unwrapped
    env.reset(seed=0)
    pool = env.game.pool
    state = env.clone_state()
    env.step(0)
    env.restore_state(state)
    assert env.game.pool is pool
    assert len(pickle.dumps(state)) < 0.5 * pool.features.features.nbytes + 150_000


def test_pickle_and_deepcopy_in_mid_episode_go_on_alike():
    env = gym.make(NOISY, budget=9, identities=10).unwrapped
    env.reset(seed=3)
    play(env, 4)
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    expected = play(env)
    assert [play(twin) for twin in twins] == [expected] * 2


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(SCORED[0], marks=pytest.mark.slow),
        SCORED[1],
        pytest.param(SCORED[2], marks=pytest.mark.slow),
    ],
)
def test_nearest_scores_0_and_label_seeing_1_on_every_fixed_task(name):
    """The scale is well conditioned on all of them: its ends are at least 0.03 of F1 apart."""
    env, gains = gym.make(name).unwrapped, []
    for task in held_out_tasks(env._run._identities):
        scale = score_scale(task, env._run.settings, task.noise_seed)
        assert scale.label_seeing - scale.nearest > 0.03
        for policy, expected in ((nearest_first, 0.0), (label_seeing, 1.0)):
            env.reset(seed=0, options={"task": str(task)})
            over = False
            while not over:
                _, _, over, _, info = env.step(policy(env.game))
            assert info["score"] == pytest.approx(expected, abs=1e-12)
        gains.append(scale.label_seeing - scale.start)
    assert np.mean(gains) == pytest.approx(gym.spec(name).reward_threshold, abs=0.0005)


def test_the_test_goes_through_all_fixed_tasks_once():
    env = gym.make(SCORED[1], scored=False)
    names = [
        (i["family"], i["task_seed"]) for i in (env.reset(seed=0 if k == 0 else None)[1] for k in range(40))
    ]
    assert len(set(names[:20])) == len(set(names[20:])) == 20
    assert names[:20] != names[20:]
    train = gym.make(SMALL)
    drawn = {train.reset(seed=seed)[1]["family"] for seed in range(40)}
    assert drawn == set(range(len(TRAIN_FAMILIES)))
    assert {family for family, _ in names} == {len(TRAIN_FAMILIES) + i for i in range(len(TEST_FAMILIES))}


def test_own_features_are_one_pool():
    features = synthetic_features(6, 5, seed=1)
    env = gym.make(SMALL, tasks=features)
    lasts = []
    for _ in range(2):
        _, info = env.reset(seed=0)
        assert (info["images"], info["family"]) == (30, -1)
        over = False
        while not over:
            _, _, over, _, info = env.step(0)
            same = features.identities[info["left"]] == features.identities[info["right"]]
            assert info["answer"] == (1 if same else -1)
        lasts.append(info["f1"])
    assert lasts[0] == lasts[1]
    with pytest.raises(InputError, match="leave the option out"):
        env.reset(options={"task": "crowd:1"})


def test_a_match_model_adds_a_column():
    def by_similarity(questions):
        return (questions[:, 0] + 1) / 2

    env = gym.make(SMALL, match_model=by_similarity)
    observation, _ = env.reset(seed=0)
    assert observation["questions"].shape == (24, len(QUESTION_FEATURES) + 1)
    assert observation in env.observation_space
    known = observation["action_mask"] > 0
    np.testing.assert_array_equal(
        observation["questions"][known, -1], (observation["questions"][known, 0] + 1) / 2
    )
    with pytest.raises(InputError, match="match_model: gave shape"):
        gym.make(SMALL, match_model=lambda questions: 3.0).reset(seed=0)


def test_specs_go_to_json_and_time_can_be_observed(tmp_path):
    synthetic_features(5, 6).save(tmp_path / "features.npz")
    for more in ({}, {"tasks": str(tmp_path / "features.npz")}):
        spec = gym.make(SMALL, **more).spec
        json.loads(spec.to_json())
        again = gym.make(gym.envs.registration.EnvSpec.from_json(spec.to_json()))
        again.reset(seed=0)
        assert again.unwrapped._budget == 40
    env = TimeAwareObservation(gym.make(SMALL, budget=3), flatten=False)
    env.reset(seed=0)
    assert [env.step(0)[2:4] for _ in range(3)] == [(False, False), (False, False), (True, False)]


def test_as_many_seeds_as_sub_environments():
    with pytest.raises(InputError, match="seed: 2 numbers for 3"):
        make_batch("SameStep").reset(seed=[1, 2])


def test_masks_survive_vector_wrappers():
    env = RecordEpisodeStatistics(make_batch("SameStep"))
    env.reset(seed=0)
    assert action_masks(env).shape == (COUNT, 6)
    for _ in range(5):
        *_, infos = env.step(np.zeros(COUNT, dtype=int))
    assert infos["episode"]["l"].tolist() == [5] * COUNT


def test_a_line_about_the_last_answer():
    env = gym.make(SMALL, render_mode="ansi", questions=2000)
    env.reset(options={"task": "crowd:3"})
    assert env.render().startswith("crowd:3: F1 0.")
    _, _, _, _, info = env.step(0)
    assert f"images {info['left']} and {info['right']}: " in env.render()
    env.step(1999)
    assert "masked, not asked" in env.render()
    batch = make_batch("SameStep", render_mode="ansi")
    batch.reset(seed=0)
    assert len(batch.render()) == COUNT


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"budget": 0}, "budget"),
        ({"questions": 1.5}, "questions"),
        ({"identities": 1}, "identities"),
        ({"false_match": 1.5}, "false_match"),
        ({"tasks": "missing.npz"}, "no such file"),
        ({"tasks": FeatureSet(np.eye(9))}, "no identity is known"),
        ({"render_mode": "human"}, "render_mode"),
    ],
    ids=["budget", "questions", "identities", "noise", "file", "labels", "render mode"],
)
def test_bad_settings_are_named_in_one_line(kwargs, words):
    for make in (ReIDCatalogueEnv, lambda **more: gym.make_vec(ID, **more)):
        with pytest.raises(InputError, match=words) as caught:
            make(**kwargs)
        assert "\n" not in str(caught.value)


def test_the_docstring_answers_what_gymnasiums_users_ask():
    found = re.findall(r"^ *## (.+)$", ReIDCatalogueEnv.__doc__, flags=re.MULTILINE)
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
    information = ReIDCatalogueEnv.__doc__.split("## Information")[1].split("##")[0]
    env = gym.make(SMALL, scored=True)
    for key in {**env.reset(seed=0)[1], **env.step(0)[4]}:
        assert f"``{key}``" in information
    variants = ReIDCatalogueEnv.__doc__.split("## Variants")[1].split("##")[0]
    for name in (ID, SMALL, NOISY, *SCORED):
        assert f"``{name}``" in variants
