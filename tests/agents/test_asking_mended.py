"""What a review found wrong in asking between groups, each as it should be."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from live_world import pool, session, truth

from reid_al_agents.annotate.session import AnnotationSession
from reid_al_agents.annotate.settings import AnnotationSettings
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.suspected_errors import MAX_ERROR_RATE
from reid_al_agents.beliefs.weights import weigh
from reid_al_agents.experiment.run import run
from reid_al_agents.log.events import Event
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import make_selector
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import (
    ConstraintGraph,
    EpisodeSettings,
    Inquiry,
    LabelOracle,
    NoisyOracle,
    synthetic_features,
)


def log_odds(chance):
    return math.log(chance / (1 - chance))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([1, -1]), min_size=1, max_size=9),
    st.floats(0.05, 0.95),
    st.floats(0.01, 0.04),
)
def test_answers_about_one_pair_add_up_to_bayes_rule(answers, prior, rate):
    """However many there are, what was likely beforehand counts once."""
    posterior = log_odds(prior) + sum(answers) * log_odds(1 - rate)
    assume(abs(posterior) > 1e-6)
    assume(log_odds(1 - rate) + answers[0] * log_odds(prior) > 0.1)  # else the first counts for that much
    graph = ConstraintGraph(2)
    for answer in answers:
        graph.add(0, 1, answer, weigh(graph, 0, 1, answer, prior, rate))
    assert graph.relation(0, 1) == (1 if posterior > 0 else -1)


def test_one_wrong_answer_does_not_outvote_six_right_ones():
    graph = ConstraintGraph(2)
    for answer in (1, 1, 1, 1, 1, 1, -1):
        graph.add(0, 1, answer, weigh(graph, 0, 1, answer, 0.05, 0.02))
    assert graph.relation(0, 1) == 1


def test_what_cannot_be_told_and_what_nobody_held_likely_weighs_one():
    graph = ConstraintGraph(2)
    assert weigh(graph, 0, 1, 0, 0.9, 0.02) == 1.0
    assert weigh(graph, 0, 1, 1, None, 0.02) == 1.0


@pytest.fixture
def _no_page(monkeypatch):
    monkeypatch.setattr("reid_al_agents.experiment.run.write_run_page", lambda *args, **options: None)


def config(**changes):
    return RunConfig(data="x.npz", **{"evaluate_on": "none", **changes})


@pytest.mark.usefixtures("_no_page")
@pytest.mark.parametrize("selector", ["dqn", "dqn-mlp"])
def test_a_policy_asks_on_when_fewer_groups_are_left_than_it_has_candidates(selector, tmp_path):
    features = synthetic_features(8, 6, noise=0.1, seed=1)
    rounds = run(config(selector=selector, answers=40), FeaturePool(features), tmp_path / "r").rounds
    assert rounds[-1]["groups"] < 30
    assert rounds[-1]["pairwise_f1"] > 0.9


def test_a_pool_that_may_be_padded_is_masked_where_nobody_is():
    features = synthetic_features(2, 3, seed=0)
    settings = EpisodeSettings(pool_size=9, budget=3, k=3, metric="cosine")
    inquiry = Inquiry(features, settings, padded=True)
    inquiry.begin(np.array([0]), np.array([2]))
    seen = inquiry.observation()
    assert inquiry.batch.candidates[0].tolist()[5:] == [-1] * 4
    assert seen["action_mask"][0].tolist() == [1] * 5 + [0] * 4
    assert not seen["similarity"][0][6:].any()
    with pytest.raises(ValueError, match="pool_size: 9 with 6 images"):
        Inquiry(features, settings)


@pytest.mark.usefixtures("_no_page")
def test_until_stable_goes_on_past_one_answer_per_image_until_it_is(tmp_path):
    features = synthetic_features(30, 4, noise=0.9, seed=0)
    rounds = run(config(until_stable=True, rounds=2), FeaturePool(features), tmp_path / "r").rounds
    assert len(rounds) > 3
    assert rounds[-1]["answers"] > len(features)
    assert rounds[-1]["pairwise_f1"] > rounds[2]["pairwise_f1"]  # what the answers beyond that brought


@pytest.mark.usefixtures("_no_page")
def test_a_run_that_was_killed_before_its_first_question_can_be_resumed(tmp_path):
    class Killed(Exception):  # noqa: N818
        pass

    class Dying(FeaturePool):
        def features(self):
            raise Killed

    features = synthetic_features(12, 5, seed=0)
    with pytest.raises(Killed):
        run(config(answers=20, rounds=1), Dying(features), tmp_path / "r")
    resumed = run(config(answers=20, rounds=1), FeaturePool(features), tmp_path / "r", resume=True)
    whole = run(config(answers=20, rounds=1), FeaturePool(features), tmp_path / "w")
    assert resumed.folder.groups.read_bytes() == whole.folder.groups.read_bytes()
    assert resumed.rounds[-1]["answers"] == 20


@pytest.fixture
def store(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as made:
        yield made


def tracked(store, features, audit=0.05):
    """A session in which images of one identity at one camera are of one tracklet."""
    tracklets = np.unique(features.identities * 100 + features.cameras, return_inverse=True)[1]

    def known(corrections):
        graph, labels = ConstraintGraph(len(features)), tracklets.copy()
        labels[list(corrections.unusable)] = -1
        graph.link_groups(labels, 3.0)
        return graph

    asked = AnnotationSettings(gold_share=0.0, refresh_every=None)
    grouping = GroupSettings(audit_share=audit)
    made = AnnotationSession(
        features, store, "run", lambda: make_selector("gain"), settings=asked, grouping=grouping, known=known
    )
    return made, tracklets


def test_a_bad_crop_leaves_its_tracklet_which_is_asked_about_as_before(store):
    features = pool(12, 6, seed=1)
    live, tracklets = tracked(store, features)
    first = live.questions("anna", 1).questions[0]
    while (tracklets == tracklets[first.query]).sum() == 1:
        live.answer("anna", first.id, truth(features, first), f"before-{first.query:06d}")
        first = live.questions("anna", 1).questions[0]
    bad = first.query
    live.answer("anna", first.id, "bad_query", "key-bad")
    mates = np.flatnonzero((tracklets == tracklets[bad]) & (np.arange(len(features)) != bad))
    groups = live.state.beliefs.constraints.groups()
    assert len(set(groups[mates])) == 1
    assert groups[bad] not in groups[mates]
    for number in range(150):
        served = live.questions("anna", 1).questions
        if not served:
            break
        assert bad not in (served[0].query, served[0].candidate)
        live.answer("anna", served[0].id, truth(features, served[0]), f"key-{number:04d}")
    others = np.setdiff1d(np.flatnonzero(features.identities == features.identities[bad]), [bad])
    assert (
        np.bincount(live.identities().labels[others]).max() >= len(others) - 1
    )  # its mates found the others


def test_the_audit_never_shows_a_bad_crop(store):
    features = pool(20, 6, noise=0.4)
    live, _ = tracked(store, features, audit=0.45)
    gone = set()
    kinds = Counter()
    for number in range(120):
        served = live.questions("anna", 1).questions
        if not served:
            break
        question = served[0]
        assert not gone & {question.query, question.candidate}
        kinds[question.kind] += 1
        said = truth(features, question)
        if number % 4 == 0 and number < 100:
            gone.add(question.query)
            said = "bad_query"
        live.answer("anna", question.id, said, f"key-{number:04d}")
    assert kinds["audit"] > 10


def test_the_third_answer_that_breaks_a_tie_is_asked_for(store):
    """An answer and its repeat disagree: the pair of the first is asked about once more."""
    features = pool(40, 6, noise=0.45, seed=1)
    live = session(store, features, ready=4)
    wrong = NoisyOracle(LabelOracle(features.identities), false_match=0.2, false_non_match=0.2, seed=0)
    seen, again = Counter(), 0
    for number in range(220):
        served = live.questions("anna", 1).questions
        if not served:
            break
        question = served[0]
        pair = tuple(sorted((question.query, question.candidate)))
        again += question.kind == "repeat" and seen[pair] > 0
        seen[pair] += 1
        said = wrong.answer(np.array([question.query]), np.array([question.candidate]))[0]
        live.answer("anna", question.id, "same" if said > 0 else "different", f"key-{number:04d}")
    assert live.planner.engine.report.disagreed > 0
    assert again > 0


def rechecked(*wrong):
    """Beliefs after rechecks of answers with a chance of error of 1/2; which disagreed."""
    graph = lambda _: ConstraintGraph(2 * len(wrong) + 2)  # noqa: E731
    events = [
        Event(
            f"{number}", "run", "answer", "anna", 0.0, question=f"q{number}", query=2 * number,
            candidate=2 * number + 1, answer="different" if each else "same", id=number + 1,
            question_kind="repeat", payload={"doubted": [2 * number, 2 * number + 1, 1, 0.5]},
        )
        for number, each in enumerate(wrong)
    ]  # fmt: skip
    return Beliefs(graph, 0.02, events)


def test_answers_that_were_not_rechecked_say_nothing_of_the_rate_of_errors():
    """The rate once fell with every answer, so that in the end none was asked again."""
    assert rechecked().error_rate == 0.02
    assert rechecked(*[False] * 8).error_rate == pytest.approx(0.02 / 5)
    assert rechecked(*[True] * 4, *[False] * 4).error_rate == pytest.approx(0.02)
    assert rechecked(True, True).error_rate == pytest.approx(0.02 * 3 / 2)
    assert Beliefs(lambda _: ConstraintGraph(2), 0.3).error_rate == 0.3
    assert replace_rate(rechecked(*[True] * 40), 0.3) == MAX_ERROR_RATE


def replace_rate(beliefs, rate):
    return Beliefs(lambda _: ConstraintGraph(82), rate, beliefs.events.values()).error_rate
