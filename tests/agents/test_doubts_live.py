"""Doubtful answers in a live session: after a restart, an undo, a crop taken out; how they are weighed."""

from collections import Counter

import numpy as np
import pytest
from asking_world import Simulation
from live_world import pool, session

from reid_al_agents.beliefs.weights import answer_weight
from reid_al_agents.log.store import EventStore
from reid_al_env import LabelOracle, NoisyOracle


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
    suspected = live.state.beliefs.suspected.values()
    return {(error.first, error.second, error.answer) for error in suspected}


def test_doubts_and_the_rate_of_errors_found_outlive_a_restart(store):
    features = pool(40, 6, noise=0.45, seed=1)
    live = session(store, features, ready=4)
    kinds = play_wrongly(live, 220)
    again = session(store, features, ready=4)
    before, after = (each.state.beliefs for each in (live, again))
    assert kinds["repeat"] > 3
    assert after.error_rate == pytest.approx(before.error_rate)
    assert before.error_rate != before.assumed_error_rate
    assert vars(again.state.beliefs.monitor) == vars(live.state.beliefs.monitor)
    assert told(live) == told(again)
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
    live.history.undo("anna", "undo-slip")
    assert pair not in {first for first, _, _ in told(live)}
    live.answer("anna", question.id, "different", "key-right")
    assert [answer for first, _, answer in told(live) if first == pair] == [-1]
    assert live.state.beliefs.error_rate == live.state.beliefs.assumed_error_rate


@pytest.mark.parametrize("excluded", [0, 1])
def test_an_answer_is_not_asked_for_again_by_a_crop_that_was_taken_out(excluded):
    features = pool(30, 6, noise=0.45, seed=1)
    simulation = Simulation(features, audit_share=0.0, error_rate=0.2).ask(40)
    engine, suspected = simulation.engine, simulation.beliefs.suspected.values()
    gone = {error.second[excluded] for error in suspected}
    assert len(suspected) > 5
    engine.exclude(gone)
    report = engine.report
    repeated, start = report.repeated, report.answers
    asked = []
    engine.begin_batch(60)
    while (question := engine.draw()) is not None:
        asked.append(question)
        engine.take(question, simulation.annotator.answer(question))
    assert report.answers > start
    assert not gone & {image for question in asked for image in (question.first, question.second)}
    assert report.repeated - repeated == sum(question.suspicion is not None for question in asked)


def test_two_people_who_disagree_are_weighed_as_the_answers_were(store):
    """Anna's answer counts with what was likely beforehand, Ben's to the same question without."""
    live = session(store, pool(25, 5, noise=0.4), overlap=2.0)
    question = next(q for q in live.questions("anna", 5).questions if q.kind == "policy")
    live.questions("ben", 5)
    live.answer("anna", question.id, "same", "key-anna")
    live.answer("ben", question.id, "different", "key-ben")
    (found,) = live.contradictions()
    rate = live.state.grouping.error_rate
    assert found.same[0].weight == answer_weight(1, question.probability, rate)
    assert found.different[0].weight == answer_weight(-1, 0.5, rate)
    assert found.same[0].weight != pytest.approx(found.different[0].weight)
    assert live.state.beliefs.constraints.relation(question.query, question.candidate) == (
        1 if question.probability > 0.5 else -1
    )
