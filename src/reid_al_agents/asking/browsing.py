"""One phase of asking between images: browse queries, pick candidates, ask an oracle, train the policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.asking.report import AskingReport
from reid_al_agents.selection import Selector
from reid_al_agents.selection.selector import LearnsOnline
from reid_al_env import Inquiry, Outcome
from reid_al_env.mdp.browsing import QueryBrowser

Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``."""

_IDLE = -1


@dataclass(frozen=True)
class AskingLimits:
    """Limits of a phase of asking; the first one reached ends it.

    Args:
        answers: Answers to ask for; ``None`` is no limit.
        queries: Queries to begin; ``None`` is as many as the browser has left in its pass.
    """

    answers: int | None = None
    queries: int | None = None


def ask(
    inquiry: Inquiry,
    selector: Selector,
    browser: QueryBrowser,
    rng: np.random.Generator,
    limits: AskingLimits,
    progress: Progress | None = None,
) -> AskingReport:
    """Ask until a limit is reached or every image has been the query once.

    Args:
        inquiry: The episodes side by side; as many queries are open at a time as it has rows.
        selector: Picks; one that :class:`LearnsOnline` is shown every transition as answers come.
        browser: Draws the queries; a later phase continues where it stopped.
        rng: For the selector.
        limits: When to stop.
        progress: Called with the number of answers so far and in all.
    """
    return _Phase(inquiry, selector, browser, rng, limits).run(progress)


class _Phase:
    def __init__(
        self,
        inquiry: Inquiry,
        selector: Selector,
        browser: QueryBrowser,
        rng: np.random.Generator,
        limits: AskingLimits,
    ) -> None:
        self._inquiry, self._selector, self._browser = inquiry, selector, browser
        self._rng, self._limits = rng, limits
        self._report = AskingReport()
        size = len(inquiry.batch.query)
        self._active = np.zeros(size, dtype=bool)
        self._return = np.zeros(size)

    def run(self, progress: Progress | None) -> AskingReport:
        if isinstance(self._selector, LearnsOnline):
            self._selector.break_off()
        self._begin(np.arange(len(self._active)))
        total = self._limits.answers or self._browser.remaining * self._inquiry.batch.settings.budget
        while self._active.any() and self._answers_left() > 0:
            moving = self._active & (np.cumsum(self._active) <= self._answers_left())
            outcome = self._advance(moving)
            self._begin(np.flatnonzero(moving & outcome.terminated))
            if progress is not None:
                progress(self._report.answers, max(total, self._report.answers))
        return self._report

    def _advance(self, moving: NDArray[np.bool_]) -> Outcome:
        before = self._inquiry.observation()
        actions = self._selector.select(before, self._rng)
        outcome = self._inquiry.step(actions, moving)
        self._count(outcome, moving)
        if isinstance(self._selector, LearnsOnline):
            after = self._inquiry.observation()
            self._selector.observe(before, actions, outcome.rewards, after, outcome.terminated, moving)
        return outcome

    def _count(self, outcome: Outcome, moving: NDArray[np.bool_]) -> None:
        report = self._report
        report.answers += int(outcome.asked.sum())
        report.matches += int((outcome.answers[outcome.asked] > 0).sum())
        report.implied += int((moving & ~outcome.asked & (outcome.answers != 0)).sum())
        self._return[moving] += outcome.rewards[moving]
        for row in np.flatnonzero(moving & outcome.terminated):
            report.returns.append(float(self._return[row]))

    def _begin(self, rows: NDArray[np.int64]) -> None:
        """Give the rows their next queries; a row for which none is left becomes inactive."""
        self._active[rows] = False
        queries = np.array([self._next_query() for _ in rows], dtype=np.int64)
        started, queries = rows[queries != _IDLE], queries[queries != _IDLE]
        if len(started) == 0:
            return
        self._inquiry.begin(started, queries)
        self._active[started] = True
        self._return[started] = 0.0
        self._report.implied += sum(self._implied(row) for row in started)

    def _implied(self, row: np.int64) -> int:
        """Number of implied answers about the candidates of a new query."""
        batch, constraints = self._inquiry.batch, self._inquiry.constraints
        if constraints is None:
            return 0
        asked = constraints.asked(int(batch.query[row]), batch.candidates[row])
        return int(np.count_nonzero((batch.feedback[row] != 0) & ~asked))

    def _next_query(self) -> int:
        limit = self._limits.queries
        while self._browser.remaining and (limit is None or self._report.queries < limit):
            query = self._browser.next()
            if self._inquiry.has_questions(query):
                self._report.queries += 1
                return query
        return _IDLE

    def _answers_left(self) -> int:
        limit = self._limits.answers
        return len(self._active) if limit is None else limit - self._report.answers
