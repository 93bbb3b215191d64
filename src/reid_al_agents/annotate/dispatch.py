"""Dispatch: lease open questions to annotators, and pass their answers to the engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from reid_al_agents.annotate.candidate_rows import ROW, companions
from reid_al_agents.annotate.gold_questions import GoldQuestions
from reid_al_agents.annotate.leases import Leases, new_question
from reid_al_agents.annotate.messages import PendingQuestion, Served
from reid_al_agents.annotate.planner import Planner
from reid_al_agents.annotate.state import State
from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.question import Question
from reid_al_agents.log.events import Event, StoredQuestion


class Dispatch:
    """Draws questions from the engine and leases them to annotators; callers hold the state's lock.

    Args:
        state: State shared by the parts of the session.
        planner: Plans the batches of questions.
        selector_name: Stored with the questions.
        seed: Seed of all random choices.

    Attributes:
        leases: The open questions.
    """

    def __init__(self, state: State, planner: Planner, selector_name: str, seed: int) -> None:
        self._state, self._planner, self._selector_name = state, planner, selector_name
        self._rng = np.random.default_rng([seed, 2])
        self._hidden = GoldQuestions(state.run, self._rng)
        self.leases = Leases(state.store, state.run, state.settings.lease_seconds)
        self._widened: set[str] = set()
        planner.take_up = self.take_up
        self.leases.restore(state.clock(), state.beliefs.answered)

    # -- leasing questions ---------------------------------------------------------------------------------

    def give(self, annotator: str, count: int) -> Served:
        """Lease up to ``count`` questions to an annotator; those leased already come first."""
        state = self._state
        now = state.clock()
        mine = self.leases.leased(annotator, now)[:count]
        self.leases.renew(mine, annotator, now)
        if len(mine) < count and not state.over:
            self._fill(annotator)
            self._lease_more(annotator, count, now, mine)
        waiting = self._waiting(annotator, now) if len(mine) < count else None
        return Served([pending.record for pending in mine], waiting)

    def give_rows(self, annotator: str, count: int) -> list[list[StoredQuestion]]:
        """Lease up to ``count`` rows of questions that share their query to an annotator."""
        now = self._state.clock()
        for question in self.give(annotator, count).questions:
            pending = self.leases.get(question.id)
            if pending is not None and "row" not in question.detail and question.id not in self._widened:
                self._widened.add(question.id)
                self._widen(pending, annotator, now)
        rows: dict[str, list[StoredQuestion]] = {}
        for pending in self.leases.leased(annotator, now):
            rows.setdefault(str(pending.record.detail.get("row", pending.record.id)), []).append(
                pending.record
            )
        return list(rows.values())[:count]

    def _lease_more(self, annotator: str, count: int, now: float, mine: list[PendingQuestion]) -> None:
        state = self._state
        for _ in range(count - len(mine)):
            if self._rng.random() < state.settings.gold_share:
                hidden = self._hidden.draw(annotator, state.beliefs.events, state.round, now)
                if hidden is not None and not self._cannot_be_asked(*hidden.pair):
                    self._put_up([hidden])
                    mine += self.leases.lease_first([hidden], annotator, now, 1)
        mine += self.leases.lease_first(self.leases, annotator, now, count - len(mine))

    def _widen(self, pending: PendingQuestion, annotator: str, now: float) -> None:
        """Lease more candidates of the same query to the annotator of a question."""
        batch, first = self._planner.engine.batch, pending.record
        if batch is None or pending.only is not None:
            return
        known = self._state.beliefs.constraints
        open_pairs = {each.pair for each in self.leases}
        new: list[PendingQuestion] = []
        for candidate, probability, described in companions(batch, first.query, first.candidate, 3 * ROW):
            pair = (min(first.query, candidate), max(first.query, candidate))
            asked = known.relation(*pair) or known.asked(pair[0], np.array(pair[1:]))[0]
            if len(new) < ROW - 1 and not asked and pair not in open_pairs:
                detail = {"needed": 1, "described": described, "row": first.id}
                drawn = Question(first.query, candidate, probability, "policy")
                new.append(PendingQuestion(self._record(drawn, "row", detail), None, 1))
        self._put_up(new)
        self.leases.lease_first(new, annotator, now, len(new))

    def _waiting(self, annotator: str, now: float) -> str:
        if self._planner.busy:
            return "planning"
        if self.finished:
            return "finished"
        return "others" if self.leases.others_have(annotator, now) else "planning"

    # -- taking answers in ---------------------------------------------------------------------------------

    def close(self, pending: PendingQuestion, event: Event, closes: int | None) -> None:
        """Take the answer to a question; ``closes`` is the engine's answer, ``None`` if it stays open."""
        pending.answered.add(event.annotator)
        if pending.drawn is not None and closes is not None:
            self._planner.engine.take(pending.drawn, closes)
            pending.drawn = None
        if event.answer == "cannot_tell" and closes is None:
            pending.needed += 1
        elif len(pending.answered) >= pending.needed or closes == 0:
            self.leases.remove(pending)

    def changed(self, *, counts: bool) -> None:
        """Remove questions that changed beliefs have made needless."""
        self._planner.changed(counts=counts)
        heard = self._state.beliefs.heard
        for pending in self.leases:
            gone = self._cannot_be_asked(*pending.pair)
            # Rechecks, disputes and audits are about pairs whose relation may be known.
            implied = (
                pending.drawn is not None
                and pending.record.kind == "policy"
                and heard.relation(pending.record.query, pending.record.candidate) != 0
            )
            if gone or implied:
                if pending.drawn is not None:
                    self._planner.engine.drop(pending.drawn)
                self.leases.remove(pending)

    def put_back(self, question: str, annotator: str | None) -> StoredQuestion | None:
        """Reopen the question of an answer that was taken back, for the same annotator and before all others.

        Questions that labels answered are not in the store; the engine may choose their pairs once more.
        """
        state = self._state
        pending = self.leases.get(question)
        if pending is None:
            record = state.store.question(question)
            if record is None:
                return None
            pending = PendingQuestion(
                record, None, int(record.detail.get("needed", 1)), record.detail.get("only")
            )
        pending.answered = set(state.beliefs.answered.get(question, ()))
        self.leases.add([pending], first=True)
        if annotator is not None:
            self.leases.lease_first([pending], annotator, state.clock(), 1)
        return pending.record

    # -- drawing ------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask."""
        return self._state.over or (self._planner.exhausted and not len(self.leases))

    def take_up(self, engine: Engine) -> None:
        """Replace the engine; leased questions stay open."""
        for pending in self.leases:
            if pending.drawn is not None:
                self._planner.engine.drop(pending.drawn)
                pending.drawn = None
            if pending.only is None and not self.leases.is_leased(pending, self._state.clock()):
                self.leases.remove(pending)
        self._planner.adopt(engine)

    def _fill(self, annotator: str) -> None:
        """Draw questions until enough are free for an annotator; those for other annotators do not count."""
        state = self._state
        self._planner.keep_up()
        wanted = state.settings.ready - self.leases.free(annotator, state.clock())
        if wanted <= state.settings.ready // 2 or not self._planner.planned:
            return
        new: list[PendingQuestion] = []
        open_pairs = {pending.pair for pending in self.leases}
        while len(new) < wanted:
            drawn = self._planner.draw()
            if drawn is None:
                break
            if drawn.pair in open_pairs or self._is_moot(drawn):
                self._planner.engine.drop(drawn)
                continue
            open_pairs.add(drawn.pair)
            needed = int(state.settings.overlap) + (self._rng.random() < state.settings.overlap % 1)
            detail: dict[str, Any] = {"needed": needed, **drawn.payload()}
            name = self._selector_name if drawn.kind == "policy" else drawn.kind
            new.append(PendingQuestion(self._record(drawn, name, detail), drawn, needed))
        self._put_up(new)

    def _is_moot(self, drawn: Question) -> bool:
        """Whether the pair was ruled out, or the recheck answered, since the batch was planned."""
        beliefs = self._state.beliefs
        if self._cannot_be_asked(*drawn.pair):
            return True
        return drawn.suspicion is not None and beliefs.asked(drawn.first, drawn.second)

    def _cannot_be_asked(self, one: int, other: int) -> bool:
        """Whether an image is out of the pool, or the two show different sides or are known to differ."""
        state = self._state
        if state.beliefs.excluded & {one, other}:
            return True
        sides = state.sides
        return sides is not None and not sides.comparable(np.array([one]), np.array([other]))[0]

    def _put_up(self, new: list[PendingQuestion]) -> None:
        self._state.store.add_questions([pending.record for pending in new])
        self.leases.add(new)

    def _record(self, drawn: Question, selector: str, detail: dict[str, Any]) -> StoredQuestion:
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
