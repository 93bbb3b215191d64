"""A live session: people are given pairs, their answers are kept and believed, the next pairs follow."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Executor
from typing import Any

import numpy as np

from reid_al_agents.annotate.dispatch import Dispatch
from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.annotate.messages import Answered, Conflict, Served, Undone, Unknown
from reid_al_agents.annotate.planner import Planner
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.annotate.state import State
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.audit import AuditEstimate, Strata, estimate_quality
from reid_al_agents.beliefs.audit_events import designs_of, heard_by_audit
from reid_al_agents.beliefs.fold import Beliefs, Evidence, excluded_image
from reid_al_agents.clustering.sides import Sides
from reid_al_agents.log.events import ANSWERS, RETRACTABLE, UNDOABLE, Event, Question
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet

_TOLD = ("described", "truth", "row", "audit", "again", "doubted")
"""Of a question's detail, what is kept with its answer."""


class AnnotationSession:
    """Everything that people do to the pool, safe to be called from many threads.

    An event is on disk before anything follows from it, and whatever follows can be worked out again from
    the events alone: a session that is made anew over the same store goes on where the last one stopped.

    Args:
        features: The pool as the present model sees it.
        store: Where events, questions and leases are kept.
        run: The run.
        selector: Gives the selector that chooses among a group's candidates.
        settings: How people are asked.
        grouping: How groups are formed and asked about.
        episode: Of the environment.
        known: Gives what is known before the first answer, such as tracklets, but of these images nothing.
        sides: Which images can be compared; ``None`` where all can.
        planner: Where batches are planned; ``None`` plans at once, in the thread that needs one.
        selector_name: Kept with the answers.
        round_: Refreshes behind the model.
        seed: Of everything drawn.
        clock: Seconds since 1970-01-01 UTC.

    Attributes:
        state: What was heard; to be read under its lock.
        planning: Where the questions come from; likewise.
        supply: Which of them people have; likewise.

    Raises:
        InputError: The store cannot be read or is about other images.
    """

    def __init__(
        self,
        features: FeatureSet,
        store: EventStore,
        run: str,
        selector: Callable[[], Selector],
        *,
        settings: AnnotationSettings | None = None,
        grouping: GroupSettings | None = None,
        episode: EpisodeSettings | None = None,
        known: Callable[[Collection[int]], ConstraintGraph] | None = None,
        sides: Sides | None = None,
        planner: Executor | None = None,
        selector_name: str = "gain",
        round_: int = 0,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = State(
            store,
            run,
            features,
            settings or AnnotationSettings(),
            grouping or GroupSettings(),
            known or (lambda _: ConstraintGraph(len(features))),
            clock,
            sides,
            round=round_,
        )
        self.episode = episode or EpisodeSettings(budget=1, metric="cosine")
        self.planning = Planner(self.state, selector, self.episode, planner, seed)
        self.supply = Dispatch(self.state, self.planning, selector_name, seed)

    def questions(self, annotator: str, count: int) -> Served:
        """Give a person up to ``count`` questions; those they have already come first."""
        with self.state.lock:
            return self.supply.give(annotator, count)

    def rows(self, annotator: str, count: int) -> list[list[Question]]:
        """Give a person up to ``count`` rows of questions; those of a row share their query."""
        with self.state.lock:
            return self.supply.give_rows(annotator, count)

    def is_open(self, question: str, annotator: str) -> bool:
        """Whether a question still waits for this person's answer."""
        with self.state.lock:
            held = self.supply.board.get(question)
            return held is not None and annotator not in held.answered

    def answer(
        self, annotator: str, question: str, answer: str, key: str, seconds: float | None = None
    ) -> Answered:
        """Take a person's answer; it is on disk when this returns.

        Args:
            annotator: Who answers.
            question: Its id.
            answer: One of ``ANSWERS``.
            key: The same key counts once.
            seconds: How long the pair was looked at.

        Raises:
            Unknown: There is no such question in this run.
            Conflict: This person has answered it with another key, or the key was used for something else.
            InputError: The answer is none, or the store refuses it.
        """
        state = self.state
        with state.lock:
            held = self.supply.board.get(question)
            record = held.record if held is not None else state.store.question(question)
            if record is None or record.run != state.run:
                raise Unknown(f"question {question!r}: is not of this run; ask for new questions")
            before = state.keys.get(key)
            if before is not None:
                if (before.question, before.annotator) != (question, annotator):
                    raise Conflict(f"key {key!r}: was used for something else; make a new one")
                return Answered(before, counted=False)
            if annotator in state.answered.get(question, ()):
                raise Conflict(f"question {question!r}: {annotator} has answered it already")
            stored, counted = state.store.append(self._answer(annotator, key, record, answer, seconds))
            if counted:
                closes = self._follow(stored)
                if held is not None:
                    self.supply.close(held, stored, closes)
                self.supply.changed(counts=True)
            return Answered(stored, counted)

    def undo(self, annotator: str, key: str) -> Undone:
        """Take back the last thing that this person did and that still counts.

        Raises:
            Conflict: There is nothing to take back.
        """
        state = self.state
        with state.lock:
            before = state.keys.get(key)
            if before is not None:
                taken = next((event for event in state.keys.values() if event.id == before.target), None)
                if before.kind != "undo" or before.annotator != annotator or taken is None:
                    raise Conflict(f"key {key!r}: was used for something else; make a new one")
                record = None if taken.question is None else state.store.question(taken.question)
                return Undone(taken, record)
            mine = (
                event
                for event in reversed(state.effective.values())
                if event.annotator == annotator and event.kind in UNDOABLE
            )
            last = next(mine, None)
            if last is None:
                raise Conflict("undo: there is nothing to take back")
            self._take_back("undo", annotator, key, last)
            if last.question is None:
                return Undone(last, None)
            return Undone(last, self.supply.put_back(last.question, annotator))

    def retract(self, annotator: str, key: str, event: int) -> Event:
        """Let an event of anybody no longer count; it stays in the log.

        Raises:
            Unknown: There is no such event, or it does not count any more.
        """
        state = self.state
        with state.lock:
            before = state.keys.get(key)
            if before is not None and before.kind == "retract" and before.target == event:
                return next(each for each in state.keys.values() if each.id == event)
            target = state.effective.get(event)
            if target is None or target.kind not in RETRACTABLE:
                raise Unknown(f"event {event}: is none that counts")
            self._take_back("retract", annotator, key, target)
            if target.question is not None:
                self.supply.put_back(target.question, None)
            return target

    def edit(self, kind: str, annotator: str, key: str, payload: dict[str, Any]) -> Answered:
        """Log and follow a ``merge``, ``split`` or ``name``; see :class:`Beliefs` for the payloads."""
        state = self.state
        event = Event(key, state.run, kind, annotator, state.clock(), payload=payload, round=state.round)
        return self._log(event)

    def settle(self, annotator: str, key: str, query: int, candidate: int, answer: str) -> Answered:
        """Take a considered answer about a pair that is contradicted; it weighs as much as several."""
        state, names = self.state, self.state.features.names
        event = Event(
            key,
            state.run,
            "answer",
            annotator,
            state.clock(),
            query=query,
            candidate=candidate,
            query_name=str(names[query]),
            candidate_name=str(names[candidate]),
            answer=answer,
            question_kind="dispute",
            round=state.round,
            payload={"settles": True},
        )
        return self._log(event)

    def take_in(self, events: Iterable[Event]) -> int:
        """Log and follow answers from elsewhere; those whose key is there already count once.

        Returns:
            How many were new.
        """
        state = self.state
        with state.lock:
            count = state.store.append_many([event for event in events if event.key not in state.keys])
            state.load()
            self.supply.replayed()
            self.supply.changed(counts=False)
            return count

    def counting(self) -> list[Event]:
        """The events that count, in order."""
        with self.state.lock:
            return list(self.state.effective.values())

    def evidence(self) -> tuple[list[Evidence], set[int], int]:
        """What a refresh learns from: the evidence, the excluded images, the number of answers behind it."""
        state = self.state
        with state.lock:
            excluded = set(state.beliefs.excluded)
            ledger = Beliefs(state.known(excluded), state.grouping.error_rate)
            ledger.excluded = excluded
            said: list[Evidence] = []
            for event in state.effective.values():
                if event.kind == "answer":
                    ledger.people.add(event.annotator)
                for each in ledger.evidence(event):
                    ledger.constraints.add(*each)
                    said.append(each)
            return said, ledger.excluded, state.answers

    def audit(self) -> AuditEstimate | None:
        """How good the identities of the last batch are, as far as the audit says.

        What is judged are those that would be formed without its answers, which is a little worse.
        """
        state = self.state
        with state.lock:
            audited = heard_by_audit(state.effective.values()).pairs()
            designs = designs_of(state.keys.values())
            judged, near = self.planning.judged, self.planning.asking.looks.near
            gone = np.isin(np.arange(len(state.features)), sorted(state.beliefs.excluded))
        if judged is None or not audited:
            return None
        return estimate_quality(audited, designs, Strata(judged, near, gone, state.sides))

    def adopt(self, features: FeatureSet, round_: int) -> None:
        """Go on with the features of a refreshed model; what people have before them stays."""
        asking = self.planning.make_asking(features, round_)
        with self.state.lock:
            self.state.features, self.state.round = features, round_
            self.state.changes += 1
            self.supply.take_up(asking)

    def identities(self) -> IdentityList:
        """The identities formed, as of now."""
        state = self.state
        with state.lock:
            latest = self.planning.identities
            if latest is not None and latest.changes == state.changes:
                return latest
            make = self.planning.sheet_maker(copy.deepcopy(state.beliefs.constraints))
            asking = self.planning.asking
        sheet = make(asking)
        with state.lock:
            self.planning.identities = sheet
        return sheet

    def _answer(
        self, annotator: str, key: str, record: Question, answer: str, seconds: float | None
    ) -> Event:
        if answer not in ANSWERS:
            raise Unknown(f"answer {answer!r}: expected one of {', '.join(ANSWERS)}")
        state = self.state
        now, names = state.clock(), state.features.names
        return Event(
            key,
            state.run,
            "answer",
            annotator,
            now,
            shown_at=None if seconds is None else now - seconds,
            seconds=seconds,
            question=record.id,
            query=record.query,
            candidate=record.candidate,
            query_name=str(names[record.query]),
            candidate_name=str(names[record.candidate]),
            answer=answer,
            question_kind=record.kind,
            selector=record.selector,
            probability=record.probability,
            round=state.round,
            step=state.answers,
            payload={name: record.detail[name] for name in _TOLD if name in record.detail},
        )

    def _log(self, event: Event) -> Answered:
        state = self.state
        with state.lock:
            if (before := state.keys.get(event.key)) is not None:
                if (before.kind, before.annotator) != (event.kind, event.annotator):
                    raise Conflict(f"key {event.key!r}: was used for something else; make a new one")
                return Answered(before, counted=False)
            stored, counted = state.store.append(event)
            if counted:
                self._follow(stored)
                self.supply.changed(counts=False)
            return Answered(stored, counted)

    def _follow(self, event: Event) -> int | None:
        """Believe an event that is on disk; what it means for its question."""
        self.state.take_in(event)
        if excluded_image(event) is None:
            self.supply.heard(event)
            self.planning.heard(event)
            return self.state.beliefs.apply(event)
        self.state.replay()
        self.supply.replayed()
        return None

    def _take_back(self, kind: str, annotator: str, key: str, target: Event) -> None:
        state = self.state
        event = Event(key, state.run, kind, annotator, state.clock(), target=target.id, round=state.round)
        stored, counted = state.store.append(event)
        if counted:
            state.take_back(stored, target)
            self.supply.replayed()
            self.supply.changed(counts=False)
