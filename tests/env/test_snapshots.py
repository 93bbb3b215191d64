"""A state that was cloned can be restored any number of times, and what follows is the same to the byte."""

import pickle

import gymnasium as gym
import numpy as np
import pytest

from reid_al_env import ConstraintGraph, InputError, LabelOracle, NoisyOracle, synthetic_features

ID = "ReIDActiveLearningSmall-v0"
FEATURES = synthetic_features(6, 5, seed=3)


def everything():
    """All that an environment can remember or draw: noise, answers, and a metric that follows them."""
    return {
        "features": FEATURES,
        "metric": "verified",
        "oracle": NoisyOracle(LabelOracle(FEATURES.identities), false_match=0.3, cannot_tell=0.2),
        "constraints": ConstraintGraph(len(FEATURES)),
        "render_mode": "ansi",
    }


def make_single(**more):
    return gym.make(ID, **{"features": FEATURES, **more}).unwrapped


def make_batch(mode="SameStep", **more):
    return gym.make_vec(
        ID,
        num_envs=3,
        vectorization_mode="vector_entry_point",
        autoreset_mode=mode,
        **{"features": FEATURES, **more},
    )


def as_bytes(part):
    if isinstance(part, dict):
        return {name: as_bytes(value) for name, value in part.items()}
    if isinstance(part, np.ndarray) and part.dtype == object:
        return [as_bytes(each) for each in part]
    return (part.dtype.str, part.shape, part.tobytes()) if isinstance(part, np.ndarray) else part


def play(env, steps=23):
    """Everything that a user sees of a seeded walk through several episodes."""
    rng, seen, actions = np.random.default_rng(0), [], 10
    for _ in range(steps):
        batch = getattr(env, "num_envs", None)
        event = env.step(rng.integers(actions, size=batch))
        seen += [as_bytes(part) for part in event]
        seen.append(env.render_mode and env.render())
        if batch is None and event[2]:
            seen += [as_bytes(part) for part in env.reset()]
        elif batch is not None and env.autoreset_mode.value == "Disabled" and event[2].any():
            seen += [as_bytes(part) for part in env.reset(options={"reset_mask": event[2]})]
    return seen


KINDS = {
    "single": make_single,
    "same step": make_batch,
    "next step": lambda **more: make_batch("NextStep", **more),
    "disabled": lambda **more: make_batch("Disabled", **more),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["plain", "everything"])
def test_a_restored_state_goes_on_to_the_byte(kind, what):
    env = KINDS[kind](**(everything() if what == "everything" else {}))
    env.reset(seed=4)
    for action in (1, 1, 0):
        env.step(np.full(3, action) if hasattr(env, "num_envs") else action)
    state = env.clone_state()
    expected = play(env)
    for _ in range(2):  # using a state does not use it up
        env.restore_state(state)
        assert play(env) == expected
    env.restore_state(pickle.loads(pickle.dumps(state)))
    assert play(env) == expected


def test_branches_do_not_disturb_each_other():
    """Two continuations from one state, taken in turns, with a metric fitted differently in each."""
    env = make_single(**everything())
    env.reset(seed=1)
    for _ in range(40):  # enough matches for a fit
        if env.step(int(np.argmax(env.action_masks())))[2]:
            env.reset()
    root = env.clone_state()
    ends = {}
    for first in (3, 7):
        env.restore_state(root)
        env.reset(options={"query": first})
        play(env, 30)
        branch = env.clone_state()
        ends[first] = branch, play(env)
    for branch, expected in ends.values():
        env.restore_state(branch)
        assert play(env) == expected


def test_features_are_shared_and_a_state_is_small():
    features = synthetic_features(50, 10, dimensions=512)
    env = make_single(features=features, metric="cosine")
    env.reset(seed=0)
    state = env.clone_state()
    env.step(0)
    env.restore_state(state)
    assert env._inquiry.features is features
    size = len(pickle.dumps(state))
    assert size < 50_000 < features.features.nbytes
    twice = make_single(features=synthetic_features(100, 10, dimensions=512), metric="cosine")
    twice.reset(seed=0)
    assert abs(len(pickle.dumps(twice.clone_state())) - size) < 200


def test_a_users_constraints_and_oracle_are_rolled_back_in_place():
    kwargs = everything()
    env = make_single(**kwargs)
    env.reset(seed=0)
    env.step(0)
    state = env.clone_state()
    pairs = kwargs["constraints"].asked_pairs().tolist()
    for action in range(1, 5):
        env.step(action)
    assert kwargs["constraints"].asked_pairs().tolist() != pairs
    env.restore_state(state)
    assert kwargs["constraints"].asked_pairs().tolist() == pairs
    assert env._inquiry.constraints is kwargs["constraints"]
    assert env._inquiry.oracle is kwargs["oracle"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"budget": 3}, id="another budget"),
        pytest.param({"features": synthetic_features(7, 5)}, id="another number of images"),
        pytest.param({"render_mode": "ansi"}, id="another render mode"),
    ],
)
def test_a_state_of_another_environment_is_refused(other):
    env = make_single()
    env.reset(seed=0)
    stranger = make_single(**other)
    stranger.reset(seed=0)
    with pytest.raises(InputError, match="does not fit this ReIDActiveLearningEnv") as caught:
        env.restore_state(stranger.clone_state())
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="does not fit"):
        env.restore_state("a state")
