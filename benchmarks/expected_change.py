"""The first guess of the rule ``expected-change``: fits WEIGHTS and OFFSET of ``catalogue/rules.py`` again.

A logistic regression of "match" on :func:`~reid_al_env.catalogue.rules.described` questions, over states of
training tasks that nearest-first, random, one-check-in-four and label-seeing play comes to.

``OMP_NUM_THREADS=1 python benchmarks/expected_change.py``
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from recording import new_table, run, show
from sklearn.linear_model import LogisticRegression

import reid_al_env  # noqa: F401 -- importing registers the environments
from reid_al_env.catalogue.game import CatalogueGame, GameSettings
from reid_al_env.catalogue.pool import Pool
from reid_al_env.catalogue.questions import QUESTION_FEATURES
from reid_al_env.catalogue.references import label_seeing, nearest_first
from reid_al_env.catalogue.rules import OFFSET, WEIGHTS, described, one_check_in_four
from reid_al_env.catalogue.tasks import draw_training_task

IDS = ("ReIDCatalogue-v0", "ReIDCatalogue-v0", "ReIDCatalogueNoisy-v0", "ReIDCatalogueSmall-v0")
"""Each episode is of a random one of these."""
RULES = ("nearest", "random", "one-check-in-four", "label-seeing")
EPISODES, EXPLORE, KEPT = 16, 0.1, 0.1
"""Episodes side by side; shares of random questions and of states that are kept."""
COSINES = ("mean", "best", "average")
COLUMNS = (*QUESTION_FEATURES, *(f"{name}²" for name in COSINES), *(f"{name}, together" for name in COSINES))


class Fitted(NamedTuple):
    """A logistic regression of "match" on described questions."""

    weights: NDArray[np.float64]
    offset: float
    questions: int
    matches: float


def main() -> None:
    """Fit, and show the weights beside those of the rule."""
    options = _parse()
    found = fit(options.states, options.seed)
    print(f"{found.questions} questions of {options.states} states, {found.matches:.1%} of them matches")
    table = new_table("Logistic regression of match", ("column",), ("fitted", "in the rule"))
    rows = zip((*COLUMNS, "offset"), (*found.weights, found.offset), (*WEIGHTS, OFFSET), strict=True)
    for column, fitted, kept in rows:
        table.add_row(column, f"{fitted:.2f}", f"{kept:.2f}")
    show(table)


def fit(states: int, seed: int) -> Fitted:
    """Play training tasks and fit the regression to their open questions."""
    seen, matched = zip(*_played(states, np.random.default_rng(seed)), strict=True)
    questions, matches = described(np.concatenate(seen).astype(np.float64)), np.concatenate(matched)
    model = LogisticRegression(max_iter=2000, C=10).fit(questions, matches)
    return Fitted(model.coef_[0], float(model.intercept_[0]), len(matches), float(matches.mean()))


def _played(count: int, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Features and labels of the open questions of at least ``count`` states."""
    episodes = [_begun(rng) for _ in range(EPISODES)]
    found = 0
    while found < count:
        for place, (game, rule) in enumerate(episodes):
            if rng.random() < KEPT:
                found += 1
                yield game.observation()["questions"][: len(game.slots)], game.matches()
            explore = rng.random() < EXPLORE
            game.step(_choice(game, "random" if explore else rule, rng))
            if game.over:
                episodes[place] = _begun(rng)


def _begun(rng: np.random.Generator) -> tuple[CatalogueGame, str]:
    settings = dict(gym.spec(IDS[rng.integers(len(IDS))]).kwargs)
    task = draw_training_task(rng, settings.pop("identities", 60))
    del settings["tasks"]
    return CatalogueGame(Pool.of(task), GameSettings(**settings), task.noise_seed), str(rng.choice(RULES))


def _choice(game: CatalogueGame, rule: str, rng: np.random.Generator) -> int:
    if rule == "random":
        return int(rng.integers(len(game.slots)))
    if rule == "one-check-in-four":
        return one_check_in_four(game.together(), game.spent)
    return nearest_first(game) if rule == "nearest" else label_seeing(game)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=20_000, help="states to play")
    parser.add_argument("--seed", type=int, default=77, help="of tasks and play")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
