"""How much an annotator's answers count, by the gold questions."""

import math

import pytest
from live_world import pool, session, truth

from reid_al_agents.annotate.reliability import table
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.reliability import PRIOR, Reliability
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_env import ConstraintGraph

ASSUMED = 0.05


def answer(number, annotator, said, true=None, pair=(0, 1)):
    kind, payload = ("policy", {}) if true is None else ("hidden", {"truth": true})
    return Event(
        f"key-{number}", "run", "answer", annotator, 1e9 + number, query=pair[0], candidate=pair[1],
        answer=said, question_kind=kind, question=f"q{number}", probability=0.5, payload=payload,
        id=number + 1,
    )  # fmt: skip


def beliefs(events):
    return Beliefs.replay(lambda _: ConstraintGraph(4), events, ASSUMED)


def gold(annotator, right, wrong, start=0):
    said = ["same"] * right + ["different"] * wrong
    return [answer(start + n, annotator, word, 1) for n, word in enumerate(said)]


def test_the_rate_of_errors_is_the_posterior_mean_and_bounded():
    found = Reliability(ASSUMED)
    for event in gold("anna", 6, 4):
        found.add(event)
    assert found.error_rate("anna") == pytest.approx((PRIOR * ASSUMED + 4) / (PRIOR + 10))
    assert found.error_rate("ben") == ASSUMED
    assert found.weight("ben") == 1
    for event in gold("ben", 0, 500):
        found.add(event)
    assert found.error_rate("ben") == 0.4
    assert 0 < found.weight("ben") < found.weight("anna") < 1
    found.add(answer(0, "cleo", "cannot_tell", 1))
    found.add(answer(0, "cleo", "same"))
    assert found.error_rate("cleo") == ASSUMED


def test_answers_after_wrong_ones_to_gold_questions_weigh_less():
    events = [*gold("anna", 0, 10), *gold("ben", 10, 0, 10)]
    events += [answer(30, "anna", "same", pair=(2, 3)), answer(31, "ben", "same", pair=(1, 3))]
    weights = {item.event.id: item.weight for item in beliefs(events).evidence}
    for number, wrong in ((30, 10), (31, 0)):
        rate = (PRIOR * ASSUMED + wrong) / (PRIOR + 10)
        assert weights[number + 1] == pytest.approx(math.log((1 - rate) / rate))
    assert weights[32] > weights[31]


def test_what_is_applied_one_by_one_and_what_is_replayed_agree():
    events = [*gold("anna", 3, 5), answer(9, "anna", "same", pair=(2, 3))]
    grown = beliefs([])
    for event in events:
        grown.apply(event)
    assert grown.reliability == beliefs(events).reliability
    assert [item.weight for item in grown.evidence] == [item.weight for item in beliefs(events).evidence]
    taken_back = Event("undo", "run", "undo", "anna", 2e9, target=events[4].id, id=99)
    grown.apply(taken_back)
    assert grown.reliability.gold == {"anna": (7, 4)}


def test_in_a_session_who_errs_counts_less(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, pool(20, 5), gold_share=0.4)
        for number in range(400):
            for who in ("anna", "ben"):
                served = live.questions(who, 1).questions
                if not served:
                    break
                question = served[0]
                said = truth(live.state.features, question)
                if who == "ben" and question.kind == "hidden":
                    said = {"same": "different", "different": "same"}[said]
                live.answer(who, question.id, said, f"{who}-{number}")
        found = live.state.beliefs.reliability
        assert found.gold["ben"][1] == found.gold["ben"][0] > 5
        assert found.weight("ben") < 0.5 < 1 <= found.weight("anna")
        lines = table(live.state.beliefs.events.values(), live.state.clock(), found.weight)
        assert [line["weight"] for line in lines] == [round(found.weight(who), 4) for who in ("anna", "ben")]
