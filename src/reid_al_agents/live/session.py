"""A live session: people are given pairs, their answers are kept and believed, the next pairs follow."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np

from reid_al_agents.annotation.events import ANSWERS, Event, Question
from reid_al_agents.annotation.store import EventStore
from reid_al_agents.clustering import compare_looks
from reid_al_agents.grouping import ChangeMonitor, GroupSettings
from reid_al_agents.learner.group_asking import GroupAsking
from reid_al_agents.learner.group_batch import GroupBatch
from reid_al_agents.live.board import Board, new_question
from reid_al_agents.live.hidden import HiddenQuestions
from reid_al_agents.live.ledger import Evidence, Ledger, excluded_image
from reid_al_agents.live.records import Answered, Conflict, Held, Served, Undone, Unknown
from reid_al_agents.live.settings import LiveSettings
from reid_al_agents.live.sheet import Sheet
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet

_AHEAD = 0.7  # share of a batch after which the next one is planned
_UNDOABLE = ("answer", "merge", "split", "name")


class LiveSession:
    """Everything that people do to the pool, safe to be called from many threads.

    An event is on disk before anything follows from it, and whatever follows can be worked out again from
    the events alone: a session that is made anew over the same store goes on where the last one stopped.

    Args:
        features: The pool as the present model sees it.
        store: Where events, questions and leases are kept.
        run: The run.
        selector: Makes the selector that chooses among a group's candidates.
        settings: How people are asked.
        grouping: How groups are formed and asked about.
        episode: Of the environment.
        known: Gives what is known before the first answer, such as tracklets.
        planner: Where batches are planned; ``None`` plans at once, in the thread that needs one.
        selector_name: Kept with the answers.
        seed: Of everything drawn.
        clock: Seconds since 1970-01-01 UTC.

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
        settings: LiveSettings | None = None,
        grouping: GroupSettings | None = None,
        episode: EpisodeSettings | None = None,
        known: Callable[[], ConstraintGraph] | None = None,
        planner: Executor | None = None,
        selector_name: str = "gain",
        seed: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or LiveSettings()
        self.grouping = grouping or GroupSettings()
        self.episode = episode or EpisodeSettings(budget=1, metric="cosine")
        self.run, self.store, self.clock = run, store, clock
        self.lock = threading.RLock()
        self.round = 0
        self.monitor = ChangeMonitor()
        self._known = known or (lambda: ConstraintGraph(len(features)))
        self._selector, self._selector_name = selector, selector_name
        self._planner = planner
        self._rng = np.random.default_rng([seed, 2])
        self._seed = seed
        self.board = Board(store, run, self.settings.lease_seconds)
        self._hidden = HiddenQuestions(run, self._rng)
        self.effective: dict[int, Event] = {}
        self._keys: dict[str, Event] = {}
        self._answered: dict[str, set[str]] = {}
        self.changes = 0
        self._load()
        self.ledger = self._replay()
        self.features = features
        self._take_up(self._make_asking(features))
        self.board.restore(clock(), self._answered)

    # -- what people do ------------------------------------------------------------------------------------

    def questions(self, annotator: str, count: int) -> Served:
        """Give a person up to ``count`` questions; those they have already come first."""
        with self.lock:
            now = self.clock()
            mine = self.board.leased(annotator, now)[:count]
            for held in mine:
                self.board.renew(held, annotator, now)
            if len(mine) < count and not self.over:
                self._fill()
                self._lease_more(annotator, count, now, mine)
            waiting = self._waiting(annotator, now) if len(mine) < count else None
            return Served([held.record for held in mine], waiting)

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
        with self.lock:
            held = self.board.get(question)
            record = held.record if held is not None else self.store.question(question)
            if record is None or record.run != self.run:
                raise Unknown(f"question {question!r}: is not of this run; ask for new questions")
            before = self._keys.get(key)
            if before is not None:
                if (before.question, before.annotator) != (question, annotator):
                    raise Conflict(f"key {key!r}: was used for something else; make a new one")
                return Answered(before, counted=False)
            if annotator in self._answered.get(question, ()):
                raise Conflict(f"question {question!r}: {annotator} has answered it already")
            event = self._event("answer", annotator, key, record, answer, seconds)
            stored, counted = self.store.append(event)
            if counted:
                self._accept(stored, held)
            return Answered(stored, counted)

    def undo(self, annotator: str, key: str) -> Undone:
        """Take back the last thing that this person did and that still counts.

        Raises:
            Conflict: There is nothing to take back.
        """
        with self.lock:
            if (before := self._keys.get(key)) is not None and before.kind == "undo":
                taken = next((e for e in self._keys.values() if e.id == before.target), before)
                return Undone(taken, None)
            last = next(
                (
                    event
                    for event in reversed(self.effective.values())
                    if event.annotator == annotator and event.kind in _UNDOABLE
                ),
                None,
            )
            if last is None:
                raise Conflict("undo: there is nothing to take back")
            return Undone(last, self._take_back("undo", annotator, key, last))

    def retract(self, annotator: str, key: str, event: int) -> Event:
        """Let an event of anybody no longer count; it stays in the log.

        Raises:
            Unknown: There is no such event, or it does not count any more.
        """
        with self.lock:
            target = self.effective.get(event)
            if target is None or target.kind not in (*_UNDOABLE, "import"):
                raise Unknown(f"event {event}: is none that counts")
            self._take_back("retract", annotator, key, target)
            return target

    def edit(self, kind: str, annotator: str, key: str, payload: dict[str, Any]) -> Answered:
        """Log and follow a ``merge``, ``split`` or ``name``; see :class:`Ledger` for the payloads."""
        with self.lock:
            event = Event(key, self.run, kind, annotator, self.clock(), payload=payload, round=self.round)
            return self._log(event)

    def settle(self, annotator: str, key: str, query: int, candidate: int, answer: str) -> Answered:
        """Take a considered answer about a pair that is contradicted; it weighs as much as several."""
        with self.lock:
            names = self.features.names
            event = Event(
                key,
                self.run,
                "answer",
                annotator,
                self.clock(),
                query=query,
                candidate=candidate,
                query_name=str(names[query]),
                candidate_name=str(names[candidate]),
                answer=answer,
                question_kind="dispute",
                round=self.round,
                payload={"settles": True},
            )
            return self._log(event)

    # -- what the model needs ------------------------------------------------------------------------------

    def evidence(self) -> tuple[list[Evidence], set[int], int]:
        """What a refresh learns from: the evidence, the excluded images, the number of answers behind it."""
        with self.lock:
            ledger = Ledger(self._known(), self.grouping.error_rate)
            ledger.excluded = set(self.ledger.excluded)
            said = []
            for event in self.effective.values():
                if event.kind == "answer":
                    ledger.people.add(event.annotator)
                said += ledger.evidence(event)
            return said, ledger.excluded, self.answers

    def adopt(self, features: FeatureSet, round_: int) -> None:
        """Go on with the features of a refreshed model; what people have before them stays."""
        asking = self._make_asking(features)
        with self.lock:
            self.features, self.round = features, round_
            for held in self.board:
                if held.drawn is not None:
                    self._asking.drop(held.drawn)
                    held.drawn = None
                if held.record.kind != "hidden" and not self.board.is_leased(held, self.clock()):
                    self.board.remove(held)
            self._take_up(asking)

    # -- what is to be seen --------------------------------------------------------------------------------

    @property
    def answers(self) -> int:
        """Answers that count."""
        return sum(event.kind == "answer" for event in self.effective.values())

    @property
    def over(self) -> bool:
        """Whether as many answers as were wanted are there."""
        return self.settings.answers is not None and self.answers >= self.settings.answers

    @property
    def asking(self) -> GroupAsking:
        """The asking that the present model is behind."""
        return self._asking

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask."""
        return self.over or (self._drained and self._plan_is_fresh and not self._planning and not len(self.board))

    def identities(self) -> Sheet:
        """The identities formed, as of now."""
        with self.lock:
            if self._sheet is not None and self._sheet.changes == self.changes:
                return self._sheet
            known, names = copy.deepcopy(self.ledger.constraints), dict(self.ledger.names)
            asking, changes = self._asking, self.changes
        sheet = Sheet.of_identities(asking, known, names, self.grouping, changes)
        with self.lock:
            if asking is self._asking:
                self._sheet = sheet
        return sheet

    def question_groups(self) -> Sheet | None:
        """The groups that questions are about; ``None`` before the first batch is planned."""
        return self._groups

    # -- inside --------------------------------------------------------------------------------------------

    def _load(self) -> None:
        for event in self.store.events(self.run):
            self._keys[event.key] = event
        for event in self.store.effective(self.run):
            self.effective[event.id] = event
            self._note_answered(event)

    def _note_answered(self, event: Event) -> None:
        if event.question is not None:
            self._answered.setdefault(event.question, set()).add(event.annotator)

    def _replay(self) -> Ledger:
        return Ledger.replay(self._known(), self.effective.values(), self.grouping.error_rate)

    def _event(
        self, kind: str, annotator: str, key: str, record: Question, answer: str, seconds: float | None
    ) -> Event:
        if answer not in ANSWERS:
            raise Unknown(f"answer {answer!r}: expected one of {', '.join(ANSWERS)}")
        now, names = self.clock(), self.features.names
        return Event(
            key,
            self.run,
            kind,
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
            round=record.round,
            step=self.answers,
            payload={name: record.detail[name] for name in ("described", "truth") if name in record.detail},
        )

    def _log(self, event: Event) -> Answered:
        if (before := self._keys.get(event.key)) is not None:
            return Answered(before, counted=False)
        stored, counted = self.store.append(event)
        if counted:
            self._accept(stored, None)
        return Answered(stored, counted)

    def _accept(self, event: Event, held: Held | None) -> None:
        """Follow an event that is on disk."""
        self._keys[event.key] = event
        self.effective[event.id] = event
        self._note_answered(event)
        self.changes += 1
        if excluded_image(event) is not None:
            self._rebuild()
        closes = self.ledger.apply(event) if excluded_image(event) is None else None
        self._since_plan += 1
        self._plan_is_fresh = False
        if held is not None:
            self._close(held, event, closes)
        self._withdraw()

    def _close(self, held: Held, event: Event, closes: int | None) -> None:
        held.answered.add(event.annotator)
        if held.drawn is not None and closes is not None:
            self._asking.take(held.drawn, closes, recorded=True)
            held.drawn = None
        if event.answer == "cannot_tell" and closes is None:
            held.needed += 1
        elif len(held.answered) >= held.needed or closes == 0:
            self.board.remove(held)

    def _withdraw(self) -> None:
        """Take down what has become known, and what is about images that left the pool."""
        known, excluded = self.ledger.constraints, self.ledger.excluded
        for held in self.board:
            gone = held.record.query in excluded or held.record.candidate in excluded
            implied = (
                held.drawn is not None
                and held.record.kind in ("policy", "repeat")
                and known.relation(held.record.query, held.record.candidate) != 0
            )
            if gone or implied:
                if held.drawn is not None:
                    self._asking.drop(held.drawn)
                self.board.remove(held)

    def _take_back(self, kind: str, annotator: str, key: str, target: Event) -> Question | None:
        event = Event(key, self.run, kind, annotator, self.clock(), target=target.id, round=self.round)
        stored, counted = self.store.append(event)
        if not counted:
            return None
        self._keys[key] = stored
        del self.effective[target.id]
        self.changes += 1
        self._plan_is_fresh = False
        self._rebuild()
        if target.question is None:
            return None
        self._answered[target.question].discard(target.annotator)
        held = self.board.get(target.question)
        if held is None:
            record = self.store.question(target.question)
            assert record is not None
            held = Held(record, None, int(record.detail.get("needed", 1)), record.detail.get("only"))
            held.answered = set(self._answered[target.question])
        held.answered.discard(target.annotator)
        self.board.add([held], first=True)
        if kind == "undo":
            self.board.lease(held, annotator, self.clock())
        return held.record

    def _rebuild(self) -> None:
        excluded = self.ledger.excluded
        self.ledger = self._replay()
        self._asking.know(self.ledger.constraints, self.ledger.model)
        if excluded != self.ledger.excluded:
            self._asking.exclude(self.ledger.excluded)

    def _make_asking(self, features: FeatureSet) -> GroupAsking:
        settings = self.grouping
        looks = compare_looks(features.features, features.cameras, settings.k1, settings.k2)
        asking = GroupAsking(
            features,
            looks,
            self.ledger.constraints,
            self._selector(),
            self.ledger.model,
            self.monitor,
            settings,
            self.episode,
            np.random.default_rng([self._seed, 3]),
            rows=max(2 * self.settings.ready, 64),
        )
        if self.ledger.excluded:
            asking.exclude(self.ledger.excluded)
        return asking

    def _take_up(self, asking: GroupAsking) -> None:
        self._asking = asking
        asking.know(self.ledger.constraints, self.ledger.model)
        asking.exclude(self.ledger.excluded)
        self._groups: Sheet | None = None
        self._sheet: Sheet | None = None
        self._planning = self._drained = self._plan_is_fresh = self._planned = False
        self._since_plan = 0
        self.changes += 1

    def _fill(self) -> None:
        """Put up questions until enough are free, planning a batch where that is due."""
        usual = self.grouping.batch(len(self.features))
        if not self._planned or self._since_plan >= _AHEAD * usual or (self._drained and not self._plan_is_fresh):
            self._plan()
        wanted = self.settings.ready - self.board.free(self.clock())
        if wanted <= self.settings.ready // 2 or not self._planned:
            return
        new, open_pairs = [], {held.pair for held in self.board}
        while len(new) < wanted:
            drawn = self._asking.draw()
            if drawn is None:
                self._drained = len(self._asking.open_questions) < self._asking.rows
                break
            pair = (min(drawn.first, drawn.second), max(drawn.first, drawn.second))
            if pair in open_pairs:
                self._asking.drop(drawn)
                continue
            open_pairs.add(pair)
            needed = int(self.settings.overlap) + (self._rng.random() < self.settings.overlap % 1)
            detail: dict[str, Any] = {"needed": needed}
            if drawn.described is not None:
                detail["described"] = drawn.described.tolist()
            record = new_question(
                self.run,
                round=self.round,
                query=drawn.first,
                candidate=drawn.second,
                kind=drawn.kind,
                selector=self._selector_name if drawn.kind == "policy" else drawn.kind,
                created_at=self.clock(),
                probability=drawn.probability,
                detail=detail,
            )
            new.append(Held(record, drawn, needed))
        self.store.add_questions([held.record for held in new])
        self.board.add(new)

    def _lease_more(self, annotator: str, count: int, now: float, mine: list[Held]) -> None:
        for held in self.board:
            if len(mine) >= count:
                return
            if held in mine:
                continue
            if self._rng.random() < self.settings.hidden_share:
                hidden = self._hidden.draw(annotator, self.effective, self.ledger.constraints, self.round, now)
                if hidden is not None:
                    self.store.add_questions([hidden.record])
                    self.board.add([hidden])
                    if self.board.lease(hidden, annotator, now):
                        mine.append(hidden)
            if len(mine) < count and self.board.lease(held, annotator, now):
                mine.append(held)

    def _waiting(self, annotator: str, now: float) -> str | None:
        if self._planning:
            return "planning"
        if self.finished:
            return "finished"
        return "others" if self.board.others_have(annotator, now) else "planning"

    def _plan(self) -> None:
        if self._planning:
            return
        self._planning = True
        known, changes, asking = copy.deepcopy(self.ledger.constraints), self.changes, self._asking
        if self._planner is None:
            self._begin(asking, asking.plan(known), changes)
            return

        def plan() -> None:
            try:
                batch = asking.plan(known)
            except BaseException:
                with self.lock:
                    self._planning = False
                raise
            with self.lock:
                self._begin(asking, batch, changes)
                self._fill()

        self._planner.submit(plan)

    def _begin(self, asking: GroupAsking, batch: GroupBatch, changes: int) -> None:
        self._planning = False
        if asking is not self._asking:
            return
        asking.begin_batch(batch=batch)
        self._groups = Sheet.of_batch(batch, self.ledger.names, changes)
        self._planned, self._drained = True, False
        self._plan_is_fresh = changes == self.changes
        self._since_plan = 0
