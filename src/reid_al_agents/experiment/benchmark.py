"""The fair comparison: each selector gets the same start, training and number of answers."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from reid_al_agents.asking.policy import POLICY_PREFIX
from reid_al_agents.experiment.loop import Loop
from reid_al_agents.experiment.past import Metrics
from reid_al_agents.experiment.run import label_oracle
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.series import NO_ANSWERS, START
from reid_al_agents.training.pool import Pool, Progress, known_beforehand
from reid_al_agents.workspace.policy_origin import model_of, policy_contradictions
from reid_al_agents.workspace.settings import RunConfig, boundaries
from reid_al_env import InputError

_log = logging.getLogger(__name__)

ALL_LABELS = "all labels"

_QUICK_PARTS = 14
"""Quick refreshes in as many answers as there are images."""

Returns = dict[str, list[list[float]]]
"""By selector, for each seed the return of each query in the order they were asked."""


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Args:
        base: Settings shared by all rows; its selector and seed are replaced.
        selectors: Names as in :class:`RunConfig`.
        budgets: Numbers of answers, ascending; the model is refreshed and scored at each.
        seeds: One start and one trajectory for each selector and seed.
        all_labels: Also train on every label of the pool, as a reference; with the cluster refresh also
            without any answer, so that *gap closed* can be computed.
        keep_weights: Folder in which the model behind every row is kept; ``None`` keeps none.
        quick_every: With the cluster refresh: most answers before a quick refresh lets the next questions be
            chosen by what has been learned; 0 for none between the budgets, ``None`` for a 14th of the pool.

    Raises:
        InputError: If there is nothing to compare or the budgets do not ascend.
    """

    base: RunConfig
    selectors: tuple[str, ...]
    budgets: tuple[int, ...]
    seeds: tuple[int, ...]
    all_labels: bool = False
    keep_weights: Path | None = None
    quick_every: int | None = None

    def __post_init__(self) -> None:
        for name in ("selectors", "budgets", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise InputError(f"{name}: {','.join(map(str, values))!r} is empty or names one twice")
        labels = [label(selector) for selector in self.selectors]
        if len(set(labels)) < len(labels):
            raise InputError(f"selectors: {', '.join(labels)} names one twice; give policy files other names")
        if self.budgets[0] < 1 or list(self.budgets) != sorted(self.budgets):
            raise InputError(f"answers: {self.budgets} must ascend from at least 1")
        if self.quick_every is not None and self.quick_every < 0:
            raise InputError(f"quick_every: {self.quick_every} is below 0; 0 is for none")

    def ends(self, pool: Pool) -> tuple[int, ...]:
        """Where rounds of asking end: at every budget and, between them, where quick refreshes come."""
        every = round(len(pool) / _QUICK_PARTS) if self.quick_every is None else self.quick_every
        if every < 1 or self.base.refresh != "cluster" or not pool.trains:
            return self.budgets
        ends: list[int] = []
        for first, last in pairwise((0, *self.budgets)):
            parts = math.ceil((last - first) / every)
            ends += [first + end for end in boundaries(last - first, parts)]
        return tuple(ends)


def label(selector: str) -> str:
    """What a selector is called in results: its name, or ``policy:`` and the file's name without folder."""
    return POLICY_PREFIX + Path(selector).stem if selector.startswith(POLICY_PREFIX) else selector


@dataclass(frozen=True)
class Comparison:
    """Rows in the order they were measured, the returns behind them, and why selectors ended early."""

    rows: list[ResultRow]
    returns: Returns
    endings: list[str]


def compare(
    plan: Plan,
    pool_of: Callable[[int], Pool],
    progress: Progress | None = None,
    on_row: Callable[[Comparison], None] | None = None,
) -> Comparison:
    """Measure every row of the plan.

    One trajectory of asking is made for each selector and seed. At each budget the model is refreshed from
    the start weights, scored, and its features choose the next questions. Quick refreshes between the budgets
    go on from the model before, only to choose the next questions; they get no row. Once every image was the
    query, the row says how many answers there were, and the selector's larger budgets are left out.

    Args:
        plan: What is compared.
        pool_of: Gives the pool for a seed, at its start weights; called once a seed.
        progress: Called with stage, done and total during long work.
        on_row: Called with all rows so far after each new row.
    """
    comparison = Comparison([], {}, [])

    def add(row: ResultRow, pool: Pool) -> None:
        comparison.rows.append(row)
        if plan.keep_weights is not None:
            pool.save(plan.keep_weights / f"{row.selector}-{row.seed}-{row.answers}.safetensors")
        if on_row is not None:
            on_row(comparison)

    for seed in plan.seeds:
        pool = pool_of(seed)
        started = time.perf_counter()
        scores = pool.scores()
        if scores:
            add(_reference(START, plan, seed, scores, time.perf_counter() - started), pool)
        if plan.base.adapts:
            pool.adapt(seed * 1000)
        for name, learn in _references(plan, pool, seed) if scores else ():
            pool.restart()
            started = time.perf_counter()
            learn()
            seconds = time.perf_counter() - started
            add(_reference(name, plan, seed, pool.scores(), seconds), pool)
        for selector in plan.selectors:
            pool.restart()
            ending = _measure(plan, selector, seed, pool, progress, add, comparison.returns)
            if ending is not None:
                comparison.endings.append(f"{label(selector)}, seed {seed}: {ending}")
    return comparison


def _references(plan: Plan, pool: Pool, seed: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """The rows that answers are measured against, each with what trains it."""
    if not plan.all_labels:
        return
    if plan.base.refresh == "cluster":
        nothing = known_beforehand(len(pool), pool.tracklets, different=pool.known_different)
        yield NO_ANSWERS, lambda: pool.refresh(nothing, seed * 1000 + 1)
    yield ALL_LABELS, lambda: pool.learn_all_labels(seed * 1000 + 1)


def _measure(
    plan: Plan,
    selector: str,
    seed: int,
    pool: Pool,
    progress: Progress | None,
    add: Callable[[ResultRow, Pool], None],
    returns: Returns,
) -> str | None:
    """Play one selector's trajectory and add its rows; why it ended before the last budget, in words."""
    config = replace(plan.base, selector=selector, seed=seed, warm=False)
    for note in policy_contradictions(config, model_of(pool)):
        _log.warning(note)
    oracle = label_oracle(pool, config)
    named = _named(progress, f"{selector}, seed {seed}")
    loop = Loop(pool, config, oracle, ends=plan.ends(pool), wanted=plan.budgets, progress=named)
    loop.begin()
    seconds = 0.0
    played: list[float] = []
    while not loop.over:
        metrics = loop.play_round()
        seconds += metrics["seconds"]
        played.extend(metrics["returns"])
        if metrics["quick"]:
            continue
        row = _row(metrics, played, seconds)
        seen = getattr(loop.selector, "seen", {})
        add(replace(row, labels_before=seen.get("labels")), pool)
    if played:  # selectors that rank all open questions play no episodes
        returns.setdefault(label(selector), []).append(played)
    return loop.ending


def _row(metrics: Metrics, returns: list[float], seconds: float) -> ResultRow:
    return ResultRow(
        selector=label(metrics["selector"]),
        refresh=metrics["refresh"],
        seed=metrics["seed"],
        answers=metrics["answers"],
        implied=metrics["implied"],
        match_rate=metrics["match_rate"],
        return_=float(np.mean(returns)) if returns else None,
        rank1=metrics.get("rank1"),
        map=metrics.get("map"),
        minp=metrics.get("minp"),
        seconds=round(seconds, 3),
        pairwise_f1=metrics.get("pairwise_f1"),
        bcubed_f1=metrics.get("bcubed_f1"),
        ari=metrics.get("ari"),
        pairwise_precision=metrics.get("pairwise_precision"),
        pairwise_recall=metrics.get("pairwise_recall"),
    )


def _reference(name: str, plan: Plan, seed: int, scores: dict[str, float], seconds: float) -> ResultRow:
    return ResultRow(
        selector=name,
        refresh="none" if name == START else plan.base.refresh,
        seed=seed,
        answers=0,
        rank1=scores["rank1"],
        map=scores["map"],
        minp=scores["minp"],
        seconds=round(seconds, 3),
    )


def _named(progress: Progress | None, name: str) -> Progress | None:
    return None if progress is None else lambda what, done, total: progress(f"{name}: {what}", done, total)
