"""The batched environment against single environments in Gymnasium's SyncVectorEnv."""

import copy
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import NormalizeReward, RecordEpisodeStatistics
from packaging.version import Version

import reid_al_env
from reid_al_env import (
    ConstraintGraph,
    InputError,
    LabelOracle,
    NoisyOracle,
    action_masks,
    synthetic_features,
)

ID = "ReIDActiveLearning-v0"
FEATURES = synthetic_features(12, 6, seed=4)
KWARGS = {"features": FEATURES, "pool_size": 8, "budget": 4, "k": 4}
COUNT = 5
MODES = ["SameStep", "NextStep", "Disabled"]
RIGHT_LENGTHS = Version(gym.__version__) >= Version("1.4")
"""Before, RecordEpisodeStatistics left out the first step after a reset within a step."""


def make(mode, **more):
    return gym.make_vec(
        ID, num_envs=COUNT, vectorization_mode="vector_entry_point", autoreset_mode=mode, **KWARGS, **more
    )


class Replayed(gym.Wrapper):
    """Resets to the queries that the batched environment drew for this row."""

    def __init__(self, env, queries):
        super().__init__(env)
        self.queries = iter(queries)

    def reset(self, *, seed=None, options=None):
        return self.env.reset(seed=seed, options={"query": next(self.queries)})


def assert_same(left, right, where=""):
    assert type(left) is type(right), where
    if isinstance(left, dict):
        assert list(left) == list(right) or set(left) == set(right), where
        for key in left:
            assert_same(left[key], right[key], f"{where}/{key}")
    elif left.dtype == object:
        for a, b in zip(left, right, strict=True):
            assert (a is None) == (b is None), where
            if a is not None:
                assert_same(dict(a), dict(b), where)
    else:
        assert left.dtype == right.dtype, where
        assert left.tobytes() == right.tobytes(), where


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [None, 3, 4], ids=["no limit", "limit before the end", "limit at the end"])
def test_equals_sync_vector_env(mode, limit):
    rng = np.random.default_rng(0)
    batched = make(mode, max_episode_steps=limit)
    observation, infos = batched.reset(seed=9)
    log = [(observation, infos)]
    queries = [[int(q)] for q in infos["query"]]
    actions, resets = [], []
    for _ in range(14):
        picks = rng.integers(8, size=COUNT)  # masked picks too, so that episodes keep their lengths
        actions.append(picks)
        step = batched.step(picks)
        log.append(step)
        over = step[2] | step[3]
        if mode == "Disabled" and over.any():
            resets.append(over)
            log.append(batched.reset(options={"reset_mask": over}))
            started = over
        else:
            started = step[4].get("_query", np.zeros(COUNT, bool)) & ~step[4].get(
                "_picked", np.zeros(COUNT, bool)
            )
        latest = log[-1][-1]
        for row in np.flatnonzero(started):
            queries[row].append(int(latest["query"][row]))

    sync = SyncVectorEnv(
        [
            lambda row=row: Replayed(gym.make(ID, max_episode_steps=limit, **KWARGS), queries[row])
            for row in range(COUNT)
        ],
        autoreset_mode=AutoresetMode(mode),
    )
    expected = [sync.reset(seed=9)]
    for picks in actions:
        step = sync.step(picks)
        expected.append(step)
        if mode == "Disabled" and (over := step[2] | step[3]).any():
            expected.append(sync.reset(options={"reset_mask": over}))
    assert any(part[3].any() for part in log if len(part) == 5) == (limit is not None)
    assert len(log) == len(expected)
    for number, (ours, theirs) in enumerate(zip(log, expected, strict=True)):
        for part, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, f"event {number}, part {part}")


@pytest.mark.parametrize("mode", MODES)
def test_one_sub_environment_draws_what_the_single_one_draws(mode):
    """The same seeds, and no query is replayed; through more than two passes over the images."""
    kwargs = {"features": synthetic_features(3, 4), "pool_size": 5, "budget": 2, "k": 3}
    batched = gym.make_vec(
        ID, num_envs=1, vectorization_mode="vector_entry_point", autoreset_mode=mode, **kwargs
    )
    sync = SyncVectorEnv([lambda: gym.make(ID, **kwargs)], autoreset_mode=AutoresetMode(mode))
    rng = np.random.default_rng(0)
    queries = []
    for seed in (11, 12):
        events = [(batched.reset(seed=seed), sync.reset(seed=seed))]
        for _ in range(60):
            picks = rng.integers(5, size=1)
            events.append((batched.step(picks), sync.step(picks)))
            if mode == "Disabled" and events[-1][0][2].any():
                masks = [{"reset_mask": event[2]} for event in events[-1]]
                events.append((batched.reset(options=masks[0]), sync.reset(options=masks[1])))
        for number, event in enumerate(events):
            for ours, theirs in zip(*event, strict=True):
                assert_same(ours, theirs, f"seed {seed}, event {number}")
        queries.append([int(ours[-1]["query"][0]) for ours, _ in events if "query" in ours[-1]])
    assert set(queries[0]) == set(queries[1]) == set(range(12))
    assert queries[0] != queries[1]


def test_no_query_is_asked_twice_in_a_pass():
    env = make("SameStep")
    _, infos = env.reset(seed=0)
    queries = infos["query"].tolist()
    while len(queries) < len(FEATURES):
        mask = env.action_masks()
        _, _, terminated, _, infos = env.step(mask.argmax(axis=1))
        queries += infos["query"][terminated].tolist()
    assert sorted(queries[: len(FEATURES)]) == list(range(len(FEATURES)))


def test_same_seed_same_bytes_and_nothing_is_handed_out_twice():
    first, second = make("SameStep"), make("SameStep")
    a, b = first.reset(seed=2)[0], second.reset(seed=2)[0]
    held = {name: values.copy() for name, values in a.items()}
    for step in range(9):
        one, two = first.step(np.full(COUNT, step % 8)), second.step(np.full(COUNT, step % 8))
        assert_same(one[0], two[0])
        assert_same(one[4], two[4])
        assert not any(np.shares_memory(one[0][name], first._inquiry.batch.similarity) for name in one[0])
    assert_same(a, held)
    assert_same(a, b)


def test_stepping_a_finished_sub_environment_is_refused():
    env = make("Disabled")
    env.reset(seed=0)
    for action in range(4):
        env.step(np.full(COUNT, action))
    with pytest.raises(InputError, match="reset_mask"):
        env.step(np.zeros(COUNT, int))


@pytest.mark.parametrize("actions", [np.zeros(3, int), np.full(COUNT, 8), np.full(COUNT, -1)])
def test_bad_actions_are_named(actions):
    env = make("SameStep")
    env.reset(seed=0)
    with pytest.raises(InputError, match="actions"):
        env.step(actions)


@pytest.mark.parametrize("limit", [0, -2, 2.5, "3"], ids=str)
def test_bad_limits_of_steps_are_named(limit):
    with pytest.raises(InputError, match="max_episode_steps"):
        make("SameStep", max_episode_steps=limit)
    assert make("SameStep", max_episode_steps=-1)._limit == np.inf


@pytest.mark.parametrize("mode", MODES)
def test_masks_survive_vector_wrappers(mode):
    """Under Gymnasium's statistics: by the function, in the infos, and in the observations."""
    inner = make(mode)
    env = NormalizeReward(RecordEpisodeStatistics(inner)) if mode != "Disabled" else inner
    env = RecordEpisodeStatistics(inner) if mode == "Disabled" else env
    observation, infos = env.reset(seed=0)
    lengths = 0
    for _ in range(13):
        masks = action_masks(env)
        assert masks.dtype == bool
        assert (masks == inner.action_masks()).all()
        assert (masks == (observation["action_mask"] > 0)).all()
        assert (infos["action_mask"][infos["_action_mask"]] == masks[infos["_action_mask"]]).all()
        observation, _, terminated, _, infos = env.step(masks.argmax(axis=1))
        if "episode" in infos:
            if mode != "SameStep" or RIGHT_LENGTHS:
                assert (infos["episode"]["l"][infos["_episode"]] == KWARGS["budget"]).all()
            lengths += infos["_episode"].sum()
        if mode == "Disabled" and terminated.any():
            observation, infos = env.reset(options={"reset_mask": terminated})
    assert lengths >= 2 * COUNT


def test_masks_of_other_environments():
    single = gym.make(ID, **KWARGS)
    single.reset(seed=0)
    assert action_masks(single).shape == (8,)
    sync = SyncVectorEnv([lambda: gym.make(ID, **KWARGS)] * 2)
    sync.reset(seed=0)
    assert action_masks(RecordEpisodeStatistics(sync)).shape == (2, 8)
    with pytest.raises(InputError, match="has no action masks"):
        action_masks(gym.make("CartPole-v1"))


def test_true_rewards_are_what_the_pick_earns():
    env = make("SameStep", empty_negatives="farthest")
    env.reset(seed=1)
    for _ in range(10):
        promised = env.true_rewards()
        action = promised.argmax(axis=1)
        _, rewards, _, _, _ = env.step(action)
        np.testing.assert_array_equal(rewards, promised[np.arange(COUNT), action].astype(np.float64))


def test_registered_with_its_vector_entry_point():
    assert gym.spec(ID).vector_entry_point.endswith("ReIDActiveLearningVectorEnv")
    assert reid_al_env.ReIDActiveLearningVectorEnv is type(make("SameStep"))


def noisy_and_constrained():
    labels = LabelOracle(FEATURES.identities)
    return {
        "metric": "verified",
        "oracle": NoisyOracle(labels, false_match=0.3, false_non_match=0.3, cannot_tell=0.2),
        "constraints": ConstraintGraph(len(FEATURES)),
    }


@pytest.mark.parametrize("more", [dict, noisy_and_constrained])
@pytest.mark.parametrize("mode", MODES)
def test_pickle_and_deepcopy_in_mid_episode_go_on_alike(mode, more):
    env = make(mode, **more())
    env.reset(seed=3)
    for action in range(2):
        env.step(np.full(COUNT, action))
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for action in (5, 6):
        expected = env.step(np.arange(action, action - COUNT, -1))
        for twin in twins:
            for ours, theirs in zip(twin.step(np.arange(action, action - COUNT, -1)), expected, strict=True):
                assert_same(ours, theirs)
    if mode == "Disabled":
        mask = np.ones(COUNT, dtype=bool)
        expected = env.reset(options={"reset_mask": mask})
        for twin in twins:
            for ours, theirs in zip(twin.reset(options={"reset_mask": mask}), expected, strict=True):
                assert_same(ours, theirs)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("watching", [False, True])
def test_no_array_is_handed_out_twice(mode, watching):
    """Everything a user was ever given stays as it was, and shares no memory with anything given later."""
    env = make(mode, render_mode="ansi" if watching else None)
    rng = np.random.default_rng(1)
    given = [env.reset(seed=2)]
    held = [pickle.dumps(given[0])]
    for _ in range(3 * KWARGS["budget"]):
        step = env.step(rng.integers(8, size=COUNT))
        given.append(step)
        held.append(pickle.dumps(step))
        if mode == "Disabled" and step[2].any():
            given.append(env.reset(options={"reset_mask": step[2].copy()}))
            held.append(pickle.dumps(given[-1]))
    for event, kept in zip(given, held, strict=True):
        for ours, theirs in zip(event, pickle.loads(kept), strict=True):
            assert_same(ours, theirs)
    arrays = [array for event in given for part in event for array in arrays_in(part)]
    for place, array in enumerate(arrays):
        assert array.flags.writeable
        assert not any(np.may_share_memory(array, other) for other in arrays[:place])


def arrays_in(part):
    """Every array inside, object arrays left out."""
    if isinstance(part, dict):
        return [array for value in part.values() for array in arrays_in(value)]
    if isinstance(part, np.ndarray) and part.dtype == object:
        return [array for value in part.tolist() if value is not None for array in arrays_in(value)]
    return [part] if isinstance(part, np.ndarray) else []
