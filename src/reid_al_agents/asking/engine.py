"""Asking between groups: one answer is about all images of both."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import suppress
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from reid_al_agents.asking.batch import Again, Batch, Question
from reid_al_agents.asking.browsing import AskingReport, LearnsOnline
from reid_al_agents.asking.checks import Checks, Steps
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.audit import Strata
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.suspected_errors import Checked
from reid_al_agents.beliefs.weights import weigh
from reid_al_agents.clustering.forming import FormedGroups, form_groups
from reid_al_agents.clustering.visual_similarity import VisualSimilarity
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, Oracle


@runtime_checkable
class Expecting(Protocol):
    """An oracle that is told how likely a match is before it is asked, to keep that with the answer."""

    def expect(self, probability: float) -> None:
        """The next pair matches with this probability."""
        ...


class Engine:
    """Asks about pairs of groups: the schedule says which group asks, the selector which one it asks about.

    The pool is looked at anew after every batch of answers: groups are formed, the match model is refitted,
    and groups ask in descending order of what their best question is worth, each at most once a batch.
    Beside these questions there are three kinds that no selector chooses: the audit's; answers that are
    probably wrong, asked again about two other images of the same groups; and pairs that settle a dispute
    between answers. All are counted.

    Asking does not hear of what the audit finds: it would leave alone what that has settled and go on mending
    the rest, and the audit's pairs would tell no more how the rest is.

    :meth:`ask` puts one question after the other to an oracle. Where several people answer at once,
    :meth:`draw` and :meth:`take` give out questions and take answers in any order, and :meth:`plan` makes the
    next batch from what was known at some moment while answers go on coming in.

    Args:
        features: The pool as the present model sees it.
        looks: The same, compared.
        constraints: All that is known of the images; every answer is added.
        selector: Chooses among a group's candidates.
        model: Match probabilities; learns from every answer.
        monitor: Is told whether answers change groups.
        settings: Of the groups.
        episode: Of the environment; its budget is the most questions of a group in a batch.
        rng: Of everything drawn.
        until_stable: Stop once the monitor says that answers change nothing any more.
        rows: Questions that can be open at a time.
        keeps: Whether answers are added to what is known and heard, and taught to ``model``, here; not where
            somebody else does that, such as a ledger that can take answers back.
        checked: What the checks of earlier models left: they go on from there.
        heard: What is known but for the audit's answers; ``None`` takes it from ``constraints``.

    Attributes:
        features: The pool, in the space in which images are compared.
        looks: See above.
        similarities: Of the images, (N, N) sparse; nothing is like an image that was left out.
        constraints: See above.
        heard: What is asked by: all but the audit's answers.
        rows: See above.
        report: What has been asked.
        formed: The groups of the present batch; before the first, as they stand.
        checked: What the checks found and remember.
        exhausted: Whether a batch brought no question.
    """

    def __init__(
        self,
        features: FeatureSet,
        looks: VisualSimilarity,
        constraints: ConstraintGraph,
        selector: Selector,
        model: MatchModel,
        monitor: ChangeMonitor,
        settings: GroupSettings,
        episode: EpisodeSettings,
        rng: np.random.Generator,
        until_stable: bool = False,
        rows: int = 1,
        keeps: bool = True,
        checked: Checked | None = None,
        heard: ConstraintGraph | None = None,
    ) -> None:
        self.features = FeatureSet(
            looks.points, features.identities, features.cameras, features.names, source=features.source
        )
        self.looks, self.similarities = looks, looks.similarities
        self.constraints, self._selector = constraints, selector
        self._model, self._monitor = model, monitor
        self._settings, self._episode = settings, episode
        self._rng = rng
        self._until_stable, self.rows, self._keeps = until_stable, rows, keeps
        self.report = AskingReport()
        self._open: dict[Question, Steps] = {}
        self._due: deque[tuple[Question, Steps]] = deque()
        self._schedule: Iterator[Steps] = iter(())
        self._batch: Batch | None = None
        self._excluded = np.zeros(len(features), dtype=bool)
        self.exhausted = False
        self.checked = checked or Checked()
        self.heard = constraints.without(self.checked.withheld_pairs()) if heard is None else heard
        self.formed = self._form(self.heard)
        strata = self._strata_to_audit() if settings.audit_share > 0 else None
        drawing = np.random.default_rng(rng.integers(2**63))
        self._checks = Checks(
            self.checked, settings, self.report, monitor, drawing, strata, looks.sides, keeps
        )

    def ask(
        self, oracle: Oracle, answers: int, progress: Callable[[int, int], None] | None = None
    ) -> AskingReport:
        """Ask for that many answers; fewer where nothing is left to ask or all is stable."""
        while self.report.answers < answers and not self.stable:
            before = self.report.answers
            self.begin_batch(answers - before)
            while (question := self.draw()) is not None:
                self.take(question, _put(oracle, question))
                if progress is not None:
                    progress(self.report.answers, answers)
            if self.report.answers == before:
                self.exhausted = True
                break
        return self.report

    @property
    def stable(self) -> bool:
        """Whether asking is over because answers change nothing any more, where that is wanted."""
        return self._until_stable and self._monitor.stable

    @property
    def batch(self) -> Batch | None:
        """The present batch; ``None`` before the first."""
        return self._batch

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """Questions that were drawn and not answered yet, in the order in which they were drawn."""
        return tuple(self._open)

    def begin_batch(self, answers: int | None = None, batch: Batch | None = None) -> None:
        """Begin a batch; questions that are open go on.

        Args:
            answers: The most answers it may bring, disputes included; ``None`` is the settings' number.
            batch: What :meth:`plan` made; ``None`` plans once open disputes are settled.
        """
        usual = self._settings.batch(len(self.features))
        limit = self._spent() + (usual if answers is None else answers)
        if isinstance(self._selector, LearnsOnline) and self._open:
            self._selector.break_off()
        self._batch = batch
        self._schedule = self._activities(limit, usual)

    def plan(self, heard: ConstraintGraph | None = None) -> Batch:
        """Fit the match model, form the groups and see what there is to ask.

        Args:
            heard: What asking knows, such as a copy that no answer changes meanwhile; ``None`` is
                :attr:`heard`.
        """
        known = self.heard if heard is None else heard
        return Batch(
            self.features,
            self.similarities,
            self._form(known),
            known,
            self._model,
            self._settings,
            self._episode,
            self.rows,
            getattr(self._selector, "needs_node_features", False),
            self._excluded,
            self.looks.sides,
        )

    def know(self, constraints: ConstraintGraph, heard: ConstraintGraph, model: MatchModel) -> None:
        """Go on from other constraints and another match model: answers were taken back."""
        self.constraints, self.heard, self._model = constraints, heard, model

    def exclude(self, images: Collection[int]) -> None:
        """Leave these images out, and no others; questions about them that are open stay so."""
        excluded = np.isin(np.arange(len(self.features)), list(images))
        if np.array_equal(excluded, self._excluded):
            return
        self._excluded = excluded
        kept = sparse.diags((~self._excluded).astype(np.float64))
        self.similarities = sparse.csr_matrix(kept @ self.looks.similarities @ kept)

    def draw(self) -> Question | None:
        """The next question, given what is open; ``None`` if the batch has none or all rows are in use."""
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
        """Take the answer to an open question, one that :meth:`draw` gave: +1, −1, or 0 for "can't tell"."""
        steps = self._open.pop(question)
        if self._keeps:
            pair, rate = (question.first, question.second), self._settings.error_rate
            weight = weigh(self.constraints, *pair, answer, question.probability, rate)
            self.constraints.add(*pair, answer, weight)
            if question.kind != "audit" and (min(pair), max(pair)) not in self.checked.withheld:
                self.heard.add(*pair, answer, weight)
            if question.described is not None:
                self._model.add(question.described, question.probability, answer)
        self.report.answers += 1
        self.report.matches += answer > 0
        with suppress(StopIteration):
            self._due.append((steps.send(answer), steps))

    def drop(self, question: Question) -> None:
        """Close an open question without an answer."""
        self._open.pop(question).close()

    def true_rewards(self) -> NDArray[np.float32]:
        """What each candidate of the group that asks would earn by the true identities, (rows, n)."""
        assert self._batch is not None
        return self._batch.inquiry.true_rewards()

    def _form(self, constraints: ConstraintGraph) -> FormedGroups:
        return form_groups(self.similarities, constraints, self._settings.micro_cluster_similarity)

    def _strata_to_audit(self) -> Strata:
        """Of the groups that would be handed out as things stand, or of those that an audit began with."""
        design = self.checked.designs.get(self.checked.present)
        if design is not None:
            return Strata(design.groups.astype(np.int64), self.looks.near, sides=self.looks.sides)
        settings = self._settings
        handed = form_groups(
            self.similarities,
            self.heard,
            settings.delivered_similarity,
            settings.group_similarity,
        )
        strata = Strata(handed.groups, self.looks.near, sides=self.looks.sides)
        self.checked.designs[self.checked.present] = strata.design
        return strata

    def _spent(self) -> int:
        """Answers given and questions out."""
        return self.report.answers + len(self._open) + len(self._due)

    def _activities(self, limit: int, usual: int) -> Iterator[Steps]:
        """All that a batch asks, in order; each is decided on when it is its turn."""
        yield from self._checks.disputes(self.constraints, lambda: self._spent() < limit)
        batch = self._batch = self._batch or self.plan()
        self.formed = batch.formed
        begun = self._spent()
        end = min(limit, begun + usual)
        for query, worth in batch.queries():
            if self._spent() >= end:
                return
            yield from self._checks.due(batch, worth, self.constraints, lambda: self._spent() < end)
            if self._spent() < end:
                yield self._visit(batch, query, end)
        if self._spent() == begun:  # nothing is left to ask but what may be wrong
            yield from self._checks.due(batch, 0.0, self.constraints, lambda: self._spent() < end)

    def _visit(self, batch: Batch, query: int, end: int) -> Steps:
        """Let one group ask until its budget is spent or the batch is over."""
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
            while not inquiry.batch.terminated[row] and self._spent() < end:
                # Who learns follows the rows; anybody else is spared those that do not move.
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

    def _compare(self, batch: Batch, a: int, b: int) -> Generator[Question, int, int]:
        """Put the question about two groups; learns, and remembers doubts."""
        described = batch.view.describe_pairs(np.array([a]), np.array([b]))
        probability = float(self._model.probabilities(described)[0])
        shown = batch.view.witnesses(a, b)
        if shown is None:
            return 0
        first, second = shown
        self._share(first, probability)
        if _asked(self.heard, first) or self.heard.relation(*first):
            # A repeat, a dispute or the audit has told since the view was made, and nobody is asked twice.
            self.report.implied += 1
            return self.heard.relation(*first)
        again = Again(*second, float(np.sqrt(np.prod(batch.view.groups.sizes[[a, b]]))))
        question = Question(*first, probability, "policy", described[0], again=again)
        answer = yield question
        self._monitor.add(answer > 0)
        self._checks.doubt(question, answer)
        return answer

    def _share(self, pair: tuple[int, int], probability: float) -> None:
        """Hear what the audit found of a pair that is to be asked about, audit or no audit."""
        if _asked(self.heard, pair) or not _asked(self.constraints, pair):
            return
        answer, rate = self.constraints.relation(*pair), self._settings.error_rate
        self.heard.add(*pair, answer, weigh(self.heard, *pair, answer, probability, rate))
        self.checked.withheld.discard((min(pair), max(pair)))


def _asked(constraints: ConstraintGraph, pair: tuple[int, int]) -> bool:
    return bool(constraints.asked(pair[0], np.array(pair[1:]))[0])


def _put(oracle: Oracle, question: Question) -> int:
    """Ask an oracle."""
    if isinstance(oracle, Expecting):
        oracle.expect(question.probability)
    return int(oracle.answer(np.array([question.first]), np.array([question.second]))[0])
