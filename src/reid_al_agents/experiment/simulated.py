"""Simulated annotation: questions are answered from labels; answers are logged, then applied."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.question import Question
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.log.events import SIGNS, Event
from reid_al_agents.log.memory import EventLog
from reid_al_agents.log.tables import LABELS
from reid_al_env import InputError, Oracle
from reid_al_env.evidence.oracles import check_answers

_WORDS = {1: "same", -1: "different", 0: "cannot_tell"}


class SimulatedAnnotator:
    """Answers questions from an oracle; every answer is in the log before it is used.

    A run that was killed in the middle of a round begins the round again. It asks the same questions, and the
    n-th time that a pair is asked, in either order, its n-th logged answer of that round is used. So nothing
    is asked twice, and the end is the same as without the stop.

    Logged answers do not reach the oracle. An oracle that draws random numbers for each call must know how
    many answers were given before (:class:`~reid_al_env.NoisyOracle` takes ``answered``).

    Args:
        oracle: Gives the answers.
        log: Where they are kept.
        run: The run in the log.
        beliefs: Takes in every event that is logged.
        names: (N,) names of the images.
        selector: What chooses the pairs; kept with the answers.

    Attributes:
        beliefs: See above.
    """

    def __init__(
        self,
        oracle: Oracle,
        log: EventLog,
        run: str,
        beliefs: Beliefs,
        names: Sequence[str] | NDArray[np.str_],
        selector: str,
    ) -> None:
        self._oracle, self._log, self._run, self.beliefs = oracle, log, run, beliefs
        self._names, self._selector = names, selector
        self.begin_round(0)

    def begin_round(self, number: int, logged: Iterable[Event] = (), believed: Iterable[Event] = ()) -> None:
        """Begin a round, or go on with one.

        Args:
            number: Number of refreshes that led to the model.
            logged: Events of this round that are in the log already; their answers are used.
            believed: Events that the beliefs have taken in; those of this round are gone on from.
        """
        ours = [event for event in believed if event.round == number and event.annotator == LABELS]
        asked = [_pair(event.query, event.candidate) for event in ours if event.kind == "answer"]
        self._round, self._step = number, len(asked)
        self._times = Counter(asked)
        self._announced = sum(event.kind == "audit" for event in ours)
        self._logged = {event.key: event for event in logged}

    def answer(self, question: Question) -> int:
        """The answer to one question, +1, −1 or 0; it is logged and applied when this returns."""
        event = self._event(
            question.first, question.second, question.kind, question.probability, question.payload()
        )
        if event.key not in self._logged:
            reply = self._ask(np.array([question.first]), np.array([question.second]))
            event = _with_answer(event, int(reply[0]))
        return self._believe(event)

    def answer_pairs(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        """Answers about several pairs, (B,), logged with one wait for the disk; for an environment."""
        events = [
            self._event(int(query), int(gallery), "policy", None, {})
            for query, gallery in zip(queries, galleries, strict=True)
        ]
        new = [place for place, event in enumerate(events) if event.key not in self._logged]
        if new:
            reply = self._ask(queries[new], galleries[new])
            for place, answer in zip(new, reply, strict=True):
                events[place] = _with_answer(events[place], int(answer))
            self._log_many([events[place] for place in new])
        return np.array([self._believe(event) for event in events], dtype=np.int8)

    def announce(self, payload: dict[str, Any], probability: float | None) -> None:
        """Store an audit event and apply it to the beliefs; see :data:`.Announce`."""
        key = f"{self._round}/audit/{self._announced}"
        self._announced += 1
        event = Event(
            key,
            self._run,
            "audit",
            LABELS,
            time.time(),
            round=self._round,
            probability=probability,
            payload=payload,
        )
        self.beliefs.apply(self._stored(event))

    def _event(
        self, query: int, candidate: int, kind: str, probability: float | None, payload: dict[str, Any]
    ) -> Event:
        pair = _pair(query, candidate)
        if not 0 <= pair[0] < pair[1] < len(self._names):
            raise InputError(f"pair {pair}: expected two different images of the {len(self._names)}")
        key = f"{self._round}/{pair[0]}-{pair[1]}/{self._times[pair]}"
        self._times[pair] += 1
        self._step += 1
        return Event(
            key,
            self._run,
            "answer",
            LABELS,
            time.time(),
            question=key,
            query=query,
            candidate=candidate,
            query_name=str(self._names[query]),
            candidate_name=str(self._names[candidate]),
            question_kind=kind,
            selector=self._selector if kind == "policy" else kind,
            probability=probability,
            round=self._round,
            step=self._step - 1,
            payload=payload,
        )

    def _ask(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        return check_answers(self._oracle.answer(queries, galleries), len(queries))

    def _log_many(self, events: list[Event]) -> None:
        last = next(reversed(self.beliefs.events), 0)
        self._log.append_many(events)
        self._logged |= {event.key: event for event in self._log.events(self._run, after=last)}

    def _believe(self, event: Event) -> int:
        stored = self._stored(event)
        self.beliefs.apply(stored)
        return SIGNS.get(stored.answer or "", 0)

    def _stored(self, event: Event) -> Event:
        """The event as it is in the log, where it is put if it is not there."""
        return self._logged.pop(event.key) if event.key in self._logged else self._log.append(event)[0]


def _pair(query: int | None, candidate: int | None) -> tuple[int, int]:
    assert query is not None
    assert candidate is not None
    return min(query, candidate), max(query, candidate)


def _with_answer(event: Event, answer: int) -> Event:
    values = {**vars(event), "answer": _WORDS[answer], "at": time.time(), "shown_at": event.at}
    return Event(**values)


def answer_questions(
    engine: Engine,
    annotator: SimulatedAnnotator,
    answers: int,
    *,
    stable: Callable[[], bool] = lambda: False,
    bar: Callable[[int, int], None] | None = None,
) -> None:
    """Let an annotator answer the engine's questions, one after the other.

    Args:
        engine: Gives the questions.
        annotator: Answers them; has the engine's beliefs.
        answers: Number of answers; fewer if no question is left.
        stable: Whether to stop early.
        bar: Called after each answer as ``bar(done, total)``.
    """
    report = engine.report
    while report.answers < answers and not stable():
        before = report.answers
        engine.begin_batch(answers - before)
        while (question := engine.draw()) is not None:
            engine.take(question, annotator.answer(question))
            if bar is not None:
                bar(report.answers, answers)
        if report.answers == before:
            engine.exhausted = True
            return
