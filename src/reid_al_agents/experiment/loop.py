"""The loop itself: rounds of embedding, asking and refreshing, each of them kept before the next begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid_al_agents.asking.browsing import AskingLimits, AskingReport
from reid_al_agents.asking.policy import LearnedSelector, choose
from reid_al_agents.beliefs.weights import weigh
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.experiment.modes import AskingMode, GroupMode, ImageMode
from reid_al_agents.selection import Selector
from reid_al_agents.training.pool import Pool, Progress, known_beforehand
from reid_al_agents.workspace.settings import RunConfig, boundaries
from reid_al_env import ConstraintGraph, InputError, Oracle

Metrics = dict[str, Any]

OPEN_END = 10
"""Answers per image after which a run ends that was to end once it is stable."""


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

    One round: embed the pool, ask while the policy learns, refresh the model from all answers so far, score
    it (Liu et al., ICCV 2019, algorithm 1, with the pairs of all earlier rounds kept). Between images,
    queries are browsed without replacement; between groups, a schedule says which asks next. With the
    cluster refresh the model is first adapted without any answer, and later refreshes start from there.

    Args:
        subject: The images or features with their model, at the start weights.
        config: The settings.
        oracle: Who answers.
        ends: Where the rounds end, in answers. ``None`` cuts ``config.answers`` into ``config.rounds``; where
            there is no number of answers it is one per image, or all images as queries between images. With
            ``until_stable`` and no number more rounds as long follow until it is stable.
        wanted: Those of the ends whose models are wanted; ``None`` is the last. With the cluster refresh the
            others only choose the next questions: they go on from the model before, in fewer steps.
        progress: Told of long work.
    """

    def __init__(
        self,
        subject: Pool,
        config: RunConfig,
        oracle: Oracle,
        ends: tuple[int, ...] | None = None,
        wanted: tuple[int, ...] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.subject = subject
        self.config = config
        self.totals = Totals()
        self.returns: list[list[float]] = []
        self._progress = progress
        count = len(subject)
        if config.pool_size >= count:
            raise InputError(
                f"pool_size: {config.pool_size} with {count} images in the pool; "
                f"a query has at most {count - 1} others, so choose a smaller one"
            )
        if config.nodes == "images" and subject.sides is not None:
            raise InputError(
                "nodes: images, but the data say which side images show, and images would be compared across "
                "sides; ask between groups (the default), or leave out the column 'side'"
            )
        self.constraints = known_beforehand(subject)
        self.mode: AskingMode
        if config.nodes == "groups":
            sides = sides_of(subject.sides)
            self.mode = GroupMode(config, self.constraints, oracle, lambda: self.selector, sides)
        else:
            self.mode = ImageMode(config, self.constraints, oracle, lambda: self.selector)
        self.selector: Selector = choose(config, self.mode.true_rewards)
        self._in_answers = ends is not None or config.answers is not None or config.nodes == "groups"
        longer = OPEN_END if config.until_stable and config.answers is None else 1
        self._ends = ends or boundaries(longer * (config.answers or count), longer * config.rounds)
        self._wanted = frozenset(self._ends[-1:] if wanted is None else wanted)

    def begin(self) -> Metrics:
        """Adapt the model where that is wanted, see the pool and score it; the metrics of round 0."""
        clock = _Clock()
        training: Metrics = {}
        if self.config.adapts and not self.subject.adapted:
            training = {f"start_{name}": value for name, value in self.subject.scores().items()}
            training |= self.subject.adapt(self.config.seed * 1000)
            clock.lap("adapt_seconds")
        self._see_anew()
        clock.lap("embed_seconds")
        scores = self.subject.scores()
        clock.lap("score_seconds")
        return self._metrics(0, AskingReport(), scores, training, clock)

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to ask: every image was the query once, or no group has a question."""
        return self.mode.exhausted

    @property
    def rounds(self) -> int:
        """Number of rounds of asking."""
        return len(self._ends)

    def play_round(self, number: int) -> Metrics:
        """Ask, refresh and score; ``number`` counts from 1. Returns the round's metrics."""
        config = self.config
        clock = _Clock()
        rng = np.random.default_rng([config.seed, number])
        bar = None if self._progress is None else self._bar("ask")
        report = self.mode.ask(self._limits(number), rng, bar)
        self.totals.add(report)
        self.returns.append(report.returns)
        clock.lap("ask_seconds")
        wanted = self._ends[number - 1] in self._wanted or self.exhausted
        quick = config.refresh == "cluster" and not wanted
        if not (config.warm or quick):
            self.subject.restart()
        seed = config.seed * 1000 + number
        held = self.mode.held() if self.subject.trains else None
        training: Metrics = {"quick": quick}
        training |= self.subject.refresh(self.constraints, seed, quick=quick, assumed_groups=held)
        clock.lap("refresh_seconds")
        scores = self.subject.scores()
        clock.lap("score_seconds")
        if number < self.rounds or config.nodes == "groups":
            self._see_anew()
            clock.lap("embed_seconds")
        return self._metrics(number, report, scores, training, clock)

    def keep(self, folder: Path) -> None:
        """Keep the model and the policy, as the next round starts from them."""
        folder.mkdir(parents=True, exist_ok=True)
        self.subject.save(folder / "weights.safetensors")
        if self.subject.adapted:
            self.subject.save_start(folder / "start.safetensors")
        self.mode.keep(folder)
        if isinstance(self.selector, LearnedSelector):
            self.selector.save_checkpoint(folder)

    def resume(
        self, folder: Path, rounds: list[Metrics], answers: Iterator[tuple[int, int, int, float | None]]
    ) -> None:
        """Go on after the rounds that are done.

        Args:
            folder: What :meth:`keep` wrote after the last of them.
            rounds: Their metrics, round 0 included.
            answers: Every (query, candidate, answer, match probability) of those rounds, in order.
        """
        last = rounds[-1]
        self.totals = Totals(last["queries"], last["answers"], last["matches"], last["implied"])
        self.returns = [line["returns"] for line in rounds[1:]]
        record(self.constraints, answers, self.config.grouping().error_rate)
        self.mode.resume(folder, last["drawn"])
        if self.config.adapts:
            self.subject.load_start(folder / "start.safetensors")
        self.subject.load(folder / "weights.safetensors")
        if isinstance(self.selector, LearnedSelector):
            self.selector.load_checkpoint(folder)
        if last["round"] < self.rounds or self.config.nodes == "groups":
            self._see_anew()

    def _limits(self, number: int) -> AskingLimits:
        end = self._ends[number - 1]
        if self._in_answers:
            return AskingLimits(answers=end - self.totals.answers)
        return AskingLimits(queries=end - self.totals.queries)

    def _see_anew(self) -> None:
        self.mode.see(self.subject.pool())

    def _bar(self, what: str) -> Callable[[int, int], None]:
        progress = self._progress
        assert progress is not None
        return lambda done, total: progress(what, done, total)

    def _metrics(
        self, number: int, report: AskingReport, scores: dict[str, float], training: Metrics, clock: _Clock
    ) -> Metrics:
        config = self.config
        returns = report.returns
        return {
            "round": number,
            "nodes": config.nodes,
            "selector": config.selector,
            "refresh": config.refresh if self.subject.trains else "none",
            "seed": config.seed,
            "set": config.evaluate_on,
            **asdict(self.totals),
            "match_rate": self.totals.match_rate,
            "drawn": self.mode.drawn,
            "return": float(np.mean(returns)) if returns else None,
            **scores,
            **self._formed(),
            **self.mode.figures(),
            **training,
            **clock.laps,
            "seconds": clock.total(),
            "returns": [round(value, 5) for value in returns],
        }

    def _formed(self) -> Metrics:
        """How good the groups are, where identities are known to compare them with."""
        groups, identities = self.mode.groups(), self.subject.identities
        formed: Metrics = {
            "groups": int(groups.max()) + 1,
            "contradictions": len(self.constraints.contradictions),
        }
        return (
            {**formed, **asdict(evaluate_groups(groups, identities))} if (identities >= 0).any() else formed
        )


def record(
    constraints: ConstraintGraph,
    answers: Iterable[tuple[int, int, int, float | None]],
    error_rate: float,
) -> None:
    """Add answers that were kept, each weighed as it was when it came.

    Args:
        constraints: Where they are added.
        answers: (query, candidate, answer, match probability), in order; without a probability the
            weight is 1.
        error_rate: Rate of wrong answers by which they were weighed.
    """
    for query, candidate, answer, probability in answers:
        weight = weigh(constraints, query, candidate, answer, probability, error_rate)
        constraints.add(query, candidate, answer, weight)


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
