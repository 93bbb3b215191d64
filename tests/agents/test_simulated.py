"""Answers from labels: logged before they are believed, and never asked for twice."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reid_al_agents.asking.question import Question
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.experiment.simulated import SimulatedAnnotator
from reid_al_agents.log.events import Event
from reid_al_agents.log.memory import EventLog, MemoryLog
from reid_al_agents.log.store import EventStore
from reid_al_env import ConstraintGraph, InputError, LabelOracle, Oracle

IDENTITIES = np.arange(8) // 2
NAMES = np.array([f"{number:04d}.jpg" for number in range(8)])


class Labels:
    """Labels whose source gives out after so many answers."""

    def __init__(self, patience: int = 1000) -> None:
        self.asked: list[tuple[int, int]] = []
        self.patience = patience
        self._truth = LabelOracle(IDENTITIES)

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        if len(self.asked) + len(queries) > self.patience:
            raise KeyboardInterrupt
        self.asked += zip(queries.tolist(), galleries.tolist(), strict=True)
        return self._truth.answer(queries, galleries)


class Reply:
    """Says what it was given, in order, however little sense that makes."""

    def __init__(self, *replies: object) -> None:
        self._replies = iter(replies)

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        return np.array(next(self._replies))


class FullDisk(MemoryLog):
    """Refuses everything."""

    def append(self, event: Event) -> tuple[Event, bool]:
        raise InputError("events.sqlite: the disk is full")

    def append_many(self, events: Iterable[Event]) -> int:
        raise InputError("events.sqlite: the disk is full")


def annotator(oracle: Oracle, log: EventLog, round_: int = 1, believed: int = 0) -> SimulatedAnnotator:
    """One that begins a round, having believed the log's first events and being to use the others again."""
    events = log.events("run")
    beliefs = Beliefs.replay(lambda _: ConstraintGraph(len(NAMES)), events[:believed], 0.02)
    made = SimulatedAnnotator(oracle, log, "run", beliefs, NAMES, "dqn")
    made.begin_round(round_, events[believed:])
    return made


def batch(*pairs: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    queries, galleries = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return queries, galleries


def question(first: int, second: int) -> Question:
    return Question(first, second, 0.25, "policy", None)


def answers(log: EventLog) -> list[tuple[object, ...]]:
    return [(e.key, e.round, e.step, e.query, e.candidate, e.answer) for e in log.events("run")]


def relations(beliefs: Beliefs) -> list[int]:
    return [beliefs.constraints.relation(i, j) for i in range(8) for j in range(i)]


def test_answers_are_those_of_the_oracle_and_are_logged() -> None:
    log = MemoryLog()
    said = annotator(Labels(), log).answer_pairs(*batch((0, 1), (0, 2), (5, 4)))
    assert said.dtype == np.int8
    assert said.tolist() == [1, -1, 1]
    assert [row[3:] for row in answers(log)] == [(0, 1, "same"), (0, 2, "different"), (5, 4, "same")]
    last = log.events("run")[-1]
    assert (last.query_name, last.candidate_name, last.round, last.step) == ("0005.jpg", "0004.jpg", 1, 2)
    assert (last.selector, last.annotator) == ("dqn", "labels")
    assert last.shown_at is not None
    assert last.shown_at <= last.at


def test_an_answer_is_on_disk_before_it_is_believed(tmp_path: Path) -> None:
    seen: list[int] = []

    class Watching(Beliefs):
        def apply(self, event: Event) -> int | None:
            with EventStore(tmp_path / "events.sqlite") as other:
                seen.append(len(other.events("run")))
            return super().apply(event)

    with EventStore(tmp_path / "events.sqlite") as log:
        beliefs = Watching(lambda _: ConstraintGraph(len(NAMES)), 0.02)
        made = SimulatedAnnotator(Labels(), log, "run", beliefs, NAMES, "dqn")
        made.answer(question(0, 1))
        made.answer_pairs(*batch((2, 3), (4, 6)))
        made.announce({"shared": [0, 1]}, None)
    assert seen == [1, 3, 3, 4]


def test_what_cannot_be_logged_is_not_believed_and_can_be_asked_again() -> None:
    log = MemoryLog()
    made = annotator(Labels(), log)
    made.answer(question(0, 1))
    before, changes = relations(made.beliefs), made.beliefs.changes
    made._log = FullDisk()
    for ask in (
        lambda: made.answer(question(2, 3)),
        lambda: made.answer_pairs(*batch((2, 3), (4, 6))),
        lambda: made.announce({"shared": [0, 1]}, None),
    ):
        with pytest.raises(InputError, match="disk is full"):
            ask()
    assert (relations(made.beliefs), made.beliefs.changes) == (before, changes)
    assert list(made.beliefs.events) == [event.id for event in log.events("run")]
    again = annotator(Labels(), log)
    assert [again.answer(question(0, 1)), again.answer(question(2, 3))] == [1, 1]
    assert len(log.events("run")) == 2


def test_nothing_is_asked_of_an_empty_batch() -> None:
    assert annotator(Labels(), MemoryLog()).answer_pairs(*batch()).shape == (0,)


def test_a_round_begun_again_asks_only_what_is_new() -> None:
    log = MemoryLog()
    before = annotator(Labels(), log)
    before.answer_pairs(*batch((0, 1), (0, 2)))
    before.answer(question(3, 2))
    labels = Labels()
    after = annotator(labels, log)
    assert after.answer_pairs(*batch((0, 1), (0, 2))).tolist() == [1, -1]
    assert after.answer_pairs(*batch((2, 3), (4, 5))).tolist() == [1, 1]  # the other way round, and one new
    assert labels.asked == [(4, 5)]
    assert [row[2] for row in answers(log)] == [0, 1, 2, 3]


def test_answers_of_other_rounds_are_not_used_again() -> None:
    log, labels = MemoryLog(), Labels()
    annotator(labels, log).answer(question(0, 1))
    annotator(labels, log, round_=2, believed=1).answer(question(0, 1))
    assert labels.asked == [(0, 1), (0, 1)]
    assert [row[:2] for row in answers(log)] == [("1/0-1/0", 1), ("2/0-1/0", 2)]


def test_a_pair_needed_again_is_asked_again_and_found_in_that_order() -> None:
    log = MemoryLog()
    first = annotator(Reply([0, 1], [-1]), log)
    assert first.answer_pairs(*batch((0, 1), (1, 0))).tolist() == [0, 1]
    assert first.answer(question(0, 1)) == -1
    again = annotator(Reply(), log)
    assert again.answer(question(1, 0)) == 0
    assert again.answer_pairs(*batch((0, 1), (1, 0))).tolist() == [1, -1]
    assert len(log.events("run")) == 3


def test_a_question_that_failed_leaves_no_trace() -> None:
    log = MemoryLog()
    made = annotator(Labels(patience=1), log)
    with pytest.raises(KeyboardInterrupt):
        made.answer_pairs(*batch((0, 1), (2, 3)))
    assert not log.events("run")
    assert not made.beliefs.answers


PAIRS = st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1])


@settings(max_examples=60)
@given(batches=st.lists(st.lists(PAIRS, max_size=4), max_size=8), patience=st.integers(0, 20))
def test_an_interrupted_round_ends_as_an_uninterrupted_one(
    batches: list[list[tuple[int, int]]], patience: int
) -> None:
    whole = MemoryLog()
    unbroken = annotator(Labels(), whole)
    expected = [unbroken.answer_pairs(*batch(*pairs)).tolist() for pairs in batches]
    log, interrupted, labels = MemoryLog(), Labels(patience), Labels()
    made = annotator(interrupted, log)
    try:
        for pairs in batches:
            made.answer_pairs(*batch(*pairs))
    except KeyboardInterrupt:
        pass
    made = annotator(labels, log)
    assert [made.answer_pairs(*batch(*pairs)).tolist() for pairs in batches] == expected
    assert answers(log) == answers(whole)
    assert relations(made.beliefs) == relations(unbroken.beliefs)
    assert len(interrupted.asked) + len(labels.asked) == len(whole.events("run"))


@pytest.mark.parametrize("pair", [(0, -1), (8, 0), (3, 3)], ids=str)
def test_a_pair_that_is_none_of_the_images_is_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="two different images of the 8"):
        annotator(Labels(), MemoryLog()).answer_pairs(*batch(pair))


@pytest.mark.parametrize("reply", [[1], [[1, 1]], [0.5, 1.0], [1, 2]], ids=["few", "shape", "kind", "value"])
def test_a_wrong_reply_is_refused_and_not_logged(reply: object) -> None:
    log = MemoryLog()
    with pytest.raises(InputError, match="expected"):
        annotator(Reply(reply), log).answer_pairs(*batch((0, 1), (2, 3)))
    assert not log.events("run")
