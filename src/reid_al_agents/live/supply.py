"""Where the questions come from: batches are planned ahead, and people are given what is free."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any

import numpy as np

from reid_al_agents.annotation.events import Event, Question
from reid_al_agents.clustering import compare_looks
from reid_al_agents.grouping import ChangeMonitor
from reid_al_agents.learner.doubts import Checked
from reid_al_agents.learner.group_asking import GroupAsking
from reid_al_agents.learner.group_batch import GroupBatch
from reid_al_agents.learner.group_batch import Question as Drawn
from reid_al_agents.live.auditing import changes_groups, design_event, designs_of, note_of
from reid_al_agents.live.board import Board, new_question
from reid_al_agents.live.hidden import HiddenQuestions
from reid_al_agents.live.records import Held, Served
from reid_al_agents.live.rows import ROW, companions
from reid_al_agents.live.sheet import Sheet
from reid_al_agents.live.state import State
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, InputError

_log = logging.getLogger(__name__)
_AHEAD = 0.7  # share of a batch after which the next one is planned


class Supply:
    """Draws questions from the asking and keeps track of who has which; the state's lock is held by callers.

    Args:
        state: What the session has heard.
        selector: Gives the selector that chooses among a group's candidates.
        selector_name: Kept with the questions.
        episode: Of the environment.
        planner: Where batches are planned; ``None`` plans at once.
        seed: Of everything drawn.

    Attributes:
        board: The open questions.
        asking: The asking behind them.
        groups: The groups that they are about; ``None`` before the first batch is planned.
        identities: The identities formed, as of the last batch or look at them; likewise.
        monitor: Whether answers still change groups.
        failure: Why no batch can be planned; ``None`` while all is well.
    """

    def __init__(
        self,
        state: State,
        selector: Callable[[], Selector],
        selector_name: str,
        episode: EpisodeSettings,
        planner: Executor | None,
        seed: int,
    ) -> None:
        self._state, self._planner, self._seed = state, planner, seed
        self._selector, self._selector_name, self._episode = selector, selector_name, episode
        self._rng = np.random.default_rng([seed, 2])
        self._hidden = HiddenQuestions(state.run, self._rng)
        self._checked = Checked()
        self.board = Board(state.store, state.run, state.settings.lease_seconds)
        self._widened: set[str] = set()
        self.failure: str | None = None
        self._planning = self._planned = self._drained = self._plan_is_fresh = False
        self._since_plan = self._replays = self._planned_at = 0
        self.groups: Sheet | None = None
        self.identities: Sheet | None = None
        self.asking: GroupAsking = self.make_asking(state.features, state.round)
        self.take_up(self.asking)
        self.board.restore(state.clock(), state.answered)

    # -- giving questions out ------------------------------------------------------------------------------

    def give(self, annotator: str, count: int) -> Served:
        """Up to ``count`` questions for a person; those they have already come first."""
        state = self._state
        now = state.clock()
        mine = self.board.leased(annotator, now)[:count]
        self.board.renew(mine, annotator, now)
        if len(mine) < count and not state.over:
            self._fill()
            self._lease_more(annotator, count, now, mine)
        waiting = self._waiting(annotator, now) if len(mine) < count else None
        return Served([held.record for held in mine], waiting)

    def give_rows(self, annotator: str, count: int) -> list[list[Question]]:
        """Up to ``count`` rows of questions that share their query, for a person."""
        now = self._state.clock()
        for question in self.give(annotator, count).questions:
            held = self.board.get(question.id)
            if held is not None and "row" not in question.detail and question.id not in self._widened:
                self._widened.add(question.id)
                self._widen(held, annotator, now)
        rows: dict[str, list[Question]] = {}
        for held in self.board.leased(annotator, now):
            rows.setdefault(str(held.record.detail.get("row", held.record.id)), []).append(held.record)
        return list(rows.values())[:count]

    def _lease_more(self, annotator: str, count: int, now: float, mine: list[Held]) -> None:
        state = self._state
        for _ in range(count - len(mine)):
            if self._rng.random() < state.settings.hidden_share:
                known = state.ledger.constraints
                hidden = self._hidden.draw(annotator, state.effective, known, state.round, now)
                if hidden is not None:
                    self._put_up([hidden])
                    mine += self.board.lease_first([hidden], annotator, now, 1)
        mine += self.board.lease_first(self.board, annotator, now, count - len(mine))

    def _widen(self, held: Held, annotator: str, now: float) -> None:
        """Give the person of a question more candidates of the same query."""
        batch, first = self.asking.batch, held.record
        if batch is None or held.only is not None:
            return
        known = self._state.ledger.constraints
        open_pairs = {each.pair for each in self.board}
        new: list[Held] = []
        for candidate, probability, described in companions(batch, first.query, first.candidate, 3 * ROW):
            pair = (min(first.query, candidate), max(first.query, candidate))
            asked = known.relation(*pair) or known.asked(pair[0], np.array(pair[1:]))[0]
            if len(new) < ROW - 1 and not asked and pair not in open_pairs:
                detail = {"needed": 1, "described": described, "row": first.id}
                drawn = Drawn(first.query, candidate, probability, "policy")
                new.append(Held(self._record(drawn, "row", detail), None, 1))
        self._put_up(new)
        self.board.lease_first(new, annotator, now, len(new))

    def _waiting(self, annotator: str, now: float) -> str:
        if self._planning:
            return "planning"
        if self.finished:
            return "finished"
        return "others" if self.board.others_have(annotator, now) else "planning"

    # -- taking answers in ---------------------------------------------------------------------------------

    def close(self, held: Held, event: Event, closes: int | None) -> None:
        """A question has an answer; ``closes`` is what it means for the asking, ``None`` if it stays open."""
        held.answered.add(event.annotator)
        if held.drawn is not None and closes is not None:
            self.asking.take(held.drawn, closes)
            held.drawn = None
        if event.answer == "cannot_tell" and closes is None:
            held.needed += 1
        elif len(held.answered) >= held.needed or closes == 0:
            self.board.remove(held)

    def heard(self, event: Event) -> None:
        """Watch whether an event that counts changes groups."""
        changes = changes_groups(event)
        if changes is not None:
            self.monitor.add(changes)

    def changed(self, *, counts: bool) -> None:
        """Something has become known: take down what need not be asked any more."""
        self._since_plan += counts
        self._plan_is_fresh = False
        known, excluded = self._state.ledger.constraints, self._state.ledger.excluded
        for held in self.board:
            gone = held.record.query in excluded or held.record.candidate in excluded
            # Of the other kinds it is the purpose that something is known already.
            implied = (
                held.drawn is not None
                and held.record.kind == "policy"
                and known.relation(held.record.query, held.record.candidate) != 0
            )
            if gone or implied:
                if held.drawn is not None:
                    self.asking.drop(held.drawn)
                self.board.remove(held)

    def replayed(self) -> None:
        """The ledger was worked out anew."""
        ledger = self._state.ledger
        self.asking.know(ledger.constraints, ledger.model)
        self.asking.exclude(ledger.excluded)
        self.monitor = ChangeMonitor()
        for event in self._state.effective.values():
            self.heard(event)
        self._replays += 1  # the groups that are shown may be no more

    def put_back(self, question: str, annotator: str | None) -> Question:
        """An answer was taken back: its question is open again, first of all and for that person."""
        state = self._state
        held = self.board.get(question)
        if held is None:
            record = state.store.question(question)
            assert record is not None  # it was answered
            held = Held(record, None, int(record.detail.get("needed", 1)), record.detail.get("only"))
        held.answered = set(state.answered.get(question, ()))
        self.board.add([held], first=True)
        if annotator is not None:
            self.board.lease_first([held], annotator, state.clock(), 1)
        return held.record

    # -- planning ------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask."""
        exhausted = self._drained and self._plan_is_fresh and not self._planning
        return self._state.over or (exhausted and not len(self.board))

    def make_asking(self, features: FeatureSet, round_: int) -> GroupAsking:
        """An asking over the pool as the model of a round sees it; slow, and needs no lock."""
        settings, ledger, sides = self._state.grouping, self._state.ledger, self._state.sides
        looks = compare_looks(features.features, features.cameras, settings.k1, settings.k2, sides)
        with self._state.lock:  # answers go on coming in meanwhile
            events = self._state.effective.values()
            said = sum(event.kind == "answer" and (event.round or 0) >= round_ for event in events)
            known, designs = copy.deepcopy(ledger.constraints), designs_of(self._state.keys.values())
        before = self._checked
        checked = Checked([], designs, round_, before.doubts, before.expected, before.disagreed)
        asking = GroupAsking(
            features,
            looks,
            known,
            self._selector(),
            ledger.model,
            ChangeMonitor(),  # what the answers change is watched here
            settings,
            self._episode,
            np.random.default_rng([self._seed, 3, round_, said]),
            rows=max(2 * self._state.settings.ready, 64),
            keeps=False,  # the ledger does
            checked=checked,
        )
        asking.know(ledger.constraints, ledger.model)
        if round_ in checked.designs and f"audit/{round_}" not in self._state.keys:
            self._keep_design(checked, round_)
        return asking

    def _keep_design(self, checked: Checked, round_: int) -> None:
        """What the audit draws from is on disk before its first question."""
        state = self._state
        event = design_event(state.run, round_, checked.designs[round_], state.clock())
        stored, _ = state.store.append(event)
        with state.lock:
            state.keys[stored.key] = stored

    def take_up(self, asking: GroupAsking) -> None:
        """Go on with another asking; what people have before them stays."""
        for held in self.board:
            if held.drawn is not None:
                self.asking.drop(held.drawn)
                held.drawn = None
            if held.only is None and not self.board.is_leased(held, self._state.clock()):
                self.board.remove(held)
        self.asking, self._checked = asking, asking.checked
        self.replayed()
        self._planning = self._planned = self._drained = self._plan_is_fresh = False
        self._since_plan = 0

    def _fill(self) -> None:
        """Put up questions until enough are free, planning a batch where that is due."""
        state = self._state
        ahead = self._since_plan >= _AHEAD * state.grouping.batch(len(state.features))
        outdated = self._planned_at != self._replays
        if not self._planned or ahead or outdated or (self._drained and not self._plan_is_fresh):
            self._plan()
        wanted = state.settings.ready - self.board.free(state.clock())
        if wanted <= state.settings.ready // 2 or not self._planned:
            return
        new: list[Held] = []
        open_pairs = {held.pair for held in self.board}
        while len(new) < wanted:
            drawn = self.asking.draw()
            if drawn is None:
                self._drained = len(self.asking.open_questions) < self.asking.rows
                break
            pair = (min(drawn.first, drawn.second), max(drawn.first, drawn.second))
            if pair in open_pairs:
                self.asking.drop(drawn)
                continue
            open_pairs.add(pair)
            needed = int(state.settings.overlap) + (self._rng.random() < state.settings.overlap % 1)
            detail: dict[str, Any] = {"needed": needed}
            if drawn.described is not None:
                detail["described"] = drawn.described.tolist()
            if drawn.audit is not None:
                detail["audit"] = note_of(drawn.audit)
            name = self._selector_name if drawn.kind == "policy" else drawn.kind
            new.append(Held(self._record(drawn, name, detail), drawn, needed))
        self._put_up(new)

    def _put_up(self, new: list[Held]) -> None:
        self._state.store.add_questions([held.record for held in new])
        self.board.add(new)

    def _record(self, drawn: Drawn, selector: str, detail: dict[str, Any]) -> Question:
        return new_question(
            self._state.run,
            round=self._state.round,
            query=drawn.first,
            candidate=drawn.second,
            kind=drawn.kind,
            selector=selector,
            created_at=self._state.clock(),
            probability=drawn.probability,
            detail=detail,
        )

    def _plan(self) -> None:
        if self.failure is not None:
            raise InputError(
                f"questions: no batch could be planned ({self.failure}); the answers are kept: see the log "
                "and start the server again"
            )
        if self._planning:
            return
        self._planning = True
        state, asking, changes = self._state, self.asking, self._state.changes
        known, replays = copy.deepcopy(state.ledger.constraints), self._replays
        make_sheet = self.sheet_maker(known)
        if self._planner is None:
            self._begin(asking, asking.plan(known), make_sheet(asking), changes, replays)
            return

        def plan() -> None:
            try:
                batch, identities = asking.plan(known), make_sheet(asking)
            except Exception as error:
                # Nobody waits for this thread: what went wrong would be seen nowhere, and be tried for ever.
                _log.exception("a batch of questions could not be planned")
                with state.lock:
                    self._planning, self.failure = False, f"{type(error).__name__}: {error}"
                return
            with state.lock:
                self._begin(asking, batch, identities, changes, replays)

        self._planner.submit(plan)

    def sheet_maker(self, known: ConstraintGraph) -> Callable[[GroupAsking], Sheet]:
        """Makes the sheet of the identities as of now; slow, and needs no lock.

        Args:
            known: A copy of what is known now.
        """
        ledger, settings, changes = self._state.ledger, self._state.grouping, self._state.changes
        names, edited = dict(ledger.names), tuple(ledger.edited)
        return lambda asking: Sheet.of_identities(asking, known, names, settings, changes, edited)

    def _begin(
        self, asking: GroupAsking, batch: GroupBatch, identities: Sheet, changes: int, replays: int
    ) -> None:
        if asking is not self.asking:
            return
        asking.begin_batch(batch=batch)
        self.groups = Sheet.of_batch(batch, self._state.ledger.names, changes)
        if self.identities is None or self.identities.changes < changes:
            self.identities = identities
        self._planning, self._planned, self._drained = False, True, False
        self._plan_is_fresh = changes == self._state.changes
        self._since_plan, self._planned_at = 0, replays
