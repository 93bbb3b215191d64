"""Doubtful answers in a live session: after a restart, an undo, a crop taken out; how they are weighed."""

from collections import Counter

import numpy as np
import pytest
from live_world import pool, session

from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.contradictions import find_contradictions
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.suspected_errors import Checked
from reid_al_agents.beliefs.weights import answer_weight
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import make_selector
from reid_al_env import ConstraintGraph, EpisodeSettings, LabelOracle, NoisyOracle


@pytest.fixture
def store(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as made:
        yield made


def play_wrongly(live, answers):
    """Answer one question after the other, one in five wrongly; how many of each kind there were."""
    features = live.state.features
    oracle = NoisyOracle(LabelOracle(features.identities), false_match=0.2, false_non_match=0.2, seed=0)
    kinds = Counter()
    for number in range(answers):
        served = live.questions("anna", 1).questions
        if not served:
            break
        question = served[0]
        said = oracle.answer(np.array([question.query]), np.array([question.candidate]))[0] > 0
        live.answer("anna", question.id, "same" if said else "different", f"key-{number:04d}")
        kinds[question.kind] += 1
    return kinds


def told(live):
    return {(doubt.first, doubt.second, doubt.answer) for doubt in live.planning.asking.checked.doubts.all()}


def test_doubts_and_the_rate_of_errors_found_outlive_a_restart(store):
    features = pool(40, 6, noise=0.45, seed=1)
    live = session(store, features, ready=4)
    kinds = play_wrongly(live, 220)
    again = session(store, features, ready=4)
    before, after = (each.planning.asking.checked for each in (live, again))
    assert kinds["repeat"] > 3
    assert (after.expected, after.disagreed) == (pytest.approx(before.expected), before.disagreed)
    assert before.disagreed > 0
    assert vars(again.supply.monitor) == vars(live.supply.monitor)
    assert told(live) <= told(again)
    asked_again = {tuple(e.payload["doubted"][:2]) for e in again.counting() if "doubted" in e.payload}
    assert len(asked_again) > 3
    assert not asked_again & {first for first, _, _ in told(again)}
    assert len(told(again)) + len(asked_again) <= kinds["policy"]


def test_an_answer_that_was_taken_back_leaves_no_doubt(store):
    live = session(store, pool(25, 5, noise=0.4))
    question = next(q for q in live.questions("anna", 5).questions if q.kind == "policy")
    pair = question.query, question.candidate
    live.answer("anna", question.id, "same", "key-slip")
    assert [answer for first, _, answer in told(live) if first == pair] == [1]
    live.undo("anna", "undo-slip")
    assert pair not in {first for first, _, _ in told(live)}
    live.answer("anna", question.id, "different", "key-right")
    assert [answer for first, _, answer in told(live) if first == pair] == [-1]
    assert live.planning.asking.checked.disagreed == 0


@pytest.mark.parametrize("excluded", [0, 1])
def test_an_answer_is_not_asked_for_again_by_a_crop_that_was_taken_out(excluded):
    features = pool(30, 6, noise=0.45, seed=1)
    graph, checked = ConstraintGraph(len(features)), Checked()
    grouping = GroupSettings(audit_share=0.0, error_rate=0.2)
    asking = Engine(
        features,
        compare_visually(features.features, features.cameras, grouping.k1, grouping.k2),
        graph,
        make_selector("gain"),
        MatchModel(),
        ChangeMonitor(),
        grouping,
        EpisodeSettings(budget=1, metric="cosine"),
        np.random.default_rng(0),
        checked=checked,
    )
    asking.ask(LabelOracle(features.identities), 40)
    doubts = checked.doubts.all()
    gone = {doubt.second[excluded] for doubt in doubts}
    assert len(doubts) > 5
    asking.exclude(gone)
    report = asking.report
    repeated, start = report.repeated, report.answers
    asked = []
    asking.begin_batch(60)
    while (question := asking.draw()) is not None:
        asked.append(question)
        same = features.identities[question.first] == features.identities[question.second]
        asking.take(question, 1 if same else -1)
    assert report.answers > start
    assert not gone & {image for question in asked for image in (question.first, question.second)}
    assert report.repeated - repeated == sum(question.doubted is not None for question in asked)


def test_two_people_who_disagree_are_weighed_as_the_answers_were(store):
    """Anna's answer counts with what was likely beforehand, Ben's to the same question without."""
    live = session(store, pool(25, 5, noise=0.4), overlap=2.0)
    question = next(q for q in live.questions("anna", 5).questions if q.kind == "policy")
    live.questions("ben", 5)
    live.answer("anna", question.id, "same", "key-anna")
    live.answer("ben", question.id, "different", "key-ben")
    (found,) = find_contradictions(live.state.effective.values(), live.state.beliefs)
    rate = live.state.grouping.error_rate
    assert found.same[0].weight == answer_weight(1, question.probability, rate)
    assert found.different[0].weight == answer_weight(-1, 0.5, rate)
    assert found.same[0].weight != pytest.approx(found.different[0].weight)
    assert live.state.beliefs.constraints.relation(question.query, question.candidate) == (
        1 if question.probability > 0.5 else -1
    )
