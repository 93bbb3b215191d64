"""Live sessions: what people do is kept, believed, taken back and shared out as it should be."""

import numpy as np
import pytest
from live_world import pool, session, truth

from reid_al_agents.annotate.messages import Conflict, Unknown
from reid_al_agents.annotate.reliability import cohen_kappa, table
from reid_al_agents.beliefs.audit import AuditedPair
from reid_al_agents.beliefs.audit_events import noted_pairs
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.calibration import calibration_error
from reid_al_agents.beliefs.match_model import MatchModel
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_env import ConstraintGraph, InputError


@pytest.fixture
def store(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as made:
        yield made


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


def play(live, answers, people=("anna",), count=1, features=None, wrong=()):
    """Answer rightly but where ``wrong`` says; the questions in order."""
    features = live.state.features if features is None else features
    asked = []
    for number in range(answers):
        who = people[number % len(people)]
        served = live.questions(who, count)
        if not served.questions:
            break
        question = served.questions[0]
        said = truth(features, question)
        if number in wrong:
            said = {"same": "different", "different": "same"}[said]
        live.answer(who, question.id, said, f"key-{who}-{len(live.state.keys)}", 1.0)
        asked.append(question)
    return asked


def test_everything_known_is_in_the_store_and_a_new_session_goes_on(store):
    live = session(store)
    play(live, 60, ("anna", "ben"))
    again = session(store)
    assert again.state.beliefs.answers == live.state.beliefs.answers == 60
    assert np.array_equal(again.state.beliefs.constraints.groups(), live.state.beliefs.constraints.groups())
    assert len(again.state.beliefs.model.matched) == len(live.state.beliefs.model.matched) > 0
    asked = {event.question for event in again.state.beliefs.events.values()}
    assert not asked & {question.id for question in again.questions("anna", 10).questions}


def test_in_the_end_the_identities_are_found_with_far_fewer_answers_than_pairs(store):
    features = pool(12, 5, noise=0.4)
    live = session(store, features)
    play(live, 2000, ("anna", "ben", "cleo"))
    assert live.questions("anna", 1).waiting == "finished"
    assert live.dispatch.finished
    scores = evaluate_groups(live.identities().labels, features.identities)
    assert scores.bcubed_f1 > 0.95
    assert live.state.beliefs.answers < len(features) * (len(features) - 1) / 2 / 4


def test_no_pair_goes_to_two_people_and_nobody_gets_their_own_again(store):
    live = session(store, pool(30, 5))
    given = {}
    for _ in range(30):
        for who in ("anna", "ben", "cleo"):
            for question in live.questions(who, 4).questions:
                if question.kind != "audit":  # which is asked again where answers contradict it
                    given.setdefault(frozenset((question.query, question.candidate)), set()).add(who)
            first = live.questions(who, 4).questions[0]
            live.answer(who, first.id, truth(live.state.features, first), f"{who}{len(live.state.keys):06d}")
    assert all(len(people) == 1 for people in given.values())
    answers = [event for event in live.counting() if event.kind == "answer"]
    assert len({event.question for event in answers}) == 90


def test_overlap_asks_as_many_people_as_it_says(store):
    live = session(store, overlap=2.0)
    play(live, 40, ("anna", "ben", "cleo"))
    people = {}
    for event in live.state.beliefs.events.values():
        people.setdefault(event.question, []).append(event.annotator)
    assert all(len(set(who)) == len(who) <= 2 for who in people.values())
    assert sum(len(who) == 2 for who in people.values()) >= 12
    lines = table(live.state.beliefs.events.values(), live.state.clock(), live.state.beliefs.reliability)
    assert all(line["agreement"]["kappa"] == 1.0 for line in lines if line["agreement"])


def test_a_lease_runs_out_and_the_late_answer_still_counts_once(store):
    clock = Clock()
    live = session(store, clock=clock, lease_seconds=60)
    mine = live.questions("anna", 3).questions
    assert not {q.id for q in mine} & {q.id for q in live.questions("ben", 3).questions}
    clock.now += 61
    theirs = live.questions("cleo", 3).questions
    assert {q.id for q in mine} & {q.id for q in theirs}
    said = truth(live.state.features, mine[0])
    late = live.answer("anna", mine[0].id, said, "late-key")
    assert late.counted
    assert not live.answer("anna", mine[0].id, said, "late-key").counted
    with pytest.raises(Conflict, match="another person has it"):
        live.answer("dora", mine[1].id, said, "not-hers")
    assert live.state.beliefs.answers == 1


def test_a_repeated_request_counts_once_and_a_second_answer_is_refused(store):
    live = session(store)
    question = live.questions("anna", 1).questions[0]
    first = live.answer("anna", question.id, "same", "key-1")
    again = live.answer("anna", question.id, "same", "key-1")
    assert (first.counted, again.counted) == (True, False)
    assert first.event.id == again.event.id
    with pytest.raises(Conflict, match="answered it already"):
        live.answer("anna", question.id, "different", "key-2")
    with pytest.raises(Conflict, match="something else"):
        live.answer("ben", question.id, "same", "key-1")
    with pytest.raises(Unknown, match="not of this run"):
        live.answer("anna", "nonsense", "same", "key-3")
    with pytest.raises(Unknown, match="expected one of"):
        live.answer("ben", question.id, "maybe", "key-4")
    assert live.state.beliefs.answers == 1


def test_undo_goes_back_any_number_of_steps_also_after_a_restart(store):
    live = session(store)
    asked = play(live, 12)
    before = live.state.beliefs.constraints.groups()
    more = play(live, 5)
    live = session(store)
    for number, question in enumerate(reversed(more)):
        undone = live.history.undo("anna", f"undo-{number}")
        assert undone.question.id == question.id
        assert live.questions("anna", 1).questions[0].id == question.id
    assert (
        live.history.undo("anna", "undo-0").question.id == more[-1].id
    )  # a repeated request takes no more back
    assert live.state.beliefs.answers == 12
    assert np.array_equal(live.state.beliefs.constraints.groups(), before)
    assert sum(event.kind != "audit" for event in store.events("run")) == 12 + 5 + 5
    with pytest.raises(Conflict, match="nothing to take back"):
        live.history.undo("ben", "undo-ben")
    live.answer("anna", more[0].id, "same", "after-undo")
    assert live.state.beliefs.answers == 13
    assert asked[0].id not in {question.id for question in live.questions("anna", 20).questions}


def test_after_an_undo_the_match_probability_still_knows_what_pairs_there_are(store):
    live = session(store)
    play(live, 12)
    before = live.state.beliefs.model
    live.history.undo("anna", "undo")
    after = live.state.beliefs.model
    described = np.array(before.described)
    fresh = MatchModel(after.described, after.matched, after.predicted)
    fresh.fit(before.seen)
    np.testing.assert_allclose(after.probabilities(described), fresh.probabilities(described))
    alone = MatchModel(after.described, after.matched, after.predicted)
    alone.fit()
    assert not np.allclose(after.probabilities(described), alone.probabilities(described))


def test_what_has_become_known_is_withdrawn(store):
    features = pool(identities=4, images=8, noise=0.2)
    live = session(store, features)
    held = {who: live.questions(who, 12).questions for who in ("anna", "ben")}
    for question in held["anna"]:
        if live.is_open(question.id, "anna"):
            live.answer("anna", question.id, truth(features, question), f"k{question.id}")
    known = live.state.beliefs.constraints
    for question in held["ben"]:
        implied = known.relation(question.query, question.candidate) != 0
        if question.kind == "policy":
            assert live.is_open(question.id, "ben") != implied


def test_cannot_tell_goes_to_another_person_and_incomparable_to_nobody(store):
    live = session(store)
    play(live, 4, ("anna", "ben"))
    first, second = live.questions("anna", 2).questions
    live.answer("anna", first.id, "cannot_tell", "key-first")
    live.answer("anna", second.id, "incomparable", "key-second")
    seen = {question.id for question in live.questions("ben", 40).questions}
    assert first.id in seen
    assert second.id not in seen
    assert first.id not in {question.id for question in live.questions("anna", 40).questions}
    assert live.state.beliefs.constraints.asked(second.query, np.array([second.candidate]))[0]
    assert live.state.beliefs.constraints.relation(second.query, second.candidate) == 0
    live.answer("ben", first.id, "cannot_tell", "key-ben")
    assert first.id not in {question.id for question in live.questions("cleo", 40).questions}


def test_a_bad_crop_leaves_the_pool(store):
    live = session(store)
    play(live, 20)
    question = live.questions("anna", 1).questions[0]
    live.answer("anna", question.id, "bad_candidate", "bad-crop")
    asked = play(live, 200)
    assert question.candidate not in {image for each in asked for image in (each.query, each.candidate)}
    sheet = live.identities()
    assert sheet.size(sheet.of_image(question.candidate)) == 1
    again = session(store)
    assert again.state.beliefs.excluded == {question.candidate}
    assert not any(question.candidate in (item.i, item.j) for item in again.state.beliefs.evidence)


def considered(key, query, candidate, answer):
    """An answer of the kind that settles a contradiction."""
    return Event(
        key, "run", "answer", "anna", 0.0, query=query, candidate=candidate, answer=answer,
        question_kind="dispute", payload={"settles": True},
    )  # fmt: skip


def test_only_what_is_contradicted_can_be_settled(store):
    live = session(store)
    with pytest.raises(Conflict, match="nothing is contradicted"):
        live.acts.settle("anna", "key", 0, 1, "same")
    assert live.state.beliefs.answers == 0


def test_a_contradiction_is_shown_with_its_chain_and_settled_for_good(store):
    live = session(store)
    events = [("a", 0, 1, "same"), ("b", 1, 2, "same"), ("c", 2, 3, "same"), ("d", 0, 3, "different")]
    for key, query, candidate, answer in events:
        live.take_in([considered(f"weak-{key}", query, candidate, answer)])
    # Considered answers outweigh each other, so all stand open.
    found = live.contradictions()
    assert [(item.i, item.j) for item in found[0].same] == [(0, 1), (1, 2), (2, 3)]
    assert [(item.i, item.j) for item in found[0].different] == [(0, 3)]
    live.history.retract(
        "ben", "retract-c", next(e.id for e in live.state.beliefs.events.values() if e.key == "weak-c")
    )
    assert live.contradictions() == []
    assert live.state.beliefs.constraints.relation(0, 3) == -1


def test_people_who_disagree_are_shown_and_a_considered_answer_settles_it(store):
    live = session(store, overlap=2.0)
    question = live.questions("anna", 1).questions[0]
    live.answer("anna", question.id, "same", "key-anna")
    live.answer("ben", question.id, "different", "key-ben")
    found = live.contradictions()
    assert [item.kind for item in found] == ["people"]
    live.acts.settle("cleo", "settled", question.query, question.candidate, "different")
    assert live.contradictions() == []
    assert live.state.beliefs.constraints.relation(question.query, question.candidate) == -1


def test_identities_can_be_merged_split_and_named_and_each_edit_taken_back(store):
    features = pool(identities=20, images=6, noise=0.2)
    live = session(store, features)
    sheet = live.identities()
    a, b = sheet.ordered("size")[:2]
    first, second = sheet.images(a, 1)[0], sheet.images(b, 1)[0]
    shown = [*sheet.images(a)[1:], *sheet.images(b)[1:]]
    live.acts.edit("merge", "anna", "merge-1", {"a": first, "b": second, "images": shown})
    merged = live.identities()
    assert merged.of_image(first) == merged.of_image(second)
    assert merged.size(merged.of_image(first)) >= sheet.size(a) + sheet.size(b)
    live.history.undo("anna", "undo-merge")
    assert live.identities().of_image(first) != live.identities().of_image(second)

    members = live.identities().images(live.identities().of_image(first))
    live.acts.edit("split", "anna", "split-1", {"images": members[:2], "rest": members[2]})
    parted = live.identities()
    assert parted.of_image(members[0]) == parted.of_image(members[1]) != parted.of_image(members[2])

    live.acts.edit("name", "anna", "name-1", {"image": members[0], "name": "Ada"})
    assert live.identities().name(live.identities().of_image(members[1])) == "Ada"
    assert live.identities().ordered("name")[0] == live.identities().of_image(members[0])
    again = session(store, features)
    assert again.identities().name(again.identities().of_image(members[1])) == "Ada"


@pytest.mark.parametrize("merged", [False, True])
def test_a_split_says_that_these_are_not_those_and_nothing_else(store, merged):
    live = session(store, pool(identities=20, images=6, noise=0.4))
    listed = live.identities()
    a, b = listed.ordered("size")[:2]
    if merged:
        shown = [*listed.images(a)[1:], *listed.images(b)[1:]]
        pair = {"a": listed.images(a)[0], "b": listed.images(b)[0]}
        live.acts.edit("merge", "anna", "merge", {**pair, "images": shown})
    listed = live.identities()
    members = listed.images(listed.of_image(listed.images(listed.ordered("size")[0])[0]))
    chosen, rest = [members[1], members[-1]], [members[0], *members[2:-1]]
    before = live.state.beliefs.constraints.relation(*rest[:2])
    live.acts.edit("split", "anna", "split", {"images": chosen, "rest": rest[0], "kept": rest[1:]})
    parted, known = live.identities(), live.state.beliefs.constraints
    of = {image: parted.of_image(image) for image in members}
    assert not {of[image] for image in chosen} & {of[image] for image in rest}
    assert all(known.relation(one, other) == -1 for one in chosen for other in rest)
    assert known.relation(*rest[:2]) == before
    if not merged:
        assert known.relation(*chosen) == 0


def test_an_identity_can_be_split_again_and_again(store):
    live = session(store, pool(identities=20, images=6, noise=0.2))
    members = live.identities().images(live.identities().ordered("size")[0])
    for number in range(3):
        chosen, *rest = members[number:]
        payload = {"images": [chosen], "rest": rest[0], "kept": rest[1:]}
        live.acts.edit("split", "anna", f"split-{number}", payload)
        parted = live.identities()
        assert parted.of_image(chosen) not in {parted.of_image(image) for image in rest}
    known = live.state.beliefs.constraints
    assert not live.contradictions()
    assert known.relation(members[3], members[4]) == 0


@pytest.mark.parametrize("named", [0, 1])
def test_a_name_stays_with_the_larger_part_of_a_split(store, named):
    live = session(store, pool(identities=20, images=6, noise=0.2))
    members = live.identities().images(live.identities().ordered("size")[0])
    live.acts.edit("name", "anna", "name", {"image": members[named], "name": "Limpy"})
    payload = {"images": [members[0]], "rest": members[1], "kept": members[2:]}
    live.acts.edit("split", "anna", "split", payload)
    parted = live.identities()
    assert parted.name(parted.of_image(members[1])) == "Limpy"
    assert parted.name(parted.of_image(members[0])) is None
    live.history.undo("anna", "undo")
    assert live.identities().name(live.identities().of_image(members[0])) == "Limpy"


def test_a_split_outweighs_all_answers_that_joined_what_it_parts(store):
    live = session(store)
    for number in range(30):
        live.take_in([considered(f"same-{number}", 0, 1, "same")])
    live.acts.edit("split", "anna", "split", {"images": [0], "rest": 1})
    assert live.state.beliefs.constraints.relation(0, 1) == -1


def test_after_an_undo_the_groups_beside_a_pair_are_those_of_now(store):
    live = session(store, pool(identities=20, images=6, noise=0.2))
    live.questions("anna", 1)
    sheet = live.planner.groups
    a, b = sheet.ordered("size")[:2]
    first, second = sheet.images(a)[0], sheet.images(b)[0]
    live.acts.edit("merge", "anna", "merge", {"a": first, "b": second, "images": []})
    live.planner.plan()
    assert live.planner.groups.of_image(first) == live.planner.groups.of_image(second)
    live.history.undo("anna", "undo")
    live.questions("anna", 4)
    assert live.planner.groups.of_image(first) != live.planner.groups.of_image(second)


def test_what_is_undone_while_a_batch_is_planned_is_planned_anew(store):
    class Later:
        def __init__(self):
            self.jobs = []

        def submit(self, job):
            self.jobs.append(job)

        def run(self):
            while self.jobs:
                self.jobs.pop(0)()

    later = Later()
    live = session(store, pool(identities=20, images=6, noise=0.2), executor=later)
    live.questions("anna", 1)
    later.run()
    sheet = live.planner.groups
    a, b = sheet.ordered("size")[:2]
    first, second = sheet.images(a)[0], sheet.images(b)[0]
    live.acts.edit("merge", "anna", "merge", {"a": first, "b": second, "images": []})
    live.planner.plan()
    live.history.undo("anna", "undo")
    later.run()
    assert live.planner.groups.of_image(first) == live.planner.groups.of_image(second)
    live.questions("anna", 4)
    later.run()
    assert live.planner.groups.of_image(first) != live.planner.groups.of_image(second)


def audited_until(live, features, answers):
    while live.state.beliefs.answers < answers:
        served = live.questions("anna", 1).questions
        if not served:
            break
        live.answer("anna", served[0].id, truth(features, served[0]), f"key-{live.state.beliefs.answers:04d}")


def test_what_the_audit_and_the_monitor_say_is_the_same_after_a_restart(store):
    features = pool(identities=20, images=6, noise=0.6)
    live = session(store, features)
    audited_until(live, features, 120)
    pairs = live.state.beliefs.audit.pairs()
    assert len(pairs) >= 3
    again = session(store, features)
    assert again.state.beliefs.audit.pairs() == pairs
    kept = again.state.beliefs.designs
    assert list(kept) == [0]
    assert np.array_equal(kept[0].groups, live.state.beliefs.designs[0].groups)
    assert np.array_equal(live.state.beliefs.designs[0].sizes, kept[0].sizes)
    assert vars(again.state.beliefs.monitor) == vars(live.state.beliefs.monitor)
    assert 0 < live.state.beliefs.monitor.changes < live.state.beliefs.monitor.answers
    estimate = live.audit()
    assert 0 < estimate.answers <= len(pairs)
    assert estimate.recall is None  # so few say nothing of it


def test_a_slip_about_an_audited_pair_counts_for_nothing_once_it_is_put_right(store):
    features = pool(identities=20, images=6, noise=0.3)
    live = session(store, features)
    right, wrong = session_twins(live, features)
    assert right
    assert right == wrong
    assert len({(pair.i, pair.j) for pair in right}) == len(right)
    twin = session(store, features)
    assert vars(twin.state.beliefs.monitor) == vars(live.state.beliefs.monitor)


def session_twins(live, features):
    """Every audit question is answered wrongly, taken back and answered rightly; both lists should agree."""
    right = []
    for number in range(120):
        served = live.questions("anna", 1).questions
        if not served:
            break
        question, said = served[0], truth(features, served[0])
        if question.kind == "audit":
            slip = "same" if said == "different" else "different"
            live.answer("anna", question.id, slip, f"slip-{number:04d}")
            live.history.undo("anna", f"undo-{number:04d}")
            note = question.detail["audit"]
            if note["together"] is not None:  # else it asks again
                drawn = note["design"], note["stratum"]
                sign = 1 if said == "same" else -1
                right.append(AuditedPair(question.query, question.candidate, *drawn, sign))
        live.answer("anna", question.id, said, f"key-{number:04d}")
    known = [noted_pairs(event) for event in live.counting() if event.kind == "audit"]
    drawn = live.state.beliefs.audit.pairs()
    return right, [pair for pair in drawn if [pair] not in known]


def test_two_people_who_answer_one_audit_question_count_once(store):
    features = pool(identities=20, images=6, noise=0.6)
    live = session(store, features, overlap=2.0)
    guessed = {}
    for number in range(300):
        served = live.questions(("anna", "ben")[number % 2], 1).questions
        if served:
            who = ("anna", "ben")[number % 2]
            said = truth(features, served[0])
            live.answer(who, served[0].id, said, f"key-{number:04d}")
            if served[0].kind == "audit" and served[0].detail["audit"]["together"] is not None:
                guessed[served[0].id] = served[0].probability, said == "same"
    error = calibration_error(*zip(*guessed.values(), strict=True), bins=5)
    assert live.state.beliefs.audit.calibration_error() == pytest.approx(error)
    assert 0 < error < 1
    twice = [event.question for event in live.counting() if event.question_kind == "audit"]
    assert len(twice) > len(set(twice)) > 2
    pairs = [(pair.i, pair.j) for pair in live.state.beliefs.audit.pairs()]
    assert len(pairs) == len(set(pairs))


def test_known_questions_tell_the_careful_from_the_careless(store):
    live = session(store, pool(25, 5), gold_share=0.5)
    features, rng = live.state.features, np.random.default_rng(0)
    for number in range(400):
        who = ("careful", "careless")[number % 2]
        served = live.questions(who, 1).questions
        if not served:
            break
        said = truth(features, served[0])
        if who == "careless" and rng.random() < 0.5:
            said = "same" if said == "different" else "different"
        live.answer(who, served[0].id, said, f"key-{number:04d}")
    events = live.state.beliefs.events.values()
    assert sum(event.question_kind == "hidden" and event.annotator == "careful" for event in events) > 8
    lines = {line["name"]: line for line in table(events, 0.0, live.state.beliefs.reliability)}
    assert lines["careful"]["weight"] >= 0.85
    assert lines["careless"]["weight"] < 0.5


def test_rows_share_their_query_and_are_kept_together(store):
    live = session(store)
    play(live, 5)
    rows = live.rows("anna", 2)
    assert len(rows) == 2
    assert any(len(row) == 5 for row in rows)
    for row in rows:
        assert len({question.query for question in row}) == 1
        assert len({question.candidate for question in row}) == len(row)
    assert [[q.id for q in row] for row in live.rows("anna", 2)] == [[q.id for q in row] for row in rows]
    for question in rows[0]:
        live.answer("anna", question.id, truth(live.state.features, question), f"row-{question.id}")
    assert live.state.beliefs.answers == 5 + len(rows[0])


def test_new_features_keep_what_people_have_before_them(store):
    live = session(store)
    play(live, 20)
    before = live.questions("anna", 3).questions
    live.adopt(pool(seed=0), 1)
    assert [q.id for q in live.questions("anna", 3).questions][:3] == [q.id for q in before]
    assert live.answer("anna", before[0].id, truth(live.state.features, before[0]), "old-one").counted
    assert live.state.round == 1
    assert play(live, 30)[-1].round == 1


def test_a_wanted_number_of_answers_is_the_end(store):
    live = session(store, answers=25)
    assert len(play(live, 100)) == 25
    assert live.questions("anna", 1).waiting == "finished"


def test_the_same_seed_and_answers_ask_the_same_questions(tmp_path):
    asked = []
    for name in ("a", "b"):
        with EventStore(tmp_path / name) as store:
            asked.append([(q.query, q.candidate, q.kind) for q in play(session(store, clock=Clock()), 80)])
    assert asked[0] == asked[1]


def test_the_ledger_is_the_same_event_by_event_and_replayed(store):
    live = session(store, overlap=1.3)
    play(live, 90, ("anna", "ben", "cleo"), wrong=(3, 17, 44, 58))
    replayed = Beliefs.replay(
        lambda _: ConstraintGraph(len(live.state.features)),
        store.events("run"),
        live.state.grouping.error_rate,
    )
    live_groups = live.state.beliefs.constraints
    assert np.array_equal(replayed.constraints.groups(), live_groups.groups())
    assert np.array_equal(replayed.constraints.group_conflicts(), live_groups.group_conflicts())


def test_cohens_kappa_by_hand():
    assert cohen_kappa([1, 1, -1, -1], [1, -1, -1, -1]) == pytest.approx(0.5)
    assert cohen_kappa([1, 1], [1, 1]) == 1.0
    assert cohen_kappa([1, -1], [-1, 1]) == -1.0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("overlap", 0.5, "overlap"),
        ("lease_seconds", 0, "lease"),
        ("gold_share", 0.9, "gold"),
        ("answers", 0, "answers"),
    ],
)
def test_bad_settings_are_named(store, name, value, words):
    with pytest.raises(InputError, match=words):
        session(store, **{name: value})


def test_a_model_that_is_being_fitted_still_answers(monkeypatch):
    """Batches are planned beside the asking, which goes on with the last fit until the next is done."""
    from sklearn.linear_model import LogisticRegression

    from reid_al_agents.beliefs.match_model import PAIR_FEATURES, MatchModel

    model, rng = MatchModel(), np.random.default_rng(0)
    for number in range(200):
        model.add(rng.normal(size=len(PAIR_FEATURES)), 0.5, 1 if number % 2 else -1)
    pairs = rng.normal(size=(5, len(PAIR_FEATURES)))
    inner, seen = LogisticRegression.fit, []

    def fit(self, *args, **options):
        model.add(pairs[0], 0.5, 1)
        seen.append(model.probabilities(pairs))
        return inner(self, *args, **options)

    monkeypatch.setattr(LogisticRegression, "fit", fit)
    model.fit()
    model.fit()
    assert len(seen) == 2
    assert not np.array_equal(seen[0], seen[1])


def test_a_plan_that_fails_is_told_and_no_answer_is_lost(store, monkeypatch, caplog):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as planner:
        live = session(store, executor=planner)

        def fail(known):
            raise ZeroDivisionError("no luck")

        monkeypatch.setattr(live.planner.engine, "plan", fail)
        assert live.questions("anna", 1).questions == []
        planner.shutdown(wait=True)
        with pytest.raises(InputError, match=r"no luck.*answers are kept"):
            live.questions("anna", 1)
    assert "could not be planned" in caplog.text


def test_whether_answers_still_change_anything_outlives_a_restart(store):
    live = session(store, pool(25, 5))
    play(live, 120)
    again = session(store, pool(25, 5))
    told = [e for e in live.state.beliefs.events.values() if e.question_kind in ("policy", "audit", "repeat")]
    assert {e.question_kind for e in told} == {"policy", "audit", "repeat"}
    policy = [event for event in told if event.question_kind == "policy"]
    once = [e for e in told if e.payload.get("audit", {"together": True})["together"] is not None]
    assert again.state.beliefs.monitor.answers == len(once) > len(policy) > 30
    assert again.state.beliefs.monitor.changes >= sum(event.answer == "same" for event in policy)
    assert vars(again.state.beliefs.monitor) == vars(live.state.beliefs.monitor)
    assert again.state.beliefs.monitor.rate < 1.0


def test_what_is_put_off_goes_to_others_and_comes_back_last(store):
    live = session(store, pool(20, 5), ready=8)
    first = live.questions("anna", 1).questions[0]
    live.skip("anna", [first.id, "unknown"])
    assert first.id not in {question.id for question in live.questions("anna", 4).questions}
    assert first.id in {question.id for question in live.questions("ben", 60).questions}
    live.skip("ben", [first.id])
    seen = []
    while not seen or seen[-1] != first.id:
        served = live.questions("anna", 1).questions
        assert served, "it never came back"
        seen.append(served[0].id)
        if seen[-1] != first.id:
            answer = truth(live.state.features, served[0])
            live.answer("anna", served[0].id, answer, f"key-{len(seen):04d}")
    assert len(seen) > 8
