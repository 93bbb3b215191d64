"""The logged oracle: written before returned, and never asked twice after a resume."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from reid_al_agents.log.logged_oracle import LoggedOracle
from reid_al_agents.log.pair_log import PairLog

from reid_al_env.errors import InputError

IDENTITIES = np.array([0, 0, 1, 1, 2, 2, 2, 3])
NAMES = np.array([f"{number:04d}.jpg" for number in range(len(IDENTITIES))])


class Labels:
    """Answers from labels and remembers what it was asked; gives up after `patience` pairs."""

    def __init__(self, patience: int = 10**9) -> None:
        self.asked: list[tuple[int, int]] = []
        self.patience = patience

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        if len(self.asked) + len(queries) > self.patience:
            raise KeyboardInterrupt
        self.asked += zip(queries.tolist(), galleries.tolist(), strict=True)
        return np.where(IDENTITIES[queries] == IDENTITIES[galleries], 1, -1).astype(np.int8)


class Reply:
    """Answers whatever it was given, whatever it is asked."""

    def __init__(self, *replies: object) -> None:
        self.replies = list(replies)

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        return np.asarray(self.replies.pop(0))


@pytest.fixture
def log(tmp_path: Path) -> PairLog:
    return PairLog(tmp_path / "pairs.sqlite")


def logged(oracle: object, log: PairLog, **settings: object) -> LoggedOracle:
    return LoggedOracle(oracle, log, NAMES, run="run", selector="dqn", **settings)  # type: ignore[arg-type]


def batch(*pairs: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    array = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def test_answers_are_those_of_the_oracle_and_are_in_the_log(log: PairLog) -> None:
    oracle = logged(Labels(), log, source="person", annotator="ann")
    answers = oracle.answer(*batch((0, 1), (0, 2), (5, 4)))
    assert answers.dtype == np.int8
    assert answers.tolist() == [1, -1, 1]
    assert log.pairs().tolist() == [[0, 1, 1], [0, 2, -1], [5, 4, 1]]
    last = log.answers()[-1]
    assert (last.query_name, last.candidate_name, last.step) == ("0005.jpg", "0004.jpg", 2)
    assert (last.selector, last.source, last.annotator) == ("dqn", "person", "ann")
    assert last.shown_at <= last.answered_at


def test_the_answer_is_on_disk_before_it_is_returned(log: PairLog, tmp_path: Path) -> None:
    oracle = logged(Labels(), log)
    oracle.answer(*batch((0, 1)))
    with PairLog(tmp_path / "pairs.sqlite") as other:
        assert other.count() == 1


def test_nothing_is_asked_of_an_empty_batch(log: PairLog) -> None:
    assert logged(Labels(), log).answer(*batch()).shape == (0,)


def test_a_resumed_round_asks_only_what_is_new(log: PairLog) -> None:
    before = logged(Labels(), log)
    before.answer(*batch((0, 1), (0, 2)))
    before.answer(*batch((3, 2)))

    labels = Labels()
    after = logged(labels, log)
    assert after.answer(*batch((0, 1), (0, 2))).tolist() == [1, -1]
    assert after.answer(*batch((2, 3), (4, 5))).tolist() == [1, 1]  # the other way round, and one new
    assert labels.asked == [(4, 5)]
    assert (after.replayed, after.asked) == (3, 1)
    assert [answer.step for answer in log.answers()] == [0, 1, 2, 3]


def test_other_rounds_and_other_runs_are_not_replayed(log: PairLog) -> None:
    logged(Labels(), log).answer(*batch((0, 1)))
    labels = Labels()
    oracle = logged(labels, log)
    oracle.begin_round(1)
    oracle.answer(*batch((0, 1)))
    LoggedOracle(labels, log, NAMES, run="other", selector="dqn").answer(*batch((0, 1)))
    assert labels.asked == [(0, 1), (0, 1)]
    assert [(answer.run, answer.round) for answer in log.answers()] == [("run", 0), ("run", 1), ("other", 0)]


def test_a_pair_needed_again_is_asked_again_and_replayed_in_that_order(log: PairLog) -> None:
    first = logged(Reply([0, 1], [-1]), log)
    assert first.answer(*batch((0, 1), (1, 0))).tolist() == [0, 1]
    assert first.answer(*batch((0, 1))).tolist() == [-1]
    again = logged(Reply(), log)
    assert again.answer(*batch((1, 0))).tolist() == [0]
    assert again.answer(*batch((0, 1), (1, 0))).tolist() == [1, -1]
    assert log.count() == 3


def test_a_failed_question_leaves_no_trace_and_can_be_put_again(log: PairLog) -> None:
    labels = Labels(patience=1)
    oracle = logged(labels, log)
    with pytest.raises(KeyboardInterrupt):
        oracle.answer(*batch((0, 1), (2, 3)))
    assert log.count() == 0
    labels.patience = 5
    assert oracle.answer(*batch((0, 1), (2, 3))).tolist() == [1, 1]
    assert [answer.key for answer in log.answers()] == ["run/0/0-1/0", "run/0/2-3/0"]


pairs_of_images = st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1])


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(pairs_of_images, max_size=4), max_size=8), patience=st.integers(0, 20))
def test_an_interrupted_round_ends_as_an_uninterrupted_one(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int]]], patience: int
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    with PairLog(folder / "whole.sqlite") as log:
        oracle = logged(Labels(), log)
        expected = [oracle.answer(*batch(*pairs)).tolist() for pairs in batches]
        steps = [(a.key, a.step, a.query, a.candidate, a.answer) for a in log.answers()]
    with PairLog(folder / "broken.sqlite") as log:
        interrupted, resumed = Labels(patience), Labels()
        try:
            oracle = logged(interrupted, log)
            for pairs in batches:
                oracle.answer(*batch(*pairs))
        except KeyboardInterrupt:
            pass
        oracle = logged(resumed, log)
        assert [oracle.answer(*batch(*pairs)).tolist() for pairs in batches] == expected
        assert [(a.key, a.step, a.query, a.candidate, a.answer) for a in log.answers()] == steps
        assert len(interrupted.asked) + len(resumed.asked) == len(steps)


def test_changed_data_are_noticed(log: PairLog) -> None:
    logged(Labels(), log).answer(*batch((0, 1)))
    with pytest.raises(InputError, match=r"'0000\.jpg' as image 0, which is now '0007\.jpg'"):
        LoggedOracle(Labels(), log, NAMES[::-1], run="run", selector="dqn")
    with pytest.raises(InputError, match="now 'nothing'"):
        LoggedOracle(Labels(), log, NAMES[:1], run="run", selector="dqn")


@pytest.mark.parametrize("pair", [(0, -1), (8, 0)])
def test_an_index_outside_the_data_is_refused(log: PairLog, pair: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="outside the 8 images"):
        logged(Labels(), log).answer(*batch(pair))


@pytest.mark.parametrize("reply", [[1], [[1, 1]], [0.5, 1.0], [1, 2]], ids=["few", "shape", "kind", "value"])
def test_a_wrong_reply_is_refused_and_not_stored(log: PairLog, reply: object) -> None:
    with pytest.raises(InputError, match="expected"):
        logged(Reply(reply), log).answer(*batch((0, 1), (2, 3)))
    assert log.count() == 0


def test_two_processes_answering_for_one_run_are_noticed(log: PairLog) -> None:
    first, second = logged(Labels(), log), logged(Labels(), log)
    first.answer(*batch((0, 1)))
    with pytest.raises(InputError, match="another process"):
        second.answer(*batch((0, 1)))
