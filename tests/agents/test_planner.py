"""Planning beside annotators: what is judged, how often it is done, and for how many it is enough."""

import itertools

import numpy as np
import pytest
from live_world import pool, session, truth

from reid_al_agents.annotate import planner as planner_module
from reid_al_agents.asking.engine import Snapshot
from reid_al_agents.log.store import EventStore


class Later:
    """An executor whose work is done when the test says so."""

    def __init__(self):
        self.waiting = []

    def submit(self, work):
        self.waiting.append(work)

    def work(self):
        for each in self.waiting:
            each()
        self.waiting.clear()


@pytest.fixture
def store(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as made:
        yield made


def answer(live, name, key):
    for question in live.questions(name, 1).questions:
        live.answer(name, question.id, truth(live.state.features, question), key)


def test_the_audit_judges_what_would_be_delivered_without_its_answers(store):
    live = session(store, pool(25, 5, noise=0.7))
    for number in range(60):
        answer(live, "anna", f"key-{number}")
    live.planner.plan()
    heard = Snapshot.of(live.state.beliefs).heard
    assert np.array_equal(live.planner.judged, live.planner.engine.deliver(heard).identities.groups)


def test_planning_ahead_rests_for_twice_the_time_that_it_took(store, monkeypatch):
    now, later = itertools.count(), Later()
    live = session(store, pool(30, 5, noise=0.7), executor=later)
    monkeypatch.setattr(planner_module, "monotonic", lambda: next(now))  # a plan takes one
    live.questions("anna", 1)
    later.work()

    def planned_after_calls():
        for calls in range(1, 20):
            for _ in range(20):  # enough answers for the next batch
                live.planner.changed(counts=True)
            live.planner.keep_up()
            if later.waiting:
                return calls
        return None

    assert planned_after_calls() == 2
    later.work()
    ended = next(now)
    monkeypatch.setattr(planner_module, "monotonic", lambda: ended)
    assert planned_after_calls() is None
    live.planner._drained, live.planner._fresh = True, False  # nothing is left to ask: that cannot wait
    live.planner.keep_up()
    assert later.waiting


def test_fifty_annotators_have_four_questions_each(store):
    live = session(store, pool(650, 2, noise=0.7))
    held = {}
    for number in range(50):
        name = f"annotator-{number}"
        held[name] = [question.id for question in live.questions(name, 4).questions]
    assert {len(questions) for questions in held.values()} == {4}
    assert len(set(itertools.chain(*held.values()))) == 200
