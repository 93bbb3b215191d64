"""Recorded answers, noise, and any callable: every oracle answers batches."""

import pickle

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_al_env import (
    CallableOracle,
    FeatureSet,
    InputError,
    LabelOracle,
    NoisyOracle,
    RecordedOracle,
    synthetic_features,
)

pairs_strategy = st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(lambda pair: pair[0] != pair[1])
record_strategy = st.lists(st.tuples(pairs_strategy, st.sampled_from([-1, 0, 1])), max_size=40)


@given(record_strategy)
def test_recorded_answers_are_the_sign_of_their_sum_either_way_round(record):
    oracle = RecordedOracle([i for (i, _), _ in record], [j for (_, j), _ in record], [a for _, a in record])
    totals = {}
    for pair, answer in record:
        totals[frozenset(pair)] = totals.get(frozenset(pair), 0) + answer
    assert len(oracle) == len(totals)
    for i in range(9):
        for j in range(9):
            pair = frozenset((i, j))
            if pair in totals:
                assert oracle.answer(np.array([i]), np.array([j])).tolist() == [np.sign(totals[pair])]
            else:
                with pytest.raises(InputError, match=f"no answer about images {i} and {j} "):
                    oracle.answer(np.array([i]), np.array([j]))


def test_a_missing_pair_is_named_in_one_line():
    oracle = RecordedOracle([0, 1], [1, 2], [1, -1], source="log")
    with pytest.raises(InputError, match="log: no answer about images 2 and 0 among the 2") as caught:
        oracle.answer(np.array([1, 2, 5]), np.array([0, 0, 5]))
    assert "\n" not in str(caught.value)
    assert oracle.answer(np.array([], dtype=int), np.array([], dtype=int)).shape == (0,)


def test_an_episode_is_replayed():
    """What was answered once, by whomever, makes the same episode again."""
    features = synthetic_features(10, 6)
    env = gym.make("ReIDActiveLearningSmall-v0", features=features)
    asked, rewards = [], []
    for turn in range(4):
        _, info = env.reset(seed=turn)
        for action in (0, 4, 7):
            _, reward, _, _, info = env.step(action)
            asked.append((info["picked"], info["query"], info["answer"]))  # the other way round
            rewards.append(reward)
    oracle = RecordedOracle(*np.array(asked).T)
    bare = FeatureSet(features.features)  # no identity is known here
    again = gym.make("ReIDActiveLearningSmall-v0", features=bare, oracle=pickle.loads(pickle.dumps(oracle)))
    replayed = []
    for turn in range(4):
        again.reset(seed=turn)
        replayed += [again.step(action)[1] for action in (0, 4, 7)]
    assert replayed == rewards
    with pytest.raises(InputError, match="no answer about images"):
        again.step(9)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (([0], [0], [1]), "two different images"),
        (([0], [-1], [1]), "images 0 and -1"),
        (([0], [1], [2]), "says 2"),
        (([0, 1], [1], [1]), "2 queries, 1 galleries"),
        (([0.5], [1], [1]), "whole numbers"),
        (([[0]], [[1]], [[1]]), "shape"),
    ],
)
def test_a_record_that_makes_no_sense_is_named(columns, words):
    with pytest.raises(InputError, match=words):
        RecordedOracle(*columns)


def test_a_csv_by_index_and_by_name(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("note,query,candidate,answer,query_name,candidate_name\n,0,1,1,a,b\n,2,1,-1,c,b\n")
    by_index = RecordedOracle.from_csv(file)
    assert by_index.answer(np.array([1, 1]), np.array([0, 2])).tolist() == [1, -1]
    by_name = RecordedOracle.from_csv(file, np.array(["c", "b", "a"]))  # now in another order
    assert by_name.answer(np.array([1, 1]), np.array([2, 0])).tolist() == [1, -1]
    assert str(file) in repr(by_index)


@pytest.mark.parametrize(
    ("text", "names", "words"),
    [
        ("query,answer\n0,1\n", None, "no column 'candidate'"),
        ("", None, "no column 'query', only none"),
        ("query,candidate,answer\n0,x,1\n", None, "line 2 holds 'x'"),
        ("query,candidate,answer\n0,1\n", None, "line 2 has 2 values but the header 3"),
        ("query,candidate,answer\n0,1,7\n", None, "says 7"),
        ("query_name,candidate_name,answer\na,z,1\n", ["a", "b"], "line 2 names 'z'"),
        ("query_name,candidate_name,answer\na,b,1\n", ["a", "b", "a"], "two images have the same name"),
    ],
)
def test_a_csv_that_makes_no_sense_is_named(tmp_path, text, names, words):
    file = tmp_path / "pairs.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        RecordedOracle.from_csv(file, names)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"absent\.csv: cannot be read"):
        RecordedOracle.from_csv(tmp_path / "absent.csv")


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_cannot_tell_comes_at_its_rate_whatever_the_truth(rate):
    identities = np.arange(20_000) % 2
    noisy = NoisyOracle(LabelOracle(identities), cannot_tell=rate, seed=3)
    truth = np.where(identities == 0, 1, -1)
    answers = noisy.answer(np.zeros(20_000, int), np.arange(20_000))
    for side in (1, -1):
        assert np.mean(answers[truth == side] == 0) == pytest.approx(rate, abs=0.01)
    assert (answers[answers != 0] == truth[answers != 0]).all()


@pytest.mark.parametrize("name", ["false_match", "false_non_match", "cannot_tell"])
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_rates_outside_their_range_are_named(name, rate):
    with pytest.raises(InputError, match=f"{name}: .* is outside"):
        NoisyOracle(LabelOracle(np.zeros(3, int)), **{name: rate})


@pytest.mark.parametrize("answers", [[1, 2], [1], [[1, 1]], ["yes", "no"]])
def test_answers_that_are_none_are_named(answers):
    class Broken:
        def answer(self, queries, galleries):
            return np.array(answers)

    env = gym.make_vec(
        "ReIDActiveLearningSmall-v0", num_envs=2, vectorization_mode="vector_entry_point", oracle=Broken()
    )
    env.reset(seed=0)
    with pytest.raises(InputError, match="oracle: answered 2 pairs"):
        env.step(np.array([0, 0]))


def even_sums(queries, galleries):
    """Plain Python numbers, in a list."""
    return [1 if total % 2 == 0 else -1 for total in (queries + galleries).tolist()]


def test_a_function_answers_as_an_object_does():
    name = "ReIDActiveLearningSmall-v0"
    bare = FeatureSet(synthetic_features().features)  # no identity is known, so nobody else can answer
    single = gym.make(name, features=bare, oracle=even_sums)
    batched = gym.make_vec(
        name, num_envs=3, vectorization_mode="vector_entry_point", features=bare, oracle=even_sums
    )
    single.reset(options={"query": 7})
    batched.reset(options={"query": 7})
    for action in range(4):
        _, reward, _, _, info = single.step(action)
        assert info["answer"] == even_sums(np.array([7]), np.array([info["picked"]]))[0]
        _, rewards, _, _, infos = batched.step(np.full(3, action))
        assert rewards.tolist() == [reward] * 3
        assert infos["answer"].tolist() == [info["answer"]] * 3
    assert pickle.loads(pickle.dumps(single.unwrapped)).step(5)[1] == single.step(5)[1]


def test_a_function_can_be_spoilt_and_checked():
    pairs = np.arange(4), np.arange(4)
    assert NoisyOracle(even_sums, false_non_match=1.0).answer(*pairs).tolist() == [-1] * 4
    assert CallableOracle(even_sums).answer(*pairs).dtype == np.int8
    with pytest.raises(InputError, match="oracle: answered 4 pairs"):
        CallableOracle(lambda queries, galleries: queries / 2).answer(*pairs)


@pytest.mark.parametrize("oracle", [3, "labels", NoisyOracle, object()])
@pytest.mark.parametrize("make", [gym.make, gym.make_vec])
def test_what_cannot_answer_is_named_at_once(oracle, make):
    with pytest.raises(InputError, match=r"oracle: .* cannot answer; pass a function") as caught:
        make("ReIDActiveLearningSmall-v0", oracle=oracle)
    assert "\n" not in str(caught.value)
