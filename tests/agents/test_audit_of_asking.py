"""What the audit says of groups that took its answers in, as they do in a run and in a live session."""

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest
from asking_world import Simulation
from live_world import session, truth

from reid_al_agents.asking.audit import audited_quality
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.audit_events import AuditNote
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.log.store import EventStore
from reid_al_env import FeatureSet, synthetic_features

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
    return features, Simulation(features, audit_share=0.45, seed=seed).ask(answers)


def estimate(simulation):
    judged = simulation.engine.deliver(simulation.beliefs.heard).identities.groups
    return audited_quality(simulation.beliefs, judged, simulation.visual).precision


def test_groups_that_agree_with_the_audit_are_not_taken_for_good():
    """Half of the pairs inside are wrong; those that the audit met are told apart, and only those."""
    estimates = []
    for seed in range(10):
        features, simulation = asked(seed, 60)
        truth_of_groups = precision(simulation.groups(), features)
        assert 0.35 < truth_of_groups < 0.65
        estimates.append(estimate(simulation))
    middle, low, high = np.array(estimates).T
    assert abs(middle.mean() - 3 / 7) < 0.06  # of the seven others in a group three are of the same identity
    assert ((low <= 3 / 7) & (high >= 3 / 7)).sum() >= 9
    assert (high < 0.97).all()


def test_what_is_judged_is_the_same_after_a_replay():
    features, simulation = asked(3, 40)
    again = Simulation(features, audit_share=0.45, seed=3, before=simulation)
    assert estimate(again) == estimate(simulation)
    assert estimate(again)[0] < 0.8


def test_neither_are_they_in_a_live_session(tmp_path):
    features = twins(0)
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, features, grouping=GroupSettings(audit_share=0.45))
        while live.state.beliefs.answers < 120:
            question = live.questions("anna", 1).questions[0]
            live.answer(
                "anna", question.id, truth(features, question), f"key-{live.state.beliefs.answers:04d}"
            )
        middle, low, high = live.audit().precision
        assert precision(live.identities().labels, features) < 0.6
        assert low <= 3 / 7 <= high < 0.9
        again = session(store, features, grouping=GroupSettings(audit_share=0.45))
        assert again.audit() is None  # before a batch is planned
        again.questions("anna", 1)
        assert again.audit().precision[0] == pytest.approx(middle, abs=0.1)


def everything_asked(features, answers, audited, **options):
    """The questions with their answers, the audit's being given by ``audited``; and the simulation."""

    class Oracle:
        kind = ""

        def answer(self, queries, galleries):
            same = features.identities[queries] == features.identities[galleries]
            answer = np.where(same, 1, -1)
            return np.array([audited(int(answer[0]))]) if self.kind == "audit" else answer

    oracle = Oracle()
    simulation = Simulation(features, oracle=oracle, **{"audit_share": 0.25, **options})
    engine, said = simulation.engine, []
    while len(said) < answers:
        engine.begin_batch(answers - len(said))
        if (question := engine.draw()) is None:
            break
        while question is not None:
            oracle.kind = question.kind
            answer = simulation.annotator.answer(question)
            engine.take(question, answer)
            said.append((question, answer))
            question = engine.draw()
    return said, simulation


def chosen(said):
    return [(q.kind, q.first, q.second, answer) for q, answer in said if q.kind != "audit"]


def until_shared(said, simulation):
    """The questions before the first pair of the audit that the engine chose as well."""
    answers = 0
    for event in simulation.log.events("run"):
        if "shared" in event.payload:
            break
        answers += event.kind == "answer"
    return said[:answers]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_asked_does_not_follow_from_what_the_audit_heard(seed):
    """Until a pair of the audit is chosen, too: from then on its answer may guide questions.

    Nothing is asked again here: pairs are drawn the later for it, and none is asked about twice.
    """
    features = synthetic_features(120, 6, noise=0.6, seed=seed)
    told, silent = (
        until_shared(*everything_asked(features, 240, say, seed=seed, repeat=False))
        for say in (lambda answer: answer, lambda _: 0)
    )
    heard = [answer for question, answer in told if question.kind == "audit"]
    assert len(heard) >= 25
    assert set(heard) == {1, -1}
    length = min(len(chosen(told)), len(chosen(silent)))
    assert length > 70
    assert chosen(told)[:length] == chosen(silent)[:length]


def test_asking_that_goes_on_elsewhere_knows_as_much_of_the_audit_as_before():
    features = synthetic_features(40, 6, noise=0.6, seed=3)
    _, before = everything_asked(features, 120, lambda answer: answer)
    after = Simulation(features, audit_share=0.25, before=before).beliefs
    assert after.withheld == before.beliefs.withheld != set()
    assert (after.heard.groups() == before.beliefs.heard.groups()).all()
    assert sorted(after.heard.asked_pairs().tolist()) == sorted(before.beliefs.heard.asked_pairs().tolist())
    known = len(after.constraints.asked_pairs())
    assert len(after.heard.asked_pairs()) == known - len(after.withheld)


def test_a_pair_of_the_audit_is_not_asked_about_again_and_asking_hears_it_then():
    """Two groups of one image each: the pair that the audit drew is the pair to ask about."""
    features = synthetic_features(20, 6, noise=0.6, seed=1)
    first = Simulation(features, audit_share=0.25)
    first.engine.begin_batch(10)
    question = first.engine.draw()
    pair = question.first, question.second
    first.engine.drop(question)
    note = AuditNote(0, 1, together=False)  # as if the audit had drawn just this
    first.annotator.answer(replace(question, kind="audit", audit=note, described=None, again=None))
    assert not first.beliefs.heard.asked(pair[0], np.array(pair[1:]))[0]
    first.ask(60)
    assert [event for event in first.answers[1:] if (event.query, event.candidate) == pair] == []
    assert first.beliefs.heard.relation(*pair) == first.beliefs.constraints.relation(*pair) != 0
    assert question.pair not in first.beliefs.withheld


def test_a_live_session_asks_the_same_whatever_the_audit_heard(tmp_path):
    features = synthetic_features(30, 6, noise=0.6, seed=2)
    asked = []
    for name, silent in (("told", False), ("silent", True)):
        with EventStore(tmp_path / f"{name}.sqlite") as store:
            live = session(store, features, grouping=GroupSettings(audit_share=0.25, repeat=False))
            chosen_here = []
            while live.state.beliefs.answers < 100:
                question = live.questions("anna", 1).questions[0]
                audited = question.kind == "audit"
                word = "incomparable" if audited and silent else truth(features, question)
                live.answer("anna", question.id, word, f"key-{live.state.beliefs.answers:04d}")
                if not audited:
                    chosen_here.append((question.query, question.candidate))
            asked.append(chosen_here)
            ledger = live.state.beliefs
            heard = {(int(i), int(j)) for i, j in ledger.heard.asked_pairs()}
            released = heard - {(min(pair), max(pair)) for pair in chosen_here}
            assert len(released) <= 2  # the audit's pairs that asking came upon by itself
            assert len(heard) == len(chosen_here) + len(released)
            assert len(ledger.constraints.asked_pairs()) > len(chosen_here)
    length = min(map(len, asked))
    assert length > 60
    assert asked[0][:length] == asked[1][:length]


def test_what_people_edit_is_heard_also_of_the_pairs_of_the_audit(tmp_path):
    features = twins(0)
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, features, grouping=GroupSettings(audit_share=0.45))
        told = []
        while len(told) < 2:
            question = live.questions("anna", 1).questions[0]
            word = truth(features, question)
            live.answer("anna", question.id, word, f"key-{live.state.beliefs.answers:04d}")
            if question.kind == "audit" and word != (told[0][1] if told else None):
                told.append((question, word))
        heard = live.state.beliefs.heard
        for question, word in told:
            pair = question.query, question.candidate
            assert heard.relation(*pair) == 0
            if word == "same":
                payload = {"a": pair[0], "b": pair[1], "images": []}
                live.acts.edit("merge", "anna", "merge", payload)
            else:
                live.acts.edit("split", "anna", "split", {"images": [pair[0]], "rest": pair[1]})
            assert heard.relation(*pair) == (1 if word == "same" else -1)
        again = session(store, features, grouping=GroupSettings(audit_share=0.45)).state.beliefs.heard
        assert np.array_equal(again.groups(), heard.groups())


@pytest.mark.parametrize("how", ["restart", "refresh"])
def test_the_audit_has_its_share_however_often_asking_begins_anew(tmp_path, how):
    features = synthetic_features(60, 6, noise=0.6, seed=1)
    settings = GroupSettings(audit_share=0.1)
    kinds = []
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, features, grouping=settings)
        for number in range(180):
            if number % 30 == 29:
                if how == "restart":
                    live = session(store, features, grouping=settings)
                else:
                    live.adopt(features, live.state.round + 1)
            question = live.questions("anna", 1).questions[0]
            live.answer("anna", question.id, truth(features, question), f"key-{number:04d}")
            kinds.append(question.kind)
    assert 13 <= kinds.count("audit") <= 21


@pytest.mark.parametrize("seed", range(2))
def test_what_the_audit_heard_follows_from_the_events_whatever_people_do(tmp_path, seed):
    rng = np.random.default_rng(seed)
    features = synthetic_features(30, 6, noise=0.6, seed=seed)
    done = set()
    with EventStore(tmp_path / "events.sqlite") as store:
        made = {"overlap": 1.3, "grouping": GroupSettings(audit_share=0.35)}
        live = session(store, features, **made)
        for step in range(120):
            who, luck = "abc"[rng.integers(3)], rng.random()
            if luck < 0.84:
                for question in live.questions(who, 1).questions:
                    wrong = {"same": "different", "different": "same"}[truth(features, question)]
                    words = [truth(features, question), wrong, "cannot_tell", "incomparable", "bad_candidate"]
                    word = rng.choice(words, p=[0.78, 0.12, 0.06, 0.02, 0.02])
                    live.answer(who, question.id, str(word), f"key-{step}")
                    done.add((question.kind, str(word)))
            elif luck < 0.93 and any(event.annotator == who for event in live.counting()):
                live.history.undo(who, f"key-{step}")
            elif luck < 0.96:
                live = session(store, features, **made)
            elif luck >= 0.96:
                live.adopt(features, live.state.round + 1)
            beliefs = live.state.beliefs
            replayed = session(store, features, **made).state.beliefs
            assert replayed.audit.pairs() == beliefs.audit.pairs(), step
            assert list(replayed.audit.to_recheck()) == list(beliefs.audit.to_recheck())
            assert replayed.withheld == beliefs.withheld
            assert (replayed.audit_draws, replayed.error_rate) == (beliefs.audit_draws, beliefs.error_rate)
            assert replayed.suspected.keys() == beliefs.suspected.keys()
            assert np.array_equal(replayed.heard.groups(), beliefs.heard.groups())
    assert {("audit", "same"), ("audit", "different")} <= done


@functools.cache
def noisy_audit(share=0.45, noise=0.1, seed=5, **changes):
    """A simulation whose audit hears wrong answers, and nothing else does; run once for all tests."""
    features = synthetic_features(60, 6, noise=0.6, seed=seed)
    rng = np.random.default_rng(7)
    said, simulation = everything_asked(
        features,
        400,
        lambda answer: -answer if rng.random() < noise else answer,
        audit_share=share,
        **changes,
    )
    return features, simulation.beliefs, said


def test_an_answer_against_the_groups_is_asked_for_again_and_once_more_where_they_differ():
    _, beliefs, said = noisy_audit()
    trail = beliefs.audit
    answers, notes = {}, {}
    for question, answer in said:
        if question.kind == "audit":
            pair = question.first, question.second
            answers.setdefault(pair, []).append(answer)
            notes.setdefault(pair, question.audit)
    told = {(pair.i, pair.j): pair.answer for pair in trail.pairs() if (pair.i, pair.j) in answers}
    assert told.keys() == answers.keys()
    lengths = set()
    waiting = {(pair.i, pair.j) for pair in trail.to_recheck()}
    for pair, given in answers.items():
        against = (notes[pair].stratum == 0) == (given[0] < 0)
        wanted = 1 if not against else 2 if given[:2] == given[:1] * 2 else 3
        assert len(given) == wanted or (pair in waiting and len(given) == wanted - 1)
        total = sum(answer for question, answer in said if {question.first, question.second} == {*pair})
        assert told[pair] == (given[0] if total == 0 else (1 if total > 0 else -1))
        lengths.add(len(given))
    assert lengths == {1, 2, 3}
    assert len(waiting) < 5


def test_wrong_answers_hardly_count_against_the_groups_any_more():
    """Of the pairs inside groups that match, how many the audit holds for not matching."""
    shares = {}
    for repeat in (False, True):
        wrong = []
        for seed in range(5):
            features, beliefs, _ = noisy_audit(noise=0.2, seed=seed, repeat=repeat)
            inside = [pair for pair in beliefs.audit.pairs() if pair.stratum == 0]
            same = [pair for pair in inside if features.identities[pair.i] == features.identities[pair.j]]
            wrong += [pair.answer < 0 for pair in same]
        assert len(wrong) > 40
        shares[repeat] = np.mean(wrong)
    assert shares[True] < 0.6 * shares[False]


def test_a_pair_is_asked_about_again_a_while_later():
    _, _, said = noisy_audit(share=0.1)
    places = {}
    for place, (question, _) in enumerate(said):
        if question.kind == "audit":
            places.setdefault((question.first, question.second), []).append(place)
    between = [b - a for several in places.values() for a, b in itertools.pairwise(several)]
    assert between
    assert min(between) >= 5  # of ten answers one is the audit's


def test_the_audit_asks_no_more_for_asking_again():
    """Its draws, those of pairs that are known already among them, are its share of all answers."""
    for repeat in (False, True):
        _, beliefs, said = noisy_audit(0.2, repeat=repeat)
        assert beliefs.audit_draws == 0.2 * len(said) == 80


def test_in_a_live_session_a_slip_against_the_groups_is_outvoted_also_after_a_restart(tmp_path):
    """Of every pair of the audit the first answer is wrong, those that follow are right."""
    features = synthetic_features(30, 6, noise=0.6, seed=2)
    grouping = GroupSettings(audit_share=0.4)
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, features, grouping=grouping)
        seen = {}
        while live.state.beliefs.answers < 220:
            question = live.questions("anna", 1).questions[0]
            said = truth(features, question)
            pair = question.query, question.candidate
            if question.kind == "audit" and pair not in seen:
                said = "same" if said == "different" else "different"
            seen[pair] = seen.get(pair, 0) + 1
            live.answer("anna", question.id, said, f"key-{live.state.beliefs.answers:04d}")
        trail = live.state.beliefs.audit
        asked_thrice = {pair for pair in seen if pair in trail and seen[pair] >= 3}
        assert len(asked_thrice) > 5
        told = {(pair.i, pair.j): pair.answer for pair in trail.pairs()}
        right = {
            pair: 1 if features.identities[pair[0]] == features.identities[pair[1]] else -1 for pair in told
        }
        assert all(told[pair] == right[pair] for pair in asked_thrice)
        once = [pair for pair in told if seen.get(pair) == 1]
        assert once
        assert all(told[pair] != right[pair] for pair in once)
        again = session(store, features, grouping=grouping)
        assert again.state.beliefs.audit.pairs() == trail.pairs()
        before = len(trail)
        last = next(event for event in reversed(live.counting()) if event.question_kind == "audit")
        live.history.retract("anna", "taken-back", last.id)
        assert len(live.state.beliefs.audit) <= before
