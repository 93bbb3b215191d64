"""Every selector passes one template; each rule is checked against loops and worked examples."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reid_al_agents.selection import (
    SELECTORS,
    GreedyRewardSelector,
    Selector,
    highest_unmasked,
    make_selector,
)
from reid_al_env.errors import InputError

ITEMS = 7
DETERMINISTIC = ["nearest", "farthest", "entropy", "greedy"]
EVERY = ["random", *DETERMINISTIC]


def observations(seed: int, batch: int = 5, items: int = ITEMS, masked: float = 0.4) -> dict:
    """Random graphs with many ties (values on a grid of 1/4) and zeros, as sparse graphs have."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(0, 5, (batch, items + 1, items + 1)) / 4, 1)
    mask = (rng.random((batch, items)) > masked).astype(np.int8)
    return {
        "similarity": (upper + upper.transpose(0, 2, 1)).astype(np.float32),
        "feedback": np.where(mask, 0, rng.choice([-1, 1], mask.shape)).astype(np.int8),
        "action_mask": mask,
        "remaining": rng.random((batch, 1)).astype(np.float32),
    }


def build(name: str, observation: dict) -> Selector:
    """A selector by name; the true rewards of the greedy one follow from the observation."""
    return make_selector(name, true_rewards=observation["similarity"][:, 1, 1:].copy)


def row(observation: dict, index: int) -> dict:
    return {key: value[index : index + 1] for key, value in observation.items()}


@pytest.mark.parametrize("name", EVERY)
class TestEverySelector:
    def test_name(self, name):
        assert build(name, observations(0)).name == name

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**31), masked=st.floats(0, 0.95))
    def test_never_picks_a_masked_item(self, name, seed, masked):
        observation = observations(seed, masked=masked)
        actions = build(name, observation).select(observation, np.random.default_rng(seed))
        left = observation["action_mask"].any(axis=1)
        assert observation["action_mask"][np.arange(5), actions][left].all()
        assert (actions[~left] == 0).all()

    @pytest.mark.parametrize("batch", [1, 4])
    def test_shape_and_dtype(self, name, batch):
        observation = observations(1, batch=batch)
        actions = build(name, observation).select(observation, np.random.default_rng(0))
        assert actions.shape == (batch,)
        assert actions.dtype == np.int64

    def test_nothing_left_gives_zero(self, name):
        observation = observations(2, masked=1.1)
        actions = build(name, observation).select(observation, np.random.default_rng(0))
        assert (actions == 0).all()

    def test_same_generator_same_actions(self, name):
        observation = observations(3, batch=50)
        first, second = (
            build(name, observation).select(observation, np.random.default_rng(9)) for _ in range(2)
        )
        np.testing.assert_array_equal(first, second)

    def test_leaves_the_observation_alone(self, name):
        observation = observations(4)
        before = {key: value.copy() for key, value in observation.items()}
        build(name, observation).select(observation, np.random.default_rng(0))
        for key, value in before.items():
            np.testing.assert_array_equal(observation[key], value)

    def test_any_pool_size(self, name):
        observation = observations(5, items=1, masked=0.0)
        assert (build(name, observation).select(observation, np.random.default_rng(0)) == 0).all()


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_a_batch_is_its_rows(name):
    observation = observations(6, batch=40)
    rng = np.random.default_rng(0)
    together = build(name, observation).select(observation, rng)
    apart = [build(name, row(observation, i)).select(row(observation, i), rng)[0] for i in range(40)]
    np.testing.assert_array_equal(together, apart)


def test_random_is_uniform_over_unmasked_items():
    observation = observations(7, batch=1, masked=0.0)
    observation["action_mask"][0, [1, 4]] = 0
    many = {key: np.repeat(value, 30_000, axis=0) for key, value in observation.items()}
    counts = np.bincount(make_selector("random").select(many, np.random.default_rng(0)), minlength=ITEMS)
    assert counts[[1, 4]].sum() == 0
    np.testing.assert_allclose(counts[[0, 2, 3, 5, 6]] / 30_000, 0.2, atol=0.012)


def example(to_query, mask) -> dict:
    similarity = np.zeros((1, len(to_query) + 1, len(to_query) + 1), np.float32)
    similarity[0, 0, 1:] = similarity[0, 1:, 0] = to_query
    return {"similarity": similarity, "action_mask": np.array([mask], np.int8)}


@pytest.mark.parametrize(
    ("name", "to_query", "mask", "expected"),
    [
        ("nearest", [0.9, 0.8, 0.0, 0.7], [0, 1, 1, 1], 1),
        ("nearest", [0.2, 0.8, 0.0, 0.7], [1, 1, 1, 1], 1),  # answers moved the row: not the pool's order
        ("nearest", [1.0, 0.0, 0.0, 0.0], [0, 0, 1, 1], 2),  # outside the graph the pool's order decides
        ("farthest", [0.9, 0.8, 0.0, 0.0], [1, 1, 1, 1], 3),
        ("farthest", [0.9, 0.8, 0.0, 0.0], [1, 1, 1, 0], 2),
        ("farthest", [0.9, 0.3, 0.8, 0.7], [1, 1, 1, 1], 1),
        ("entropy", [0.9, 0.55, 0.4, 0.0], [1, 1, 1, 1], 1),
        ("entropy", [0.9, 0.55, 0.4, 0.0], [1, 0, 1, 1], 2),
        ("entropy", [0.75, 0.25, 0.75, 0.25], [1, 1, 1, 1], 0),
        ("entropy", [0.9, 0.0, 0.0, 0.0], [0, 0, 1, 1], 2),
    ],
)
def test_worked_examples(name, to_query, mask, expected):
    actions = SELECTORS[name]().select(example(to_query, mask), np.random.default_rng(0))
    assert actions.tolist() == [expected]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_rules_equal_loops(seed):
    observation = observations(seed)
    rng = np.random.default_rng(0)
    picks = {name: SELECTORS[name]().select(observation, rng) for name in ("nearest", "farthest", "entropy")}
    for b in range(5):
        items = [i for i in range(ITEMS) if observation["action_mask"][b, i]]
        if items:
            s = observation["similarity"][b, 0, 1:].astype(float)
            assert picks["nearest"][b] == max(items, key=lambda i: (s[i], -i))
            assert picks["farthest"][b] == max(items, key=lambda i: (-s[i], i))
            assert picks["entropy"][b] == max(items, key=lambda i: (-abs(s[i] - 0.5), -i))


def test_highest_unmasked_takes_negative_scores_and_bool_masks():
    scores = np.array([[-3.0, -1.0, -2.0]])
    assert highest_unmasked(scores, np.array([[True, False, True]])).tolist() == [2]


def test_unknown_name_is_one_line_with_the_known_ones():
    with pytest.raises(
        InputError, match=r"'closest'.*random, nearest, farthest, entropy, gain, gain-v1, greedy"
    ) as caught:
        make_selector("closest")
    assert "\n" not in str(caught.value)


def test_greedy_without_labels():
    with pytest.raises(InputError, match="'greedy' needs the true rewards"):
        make_selector("greedy")


def test_greedy_with_the_rewards_of_other_episodes():
    selector = GreedyRewardSelector(lambda: np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match=r"\(2, 3\).*\(5, 7\)"):
        selector.select(observations(0), np.random.default_rng(0))
