"""The engine: gives questions between groups of images and takes in their answers."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Collection, Generator, Iterator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.audit import Audit
from reid_al_agents.asking.batch import Batch
from reid_al_agents.asking.delivery import Delivered, Grouping, deliver, group_images
from reid_al_agents.asking.dispute import Disputes
from reid_al_agents.asking.joins import Comparison
from reid_al_agents.asking.question import Alternative, Announce, MayAsk, Question, Steps
from reid_al_agents.asking.recheck import Rechecks
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.asking.value import reach
from reid_al_agents.beliefs.audit import Strata
from reid_al_agents.beliefs.audit_events import packed_design
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.visual_similarity import VisualSimilarity
from reid_al_agents.selection import RanksPairs, Selector
from reid_al_agents.selection.selector import LearnsOnline
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet


class Snapshot(NamedTuple):
    """Copies of the constraints at one moment; later answers do not change them."""

    constraints: ConstraintGraph
    heard: ConstraintGraph

    @classmethod
    def of(cls, beliefs: Beliefs) -> Snapshot:
        """Copy the current constraints."""
        return cls(*copy.deepcopy((beliefs.constraints, beliefs.heard)))


class Engine:
    """Asks about pairs of groups, in batches.

    For each batch the groups are formed from the current constraints and the match model is refitted. A
    selector that ranks pairs leaves the order to the batch: what changes the identities most comes first. For
    any other, groups become queries in descending order of the expected gain of their best question, each at
    most once, and the selector chooses among the query's candidates.

    Three other kinds of question are not chosen by the selector: the audit's, rechecks of suspected errors,
    and questions that settle a dispute between answers. All use up the label budget.

    All knowledge is in ``beliefs``. :meth:`draw` gives the next question. The caller logs the
    answer as an event, applies it to ``beliefs``, and then calls :meth:`take`. A simulation does this in a
    loop. With several annotators, several questions are open, and answers come in any order. :meth:`plan`
    prepares the next batch from a snapshot of the beliefs while answers keep arriving.

    Args:
        features: Features of the pool under the current model.
        visual: Its visual similarities.
        beliefs: What follows from the events; only the caller changes it.
        selector: Chooses among a group's candidates.
        settings: Settings of groups and questions.
        episode: Settings of the environment; the budget limits the questions of a query group in a batch.
        rng: Generator of all random choices.
        announce: Logs and applies an event of the audit; see :data:`.Announce`.
        rows: Questions that can be open at a time.
        round_: Number of refreshes that led to the model; the audit has one design a round.
        heard: A copy of ``beliefs.heard`` to form the first groups from, if answers keep arriving.

    Attributes:
        features: The pool.
        visual: See above.
        beliefs: See above.
        rows: See above.
        report: Counts of questions and answers.
        formed: The groups of the present batch, or those formed at the start.
        exhausted: Whether a batch had no question.
    """

    def __init__(
        self,
        features: FeatureSet,
        visual: VisualSimilarity,
        beliefs: Beliefs,
        selector: Selector,
        settings: GroupSettings,
        episode: EpisodeSettings,
        rng: np.random.Generator,
        announce: Announce,
        rows: int = 1,
        round_: int = 0,
        heard: ConstraintGraph | None = None,
    ) -> None:
        self.features, self.visual, self.beliefs = features, visual, beliefs
        self._selector, self._settings, self._episode = selector, settings, episode
        self._rng, self._announce, self.rows = rng, announce, rows
        self.report = AskingReport()
        self._chosen = 0
        self.exhausted = False
        self._open: dict[Question, Steps] = {}
        self._due: deque[tuple[Question, Steps]] = deque()
        self._schedule: Iterator[Steps] = iter(())
        self._batch: Batch | None = None
        self._retired: Batch | None = None
        self._excluded = np.zeros(len(features), dtype=bool)
        self.exclude(beliefs.excluded)
        heard = beliefs.heard if heard is None else heard
        self.formed = self._group(heard).formed
        self._disputes = Disputes(beliefs, self.report, visual.sides)
        self._rechecks = Rechecks(beliefs, self.report) if settings.repeat else None
        drawing = np.random.default_rng(rng.integers(2**63))
        self._audit = self._make_audit(heard, round_, drawing) if settings.audit_share > 0 else None

    @property
    def batch(self) -> Batch | None:
        """The present batch; ``None`` before the first."""
        return self._batch

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """Questions that were drawn and not answered yet, in the order in which they were drawn."""
        return tuple(self._open)

    def begin_batch(self, answers: int | None = None, batch: Batch | None = None) -> None:
        """Begin a batch; open questions stay open.

        Args:
            answers: The most answers it may bring, disputes included; ``None`` is the settings' number.
            batch: A batch made by :meth:`plan`; ``None`` plans one once open disputes are settled.
        """
        usual = max(self._settings.batch(len(self.features)), self.rows)
        limit = self._spent() + (usual if answers is None else answers)
        if isinstance(self._selector, LearnsOnline) and self._open:
            self._selector.break_off()
        self._retired, self._batch = self._batch, batch
        self._schedule = self._activities(limit, usual)

    def plan(self, heard: ConstraintGraph | None = None) -> Batch:
        """Fit the match model, form the groups and find the open questions.

        Args:
            heard: Constraints to choose questions by, such as a snapshot's; ``None`` for the beliefs'.
        """
        self._retired = None  # to free a batch takes long: not while an annotator waits, but here
        known = self.beliefs.heard if heard is None else heard
        batch = Batch(
            self._group(known),
            known,
            self.beliefs.model,
            self._settings,
            self._episode,
            self.rows,
            getattr(self._selector, "needs_node_features", False),
            self._excluded,
        )
        if isinstance(self._selector, RanksPairs):
            _ = batch.joins.ranked  # here and not when the first question is drawn, which has to be quick
        return batch

    def deliver(self, constraints: ConstraintGraph) -> Delivered:
        """The identities that these constraints give, as they are delivered."""
        model, settings = self.beliefs.model, self._settings
        return deliver(self.features, self.visual, constraints, model, settings, self._excluded)

    def exclude(self, images: Collection[int]) -> None:
        """Exclude these images, and no others; open questions about them stay open."""
        self._excluded = np.isin(np.arange(len(self.features)), list(images))

    def draw(self) -> Question | None:
        """The next question; ``None`` if the batch has none left or all rows are in use."""
        if self._due:
            question, steps = self._due.popleft()
            self._open[question] = steps
            return question
        if len(self._open) >= self.rows:
            return None
        for steps in self._schedule:
            first = next(steps, None)
            if first is not None:
                self._open[first] = steps
                return first
        return None

    def take(self, question: Question, answer: int) -> None:
        """Take the answer to an open question: +1, −1, or 0 for "can't tell".

        It must have been applied to the beliefs before.
        """
        steps = self._open.pop(question)
        self.report.answers += 1
        self.report.matches += answer > 0
        with suppress(StopIteration):
            self._due.append((steps.send(answer), steps))

    def drop(self, question: Question) -> None:
        """Close an open question without an answer."""
        self._open.pop(question).close()

    def true_rewards(self) -> NDArray[np.float32]:
        """Reward of each candidate of the query groups according to the labels, (rows, n)."""
        assert self._batch is not None
        return self._batch.inquiry.true_rewards()

    def _group(self, constraints: ConstraintGraph) -> Grouping:
        return group_images(self.features, self.visual, constraints, self._settings, self._excluded)

    def _make_audit(self, heard: ConstraintGraph, round_: int, rng: np.random.Generator) -> Audit:
        """Make the round's audit: by its stored design, else of the identities to be delivered now."""
        beliefs, settings, near = self.beliefs, self._settings, self.visual.near
        design = beliefs.designs.get(round_)
        if design is not None:
            strata = Strata(design.groups.astype(np.int64), near, sides=self.visual.sides)
        else:
            groups = self.deliver(heard).identities.groups
            strata = Strata(groups, near, sides=self.visual.sides)
            self._announce(packed_design(strata.design), None)
        # Make up for questions left unanswered, but not for answers from before there was an audit.
        share = settings.audit_share
        owed = min(share * beliefs.answers - beliefs.audit_draws, share * self.rows)
        return Audit(beliefs, self.report, strata, round_, share, owed, settings.repeat, rng, self._announce)

    def _spent(self) -> int:
        """Answers given and questions open."""
        return self.report.answers + len(self._open) + len(self._due)

    def _activities(self, limit: int, usual: int) -> Iterator[Steps]:
        """All questions of a batch, in order; each is chosen only when it is drawn."""
        yield from self._disputes.due(lambda: self._spent() < limit)
        batch = self._batch = self._batch or self.plan()
        self.formed = batch.formed
        begun, end = self._spent(), self._chosen + usual
        # A batch ends by the number of chosen questions: counted with the audit's, it would depend on how
        # many of these were known before, and so on what the audit heard.
        for gain, steps in self._choices(batch, lambda: self._spent() < limit and self._chosen < end):
            yield from self._checks(batch, gain, lambda: self._spent() < limit)
            if self._spent() >= limit or self._chosen >= end:
                return
            yield steps
        if self._spent() == begun:  # only suspected errors are left to ask about
            yield from self._checks(batch, 0.0, lambda: self._spent() < limit)

    def _choices(self, batch: Batch, may_choose: MayAsk) -> Iterator[tuple[float, Steps]]:
        """The selector's questions, each with its expected gain."""
        if isinstance(self._selector, RanksPairs):
            for comparison in batch.comparisons():
                yield comparison.gain, self._settle(batch, comparison)
        else:
            for query, gain in batch.queries():
                yield gain, self._visit(batch, query, may_choose)

    def _settle(self, batch: Batch, comparison: Comparison) -> Steps:
        """Ask about two groups."""
        self.report.queries += 1
        yield from self._compare(batch, comparison.a, comparison.b, comparison.joined)

    def _checks(self, batch: Batch, gain: float, may_ask: MayAsk) -> Iterator[Steps]:
        """Audit questions that are due, and rechecks whose expected gain is at least that of a question."""
        while True:
            if self._audit is not None:
                yield from self._audit.due(batch, may_ask)
            if self._rechecks is None or not may_ask():
                return
            recheck = self._rechecks.next(batch, gain, may_ask)
            if recheck is None:
                return
            yield recheck

    def _visit(self, batch: Batch, query: int, may_choose: MayAsk) -> Steps:
        """Ask the questions of one query group until its budget is spent or the batch is over."""
        inquiry = batch.inquiry
        if not inquiry.has_questions(query):
            return
        row = batch.free.pop()
        only = np.arange(self.rows) == row
        inquiry.begin(np.array([row]), np.array([query]))
        self.report.queries += 1
        batch.touch(query)
        total = 0.0
        learner = self._selector if isinstance(self._selector, LearnsOnline) else None
        try:
            while not inquiry.batch.terminated[row] and may_choose():
                # A selector that learns follows all rows; another one needs only the row that moves.
                seen = np.arange(self.rows) if learner is not None else np.array([row])
                before = inquiry.observation(seen)
                actions = np.zeros(self.rows, dtype=np.int64)
                actions[seen] = self._selector.select(before, self._rng)
                picked = int(inquiry.batch.candidates[row, actions[row]])
                batch.touch(picked)
                batch.give(query, picked, (yield from self._compare(batch, query, picked)))
                outcome = inquiry.step(actions, only)
                total += float(outcome.rewards[row])
                if learner is not None and batch is self._batch:
                    after = inquiry.observation()
                    learner.observe(before, actions, outcome.rewards, after, outcome.terminated, only)
            if learner is not None and not inquiry.batch.terminated[row]:
                learner.break_off()
            self.report.returns.append(total)
        finally:
            batch.free.append(row)

    def _compare(self, batch: Batch, a: int, b: int, joined: bool = False) -> Generator[Question, int, int]:
        """Ask about two groups, unless their relation is known by now."""
        described = batch.view.describe_pairs(np.array([a]), np.array([b]))
        probability = float(self.beliefs.model.probabilities(described)[0])
        shown = batch.view.witnesses(a, b)
        if shown is None:
            return 0
        first, second = shown
        self._share(first, probability)
        heard = self.beliefs.heard
        if _asked(heard, first) or heard.relation(*first):
            # A recheck, a dispute or the audit has settled the pair since the batch was planned.
            self.report.implied += 1
            return heard.relation(*first)
        sizes = batch.view.groups.sizes
        again = Alternative(*second, float(reach(sizes[a], sizes[b])))
        self._chosen += 1
        return (yield Question(*first, probability, "policy", described[0], again=again, joined=joined))

    def _share(self, pair: tuple[int, int], probability: float) -> None:
        """Release the audit's answer about a pair that is now chosen without regard to the audit."""
        beliefs = self.beliefs
        if beliefs.asked(*pair) and not _asked(beliefs.heard, pair):
            self._announce({"shared": list(pair)}, probability)


def _asked(constraints: ConstraintGraph, pair: tuple[int, int]) -> bool:
    return bool(constraints.asked(pair[0], np.array(pair[1:]))[0])
