"""Beam search that sees the labels."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_catalogue import small_pool

from reid_al_env import ReIDCatalogueEnv
from reid_al_env.catalogue.beam import beam_search
from reid_al_env.catalogue.references import label_seeing


def begun(pool_seed, seed=0, **more):
    env = ReIDCatalogueEnv(tasks=small_pool(pool_seed).features, **more)
    env.reset(seed=seed)
    return env


def end(env, choose):
    """Play the rest of the episode; returns its last F1."""
    state, over = env.clone_state(), env.game.over
    while not over:
        over = env.step(choose(env.game))[2]
    f1 = env.game.score.f1
    env.restore_state(state)
    return f1


def end_of(env, actions):
    following = iter(actions)
    return end(env, lambda game: next(following))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), wrong=st.sampled_from([0.0, 0.3]))
def test_the_end_is_never_worse_than_that_of_the_label_seeing_order(seed, wrong):
    noise = {"false_match": wrong, "false_non_match": wrong, "cannot_tell": wrong}
    env = begun(seed, budget=12, questions=6, **noise)
    greedy = end(env, label_seeing)
    ends = [end_of(env, beam_search(env, width)) for width in (1, 4, 8)]
    assert ends[0] == greedy
    assert min(ends) >= greedy


def test_a_wide_beam_finds_the_best_order():
    behind = 0
    for seed in range(12):
        env = begun(seed, budget=3, questions=5)
        best = max(end_of(env, actions) for actions in itertools.product(range(5), repeat=3))
        assert end_of(env, beam_search(env, width=1000)) == pytest.approx(best, abs=1e-12)
        behind += end(env, label_seeing) < best - 1e-9
    assert behind > 0, "the label-seeing order is the best one everywhere, so that nothing was tested"


def test_the_environment_is_left_as_it_was():
    env = begun(3, budget=10, questions=6, false_match=0.2)
    twin = begun(3, budget=10, questions=6, false_match=0.2)
    for each in (env, twin):
        each.step(0)
    assert beam_search(env, 5) == beam_search(twin, 5)
    for _ in range(9):
        ours, theirs = env.step(1), twin.step(1)
        assert ours[1:4] == theirs[1:4]
        assert all((ours[0][name] == theirs[0][name]).all() for name in ours[0])


def test_it_finds_better_orders_in_a_fixed_task():
    env = gym.make("ReIDCatalogueSmallTest-v0").unwrapped
    _, infos = env.reset(seed=0, options={"task": "single view:3"})
    for action in beam_search(env, 4):
        infos = env.step(action)[4]
    assert infos["score"] > 1
    assert np.isclose(infos["f1"], env.game.score.f1)
