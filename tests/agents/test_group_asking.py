"""Asking between groups: exact counts, nothing twice, better groups, and a run that survives being killed."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from asking_world import Simulation, handful

from reid_al_agents.asking.browsing import AskingLimits, ask
from reid_al_agents.asking.delivery import deliver, group_images
from reid_al_agents.asking.settings import GroupSettings
from reid_al_agents.beliefs.beliefs import Beliefs
from reid_al_agents.beliefs.calibration import calibration_error
from reid_al_agents.beliefs.stop_rule import ChangeMonitor
from reid_al_agents.beliefs.weights import answer_weight
from reid_al_agents.clustering.forming import form_groups
from reid_al_agents.clustering.visual_similarity import compare_visually
from reid_al_agents.evaluation.grouping import evaluate_groups
from reid_al_agents.experiment.run import run
from reid_al_agents.log.events import SIGNS
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import make_selector
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig
from reid_al_env import (
    ConstraintGraph,
    EpisodeSettings,
    InputError,
    Inquiry,
    synthetic_features,
)
from reid_al_env.mdp.browsing import QueryBrowser

ENOUGH = 100_000


def people(seed=0, identities=25):
    return synthetic_features(identities, 6, noise=0.55, seed=seed)


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("answers", [1, 19, 20, 21, 90])
def test_exactly_as_many_answers_as_asked_for(answers, noise):
    spell = Simulation(people(), noise=noise).ask(answers)
    assert len(spell.oracle.pairs) == spell.report.answers == answers
    assert spell.report.matches == sum(answer > 0 for answer in spell.oracle.answers)
    assert not spell.engine.exhausted
    asked = {tuple(pair) for pair in spell.constraints.asked_pairs().tolist()}
    assert asked == set(spell.oracle.pairs)


def test_not_one_answer_too_many_however_many_are_doubtful_or_audited():
    for answers in range(23, 29):
        spell = Simulation(people(1, 6), noise=0.3, audit_share=0.0, error_rate=0.3).ask(answers)
        assert len(spell.oracle.pairs) == spell.report.answers == answers
        spell = Simulation(people(1, 10), noise=0.3, audit_share=0.45, error_rate=0.3).ask(answers)
        assert len(spell.oracle.pairs) == spell.report.answers == answers


def test_in_a_batch_a_group_asks_once_and_the_most_worthy_first():
    spell = Simulation(people(), "gain-v1", audit_share=0.0, repeat=False)
    batches, inner = {}, spell.engine._compare

    def compare(batch, a, b, joined=False):
        batches.setdefault(id(batch), (batch, []))[1].append((a, b))
        return inner(batch, a, b, joined)

    spell.engine._compare = compare
    spell.ask(120)
    assert len(batches) >= 6
    for batch, asked in batches.values():
        assert 0 < len(asked) <= 10
        view = batch.view
        gains = [view.gain[query].max() for query, _ in asked]
        assert gains == sorted(gains, reverse=True)
        touched = set()
        for query, picked in asked:
            favourite = view.candidates[query][view.gain[query].argmax()]
            assert not touched & {query, favourite}
            touched |= {query, picked}


def test_every_answer_was_expected_with_a_probability_and_progress_is_told():
    told = []
    spell = Simulation(people()).ask(40, bar=lambda done, total: told.append((done, total)))
    assert told == [(done, 40) for done in range(1, 41)]
    assert len(spell.expected) == 40
    assert all(0 < probability < 1 for probability in spell.expected)


def test_an_answer_counts_by_how_likely_it_was_to_be_right():
    spell = Simulation(people(), noise=0.05, error_rate=0.03)
    weights, add = [], spell.constraints.add

    def weighing(i, j, answer, weight=1.0):
        weights.append(weight)
        return add(i, j, answer, weight)

    spell.constraints.add = weighing
    spell.ask(60)
    said = zip(spell.oracle.answers, spell.expected, strict=True)
    assert weights == [answer_weight(answer, probability, 0.03) for answer, probability in said]


@pytest.mark.parametrize("selector", ["gain", "entropy"])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_nothing_is_asked_twice_and_nothing_that_is_known(selector, noise):
    spell = Simulation(people(identities=12), selector, noise, repeat=False, audit_share=0.0).ask(ENOUGH)
    assert spell.report.answers > 50
    assert max(Counter(spell.oracle.pairs).values()) == 1
    assert set(spell.oracle.known) == {0}
    assert (spell.report.repeated, spell.report.disagreed, spell.report.audited) == (0, 0, 0)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_only_repeats_and_the_pairs_they_cast_doubt_on_are_asked_again(noise):
    spell = Simulation(people(), noise=noise, audit_share=0.0).ask(180)
    report = spell.report
    again = sum(times - 1 for times in Counter(spell.oracle.pairs).values())
    known = sum(known != 0 for known in spell.oracle.known)
    assert again <= known <= report.repeated + report.disagreed
    assert 0 < report.repeated < 180


def test_the_audit_takes_its_share_and_no_more():
    for share in (0.0, 0.1, 0.3):
        report = Simulation(people(), audit_share=share, repeat=False).ask(100).report
        assert report.audited <= share * 100 + 1
        assert (report.audited > 0.5 * share * 100) == (share > 0)


def test_groups_become_much_better_than_by_random_picks_or_by_asking_images():
    """One hundred answers about 150 images."""
    errors = []
    for seed in range(3):
        features = people(seed)
        start = Simulation(features, seed=seed).score()
        gain = Simulation(features, "gain", seed=seed).ask(100).score()
        drawn = Simulation(features, "random", seed=seed).ask(100).score()
        constraints = ConstraintGraph(len(features))
        episode = EpisodeSettings(pool_size=30, budget=10, k=15, metric="cosine", empty_negatives="neutral")
        browser = QueryBrowser(len(features), np.random.default_rng(seed))
        between_images = ask(
            Inquiry(features, episode, None, constraints, 5),
            make_selector("random"),
            browser,
            np.random.default_rng(seed),
            AskingLimits(answers=100),
        )
        assert between_images.answers == 100
        looks = compare_visually(features.features, features.cameras)
        of_images = form_groups(looks.similarities, constraints, 0.5, 0.2).groups
        by_images = evaluate_groups(of_images, features.identities).bcubed_f1
        errors.append((1 - gain, 1 - drawn))
        assert gain > by_images + 0.1
        assert gain > start + 0.2
        assert gain > 0.93
    ours, random = np.mean(errors, axis=0)
    assert ours < 0.8 * random


@pytest.mark.parametrize("selector", ["gain", "greedy"])
def test_in_the_end_nothing_is_left_to_ask(selector):
    spell = Simulation(people(identities=12), selector).ask(ENOUGH)
    assert spell.engine.exhausted
    assert spell.report.answers == len(spell.oracle.pairs) < 1000
    batch = spell.engine._batch
    assert not list(batch.comparisons() if selector == "gain" else batch.queries())
    before = list(spell.oracle.pairs)
    spell.ask(spell.report.answers + 10)
    assert spell.oracle.pairs == before
    assert not spell.constraints.contradictions


def test_true_answers_to_everything_make_groups_that_are_true():
    """Few look-alikes, so that micro-clusters are pure: what is left after the last question is the truth."""
    features = synthetic_features(12, 6, noise=0.4, seed=5)
    spell = Simulation(features).ask(ENOUGH)
    assert spell.engine.exhausted
    found = evaluate_groups(spell.engine.formed.groups, features.identities)
    assert found.pairwise_precision == found.pairwise_recall == 1
    assert evaluate_groups(Simulation(features).engine.formed.groups, features.identities).pairwise_recall < 1


def check_no_held_answer_is_violated(groups, constraints):
    for i, j in combinations(range(len(groups)), 2):
        known = constraints.relation(i, j)
        if known:
            assert (groups[i] == groups[j]) == (known > 0)


@pytest.mark.parametrize("seed", [0, 2])
def test_with_wrong_answers_no_held_answer_is_violated_and_doubtful_ones_are_asked_again(seed):
    spell = Simulation(people(seed, 18), noise=0.05, seed=seed).ask(180)
    assert spell.report.answers == 180
    assert spell.report.repeated >= spell.report.disagreed > 0
    assert spell.constraints.contradictions
    assert len(spell.constraints.must_links) + len(spell.constraints.cannot_links) < 180
    check_no_held_answer_is_violated(spell.groups(), spell.constraints)
    check_no_held_answer_is_violated(spell.engine.plan().formed.groups, spell.beliefs.heard)
    assert spell.score() > Simulation(people(seed, 18), "random", noise=0.05, seed=seed).ask(180).score()


def test_asking_again_pays_where_answers_are_wrong():
    def score(seed, repeat):
        spell = Simulation(people(seed, 15), noise=0.1, seed=seed, error_rate=0.1, repeat=repeat)
        return spell.ask(150).score()

    again, once = (np.mean([score(seed, repeat) for seed in (0, 2, 3)]) for repeat in (True, False))
    assert again > once + 0.02


def test_who_never_can_tell_is_not_asked_twice_and_decides_nothing():
    class Silent:
        def answer(self, queries, galleries):
            return np.zeros(len(queries), dtype=np.int8)

    spell = Simulation(people(identities=10), oracle=Silent(), audit_share=0.0).ask(ENOUGH)
    assert spell.engine.exhausted
    assert max(Counter(spell.oracle.pairs).values()) == 1
    assert not spell.beliefs.model.matched
    assert spell.beliefs.monitor.changes == 0
    assert not spell.constraints.must_links + spell.constraints.cannot_links


def test_asking_stops_early_once_answers_change_nothing_any_more(monkeypatch):
    monkeypatch.setattr(
        "reid_al_agents.beliefs.beliefs.ChangeMonitor",
        lambda: ChangeMonitor(span=30, horizon=5, patience=0.3),
    )
    whole = Simulation(people(identities=12)).ask(ENOUGH)
    early = Simulation(people(identities=12))
    early.ask(ENOUGH, stable=lambda: early.beliefs.monitor.stable)
    assert early.beliefs.monitor.stable
    assert not early.engine.exhausted
    assert 20 <= early.report.answers < whole.report.answers
    assert early.oracle.pairs == whole.oracle.pairs[: early.report.answers]
    asked = early.report.answers
    assert early.ask(asked + 50, stable=lambda: early.beliefs.monitor.stable).report.answers == asked


@pytest.mark.parametrize("selector", ["gain", "random"])
def test_same_seed_same_pairs(selector):
    spells = [Simulation(people(), selector, noise=0.05, seed=seed).ask(80) for seed in (1, 1, 2)]
    pairs = [spell.oracle.pairs for spell in spells]
    assert pairs[0] == pairs[1]
    assert pairs[0] != pairs[2]
    assert spells[0].expected == spells[1].expected
    assert (spells[0].groups() == spells[1].groups()).all()


def test_the_match_model_and_the_monitor_hear_of_every_question_between_groups():
    spell = Simulation(people(), audit_share=0.1).ask(140)
    report = spell.report
    others = report.audited + report.repeated
    again = sum(
        event.question_kind == "audit" and event.payload["audit"]["together"] is None
        for event in spell.answers
    )
    assert 140 - others - report.disagreed <= len(spell.beliefs.model.matched) <= 140 - others
    assert again > 0  # of which the monitor does not hear
    assert spell.beliefs.monitor.answers == len(spell.beliefs.model.matched) + others - again
    assert (
        len(spell.beliefs.model.predicted)
        == len(spell.beliefs.model.described)
        == len(spell.beliefs.model.matched)
    )


def test_the_audit_is_asked_whether_probabilities_are_honest():
    """Its calibration error is that of its first answers, with the probabilities kept beside them."""
    spell = Simulation(synthetic_features(40, 6, noise=0.4, seed=0), audit_share=0.3).ask(100)
    audited = [event for event in spell.answers if event.question_kind == "audit"]
    first = [event for event in audited if event.payload["audit"]["together"] is not None]
    told = [(event.probability, event.answer == "same") for event in first]
    assert len(audited) == spell.report.audited > 20
    assert len({guess for guess, _ in told}) > 5
    assert 0 < sum(same for _, same in told) < len(told)
    if len(first) == len(audited):
        assert spell.beliefs.audit.calibration_error() == calibration_error(*zip(*told, strict=True), bins=5)
    again = Simulation(spell.features, before=spell).beliefs
    assert again.audit.calibration_error() == spell.beliefs.audit.calibration_error()
    assert again.audit.pairs() == spell.beliefs.audit.pairs()


class Learner:
    """Picks what the mask allows first, and checks what it is told of it."""

    name = "spy"
    needs_node_features = True

    def __init__(self):
        self.begun = self.ended = self.broken = 0
        self.rewards = []
        self._under_way = False

    def select(self, observation, rng):
        assert observation["node_features"].shape == (1, observation["action_mask"].shape[1] + 1, 3)
        return observation["action_mask"].argmax(axis=1)

    def break_off(self):
        assert self._under_way
        self._under_way = False
        self.broken += 1

    def observe(self, before, actions, rewards, after, terminated, valid=None):
        if not self._under_way:
            assert (before["remaining"] == 1).all()
            self.begun += 1
        assert before["action_mask"][0, actions[0]] == 1
        assert after["action_mask"][0, actions[0]] == 0
        assert (before["node_features"] == after["node_features"]).all()
        self.rewards.append(float(rewards[0]))
        self._under_way = not terminated[0]
        self.ended += bool(terminated[0])


def test_a_learner_is_shown_every_step_and_told_where_an_episode_is_cut():
    learner = Learner()
    spell = Simulation(people(), learner, budget=7).ask(90)
    report = spell.report
    assert learner.begun == report.queries == learner.ended + learner.broken
    assert learner.broken > 0
    assert sum(learner.rewards) == pytest.approx(sum(report.returns), rel=1e-5)
    assert len(report.returns) == report.queries
    between_groups = report.answers - report.audited - report.repeated
    assert len(learner.rewards) >= between_groups - report.disagreed


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_pool_of_a_handful_of_images_comes_to_an_end(count):
    spell = Simulation(handful(count), k1=2, k2=1, micro_cluster_similarity=1.0).ask(50)
    assert spell.report.answers <= count * (count - 1)
    assert spell.engine.exhausted


# The loop

FEATURES = synthetic_features(16, 6, noise=0.5, seed=1)


def config(**changes):
    base = {"data": "memory", "refresh": "none", "evaluate_on": "none", "pool_size": 12, "k": 6}
    return RunConfig(**{**base, **changes})


def subject():
    return FeaturePool(FEATURES)


class Killed(KeyboardInterrupt):
    pass


@pytest.fixture
def _no_page(monkeypatch):
    """Leave out the report, which is half of a short run's time; its own tests are elsewhere."""
    monkeypatch.setattr("reid_al_agents.experiment.run.write_run_page", lambda *args, **options: None)


def essence(result):
    times = ("seconds", "ask_seconds", "refresh_seconds", "score_seconds", "embed_seconds")
    return [{k: v for k, v in line.items() if k not in times} for line in result.rounds]


def kept_groups(result):
    with np.load(result.folder.groups, allow_pickle=False) as kept:
        return kept["groups"]


def logged(folder):
    kept = Folder(folder).kept()
    with EventStore(folder / "events.sqlite") as log:
        events = [event for event in log.events(kept.run) if event.kind == "answer"]
    return [(e.round, e.query, e.candidate, SIGNS[e.answer], e.probability) for e in events]


@pytest.mark.usefixtures("_no_page")
@pytest.mark.parametrize(
    "changes",
    [
        {"audit": 0.2},
        {"noise": 0.05, "seed": 4, "answers": 100, "rounds": 2},
        {"selector": "dqn", "budget": 3, "answers": 45},
    ],
    ids=["gain", "noise", "dqn"],
)
def test_a_run_that_is_killed_after_and_within_a_round_ends_as_an_unbroken_one(
    tmp_path, monkeypatch, changes
):
    graphs = []

    class Graph(ConstraintGraph):
        def __init__(self, size):
            super().__init__(size)
            self.heard = []
            graphs.append(self)

        def add(self, i, j, answer, weight=1.0):
            self.heard.append((int(i), int(j), int(answer), weight))
            return super().add(i, j, answer, weight)

    monkeypatch.setattr("reid_al_agents.training.pool.ConstraintGraph", Graph)
    monkeypatch.setattr(
        "reid_al_agents.beliefs.beliefs.ChangeMonitor", lambda: ChangeMonitor(span=30, horizon=5)
    )
    settings = config(**{"answers": 60, "rounds": 3, **changes})
    whole = run(settings, subject(), tmp_path / "whole")

    def die_after_round_1(metrics):
        if metrics["round"] == 1:
            raise Killed

    with pytest.raises(Killed):
        run(settings, subject(), tmp_path / "broken", on_round=die_after_round_1)

    def die_in_round_2(what, done, total):
        if what == "ask" and done >= 9:
            raise Killed

    with pytest.raises(Killed):
        run(settings, subject(), tmp_path / "broken", resume=True, progress=die_in_round_2)
    cut = logged(tmp_path / "broken")
    assert whole.rounds[1]["answers"] < len(cut) < settings.answers
    resumed = run(settings, subject(), tmp_path / "broken", resume=True)

    assert essence(resumed) == essence(whole)
    assert graphs[-1].heard == graphs[0].heard
    assert len({weight for *_, weight in graphs[0].heard}) > 10
    assert 0 < whole.rounds[-1]["chance_of_change"] < 1
    assert [line["answers"] for line in whole.rounds][-1] == settings.answers
    entries = logged(tmp_path / "whole")
    assert logged(tmp_path / "broken") == entries
    assert entries[: len(cut)] == cut
    assert len(entries) == settings.answers
    assert all(0 < probability < 1 for *_, probability in entries)
    assert (kept_groups(resumed) == kept_groups(whole)).all()
    if changes.get("noise"):
        assert whole.rounds[-1]["repeated"] > 0
        assert whole.rounds[-1]["disagreed"] > 0
    if changes.get("selector") == "dqn":
        policies = [(tmp_path / name / "policy.safetensors").read_bytes() for name in ("whole", "broken")]
        assert policies[0] == policies[1]


@pytest.mark.usefixtures("_no_page")
def test_a_run_keeps_its_groups_and_they_are_the_ones_it_scored(tmp_path):
    features = people(1, 16)
    result = run(config(answers=30, rounds=1, pool_size=30, k=15), FeaturePool(features), tmp_path / "r")
    groups = kept_groups(result)
    last = result.rounds[-1]
    assert groups.shape == (len(features),)
    assert groups.max() + 1 == last["groups"]
    assert evaluate_groups(groups, features.identities).bcubed_f1 == last["bcubed_f1"]
    assert last["bcubed_f1"] > result.rounds[0]["bcubed_f1"] + 0.15
    constraints = ConstraintGraph(len(features))
    for _, i, j, answer, _ in logged(tmp_path / "r"):
        constraints.add(i, j, answer)
    check_no_held_answer_is_violated(groups, constraints)
    with EventStore(tmp_path / "r" / "events.sqlite") as log:
        events = log.events(Folder(tmp_path / "r").kept().run)
    beliefs = Beliefs(lambda _: ConstraintGraph(len(features)), GroupSettings().error_rate, events)
    looks, nothing = (
        compare_visually(features.features, features.cameras),
        np.zeros(len(features), dtype=bool),
    )
    args = beliefs.constraints, beliefs.model, GroupSettings(), nothing
    assert (groups == deliver(features, looks, *args).identities.groups).all()
    assert (groups != group_images(features, looks, args[0], *args[2:]).formed.groups).any()


@pytest.mark.usefixtures("_no_page")
def test_the_figures_of_a_round_are_of_that_round(tmp_path):
    rounds = run(config(answers=60, rounds=2, audit=0.3), subject(), tmp_path / "r").rounds
    assert "audited" not in rounds[0]
    for line in rounds[1:]:
        assert 0 < line["changed_groups"] <= line["changes_watched"] <= 30
        assert 0 < line["audited"] <= 10
        assert 0 <= line["chance_of_change"] <= 1
        assert line["audit_recall"] is None  # a handful of answers says nothing about it
        error = line["audit_calibration_error"]
        assert error is None if line["audit_answers"] < 5 else 0 < error < 1
    assert 0 < rounds[1]["audit_answers"] < rounds[2]["audit_answers"]  # those of earlier rounds still tell
    middle, low, high = rounds[2]["audit_precision"]
    assert 0 <= low <= middle <= high <= 1
    entries = logged(tmp_path / "r")
    assert [sum(entry[0] == number for entry in entries) for number in (1, 2)] == [30, 30]
    assert rounds[-1]["matches"] == sum(entry[3] > 0 for entry in entries)


@pytest.mark.usefixtures("_no_page")
def test_between_images_no_probability_is_kept(tmp_path):
    run(config(nodes="images", selector="random", answers=20), subject(), tmp_path / "r")
    assert {probability for *_, probability in logged(tmp_path / "r")} == {None}


@pytest.mark.usefixtures("_no_page")
def test_a_run_until_stable_is_that_run_cut_short(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "reid_al_agents.beliefs.beliefs.ChangeMonitor",
        lambda: ChangeMonitor(span=20, horizon=5, patience=0.4),
    )
    whole = run(config(answers=120, rounds=3), subject(), tmp_path / "whole").rounds
    early = run(config(answers=120, rounds=3, until_stable=True), subject(), tmp_path / "early").rounds
    assert early[-1]["answers"] < whole[-1]["answers"]
    assert len(early) < len(whole)
    entries = logged(tmp_path / "early")
    assert entries == logged(tmp_path / "whole")[: len(entries)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodes": "images", "selector": "gain"}, "'gain' needs groups.*--nodes groups"),
        ({"nodes": "images", "until_stable": True}, "until_stable needs groups.*--nodes groups"),
        ({"closure": False}, "closure off is about images.*--nodes images"),
        ({"cross_camera": True}, "cross_camera is about images.*--nodes images"),
        ({"nodes": "people"}, "nodes: 'people' is unknown; choose one of groups, images"),
        ({"audit": 0.7}, "audit.*0.7 is out of range"),
        ({"rounds": 0}, "rounds: 0 is out of range"),
        ({"answers": 2, "rounds": 3}, "cannot be cut into 3 rounds"),
        ({"budget": -2}, "budget"),
    ],
)
def test_settings_that_do_not_go_together_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        config(**changes)


def test_what_nobody_says_is_chosen_by_what_asks():
    groups, images = config(), config(nodes="images")
    assert (groups.nodes, groups.selector, groups.rounds, groups.budget) == ("groups", "gain", 6, 1)
    assert (images.selector, images.rounds, images.budget) == ("dqn", 1, 10)
    said = config(nodes="images", selector="random", rounds=2, budget=3)
    assert (said.selector, said.rounds, said.budget) == ("random", 2, 3)
    assert config(audit=0.2).grouping().audit_share == 0.2
    assert not config(refresh="triplet").adapts
    assert config(refresh="cluster").adapts
    assert not config(refresh="cluster", adapt=False).adapts
