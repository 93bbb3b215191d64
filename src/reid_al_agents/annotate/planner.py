"""Plan batches of questions in the background, so that annotators do not wait for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.identity_list import IdentityList
from reid_al_agents.annotate.state import State
from reid_al_agents.asking.batch import Batch
from reid_al_agents.asking.engine import Engine, Snapshot
from reid_al_agents.asking.question import Question
from reid_al_agents.clustering.sides import same_sides
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.selection import RanksPairs, Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, InputError
from reid_al_env.messages import Message

_log = logging.getLogger(__name__)
_AHEAD = 0.7  # share of a batch after which the next one is planned
_REST = 2.0  # least pause after planning ahead, in times of what it took: it slows every request down
_ROWS = 128  # questions open at a time if a selector follows them all
_MANY_ROWS = 320  # otherwise: enough for fifty annotators who have five each, beside those kept ready


class Planner:
    """The engine of a session and its batches; callers hold the state's lock unless a method needs none.

    Args:
        state: State shared by the parts of the session.
        selector: Returns the selector that chooses among a group's candidates.
        episode: Settings of the environment's episodes.
        executor: Plans batches in the background; ``None`` plans them in the calling thread.
        seed: Seed of all random choices.

    Attributes:
        engine: The engine that questions are drawn from.
        groups: Groups of the current batch; ``None`` before the first batch.
        identities: Predicted identities, updated by each batch and each request for them; ``None`` before the
            first batch.
        judged: (N,) identities formed without the audit's answers, which the audit judges, as of the last
            batch; ``None`` before the first batch and without an audit.
        busy: Whether a batch is being planned.
        planned: Whether the engine has a batch.
        failure: Why planning failed; ``None`` if it did not.
        take_up: Replaces the engine, once sides were corrected and another was made.
    """

    def __init__(
        self,
        state: State,
        selector: Callable[[], Selector],
        episode: EpisodeSettings,
        executor: Executor | None,
        seed: int,
    ) -> None:
        self._state, self._selector, self._episode = state, selector, episode
        self._executor, self._seed = executor, seed
        self.failure: str | None = None
        self.take_up: Callable[[Engine], None] = self.adopt
        self._rests_until = 0.0
        self._since = self._planned_at = self._excluded_at = 0
        self.groups: IdentityList | None = None
        self.identities: IdentityList | None = None
        self.judged: NDArray[np.int64] | None = None
        self.adopt(self.make_engine(state.features, state.round))

    def adopt(self, engine: Engine) -> None:
        """Replace the engine; the new one has no batch yet."""
        self.engine = engine
        self.busy = self.planned = self._drained = self._fresh = False
        self._since = 0
        self._excluded_at = -1

    def forget(self) -> None:
        """Forget the groups of the last batch, as more images came since."""
        self.groups = self.identities = self.judged = None

    def changed(self, *, counts: bool) -> None:
        """Note that the beliefs changed, by an answer that counts or otherwise."""
        self._since += counts
        self._fresh = False
        self._exclude()

    @property
    def exhausted(self) -> bool:
        """Whether a batch planned from the current beliefs has no question left."""
        return self._drained and self._fresh and not self.busy

    def draw(self) -> Question | None:
        """The next question of the batch, if it has one."""
        question = self.engine.draw()
        if question is None:
            self._drained = len(self.engine.open_questions) < self.engine.rows
        return question

    def keep_up(self) -> None:
        """Plan a batch if one is due."""
        self._exclude()
        state = self._state
        ahead = self._since >= _AHEAD * state.grouping.batch(len(state.features))
        ahead = ahead and monotonic() >= self._rests_until
        outdated = self._planned_at != state.beliefs.replays  # a replay can dissolve groups that are shown
        if not self.planned or ahead or outdated or (self._drained and not self._fresh):
            self.plan()

    @property
    def outdated(self) -> bool:
        """Whether sides were corrected since the engine was made."""
        return not same_sides(self.engine.visual.sides, self._state.sides)

    def current_engine(self) -> Engine:
        """The engine, made again where it is outdated; slow, and needs no lock."""
        state = self._state
        with state.lock:
            before, features, round_ = self.engine, state.features, state.round
            if not self.outdated:
                return before
        engine = self.make_engine(features, round_)
        with state.lock:
            if self.engine is before:
                self.take_up(engine)
            return self.engine

    def make_engine(self, features: FeatureSet, round_: int) -> Engine:
        """Make an engine for the features of a round's model; slow, and needs no lock."""
        state, settings = self._state, self._state.grouping
        with state.lock:
            sides = state.sides
        visual = compare_visually(features.features, features.cameras, settings.k1, settings.k2, sides)
        _ = (
            visual.near
        )  # computed and kept here, where no lock is held: questions say how near their images are
        with state.lock:  # answers keep arriving
            snapshot = Snapshot.of(state.beliefs)
            answers = [event for event in state.beliefs.events.values() if event.kind == "answer"]
            answered = sum((event.round or 0) >= round_ for event in answers)
        selector = self._selector()
        return Engine(
            features,
            visual,
            state.beliefs,
            selector,
            settings,
            self._episode,
            np.random.default_rng([self._seed, 3, round_, answered]),
            partial(state.announce, round_),
            rows=max(2 * state.settings.ready, _MANY_ROWS if isinstance(selector, RanksPairs) else _ROWS),
            round_=round_,
            heard=snapshot.heard,
        )

    def plan(self) -> None:
        """Plan a batch unless one is being planned.

        Raises:
            InputError: Planning the last batch failed.
        """
        if self.failure is not None:
            raise InputError(
                Message(
                    "questions: no batch could be planned ({reason}); the answers are kept: see the log and "
                    "start the server again",
                    reason=self.failure,
                )
            )
        if self.busy:
            return
        if self._executor is None:
            self.current_engine()
        self.busy = True
        state, engine = self._state, self.engine
        changes, replays = state.beliefs.changes, state.beliefs.replays
        snapshot = Snapshot.of(state.beliefs)
        list_identities = self.identity_lister(snapshot.constraints)
        if self._executor is None:
            batch = engine.plan(snapshot.heard)
            judged = self._judged(batch, snapshot.heard)
            self._begin(engine, batch, list_identities(engine), judged, changes, replays)
            return

        def plan() -> None:
            begun = monotonic()
            try:
                if self.current_engine() is not engine:
                    return  # whose first batch is planned when the next question is wanted
                batch, identities = engine.plan(snapshot.heard), list_identities(engine)
                judged = self._judged(batch, snapshot.heard)
            except Exception as error:
                # No caller awaits this thread: an error raised here would be lost, and planning would repeat.
                _log.exception("a batch of questions could not be planned")
                with state.lock:
                    self.busy, self.failure = False, f"{type(error).__name__}: {error}"
                return
            with state.lock:
                ended = monotonic()
                self._rests_until = ended + _REST * (ended - begun)
                self._begin(engine, batch, identities, judged, changes, replays)

        self._executor.submit(plan)

    def identity_lister(self, known: ConstraintGraph) -> Callable[[Engine], IdentityList]:
        """Return a function that lists the present predicted identities; it is slow, and needs no lock.

        Args:
            known: A copy of the current constraints.
        """
        beliefs = self._state.beliefs
        names, edited, changes = dict(beliefs.names), tuple(beliefs.edited), beliefs.changes
        removed = self._state.removed

        def list_identities(engine: Engine) -> IdentityList:
            found = engine.deliver(known)
            return IdentityList.of_identities(
                engine.features, found.identities, found.probabilities, names, changes, edited, removed
            )

        return list_identities

    def _exclude(self) -> None:
        """Exclude the images that left the pool from the engine; ``replays`` shows when some are new."""
        if self._excluded_at != self._state.beliefs.replays:
            self._excluded_at = self._state.beliefs.replays
            self.engine.exclude(self._state.beliefs.excluded)

    def _judged(self, batch: Batch, heard: ConstraintGraph) -> NDArray[np.int64] | None:
        """The identities that the audit judges: those of the batch, which is formed without its answers.

        With them they would agree with these answers, however wrong they are elsewhere.
        """
        if self._state.grouping.audit_share == 0:
            return None
        return batch.joins.identities(heard.groups()).groups

    def _begin(
        self,
        engine: Engine,
        batch: Batch,
        identities: IdentityList,
        judged: NDArray[np.int64] | None,
        changes: int,
        replays: int,
    ) -> None:
        if engine is not self.engine:
            return
        self.judged = judged
        engine.begin_batch(batch=batch)
        state = self._state
        self.groups = IdentityList.of_batch(batch, state.beliefs.names, changes, state.removed)
        if self.identities is None or self.identities.changes < changes:
            self.identities = identities
        self.busy, self.planned, self._drained = False, True, False
        self._fresh = changes == state.beliefs.changes
        self._since, self._planned_at = 0, replays
