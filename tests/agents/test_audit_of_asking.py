"""What the audit says of groups that took its answers in, as they do in a run and in a live session."""

import numpy as np
import pytest
from live_world import session, truth

from reid_al_agents.annotation.store import EventStore
from reid_al_agents.evaluation import evaluate_groups
from reid_al_agents.grouping import GroupSettings
from reid_al_agents.learner.asking import AskingLimits
from reid_al_agents.learner.config import RunConfig
from reid_al_agents.learner.modes import GroupMode
from reid_al_agents.selection import make_selector
from reid_al_env import ConstraintGraph, FeatureSet, LabelOracle

LOOKS, IMAGES = 24, 8


def twins(seed):
    """Of images that look the same, half are of another identity: nobody but the audit asks about them."""
    rng = np.random.default_rng(seed)
    alike = np.repeat(np.arange(LOOKS), IMAGES)
    points = rng.normal(size=(LOOKS, 16))[alike] + 0.2 * rng.normal(size=(len(alike), 16))
    identities = 2 * alike + np.arange(len(alike)) % 2
    return FeatureSet(points.astype(np.float32), identities, np.arange(len(alike)) // 2 % 2)


def precision(groups, features):
    return evaluate_groups(groups, features.identities).pairwise_precision


def asked(seed, answers):
    features = twins(seed)
    config = RunConfig("memory", refresh="none", evaluate_on="none", pool_size=12, k=6, audit=0.45, seed=seed)
    constraints = ConstraintGraph(len(features))
    mode = GroupMode(config, constraints, LabelOracle(features.identities), lambda: make_selector("gain"))
    mode.see(features)
    mode.ask(AskingLimits(answers=answers), np.random.default_rng(seed), None)
    return features, mode


def test_groups_that_agree_with_the_audit_are_not_taken_for_good():
    """Half of the pairs inside are wrong; those that the audit met are told apart, and only those."""
    estimates = []
    for seed in range(10):
        features, mode = asked(seed, 60)
        truth_of_groups = precision(mode.groups(), features)
        assert 0.35 < truth_of_groups < 0.65
        estimates.append(mode.figures()["audit_precision"])
    middle, low, high = np.array(estimates).T
    assert abs(middle.mean() - 3 / 7) < 0.06  # of the seven others in a group three are of the same identity
    assert ((low <= 3 / 7) & (high >= 3 / 7)).sum() >= 9
    assert (high < 0.97).all()


def test_what_is_judged_is_the_same_after_going_on_from_a_checkpoint(tmp_path):
    features, mode = asked(3, 40)
    mode.keep(tmp_path)
    config = RunConfig("memory", refresh="none", evaluate_on="none", pool_size=12, k=6, audit=0.45, seed=3)
    again = GroupMode(
        config, mode._constraints, LabelOracle(features.identities), lambda: make_selector("gain")
    )
    again.resume(tmp_path, 0)
    again.see(features)
    assert mode._audit_figures()["audit_precision"] == again._audit_figures()["audit_precision"]
    assert again._audit_figures()["audit_precision"][0] < 0.8


def test_neither_are_they_in_a_live_session(tmp_path):
    features = twins(0)
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, features, grouping=GroupSettings(audit_share=0.45))
        while live.state.answers < 60:
            question = live.questions("anna", 1).questions[0]
            live.answer("anna", question.id, truth(features, question), f"key-{live.state.answers:04d}")
        middle, low, high = live.audit().precision
        assert precision(live.identities().labels, features) < 0.6
        assert low <= 3 / 7 <= high < 0.9
        again = session(store, features, grouping=GroupSettings(audit_share=0.45))
        assert again.audit() is None  # before a batch is planned
        again.questions("anna", 1)
        assert again.audit().precision[0] == pytest.approx(middle, abs=0.1)
