"""One spell of asking between groups: one answer is about all images of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.clustering import (
    FormedGroups,
    Looks,
    form_groups,
    nearest_neighbours,
    unit_rows,
)
from reid_al_agents.grouping.audit import REACH, Audit
from reid_al_agents.grouping.evidence import answer_weight, chance_of_error
from reid_al_agents.grouping.match_model import MatchModel
from reid_al_agents.grouping.settings import GroupSettings
from reid_al_agents.grouping.stopping import ChangeMonitor
from reid_al_agents.grouping.view import GroupView
from reid_al_agents.learner.asking import AskingReport, LearnsOnline
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, Inquiry, Oracle

_ROW = np.zeros(1, dtype=np.int64)
_FEWEST = 3  # groups that can be asked about
_SETTLING = 3  # times that a pair is asked to settle a dispute
_SURE = 0.95  # match probability of two images that are in one group already


@runtime_checkable
class Expecting(Protocol):
    """An oracle that is told how likely a match is before it is asked, to keep that with the answer."""

    def expect(self, probability: float) -> None:
        """The next pair matches with this probability."""
        ...


@dataclass(frozen=True)
class _Doubt:
    """An answer that may be wrong, and the pair that tells."""

    worth: float
    first: tuple[int, int]
    second: tuple[int, int]
    answer: int
    probability: float


class GroupAsking:
    """Asks about pairs of groups: the schedule says which group asks, the selector which one it asks about.

    The pool is looked at anew after every batch of answers: groups are formed, the match model is refitted,
    and groups ask in descending order of what their best question is worth (``p √(|A| |B|)``), each at most
    once a batch. Beside these questions there are three kinds that no selector chooses: the audit's; answers
    that are probably wrong, asked again about two other images of the same groups; and pairs that settle a
    dispute between answers. All are counted.

    Args:
        features: The pool as the present model sees it.
        looks: The same, compared.
        constraints: What is known of the images; every answer is added.
        oracle: Answers about images.
        selector: Chooses among a group's candidates.
        model: Match probabilities; learns from every answer.
        monitor: Is told whether answers change groups.
        settings: Of the groups.
        episode: Of the environment; its budget is the most questions of a group in a batch.
        rng: Of everything drawn.
        until_stable: Stop once the monitor says that answers change nothing any more.
    """

    def __init__(
        self,
        features: FeatureSet,
        looks: Looks,
        constraints: ConstraintGraph,
        oracle: Oracle,
        selector: Selector,
        model: MatchModel,
        monitor: ChangeMonitor,
        settings: GroupSettings,
        episode: EpisodeSettings,
        rng: np.random.Generator,
        until_stable: bool = False,
    ) -> None:
        self._features = FeatureSet(
            looks.points, features.identities, features.cameras, features.names, source=features.source
        )
        self._similarities = looks.similarities
        self._constraints, self._oracle, self._selector = constraints, oracle, selector
        self._model, self._monitor = model, monitor
        self._settings, self._episode = settings, episode
        self._rng = rng
        self._until_stable = until_stable
        self._report = AskingReport()
        self._doubts: list[_Doubt] = []
        self._settled: Counter[tuple[int, int]] = Counter()
        self._limit = 0
        self.exhausted = False
        self.formed = self._form()
        near = nearest_neighbours(unit_rows(looks.points), min(REACH[-1] + 1, len(features)))
        self.audit = Audit(self.formed.groups, near, rng)
        self._audited = 0

    def ask(self, answers: int, progress: Callable[[int, int], None] | None = None) -> AskingReport:
        """Ask for that many answers; fewer where nothing is left to ask or all is stable."""
        self._limit = answers
        self._progress = progress
        while self._left() > 0 and not (self._until_stable and self._monitor.stable):
            before = self._report.answers
            self._settle()
            self._ask_batch(min(self._settings.batch(len(self._features)), self._left()))
            self._model.fit()
            self.formed = self._form()
            if self._report.answers == before:
                self.exhausted = True
                break
        return self._report

    def true_rewards(self) -> NDArray[np.float32]:
        """What each candidate of the group that asks would earn by the true identities, (1, n)."""
        return self._inquiry.true_rewards()

    def _form(self) -> FormedGroups:
        return form_groups(self._similarities, self._constraints, self._settings.piece_similarity)

    def _ask_batch(self, answers: int) -> None:
        self._view = view = GroupView(
            self._features,
            self._similarities,
            self.formed,
            self._constraints,
            self._model,
            self._settings.neighbours,
        )
        if len(view.groups) < _FEWEST:
            return
        self._inquiry = self._environment(view)
        best = view.worth.max(axis=1, initial=0.0)
        favourite = view.candidates[np.arange(len(best)), view.worth.argmax(axis=1)]
        self._touched = np.zeros(len(best), dtype=bool)
        end = self._report.answers + answers
        for query in np.argsort(-best, kind="stable"):
            if self._report.answers >= end or best[query] <= 0:
                break
            if self._touched[query] or self._touched[favourite[query]]:
                continue
            self._ask_extra(float(best[query]), end)
            if self._report.answers < end:
                self._visit(int(query), end)

    def _environment(self, view: GroupView) -> Inquiry:
        """The environment over groups: what is known of them is implied, what was asked is masked."""
        count = len(view.groups)
        episode = replace(self._episode, pool_size=min(self._episode.pool_size, count - 1))
        known = ConstraintGraph(count)
        for a, b in view.conflicts.tolist():
            known.add(a, b, -1)
        for a, b in view.closed_pairs().tolist():
            if known.relation(a, b) == 0:
                known.add(a, b, 0)
        oracle = _Asks(self._ask_groups)
        wants = getattr(self._selector, "needs_node_features", False)
        return Inquiry(view.groups.nodes(), episode, oracle, known, node_features=view if wants else None)

    def _visit(self, query: int, end: int) -> None:
        """Let one group ask until its budget is spent or the batch is over."""
        inquiry = self._inquiry
        if not inquiry.has_questions(query):
            return
        inquiry.begin(_ROW, np.array([query]))
        self._report.queries += 1
        self._touched[query] = True
        total = 0.0
        learner = self._selector if isinstance(self._selector, LearnsOnline) else None
        while not inquiry.batch.terminated[0] and self._report.answers < end:
            before = inquiry.observation()
            actions = self._selector.select(before, self._rng)
            outcome = inquiry.step(actions)
            total += float(outcome.rewards[0])
            self._touched[outcome.picked] = True
            if learner is not None:
                learner.observe(before, actions, outcome.rewards, inquiry.observation(), outcome.terminated)
        if learner is not None and not inquiry.batch.terminated[0]:
            learner.break_off()
        self._report.returns.append(total)

    def _ask_groups(self, a: int, b: int) -> int:
        """Put the question about two groups of the present view; counts, learns, and remembers doubts."""
        view = self._view
        pair = np.array([a]), np.array([b])
        described = view.describe_pairs(*pair)
        probability = float(self._model.probabilities(described)[0])
        first = int(view.groups.typical[a]), int(view.groups.typical[b])
        if self._constraints.asked(first[0], np.array(first[1:]))[0] or self._constraints.relation(*first):
            # The audit, a repeat or a dispute has told since the view was made, and nobody is asked twice.
            self._report.implied += 1
            return self._constraints.relation(*first)
        answer = self._put(*first, probability)
        self._model.add(described[0], probability, answer)
        self._monitor.add(answer > 0)
        wrong = chance_of_error(answer, probability, self._error_rate()) if answer else 0.0
        if self._settings.repeat and wrong > 0:
            reach = float(np.sqrt(view.groups.sizes[a] * view.groups.sizes[b]))
            second = view.groups.second(a), view.groups.second(b)
            self._doubts.append(_Doubt(wrong * reach, first, second, answer, probability))
        return answer

    def _put(self, i: int, j: int, probability: float) -> int:
        """Ask about two images and let the answer count as evidence."""
        if isinstance(self._oracle, Expecting):
            self._oracle.expect(probability)
        answer = int(self._oracle.answer(np.array([i]), np.array([j]))[0])
        weight = answer_weight(answer, probability, self._settings.error_rate) if answer else 1.0
        self._constraints.add(i, j, answer, weight)
        self._report.answers += 1
        self._report.matches += answer > 0
        if self._progress is not None:
            self._progress(self._report.answers, self._limit)
        return answer

    def _ask_extra(self, worth: float, end: int) -> None:
        """Audit questions that are due, and doubts that are worth more than the next question."""
        while (
            self._audited < self._settings.audit_share * self._report.answers and self._report.answers < end
        ):
            self._audited += 1
            self._ask_audit()
        while self._doubts and self._report.answers < end:
            doubt = max(self._doubts, key=lambda each: each.worth)
            if doubt.worth < worth:
                break
            self._doubts.remove(doubt)
            self._report.repeated += 1
            if self._put(*doubt.second, doubt.probability) == -doubt.answer:
                self._report.disagreed += 1
                if self._report.answers < end:
                    self._put(*doubt.first, doubt.probability)

    def _ask_audit(self) -> None:
        drawn = self.audit.draw()
        if drawn is None:
            return
        stratum, i, j = drawn
        known = self._constraints.relation(i, j)
        if known == 0:
            probability = self._probability_of_images(i, j)
            known = self._put(i, j, probability)
            self._report.audited += 1
            self._monitor.add(known != 0 and (known < 0) == (self.formed.groups[i] == self.formed.groups[j]))
        self.audit.record(stratum, known)

    def _probability_of_images(self, i: int, j: int) -> float:
        a, b = self._view.groups.labels[[i, j]]
        if a == b:
            return _SURE
        described = self._view.describe_pairs(np.array([a]), np.array([b]))
        return float(self._model.probabilities(described)[0])

    def _settle(self) -> None:
        """Ask about each open dispute between answers, the same pair three times at the most.

        Who errs the same way each time would otherwise be asked about one pair until the budget is spent.
        """
        for dispute in self._constraints.disputes():
            if self._left() > 0 and self._settled[dispute.ask] < _SETTLING:
                self._settled[dispute.ask] += 1
                self._report.repeated += 1
                self._put(*dispute.ask, 0.5)

    def _error_rate(self) -> float:
        """Share of wrong answers: the one assumed, as if one had been found, and those that were found."""
        seen = 1 / self._settings.error_rate
        return (1 + self._report.disagreed) / (seen + self._report.answers)

    def _left(self) -> int:
        return self._limit - self._report.answers


class _Asks:
    """A function of two groups as the environment's oracle."""

    def __init__(self, ask: Callable[[int, int], int]) -> None:
        self._ask = ask

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        pairs = zip(queries.tolist(), galleries.tolist(), strict=True)
        return np.array([self._ask(a, b) for a, b in pairs], dtype=np.int8)
