"""Means over seeds with their 95 % t intervals."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reid_al_agents.report.measures import MEASURES
from reid_al_agents.report.rows import ResultRow
from reid_al_env.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure it is.

    Attributes:
        mean: Mean over the seeds.
        half_width: Half the width of its 95 % t interval; None with one seed.
        seeds: How many seeds it is over.
    """

    mean: float
    half_width: float | None
    seeds: int


@dataclass(frozen=True)
class Summary:
    """One selector at one number of answers, over its seeds.

    Attributes:
        selector: What chose the pairs.
        refresh: How answers became a model.
        answers: Answers asked for.
        seeds: How many seeds there are.
        estimates: An estimate for each measure that any of the rows has, by the name used in files.
    """

    selector: str
    refresh: str
    answers: int
    seeds: int
    estimates: dict[str, Estimate]


def estimate(values: Iterable[float | None]) -> Estimate | None:
    """Average over seeds, with the two-sided 95 % interval of Student's t.

    The interval is mean ± t(0.975, n − 1) · s / √n, s being the sample's standard deviation (n − 1).

    Args:
        values: One value per seed; those that are None or not finite are left out.

    Returns:
        The estimate, without an interval for one value; None for no value.
    """
    sample = np.array([value for value in values if value is not None and math.isfinite(value)], dtype=float)
    if len(sample) == 0:
        return None
    if len(sample) == 1:
        return Estimate(float(sample[0]), None, 1)
    try:
        from scipy.stats import t
    except ImportError as error:
        raise InputError('intervals need scipy; pip install "reid-active-learning[agents]"') from error
    half_width = t.ppf(0.975, len(sample) - 1) * sample.std(ddof=1) / math.sqrt(len(sample))
    return Estimate(float(sample.mean()), float(half_width), len(sample))


def summarise(rows: Sequence[ResultRow]) -> list[Summary]:
    """Average rows over seeds.

    Args:
        rows: Rows in any order, each selector, refresh, seed and number of answers at most once.

    Returns:
        Summaries, selectors in the order in which they first appear, then by number of answers.

    Raises:
        InputError: A row is there twice, which would make the intervals too narrow.
    """
    groups: dict[tuple[str, str], dict[int, dict[int, ResultRow]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        seeds = groups[row.selector, row.refresh][row.answers]
        if row.seed in seeds:
            what = f"{row.selector}, {row.refresh}, seed {row.seed}, {row.answers} answers"
            raise InputError(f"results hold two rows for {what}; expected one for each seed")
        seeds[row.seed] = row
    return [
        _summary(list(seeds.values()))
        for by_answers in groups.values()
        for _, seeds in sorted(by_answers.items())
    ]


def _summary(rows: list[ResultRow]) -> Summary:
    named = [row.as_dict() for row in rows]
    estimates = {name: estimate(row[name] for row in named) for name in MEASURES}
    present = {name: value for name, value in estimates.items() if value is not None}
    first = rows[0]
    return Summary(first.selector, first.refresh, first.answers, len(rows), present)
