"""The loop itself: rounds of embedding, asking and refreshing, each of them kept before the next begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reid_al_agents.evaluation import evaluate_groups
from reid_al_agents.learner.asking import AskingLimits, AskingReport, ask
from reid_al_agents.learner.choosing import LearnedSelector, choose
from reid_al_agents.learner.config import RunConfig, boundaries
from reid_al_agents.learner.subject import Progress, Subject
from reid_al_agents.selection import Selector
from reid_al_env import ConstraintGraph, InputError, Inquiry, Oracle
from reid_al_env.browsing import QueryBrowser

Metrics = dict[str, Any]


@dataclass
class Totals:
    """What has been asked so far, over all rounds."""

    queries: int = 0
    answers: int = 0
    matches: int = 0
    implied: int = 0

    @property
    def match_rate(self) -> float | None:
        """Share of the answers that were matches; ``None`` before the first answer."""
        return self.matches / self.answers if self.answers else None

    def add(self, report: AskingReport) -> None:
        """Add a spell of asking."""
        self.queries += report.queries
        self.answers += report.answers
        self.matches += report.matches
        self.implied += report.implied


class Loop:
    """Alternates asking and refreshing over a subject.

    One round: embed the pool, browse queries without replacement, ask while the policy learns, refresh the
    model from all answers so far, score it (Liu et al., ICCV 2019, algorithm 1, with the pairs of all earlier
    rounds kept).

    Args:
        subject: The images or features with their model, at the start weights.
        config: The settings.
        oracle: Who answers.
        ends: Where the rounds end, in answers; ``None`` cuts ``config.answers`` into ``config.rounds``, or
            the queries where there is no number of answers.
        progress: Told of long work.
    """

    def __init__(
        self,
        subject: Subject,
        config: RunConfig,
        oracle: Oracle,
        ends: tuple[int, ...] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.subject = subject
        self.config = config
        self.totals = Totals()
        self.returns: list[list[float]] = []
        self._oracle = oracle
        self._progress = progress
        count = len(subject)
        if config.pool_size >= count:
            raise InputError(
                f"pool_size: {config.pool_size} with {count} images in the pool; "
                f"a query has at most {count - 1} others, so choose a smaller one"
            )
        self.constraints = ConstraintGraph(count)
        self.selector: Selector = choose(config, self._true_rewards)
        self._browser = QueryBrowser(count, np.random.default_rng([config.seed, 0]))
        self._in_answers = ends is not None or config.answers is not None
        self._ends = ends or boundaries(config.answers or count, config.rounds)

    def begin(self) -> Metrics:
        """See the pool for the first time and score the start; the metrics of round 0."""
        clock = _Clock()
        self._see_anew()
        clock.lap("embed_seconds")
        scores = self.subject.scores()
        clock.lap("score_seconds")
        return self._metrics(0, [], scores, {}, clock)

    @property
    def exhausted(self) -> bool:
        """Whether every image has been the query once."""
        return self._browser.remaining == 0

    @property
    def rounds(self) -> int:
        """Number of rounds of asking."""
        return len(self._ends)

    def play_round(self, number: int) -> Metrics:
        """Ask, refresh and score; ``number`` counts from 1. Returns the round's metrics."""
        config = self.config
        clock = _Clock()
        report = ask(
            self._inquiry,
            self.selector,
            self._browser,
            np.random.default_rng([config.seed, number]),
            self._limits(number),
            None if self._progress is None else self._bar("ask"),
        )
        self.totals.add(report)
        self.returns.append(report.returns)
        clock.lap("ask_seconds")
        if not config.warm:
            self.subject.restart()
        training = self.subject.refresh(self.constraints, seed=config.seed * 1000 + number)
        clock.lap("refresh_seconds")
        scores = self.subject.scores()
        clock.lap("score_seconds")
        if number < self.rounds:
            self._see_anew()
            clock.lap("embed_seconds")
        return self._metrics(number, report.returns, scores, training, clock)

    def keep(self, folder: Path) -> None:
        """Keep the model and the policy, as the next round starts from them."""
        folder.mkdir(parents=True, exist_ok=True)
        self.subject.save(folder / "weights.safetensors")
        if isinstance(self.selector, LearnedSelector):
            self.selector.save_checkpoint(folder)

    def resume(self, folder: Path, rounds: list[Metrics], answers: Iterator[tuple[int, int, int]]) -> None:
        """Go on after the rounds that are done.

        Args:
            folder: What :meth:`keep` wrote after the last of them.
            rounds: Their metrics, round 0 included.
            answers: Every (query, candidate, answer) of those rounds, in order.
        """
        last = rounds[-1]
        self.totals = Totals(last["queries"], last["answers"], last["matches"], last["implied"])
        self.returns = [line["returns"] for line in rounds[1:]]
        for query, candidate, answer in answers:
            self.constraints.add(query, candidate, answer)
        for _ in range(last["drawn"]):
            self._browser.next()
        self.subject.load(folder / "weights.safetensors")
        if isinstance(self.selector, LearnedSelector):
            self.selector.load_checkpoint(folder)
        if last["round"] < self.rounds:
            self._see_anew()

    def _true_rewards(self) -> NDArray[np.float32]:
        """What ``greedy`` looks at: the inquiry changes with every round, the selector does not."""
        return self._inquiry.true_rewards()

    def _limits(self, number: int) -> AskingLimits:
        end = self._ends[number - 1]
        if self._in_answers:
            return AskingLimits(answers=end - self.totals.answers)
        return AskingLimits(queries=end - self.totals.queries)

    def _see_anew(self) -> None:
        config = self.config
        known = self.constraints if config.closure else None
        oracle = self._oracle if config.closure else _Recording(self._oracle, self.constraints)
        self._features = self.subject.pool()
        matches = self.constraints.must_links
        self._inquiry = Inquiry(self._features, config.episode(), oracle, known, config.parallel, matches)

    def _bar(self, what: str) -> Callable[[int, int], None]:
        progress = self._progress
        assert progress is not None
        return lambda done, total: progress(what, done, total)

    def _metrics(
        self, number: int, returns: list[float], scores: dict[str, float], training: Metrics, clock: _Clock
    ) -> Metrics:
        config = self.config
        return {
            "round": number,
            "selector": config.selector,
            "refresh": config.refresh if self.subject.trains else "none",
            "seed": config.seed,
            "set": config.evaluate_on,
            **asdict(self.totals),
            "match_rate": self.totals.match_rate,
            "drawn": len(self._features) - self._browser.remaining,
            "return": float(np.mean(returns)) if returns else None,
            **scores,
            **self._formed(),
            **training,
            **clock.laps,
            "seconds": clock.total(),
            "returns": [round(value, 5) for value in returns],
        }

    def _formed(self) -> Metrics:
        """How good the must-link groups are, where identities are known to compare them with."""
        groups, identities = self.constraints.groups(), self._features.identities
        formed: Metrics = {
            "groups": int(groups.max()) + 1,
            "contradictions": len(self.constraints.contradictions),
        }
        return (
            {**formed, **asdict(evaluate_groups(groups, identities))} if (identities >= 0).any() else formed
        )


class _Recording:
    """Keeps the answers as constraints for the refresher where the environment is not to know of them."""

    def __init__(self, oracle: Oracle, constraints: ConstraintGraph) -> None:
        self._oracle, self._constraints = oracle, constraints

    def answer(self, queries: NDArray[np.int64], galleries: NDArray[np.int64]) -> NDArray[np.int8]:
        answers = self._oracle.answer(queries, galleries)
        self._constraints.add_many(queries, galleries, answers)
        return answers


class _Clock:
    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(now - self._last, 3)
        self._last = now

    def total(self) -> float:
        return round(time.perf_counter() - self._start, 3)
