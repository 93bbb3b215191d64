"""The loop: limits, closure, determinism, resume, and the comparison built on it."""

import json

import numpy as np
import pytest

from reid_al_agents.asking.browsing import AskingLimits, ask
from reid_al_agents.asking.policy import choose
from reid_al_agents.data import make_split
from reid_al_agents.experiment.benchmark import Plan, compare
from reid_al_agents.experiment.run import run
from reid_al_agents.log.store import EventStore
from reid_al_agents.selection import make_selector
from reid_al_agents.training.feature_pool import FeaturePool
from reid_al_agents.workspace.folder import Folder
from reid_al_agents.workspace.settings import RunConfig, boundaries
from reid_al_env import ConstraintGraph, EpisodeSettings, FeatureSet, InputError, Inquiry, synthetic_features
from reid_al_env.mdp.browsing import QueryBrowser

FEATURES = synthetic_features(24, 6, seed=1)


def config(**changes):
    base = {
        "data": "memory",
        "nodes": "images",
        "refresh": "none",
        "evaluate_on": "none",
        "pool_size": 12,
        "budget": 4,
        "k": 6,
    }
    return RunConfig(**{**base, "selector": "random", **changes})


def inquiry(size=3, closure=True):
    constraints = ConstraintGraph(len(FEATURES)) if closure else None
    return Inquiry(
        FEATURES, EpisodeSettings(pool_size=12, budget=4, k=6, metric="cosine"), None, constraints, size
    )


def spell(questions, limits, browser=None, selector="entropy"):
    browser = browser or QueryBrowser(len(FEATURES), np.random.default_rng(0))
    return ask(questions, make_selector(selector), browser, np.random.default_rng(1), limits)


@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize("answers", [1, 5, 50])
def test_exactly_as_many_answers_as_allowed(size, answers):
    questions = inquiry(size)
    assert spell(questions, AskingLimits(answers=answers)).answers == answers
    constraints = questions.constraints
    assert len(constraints.must_links) + len(constraints.cannot_links) == answers


def test_queries_are_limited_and_go_on_where_they_stopped():
    browser = QueryBrowser(len(FEATURES), np.random.default_rng(0))
    first = spell(inquiry(closure=False), AskingLimits(queries=7), browser)
    assert (first.queries, first.answers, len(first.returns)) == (7, 28, 7)
    rest = spell(inquiry(closure=False), AskingLimits(), browser)
    assert rest.queries == len(FEATURES) - 7
    assert browser.remaining == 0


def test_with_closure_everything_is_settled_in_the_end_and_nothing_is_asked_twice():
    questions = inquiry()
    report = spell(questions, AskingLimits())
    known = questions.constraints
    assert not known.contradictions
    pairs = [tuple(sorted(pair)) for pair in known.must_links + known.cannot_links]
    assert len(pairs) == len(set(pairs)) == report.answers
    assert report.implied > 0


def test_a_learner_is_shown_true_successors_row_by_row():
    class Spy:
        name = "spy"

        def __init__(self):
            self.seen = []

        def select(self, observation, rng):
            return observation["action_mask"].argmax(axis=1)

        def break_off(self):
            pass

        def observe(self, before, actions, rewards, after, terminated, valid):
            rows = np.flatnonzero(valid)
            picked = after["feedback"][rows, actions[rows]]
            assert (before["action_mask"][rows, actions[rows]] == 1).all()
            assert (after["action_mask"][rows, actions[rows]] == 0).all()
            assert (picked != 0).all()
            self.seen += rewards[rows].tolist()

    spy = Spy()
    report = ask(
        inquiry(),
        spy,
        QueryBrowser(len(FEATURES), np.random.default_rng(0)),
        np.random.default_rng(0),
        AskingLimits(),
    )
    assert sum(spy.seen) == pytest.approx(sum(report.returns), rel=1e-5)


@pytest.mark.parametrize(("selector", "noise"), [("random", 0.0), ("entropy", 0.2), ("dqn", 0.0)])
def test_same_seed_same_run_and_resume_changes_nothing(tmp_path, selector, noise):
    """A run that dies after a round, and one that dies in the middle of a round, end as an unbroken one."""

    class Killed(KeyboardInterrupt):
        pass

    def subject():
        return FeaturePool(FEATURES, make_split(FEATURES, 0))

    settings = config(selector=selector, noise=noise, answers=90, rounds=3)
    whole = run(settings, subject(), tmp_path / "whole")

    def die_after_round_1(metrics):
        if metrics["round"] == 1:
            raise Killed

    with pytest.raises(Killed):
        run(settings, subject(), tmp_path / "broken", on_round=die_after_round_1)

    def die_in_round_2(what, done, total):
        if what == "ask" and done >= 15:
            raise Killed

    with pytest.raises(Killed):
        run(settings, subject(), tmp_path / "broken", resume=True, progress=die_in_round_2)
    resumed = run(settings, subject(), tmp_path / "broken", resume=True)

    def essence(result):
        times = ("seconds", "ask_seconds", "refresh_seconds", "score_seconds", "embed_seconds")
        return [{k: v for k, v in line.items() if k not in times} for line in result.rounds]

    assert essence(resumed) == essence(whole)
    assert len(whole.rounds) == 4
    assert whole.rounds[-1]["answers"] == 90
    logs = []
    for name in ("broken", "whole"):
        with EventStore(tmp_path / name / "events.sqlite") as log:
            events = log.events(Folder(tmp_path / name).kept().run)
        logs.append([(event.query, event.candidate, event.answer) for event in events])
    assert logs[0] == logs[1]
    if selector == "dqn":
        policies = [(tmp_path / name / "policy.safetensors").read_bytes() for name in ("whole", "broken")]
        assert policies[0] == policies[1]


def test_a_folder_is_not_overwritten_or_resumed_by_another_run(tmp_path):
    subject = FeaturePool(FEATURES)
    run(config(answers=10), subject, tmp_path / "a")
    with pytest.raises(InputError, match="holds a run already"):
        run(config(answers=10), subject, tmp_path / "a")
    with pytest.raises(InputError, match="answers=10, now it is 20"):
        run(config(answers=20), subject, tmp_path / "a", resume=True)
    with pytest.raises(InputError, match="other images"):
        run(config(answers=10), FeaturePool(synthetic_features(24, 6, seed=2)), tmp_path / "a", resume=True)
    with pytest.raises(InputError, match="no run to resume"):
        run(config(answers=10), subject, tmp_path / "b", resume=True)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be written"):
        run(config(answers=10), subject, tmp_path / "file" / "c")
    for name in ("config.json", "config.json.before", "metrics.jsonl"):
        (tmp_path / "a" / name).unlink()
    with pytest.raises(InputError, match="holds the answers of run-"):
        run(config(answers=10), subject, tmp_path / "a")


def test_lost_answers_are_noticed_on_resume(tmp_path):
    run(config(answers=20, rounds=2), FeaturePool(FEATURES), tmp_path / "r")
    for path in (tmp_path / "r").glob("events.sqlite*"):
        path.unlink()
    with pytest.raises(InputError, match=r"events\.sqlite: is missing; it holds the answers"):
        run(config(answers=20, rounds=2), FeaturePool(FEATURES), tmp_path / "r", resume=True)


def test_a_command_that_failed_before_the_first_round_can_be_put_right(tmp_path):
    with pytest.raises(InputError, match="pool_size"):
        run(config(pool_size=500, answers=10), FeaturePool(FEATURES), tmp_path / "r")
    assert run(config(answers=10), FeaturePool(FEATURES), tmp_path / "r").rounds[-1]["answers"] == 10


def test_nothing_is_implied_where_all_are_strangers():
    """Every image its own identity: no pair follows from others, so none may be counted as implied."""
    features = FeatureSet(FEATURES.features, np.arange(len(FEATURES)))
    questions = Inquiry(
        features, EpisodeSettings(12, 4, 6, metric="cosine"), None, ConstraintGraph(len(features)), 3
    )
    browser = QueryBrowser(len(features), np.random.default_rng(0))
    report = ask(questions, make_selector("random"), browser, np.random.default_rng(0), AskingLimits())
    assert report.answers > 100
    assert report.implied == 0


def test_the_run_ends_when_every_image_was_the_query_once(tmp_path):
    result = run(config(rounds=2), FeaturePool(FEATURES), tmp_path / "r")
    assert result.rounds[-1]["drawn"] == len(FEATURES)
    lines = (tmp_path / "r" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == [0, 1, 2]
    assert {p.name for p in (tmp_path / "r").iterdir()} >= {"config.json", "events.sqlite", "report.html"}


def test_comparison_gives_every_selector_the_same_number_of_answers():
    plan = Plan(config(), ("random", "entropy", "greedy"), (20, 60), (0, 1))
    comparison = compare(plan, lambda seed: FeaturePool(FEATURES))
    assert [(r.selector, r.seed, r.answers) for r in comparison.rows] == [
        (s, seed, b) for seed in (0, 1) for s in ("random", "entropy", "greedy") for b in (20, 60)
    ]
    at_60 = {(r.selector, r.seed): r.return_ for r in comparison.rows if r.answers == 60}
    assert all(at_60["greedy", seed] > at_60["random", seed] for seed in (0, 1))
    again = compare(plan, lambda seed: FeaturePool(FEATURES))
    assert again.returns == comparison.returns


def test_a_budget_beyond_the_questions_there_are_ends_the_selector_and_not_the_comparison():
    plan = Plan(config(), ("random", "entropy"), (100, 5000, 6000), (0,))
    rows = compare(plan, lambda seed: FeaturePool(FEATURES)).rows
    assert [row.selector for row in rows] == ["random", "random", "entropy", "entropy"]
    assert all(100 < row.answers < 5000 for row in rows[1::2])


def test_noise_brings_contradictions_and_the_truth_none(tmp_path):
    for noise in (0.0, 0.3):
        settings = config(noise=noise, closure=False, answers=300)
        last = run(settings, FeaturePool(FEATURES), tmp_path / str(noise)).rounds[-1]
        assert (last["contradictions"] > 10) == (noise > 0)


def test_boundaries_cut_evenly():
    assert boundaries(10, 3) == (3, 7, 10)
    assert boundaries(5000, 1) == (5000,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 0}, "rounds"),
        ({"answers": 2, "rounds": 3}, "cannot be cut"),
        ({"evaluate_on": "train"}, "evaluate_on"),
        ({"noise": 0.7}, "noise"),
        ({"metric": "x"}, "metric"),
        ({"parallel": 0}, "parallel"),
    ],
)
def test_bad_settings_are_named(changes, words):
    with pytest.raises(InputError, match=words):
        config(**changes)


def test_rounds_that_nobody_named_are_no_more_than_the_answers():
    groups = {"nodes": "groups", "selector": "gain"}
    assert [config(**groups, answers=n).rounds for n in (1, 4, 6, 5000, None)] == [1, 4, 6, 6, 6]
    assert [config(answers=n).rounds for n in (1, 5000, None)] == [1, 1, 1]
    with pytest.raises(InputError, match="cannot be cut into 6"):
        config(**groups, answers=5, rounds=6)


def test_unknown_selector_is_named():
    with pytest.raises(InputError, match="'oracle' is unknown"):
        choose("oracle", 12, 0, lambda: np.zeros((1, 12), np.float32))
