"""What the audit says of groups that took its answers in, as they do in a run and in a live session."""

import numpy as np
import pytest
from live_world import session, truth

from reid_al_agents.annotation.store import EventStore
from reid_al_agents.clustering import compare_looks
from reid_al_agents.evaluation import evaluate_groups
from reid_al_agents.grouping import ChangeMonitor, GroupSettings, MatchModel
from reid_al_agents.learner.asking import AskingLimits
from reid_al_agents.learner.config import RunConfig
from reid_al_agents.learner.doubts import Checked
from reid_al_agents.learner.group_asking import GroupAsking
from reid_al_agents.learner.modes import GroupMode
from reid_al_agents.selection import make_selector
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, LabelOracle, synthetic_features

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


def between_groups(features, constraints, checked=None, seed=0):
    return GroupAsking(
        features,
        compare_looks(features.features, features.cameras),
        constraints,
        make_selector("gain"),
        MatchModel(),
        ChangeMonitor(),
        GroupSettings(audit_share=0.25),
        EpisodeSettings(pool_size=30, budget=1, k=15, metric="cosine", empty_negatives="neutral"),
        np.random.default_rng(seed),
        checked=checked,
    )


def everything_asked(asking, features, answers, audited):
    """The questions with their answers, the audit's being given by ``audited``."""
    said = []
    while len(said) < answers:
        asking.begin_batch(answers - len(said))
        while (question := asking.draw()) is not None:
            answer = 1 if features.identities[question.first] == features.identities[question.second] else -1
            answer = audited(answer) if question.kind == "audit" else answer
            asking.take(question, answer)
            said.append((question.kind, question.first, question.second, answer))
    return said


def chosen(said):
    return [line for line in said if line[0] != "audit"]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_asked_does_not_follow_from_what_the_audit_heard(seed):
    features = synthetic_features(40, 6, noise=0.6, seed=seed)
    told, silent = (
        everything_asked(
            between_groups(features, ConstraintGraph(len(features)), seed=seed), features, 160, say
        )
        for say in (lambda answer: answer, lambda _: 0)
    )
    heard = [line for line in told if line[0] == "audit"]
    assert len(heard) >= 35
    assert {line[3] for line in heard} == {1, -1}
    length = min(len(chosen(told)), len(chosen(silent)))
    assert length > 100
    assert chosen(told)[:length] == chosen(silent)[:length]


def test_asking_that_goes_on_elsewhere_knows_as_much_of_the_audit_as_before():
    features = synthetic_features(40, 6, noise=0.6, seed=3)
    constraints, checked = ConstraintGraph(len(features)), Checked()
    before = between_groups(features, constraints, checked)
    everything_asked(before, features, 120, lambda answer: answer)
    after = between_groups(features, constraints, checked)
    assert checked.withheld
    assert (after.heard.groups() == before.heard.groups()).all()
    assert sorted(after.heard.asked_pairs().tolist()) == sorted(before.heard.asked_pairs().tolist())
    assert len(after.heard.asked_pairs()) == len(constraints.asked_pairs()) - len(checked.withheld)


def test_nobody_is_asked_again_what_the_audit_asked_and_asking_hears_it_then():
    """Two groups of one image each: the pair that the audit drew is the pair to ask about."""
    features = synthetic_features(20, 6, noise=0.6, seed=1)
    asking = between_groups(features, ConstraintGraph(len(features)))
    question = asking.draw() or (asking.begin_batch(10), asking.draw())[1]
    pair, answer = (question.first, question.second), -1
    asking.drop(question)
    asking.constraints.add(*pair, answer)  # as if the audit had drawn just this
    asking.checked.withheld.add((min(pair), max(pair)))
    later = between_groups(features, asking.constraints, asking.checked)
    assert not later.heard.asked(pair[0], np.array(pair[1:]))[0]
    said = everything_asked(later, features, 60, lambda answer: answer)
    assert pair not in {line[1:3] for line in said}
    assert later.heard.relation(*pair) == answer
    assert (min(pair), max(pair)) not in asking.checked.withheld


def test_a_live_session_asks_the_same_whatever_the_audit_heard(tmp_path):
    features = synthetic_features(30, 6, noise=0.6, seed=2)
    asked = []
    for name, silent in (("told", False), ("silent", True)):
        with EventStore(tmp_path / f"{name}.sqlite") as store:
            live = session(store, features, grouping=GroupSettings(audit_share=0.25))
            chosen_here = []
            while live.state.answers < 100:
                question = live.questions("anna", 1).questions[0]
                audited = question.kind == "audit"
                word = "incomparable" if audited and silent else truth(features, question)
                live.answer("anna", question.id, word, f"key-{live.state.answers:04d}")
                if not audited:
                    chosen_here.append((question.query, question.candidate))
            asked.append(chosen_here)
            ledger = live.state.ledger
            assert len(ledger.heard.asked_pairs()) == len(chosen_here)
            assert len(ledger.constraints.asked_pairs()) > len(chosen_here)
    length = min(map(len, asked))
    assert length > 60
    assert asked[0][:length] == asked[1][:length]
