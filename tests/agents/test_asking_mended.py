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
from reid_al_agents.beliefs.match_model import PAIR_FEATURES
from reid_al_agents.beliefs.suspected_errors import MOST_WRONG, Checked, SuspectedError, SuspectedErrors
from reid_al_agents.beliefs.weights import weigh
from reid_al_agents.experiment.run import run
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


def doubt(number, answer=1, reach=1.0):
    described = np.full(len(PAIR_FEATURES), float(number))
    return SuspectedError((number, number + 1), (number + 2, number + 3), answer, reach, described)


def test_doubts_come_by_worth_and_are_weighed_by_the_model_of_now():
    doubts = SuspectedErrors()
    for number, probability in enumerate((0.5, 0.1, 0.9)):
        doubts.add(doubt(number), probability, 0.1)  # wrong with 1/10, 1/2 and 1/82
    assert [each.first[0] for each in doubts.all()] == [0, 1, 2]
    assert doubts.pop(0.6) is None
    assert doubts.pop(0.4).first == (1, 2)
    doubts.weigh(lambda described: np.where(described[:, 0] == 2, 0.1, 0.9), 0.1)
    assert doubts.pop(0.4).first == (2, 3)
    assert len(doubts) == 1
    assert doubts.pop(0.4) is None


def test_what_the_checks_remember_is_restored(tmp_path):
    checked = Checked(expected=7.5, disagreed=2, present=1)
    for number in range(3):
        checked.doubts.add(doubt(number, -1, number + 0.5), 0.3, 0.1)
    np.savez(tmp_path / "state.npz", **checked.state())
    again = Checked()
    with np.load(tmp_path / "state.npz", allow_pickle=False) as kept:
        again.restore(kept)
    assert (again.expected, again.disagreed, again.present) == (7.5, 2, 1)
    assert again.error_rate(0.02) == pytest.approx(0.02 * 3 / 8.5)
    for one, other in zip(checked.doubts.all(), again.doubts.all(), strict=True):
        assert (one.first, one.second, one.answer, one.reach) == (
            other.first, other.second, other.answer, other.reach,
        )  # fmt: skip
        assert (one.described == other.described).all()


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
    features = synthetic_features(30, 4, noise=0.6, seed=0)
    rounds = run(config(until_stable=True, rounds=2), FeaturePool(features), tmp_path / "r").rounds
    assert len(rounds) > 3
    assert rounds[-1]["answers"] > len(features)
    assert rounds[-1]["pairwise_f1"] > rounds[2]["pairwise_f1"]  # what the answers beyond that brought


@pytest.mark.usefixtures("_no_page")
def test_a_run_that_was_killed_before_its_first_question_can_be_resumed(tmp_path):
    class Killed(Exception):  # noqa: N818
        pass

    class Dying(FeaturePool):
        def pool(self):
            raise Killed

    features = synthetic_features(12, 5, seed=0)
    with pytest.raises(Killed):
        run(config(answers=20, rounds=1), Dying(features), tmp_path / "r")
    resumed = run(config(answers=20, rounds=1), FeaturePool(features), tmp_path / "r", resume=True)
    whole = run(config(answers=20, rounds=1), FeaturePool(features), tmp_path / "w")
    assert (resumed.folder.groups() == whole.folder.groups()).all()
    assert resumed.rounds[-1]["answers"] == 20


@pytest.fixture
def store(tmp_path):
    with EventStore(tmp_path / "events.sqlite") as made:
        yield made


def tracked(store, features, audit=0.05):
    """A session in which images of one identity at one camera are of one tracklet."""
    tracklets = np.unique(features.identities * 100 + features.cameras, return_inverse=True)[1]

    def known(excluded):
        graph, labels = ConstraintGraph(len(features)), tracklets.copy()
        labels[list(excluded)] = -1
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
    bad = first.query
    assert (tracklets == tracklets[bad]).sum() > 1
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
    assert live.planning.asking.report.disagreed > 0
    assert again > 0


def test_answers_that_nobody_checked_do_not_speak_for_the_others():
    """The rate once fell with every answer, so that in the end none was asked again."""
    assert Checked().error_rate(0.02) == 0.02
    assert Checked(expected=4.0).error_rate(0.02) == pytest.approx(0.02 / 5)
    assert Checked(expected=4.0, disagreed=4).error_rate(0.02) == pytest.approx(0.02)
    assert Checked(expected=1.0, disagreed=9).error_rate(0.02) == pytest.approx(0.1)
    assert Checked(expected=0.0, disagreed=900).error_rate(0.02) == MOST_WRONG
