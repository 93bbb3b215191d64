"""The loop: rounds of asking and refreshing, each of them kept before the next begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from reid_al_agents.asking.browsing import AskingLimits
from reid_al_agents.asking.policy import LearnedSelector, choose
from reid_al_agents.asking.report import AskingReport
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.clustering.sides import sides_of
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.experiment.group_questions import GroupQuestions
from reid_al_agents.experiment.image_questions import ImageQuestions
from reid_al_agents.experiment.past import Metrics, Past
from reid_al_agents.experiment.questions import Questions
from reid_al_agents.experiment.simulated import SimulatedAnnotator
from reid_al_agents.log.events import Event
from reid_al_agents.log.memory import EventLog, MemoryLog
from reid_al_agents.selection import Selector
from reid_al_agents.training.pool import Pool, Progress, known_of, load_or_make_start
from reid_al_agents.training.refresh import refresh_model
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig, boundaries
from reid_al_env import InputError, Oracle

OPEN_END = 10
"""Answers per image after which a run ends that was to end once it is stable."""


@dataclass(frozen=True)
class Totals:
    """Number of queries begun, answers given, matches among them, and implied answers, over all rounds."""

    queries: int
    answers: int
    matches: int
    implied: int

    @property
    def match_rate(self) -> float | None:
        """Share of the answers that were matches; ``None`` before the first answer."""
        return self.matches / self.answers if self.answers else None


class Loop:
    """Alternates asking and refreshing over a pool.

    One round: embed the pool, ask while the policy learns, refresh the model from all answers so far, score
    it (Liu et al., ICCV 2019, algorithm 1, with the pairs of all earlier rounds kept). Between images,
    queries are browsed without replacement; between groups, a schedule says which asks next. With the
    cluster refresh the model is first adapted without any answer, and later refreshes start from there.

    Args:
        pool: The images or features with their model, at the start weights.
        config: The settings.
        oracle: Gives the answers.
        log: Where events are kept; ``None`` keeps them in memory.
        run: Name of the run in the log.
        events: Those that the log holds already, in order.
        altered: Id of the last event when images were added or removed; 0 if none ever were. Between images,
            a new pass over those that were no query yet begins then.
        ends: Where the rounds end, in answers. ``None`` cuts ``config.answers`` into ``config.rounds``;
            without a number of answers, it is one per image or, between images, every image as a query once.
            With ``until_stable`` and no number, rounds of the same length follow until the stop rule applies.
        wanted: The ends at which a full refresh is made; ``None`` for the last. With the cluster refresh, the
            other rounds end in a quick refresh, which only serves to choose the next questions.
        progress: Called with stage, done and total during long work.

    Attributes:
        pool: See above.
        config: See above.
        beliefs: What follows from the events.
        rounds: Metrics of each refresh, in order; the first is the start.
        selector: Chooses what is asked.
    """

    def __init__(
        self,
        pool: Pool,
        config: RunConfig,
        oracle: Oracle,
        log: EventLog | None = None,
        run: str = "run",
        events: Sequence[Event] = (),
        ends: tuple[int, ...] | None = None,
        wanted: tuple[int, ...] | None = None,
        progress: Progress | None = None,
        altered: int = 0,
    ) -> None:
        self.pool, self.config, self._progress = pool, config, progress
        count = len(pool)
        _check(config, pool)
        past = self._past = Past(events, altered)
        self._logged = past.logged
        self.beliefs = Beliefs.replay(
            known_of(pool.images, count),
            past.replayed,
            config.grouping().error_rate,
            np.flatnonzero(pool.gone).tolist(),
        )
        pool.correct(self.beliefs.corrections)
        self.rounds = list(past.rounds)
        self._annotator = SimulatedAnnotator(
            oracle, MemoryLog() if log is None else log, run, self.beliefs, pool.names, config.selector
        )
        self.questions = self._make_questions(altered)
        self.selector: Selector = choose(
            config.selector, config.pool_size, config.seed, self.questions.true_rewards
        )
        self._in_answers = ends is not None or config.answers is not None or config.nodes == "groups"
        longer = OPEN_END if config.until_stable and config.answers is None else 1
        self._ends = ends or boundaries(longer * (config.answers or count), longer * config.rounds)
        self._wanted = frozenset(self._ends[-1:] if wanted is None else wanted)
        self._played = past.rounds_played(self._ends, self.beliefs.answers if self._in_answers else None)
        self._queries, self._implied = past.queries, int(past.last.get("implied", 0))

    def begin(self) -> Metrics:
        """Adapt the model where that is wanted, see the pool and score it; the metrics of the start."""
        clock = _Clock()
        training: Metrics = {}
        if self.config.adapts and not self.pool.adapted:
            training = {f"start_{name}": value for name, value in self.pool.scores().items()}
            training |= self.pool.adapt(self.config.seed * 1000)
            clock.lap("adapt_seconds")
        self._see(1)
        clock.lap("embed_seconds")
        scores = self.pool.scores()
        clock.lap("score_seconds")
        return self._finish_round(AskingReport(), scores, training, clock)

    @property
    def over(self) -> bool:
        """Whether all rounds were played, or nothing is left to ask and the last refresh was a full one."""
        quick = bool(self.rounds and self.rounds[-1].get("quick"))
        return self._played >= len(self._ends) or (self.questions.exhausted and not quick)

    @property
    def ending(self) -> str | None:
        """Why asking ended before all its answers, in words; ``None`` where it did not."""
        answers, wanted = self.beliefs.answers, self._ends[-1]
        if not self._in_answers or answers >= wanted or self.questions.ending is None:
            return None
        return f"ended after {answers:,} of {wanted:,} answers: {self.questions.ending}"

    @property
    def totals(self) -> Totals:
        """What has been asked so far."""
        return Totals(self._queries, self.beliefs.answers, self.beliefs.matches, self._implied)

    def play_round(self) -> Metrics:
        """Ask, refresh and score; the round's metrics."""
        config, number = self.config, len(self.rounds)
        clock = _Clock()
        rng = np.random.default_rng([config.seed, number])
        self._annotator.begin_round(number, self._logged, self._past.replayed)
        self._logged = []
        report = self.questions.ask(self._annotator, self._limits(), rng, self._bar("ask"))
        self._report("ask", 1)  # also where there were fewer questions than were wanted
        self._queries += report.queries
        self._implied += report.implied
        clock.lap("ask_seconds")
        wanted = self._ends[self._played] in self._wanted or self.questions.exhausted
        quick = config.refresh == "cluster" and not wanted
        training: Metrics = {"quick": quick, **self._refresh(number, quick)}
        clock.lap("refresh_seconds")
        scores = self.pool.scores()
        clock.lap("score_seconds")
        self._played += 1
        if self._played < len(self._ends) or config.nodes == "groups":
            self._see(number + 1)
            clock.lap("embed_seconds")
        return self._finish_round(report, scores, training, clock)

    def keep(self, folder: Folder) -> None:
        """Keep the model, its features and the policy, as the next round starts from them."""
        place = folder.round(len(self.rounds))
        place.mkdir(parents=True, exist_ok=True)
        self.pool.save(place / "weights.safetensors")
        self.pool.save_features(place / "features.npz", self._features)
        if self.pool.adapted and not folder.start.is_file():
            self.pool.save_start(folder.start)
        if isinstance(self.selector, LearnedSelector):
            self.selector.save_checkpoint(place)

    def resume(self, folder: Folder) -> None:
        """Go on from what :meth:`keep` wrote, or a session's refresh, after the last round."""
        last = self.rounds[-1] if self.rounds else {}
        self.questions.resume({} if self._past.pool_changed else last)
        if self.config.adapts and folder.start.exists():
            load_or_make_start(self.pool, folder.start, self.config.seed)
        folder.read_round(len(self.rounds), self._load_weights)
        if isinstance(self.selector, LearnedSelector) and "drawn" in last:
            folder.read_round(len(self.rounds), self.selector.load_checkpoint)
        if not self.over or self.config.nodes == "groups":
            self._see(len(self.rounds))

    def _load_weights(self, place: Path) -> None:
        if (place / "weights.safetensors").exists():
            self.pool.load(place / "weights.safetensors")

    def _make_questions(self, altered: int) -> Questions:
        config = self.config
        if config.nodes == "images":
            return ImageQuestions(
                self.beliefs,
                lambda: self.selector,
                config.episode(),
                config.parallel,
                config.closure,
                (config.seed, 0, *([altered] if altered else [])),
                self._past.queries_before,
                self._past.queries_since,
            )
        return GroupQuestions(
            self.beliefs,
            lambda: self.selector,
            config.grouping(),
            config.episode(),
            config.until_stable,
            sides_of(self.pool.sides),
        )

    def _limits(self) -> AskingLimits:
        end = self._ends[self._played]
        if self._in_answers:
            return AskingLimits(answers=end - self.beliefs.answers)
        return AskingLimits(queries=end - self._queries)

    def _refresh(self, number: int, quick: bool) -> Metrics:
        config = self.config
        if not (config.warm or quick):
            self.pool.restart()
        settings = config.grouping()
        return refresh_model(
            self.pool,
            self.beliefs,
            config.seed * 1000 + number,
            quick=quick,
            assume=settings.thresholds() if config.nodes == "groups" else None,
            seen=self._features,
            visual=self.questions.visual,
            neighbours=(settings.k1, settings.k2),
        )

    def _see(self, round_: int) -> None:
        self._features = self.pool.features()
        self._report("compare", 0)
        self.questions.see(self._features, round_)
        self._report("compare", 1)

    def _report(self, what: str, done: int) -> None:
        """Say that work of one part begins (0) or is done (1)."""
        if self._progress is not None:
            self._progress(what, done, 1)

    def _bar(self, what: str) -> Callable[[int, int], None] | None:
        progress = self._progress
        return None if progress is None else lambda done, total: progress(what, done, total)

    def _finish_round(
        self, report: AskingReport, scores: dict[str, float], training: Metrics, clock: _Clock
    ) -> Metrics:
        config, returns = self.config, report.returns
        metrics = {
            "round": len(self.rounds),
            "nodes": config.nodes,
            "selector": config.selector,
            "refresh": config.refresh if self.pool.trains else "none",
            "seed": config.seed,
            "set": config.evaluate_on,
            **asdict(self.totals),
            "match_rate": self.totals.match_rate,
            "drawn": self.questions.drawn,
            "return": float(np.mean(returns)) if returns else None,
            **scores,
            **self._identities(),
            **self.questions.figures(),
            **training,
            **clock.laps,
            "seconds": clock.total(),
            "returns": [round(value, 5) for value in returns],
        }
        self.rounds.append(metrics)
        if (
            self._played and self.over and self.ending is not None
        ):  # of this round, whether it was a quick one
            metrics["ending"] = self.ending
        return metrics

    def _identities(self) -> Metrics:
        """How good the predicted identities are, where labels are known to compare them with."""
        groups, labels = self.questions.identities(), self.pool.identities
        figures: Metrics = {
            "groups": int(groups.max()) + 1,
            "contradictions": len(self.beliefs.constraints.contradictions),
        }
        return {**figures, **asdict(evaluate_groups(groups, labels))} if (labels >= 0).any() else figures


def _check(config: RunConfig, pool: Pool) -> None:
    count = len(pool)
    usual = config.nodes == "groups" and config.pool_size == RunConfig.pool_size  # fits any pool there
    if config.pool_size >= count and not usual:
        raise InputError(
            f"pool_size: {config.pool_size} with {count} images in the pool; "
            f"a query has at most {count - 1} others, so choose a smaller one"
        )
    if config.nodes == "images" and pool.sides is not None:
        raise InputError(
            "nodes: images, but the data say which side images show, and images would be compared across "
            "sides; ask between groups (the default), or leave out the column 'side'"
        )


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
