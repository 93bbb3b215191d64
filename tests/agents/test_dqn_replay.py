"""The replay buffer against returns computed by walking through whole episodes."""

import numpy as np
import pytest
from gymnasium import spaces

from reid_al_agents.dqn.replay import NStepDictReplay

SPACE = spaces.Dict({"clock": spaces.Box(-1e6, 1e6, (1,), np.float32), "action_mask": spaces.MultiBinary(3)})
GAMMA = 0.9


def buffer(size=1000, n_steps=3, seed=0) -> NStepDictReplay:
    return NStepDictReplay(
        size, SPACE, spaces.Discrete(3), device="cpu", n_steps=n_steps, gamma=GAMMA, seed=seed
    )


def clock(values) -> dict:
    values = np.asarray(values, np.float32)[:, None]
    return {"clock": values, "action_mask": np.ones((len(values), 3), np.int8)}


def fill(replay, lengths, rng, skip=0.0, truncate=False):
    """Play ``len(lengths)`` streams of one episode each; return the rewards of each stream by time."""
    rewards = [[] for _ in lengths]
    times = [0] * len(lengths)
    while any(time < length for time, length in zip(times, lengths, strict=True)):
        live = [i for i, length in enumerate(lengths) if times[i] < length and rng.random() >= skip]
        if not live:
            continue
        now = np.array([100 * i + times[i] for i in live])
        paid = rng.random(len(live)).astype(np.float32)
        over = np.array([times[i] + 1 == lengths[i] for i in live])
        none = np.zeros(len(live), bool)
        ends = (none, over) if truncate else (over, none)
        replay.add_batch(clock(now), clock(now + 1), now % 3, paid, *ends, np.array(live))
        for i, reward in zip(live, paid, strict=True):
            rewards[i].append(float(reward))
            times[i] += 1
    return rewards


def check(sample, rewards, lengths, n_steps, truncate=False):
    """Compare every sampled transition with the episode it came from."""
    for b in range(len(sample.rewards)):
        stream, time = divmod(int(sample.observations["clock"][b, 0]), 100)
        steps = min(n_steps, lengths[stream] - time)
        expected = sum(GAMMA**k * rewards[stream][time + k] for k in range(steps))
        assert sample.rewards[b, 0] == pytest.approx(expected, abs=1e-5)
        assert sample.discounts[b, 0] == pytest.approx(GAMMA**steps, abs=1e-6)
        assert int(sample.next_observations["clock"][b, 0]) == 100 * stream + time + steps
        assert int(sample.actions[b, 0]) == (100 * stream + time) % 3
        assert bool(sample.dones[b, 0]) == (time + steps == lengths[stream] and not truncate)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10])
@pytest.mark.parametrize("skip", [0.0, 0.4])
def test_returns_equal_walking_through_the_episode(n_steps, skip):
    rng = np.random.default_rng(0)
    replay, lengths = buffer(n_steps=n_steps), [1, 4, 5, 7]
    rewards = fill(replay, lengths, rng, skip)
    check(replay.sample(300), rewards, lengths, n_steps)


def test_truncation_ends_the_return_but_keeps_the_value():
    replay, lengths = buffer(), [4, 6]
    rewards = fill(replay, lengths, np.random.default_rng(0), truncate=True)
    check(replay.sample(200), rewards, lengths, 3, truncate=True)


def test_an_episode_under_way_returns_as_far_as_it_is_known():
    replay = buffer()
    for now in range(2):
        flags = np.array([False])
        replay.add_batch(
            clock([now]), clock([now + 1]), np.array([0]), np.array([1.0]), flags, flags, np.array([0])
        )
    sample = replay.sample(50)
    for b in range(50):
        left = 2 - int(sample.observations["clock"][b, 0])
        assert sample.discounts[b, 0] == pytest.approx(GAMMA**left)
        assert not sample.dones[b, 0]


def test_episodes_of_one_stream_are_not_joined():
    replay = buffer(n_steps=5)
    for now in range(6):  # two episodes of three steps, rewards 1 and 10
        over = np.array([now % 3 == 2])
        paid = np.array([1.0 if now < 3 else 10.0])
        replay.add_batch(
            clock([now]), clock([now + 1]), np.array([0]), paid, over, np.zeros(1, bool), np.zeros(1)
        )
    sample = replay.sample(100)
    first = sample.observations["clock"][:, 0].numpy() < 3
    assert sample.rewards[first].max() == pytest.approx(1 + GAMMA + GAMMA**2)
    assert sample.dones.all()


@pytest.mark.parametrize("size", [5, 8, 13])
def test_a_full_ring_keeps_the_newest_and_never_joins_across_the_seam(size):
    rng = np.random.default_rng(1)
    replay, lengths = buffer(size=size, n_steps=4), [9, 11, 10]
    rewards = fill(replay, lengths, rng)
    assert replay.full
    assert replay.size() == size
    check(replay.sample(200), rewards, lengths, 4)


def test_a_stream_whose_last_transition_was_overwritten_starts_anew():
    replay, no = buffer(size=2), np.array([False])
    for stream in (7, 1, 2, 7):  # 7's first transition is overwritten by 2's before 7 goes on
        replay.add_batch(
            clock([stream]), clock([stream]), np.zeros(1), np.ones(1), no, no, np.array([stream])
        )
    assert (replay.storage["successor"] == -1).all()
    assert (replay.sample(20).rewards == 1).all()


def test_same_seed_same_samples():
    samples = []
    for _ in range(2):
        replay = buffer(seed=5)
        fill(replay, [4, 6], np.random.default_rng(0))
        samples.append(replay.sample(50).observations["clock"].numpy())
    np.testing.assert_array_equal(*samples)


def test_sb3_add_reads_truncation_from_infos():
    replay = NStepDictReplay(10, SPACE, spaces.Discrete(3), device="cpu", n_envs=2, n_steps=2, gamma=GAMMA)
    infos = [{"TimeLimit.truncated": True}, {}]
    replay.add(clock([0, 100]), clock([1, 101]), np.array([0, 1]), np.ones(2), np.array([True, True]), infos)
    assert replay.storage["terminated"][:2].tolist() == [False, True]
    assert replay.streams == {}
