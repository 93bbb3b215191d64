"""What the audit says of groups that took its answers in, as they do in a run and in a live session."""

import itertools

import numpy as np
import pytest
from live_world import session, truth
from reid_al_agents.experiment.modes import GroupMode

from reid_al_agents.asking.browsing import AskingLimits
from reid_al_agents.asking.engine import Engine
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.audit_events import heard_by_audit
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.suspected_errors import Checked
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import make_selector
from reid_al_agents.workspace.settings import RunConfig
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
        while live.state.answers < 120:
            question = live.questions("anna", 1).questions[0]
            live.answer("anna", question.id, truth(features, question), f"key-{live.state.answers:04d}")
        middle, low, high = live.audit().precision
        assert precision(live.identities().labels, features) < 0.6
        assert low <= 3 / 7 <= high < 0.9
        again = session(store, features, grouping=GroupSettings(audit_share=0.45))
        assert again.audit() is None  # before a batch is planned
        again.questions("anna", 1)
        assert again.audit().precision[0] == pytest.approx(middle, abs=0.1)


def between_groups(features, constraints, checked=None, seed=0, share=0.25, **changes):
    return Engine(
        features,
        compare_visually(features.features, features.cameras),
        constraints,
        make_selector("gain"),
        MatchModel(),
        ChangeMonitor(),
        GroupSettings(audit_share=share, **changes),
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
    """Nothing is asked again here: pairs are drawn the later for it, and none is asked about twice."""
    features = synthetic_features(40, 6, noise=0.6, seed=seed)
    told, silent = (
        everything_asked(
            between_groups(features, ConstraintGraph(len(features)), seed=seed, repeat=False),
            features,
            160,
            say,
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
            live = session(store, features, grouping=GroupSettings(audit_share=0.25, repeat=False))
            chosen_here = []
            while live.state.answers < 100:
                question = live.questions("anna", 1).questions[0]
                audited = question.kind == "audit"
                word = "incomparable" if audited and silent else truth(features, question)
                live.answer("anna", question.id, word, f"key-{live.state.answers:04d}")
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
            live.answer("anna", question.id, word, f"key-{live.state.answers:04d}")
            if question.kind == "audit" and word != (told[0][1] if told else None):
                told.append((question, word))
        heard = live.state.beliefs.heard
        for question, word in told:
            pair = question.query, question.candidate
            assert heard.relation(*pair) == 0
            if word == "same":
                payload = {"a": pair[0], "b": pair[1], "images": []}
                live.edit("merge", "anna", "merge", payload)
            else:
                live.edit("split", "anna", "split", {"images": [pair[0]], "rest": pair[1]})
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
                live.undo(who, f"key-{step}")
            elif luck < 0.96:
                live = session(store, features, **made)
            elif luck >= 0.96:
                live.adopt(features, live.state.round + 1)
            kept = live.planning.asking.checked.audited.state()
            heard = heard_by_audit(live.counting()).state()
            for name, values in heard.items():
                assert np.array_equal(kept[name], values, equal_nan=values.dtype.kind == "f"), (step, name)
    assert {("audit", "same"), ("audit", "different")} <= done


def noisy_audit(share=0.45, noise=0.1, seed=5, **changes):
    """A spell whose audit hears wrong answers, and nothing else does."""
    features = synthetic_features(40, 6, noise=0.6, seed=seed)
    asking = between_groups(features, ConstraintGraph(len(features)), share=share, **changes)
    rng, said = np.random.default_rng(7), []
    while len(said) < 400:
        asking.begin_batch(400 - len(said))
        if (question := asking.draw()) is None:
            break
        while question is not None:
            answer = 1 if features.identities[question.first] == features.identities[question.second] else -1
            if question.kind == "audit" and rng.random() < noise:
                answer = -answer
            asking.take(question, answer)
            said.append((question, answer))
            question = asking.draw()
    return features, asking.checked.audited, said


def test_an_answer_against_the_groups_is_asked_for_again_and_once_more_where_they_differ():
    _, trail, said = noisy_audit()
    answers, notes = {}, {}
    for question, answer in said:
        if question.kind == "audit":
            pair = question.first, question.second
            answers.setdefault(pair, []).append(answer)
            notes.setdefault(pair, question.audit)
    told = {(pair.i, pair.j): pair.answer for pair in trail.pairs() if (pair.i, pair.j) in answers}
    assert told.keys() == answers.keys()
    lengths = set()
    waiting = {(pair.i, pair.j) for pair in trail.doubtful()}
    for pair, given in answers.items():
        against = (notes[pair].stratum == 0) == (given[0] < 0)
        wanted = 1 if not against else 2 if given[:2] == given[:1] * 2 else 3
        assert len(given) == wanted or (pair in waiting and len(given) == wanted - 1)
        total = sum(given)
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
            features, trail, _ = noisy_audit(noise=0.2, seed=seed, repeat=repeat)
            inside = [pair for pair in trail.pairs() if pair.stratum == 0]
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
    counts = [
        sum(question.kind == "audit" for question, _ in noisy_audit(0.2, repeat=repeat)[2])
        for repeat in (False, True)
    ]
    assert abs(counts[0] - counts[1]) <= 3


def test_in_a_live_session_a_slip_against_the_groups_is_outvoted_also_after_a_restart(tmp_path):
    """Of every pair of the audit the first answer is wrong, those that follow are right."""
    features = synthetic_features(30, 6, noise=0.6, seed=2)
    grouping = GroupSettings(audit_share=0.4)
    with EventStore(tmp_path / "events.sqlite") as store:
        live = session(store, features, grouping=grouping)
        seen = {}
        while live.state.answers < 200:
            question = live.questions("anna", 1).questions[0]
            said = truth(features, question)
            pair = question.query, question.candidate
            if question.kind == "audit" and pair not in seen:
                said = "same" if said == "different" else "different"
            seen[pair] = seen.get(pair, 0) + 1
            live.answer("anna", question.id, said, f"key-{live.state.answers:04d}")
        trail = live.planning.asking.checked.audited
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
        assert again.planning.asking.checked.audited.state().keys() == trail.state().keys()
        for name, value in again.planning.asking.checked.audited.state().items():
            np.testing.assert_array_equal(value, trail.state()[name])
        before = len(trail)
        last = next(event for event in reversed(live.counting()) if event.question_kind == "audit")
        live.retract("anna", "taken-back", last.id)
        assert len(live.planning.asking.checked.audited) <= before
