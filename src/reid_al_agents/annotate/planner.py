"""Planner batches of questions: beside the answering, so that nobody waits for one."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.annotate.identity_list import IdentityList, identity_labels
from reid_al_agents.annotate.state import State
from reid_al_agents.asking.batch import Batch, Question
from reid_al_agents.asking.engine import Engine
from reid_al_agents.beliefs.audit_events import Auditing, design_event, designs_of
from reid_al_agents.beliefs.audit_trail import AuditTrail
from reid_al_agents.beliefs.doubting import Doubting
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.suspected_errors import Checked
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.log.events import Event
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, InputError

_log = logging.getLogger(__name__)
_AHEAD = 0.7  # share of a batch after which the next one is planned


class Planner:
    """The asking of a session and its batches; the state's lock is held by callers unless said otherwise.

    Args:
        state: What the session has heard.
        selector: Gives the selector that chooses among a group's candidates.
        episode: Of the environment.
        planner: Where batches are planned; ``None`` plans at once.
        seed: Of everything drawn.

    Attributes:
        asking: Where questions are drawn from.
        groups: The groups that they are about; ``None`` before the first batch is planned.
        identities: The identities formed, as of the last batch or look at them; likewise.
        judged: (N,) what these would be without the answers to the audit, as of the last batch; likewise, and
            where nothing is audited.
        busy: Whether a batch is being planned.
        planned: Whether there is a batch of this asking.
        failure: Why no batch can be planned; ``None`` while all is well.
    """

    def __init__(
        self,
        state: State,
        selector: Callable[[], Selector],
        episode: EpisodeSettings,
        planner: Executor | None,
        seed: int,
    ) -> None:
        self._state, self._selector, self._episode = state, selector, episode
        self._planner, self._seed = planner, seed
        self._checked = Checked()
        self.failure: str | None = None
        self._since = self._replays = self._planned_at = 0
        self.groups: IdentityList | None = None
        self.identities: IdentityList | None = None
        self.judged: NDArray[np.int64] | None = None
        self.adopt(self.make_asking(state.features, state.round))

    def adopt(self, asking: Engine) -> None:
        """Go on with another asking, for which no batch is planned yet."""
        self.asking, self._checked = asking, asking.checked
        self.busy = self.planned = self._drained = self._fresh = False
        self._since = 0
        self.replayed()

    def changed(self, *, counts: bool) -> None:
        """Something has become known; whether it is an answer that counts."""
        self._since += counts
        self._fresh = False

    def replayed(self) -> None:
        """The ledger was worked out anew."""
        ledger = self._state.beliefs
        self.asking.know(ledger.constraints, ledger.heard, ledger.model)
        self.asking.exclude(ledger.excluded)
        state = self._state
        events, rate = state.effective.values(), state.grouping.error_rate
        self._doubting = Doubting(self.asking.checked, events, rate) if state.grouping.repeat else None
        self.asking.checked.audited = AuditTrail()
        self._auditing = Auditing(self.asking.checked.audited)
        for event in events:
            self._auditing.hear(event)
        self._replays += 1  # the groups that are shown may be no more

    def heard(self, event: Event) -> None:
        """An event that counts came in, and the ledger goes on from what it was."""
        if self._doubting is not None:
            self._doubting.hear(event)
        self._auditing.hear(event)

    @property
    def exhausted(self) -> bool:
        """Whether a batch that knows all that is known gives no more questions."""
        return self._drained and self._fresh and not self.busy

    def draw(self) -> Question | None:
        """The next question of the batch, if it has one."""
        question = self.asking.draw()
        if question is None:
            self._drained = len(self.asking.open_questions) < self.asking.rows
        return question

    def keep_up(self) -> None:
        """Plan a batch where that is due."""
        state = self._state
        ahead = self._since >= _AHEAD * state.grouping.batch(len(state.features))
        outdated = self._planned_at != self._replays
        if not self.planned or ahead or outdated or (self._drained and not self._fresh):
            self.plan()

    def make_asking(self, features: FeatureSet, round_: int) -> Engine:
        """An asking over the pool as the model of a round sees it; slow, and needs no lock."""
        settings, ledger, sides = self._state.grouping, self._state.beliefs, self._state.sides
        looks = compare_visually(features.features, features.cameras, settings.k1, settings.k2, sides)
        with self._state.lock:  # answers go on coming in meanwhile
            answers = [event for event in self._state.effective.values() if event.kind == "answer"]
            said = sum((event.round or 0) >= round_ for event in answers)
            audited = sum(event.question_kind == "audit" for event in answers)
            heard, designs = copy.deepcopy(ledger.heard), designs_of(self._state.keys.values())
        before = self._checked
        checked = Checked(AuditTrail(), designs, round_, before.doubts, before.expected, before.disagreed)
        rows = max(2 * self._state.settings.ready, 64)
        # What was planned ahead in vain is made good, not what was answered before there was an audit.
        checked.owed = min(settings.audit_share * len(answers) - audited, settings.audit_share * rows)
        asking = Engine(
            features,
            looks,
            heard,
            self._selector(),
            ledger.model,
            ChangeMonitor(),  # what the answers change is watched here
            settings,
            self._episode,
            np.random.default_rng([self._seed, 3, round_, said]),
            rows=rows,
            keeps=False,  # the ledger does
            checked=checked,
            heard=heard,
        )
        asking.know(ledger.constraints, ledger.heard, ledger.model)
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

    def plan(self) -> None:
        """Plan a batch unless one is being planned.

        Raises:
            InputError: The last one could not be planned.
        """
        if self.failure is not None:
            raise InputError(
                f"questions: no batch could be planned ({self.failure}); the answers are kept: see the log "
                "and start the server again"
            )
        if self.busy:
            return
        self.busy = True
        state, asking, changes = self._state, self.asking, self._state.changes
        known, heard = copy.deepcopy((state.beliefs.constraints, state.beliefs.heard))
        replays = self._replays
        make_sheet, judge = self.sheet_maker(known), self._judge(heard)
        if self._planner is None:
            self._begin(asking, asking.plan(heard), make_sheet(asking), judge(asking), changes, replays)
            return

        def plan() -> None:
            try:
                batch, identities, judged = asking.plan(heard), make_sheet(asking), judge(asking)
            except Exception as error:
                # Nobody waits for this thread: what went wrong would be seen nowhere, and be tried for ever.
                _log.exception("a batch of questions could not be planned")
                with state.lock:
                    self.busy, self.failure = False, f"{type(error).__name__}: {error}"
                return
            with state.lock:
                self._begin(asking, batch, identities, judged, changes, replays)

        self._planner.submit(plan)

    def sheet_maker(self, known: ConstraintGraph) -> Callable[[Engine], IdentityList]:
        """Makes the sheet of the identities as of now; slow, and needs no lock.

        Args:
            known: A copy of what is known now.
        """
        ledger, settings, changes = self._state.beliefs, self._state.grouping, self._state.changes
        names, edited = dict(ledger.names), tuple(ledger.edited)
        return lambda asking: IdentityList.of_identities(asking, known, names, settings, changes, edited)

    def _judge(self, heard: ConstraintGraph) -> Callable[[Engine], NDArray[np.int64] | None]:
        """Forms the identities that the audit judges; slow, and needs no lock.

        Those that had taken in its answers would agree with them, however wrong they are elsewhere.
        """
        settings = self._state.grouping
        if settings.audit_share == 0:
            return lambda asking: None
        return lambda asking: identity_labels(asking, heard, settings)

    def _begin(
        self,
        asking: Engine,
        batch: Batch,
        identities: IdentityList,
        judged: NDArray[np.int64] | None,
        changes: int,
        replays: int,
    ) -> None:
        if asking is not self.asking:
            return
        self.judged = judged
        asking.begin_batch(batch=batch)
        self.groups = IdentityList.of_batch(batch, self._state.beliefs.names, changes)
        if self.identities is None or self.identities.changes < changes:
            self.identities = identities
        self.busy, self.planned, self._drained = False, True, False
        self._fresh = changes == self._state.changes
        self._since, self._planned_at = 0, replays
