"""Where asking between groups ends, is taken up again, or meets people who are never sure or always wrong."""

import hashlib

import numpy as np
import pytest
from asking_world import Simulation

from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.clustering.jaccard import jaccard_similarities
from reid_al_agents.experiment.benchmark import Plan, compare
from reid_al_agents.experiment.run import run
from reid_al_agents.report.rows import ResultRow
from reid_al_agents.report.series import series_of
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import InputError, LabelOracle, synthetic_features


class NeverSure:
    def answer(self, queries, galleries):
        return np.zeros(len(queries), dtype=np.int8)


class AlwaysWrongAlike:
    """Wrong about some pairs, and about those each time in the same way."""

    def __init__(self, identities, share):
        self._truth, self._share = LabelOracle(identities), share
        self.pairs = []

    def answer(self, queries, galleries):
        answers = self._truth.answer(queries, galleries)
        for place, pair in enumerate(zip(queries.tolist(), galleries.tolist(), strict=True)):
            key = (min(pair), max(pair))
            self.pairs.append(key)
            if np.random.default_rng(list(key)).random() < self._share:
                answers[place] *= -1
        return answers


def config(**changes):
    return RunConfig(**{"data": "memory", "refresh": "none", "evaluate_on": "none", **changes})


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(tmp_path):
    features = synthetic_features(25, 6, noise=0.55, seed=0)
    whole = run(config(answers=90), FeaturePool(features), tmp_path / "run")
    before = hashlib.sha256((tmp_path / "run" / "groups.npz").read_bytes()).digest()
    again = run(config(answers=90), FeaturePool(features), tmp_path / "run", resume=True)
    assert again.rounds == whole.rounds
    assert hashlib.sha256((tmp_path / "run" / "groups.npz").read_bytes()).digest() == before


def test_once_nothing_is_left_to_ask_there_are_no_more_rounds(tmp_path):
    features = synthetic_features(10, 6, noise=0.55, seed=0)
    settings = config(answers=3000, rounds=3)
    result = run(settings, FeaturePool(features), tmp_path / "run")
    assert [line["round"] for line in result.rounds] == [0, 1]
    assert 0 < result.rounds[-1]["answers"] < 1000
    resumed = run(settings, FeaturePool(features), tmp_path / "run", resume=True)
    assert resumed.rounds == result.rounds


def test_larger_budgets_are_left_out_once_nothing_is_left_to_ask():
    features = synthetic_features(10, 6, noise=0.55, seed=0)
    plan = Plan(config(), ("gain",), (1000, 2000, 3000), (0,))
    rows = compare(plan, lambda seed: FeaturePool(features)).rows
    assert len(rows) == 1
    assert 0 < rows[0].answers < 1000


@pytest.mark.parametrize("seed", range(3))
def test_errors_that_repeat_do_not_eat_the_budget(seed):
    features = synthetic_features(10, 6, noise=0.6, seed=seed)
    oracle = AlwaysWrongAlike(features.identities, 0.05)
    assert Simulation(features, oracle=oracle).ask(4000).engine.exhausted
    assert max(oracle.pairs.count(pair) for pair in set(oracle.pairs)) <= 6


def test_who_can_never_tell_changes_nothing():
    features = synthetic_features(25, 6, noise=0.55, seed=0)
    asked = Simulation(features, oracle=NeverSure(), audit_share=0.4).ask(100)
    assert asked.report.audited > 10
    assert asked.beliefs.monitor.changes == 0


@pytest.mark.parametrize("seed", range(6, 12))
def test_the_audit_and_the_schedule_never_ask_about_one_pair_twice(seed):
    features = synthetic_features(10, 6, noise=0.6, seed=seed)
    oracle = AlwaysWrongAlike(features.identities, 0.0)
    Simulation(features, oracle=oracle, repeat=False, audit_share=0.3).ask(5000)
    assert len(oracle.pairs) == len(set(oracle.pairs))


def test_certain_answers_are_refused():
    with pytest.raises(InputError, match=r"error_rate: 0.*small rate"):
        GroupSettings(error_rate=0.0)


def test_neighbour_lists_of_one_give_no_similar_pair():
    features = synthetic_features(5, 3, seed=0).features
    assert jaccard_similarities(features, k1=1, k2=1).nnz == 0


def test_lines_begin_at_what_the_images_alone_teach():
    rows = [
        ResultRow("start", "none", 0, 0, map=20.0),
        ResultRow("no answers", "cluster", 0, 0, map=60.0),
        ResultRow("gain", "cluster", 0, 100, map=70.0),
    ]
    (line,) = series_of(rows, "map")
    assert (line.answers, line.mean) == ((0, 100), (60.0, 70.0))
