"""Learning in the catalogue: imitation, reinforcement learning, and the commands that train and score."""

import csv
from dataclasses import replace
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from catalogue_world import TINY, TINY_TEST, any_open, batch, mean_return, network
from command_line import call, failed, succeeded

from reid_al_agents.dqn.catalogue_settings import NetworkSettings, catalogue_settings
from reid_al_agents.dqn.catalogue_training import train_catalogue
from reid_al_agents.dqn.imitation import greedy, imitate
from reid_al_agents.dqn.policy_file import load_policy
from reid_al_agents.evaluation import catalogue_play
from reid_al_agents.evaluation.catalogue_play import SHIPPED, catalogue, play
from reid_al_agents.report.summary import estimate
from reid_al_env.catalogue.rules import RULES

TUNED = {algo: catalogue_settings(algo, TINY) for algo in ("dqn", "ppo")}
LEARNED = 0.11
"""Mean return in the small catalogue that nothing but learning reaches."""


def quiet(*_):
    pass


def quick(algo="dqn", environments=4, network=(8, 1), rate_after=1e-4, **imitation):
    """The shipped settings with a small network."""
    tuned = TUNED[algo]
    return replace(
        tuned,
        environments=environments,
        network=NetworkSettings(*network),
        imitation=replace(tuned.imitation, **imitation),
        learning=replace(tuned.learning, learning_rate=rate_after),
    )


def test_a_policy_that_imitates_beats_what_has_not_learned_or_ignores_the_mask():
    rng = np.random.default_rng(0)
    few = {"states": 800, "rounds": 2, "batch_size": 32, "learning_rate": 4e-3}
    settings = quick(environments=16, network=(16, 2), **few)
    learned = train_catalogue([TINY], settings, 0, 0, quiet)
    assert mean_return(lambda seen: greedy(learned, seen)) > LEARNED
    for start in range(3):
        assert mean_return(partial(greedy, network(start))) < LEARNED
    assert mean_return(lambda seen: any_open(seen, rng)) < LEARNED
    assert mean_return(lambda seen: rng.integers(seen["action_mask"].shape[1], size=60)) < LEARNED
    assert mean_return(lambda seen: np.zeros(60, dtype=int)) < LEARNED  # nearest first


@pytest.mark.parametrize("algo", ["dqn", "ppo"])
def test_same_seed_same_weights(algo):
    settings = quick(algo, states=40, rounds=2, batch_size=8)

    def weights(seed):
        torch.manual_seed(123 + seed)  # what others drew from the global generator does not matter
        return train_catalogue([TINY], settings, 120, seed, quiet).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_reinforcement_starts_from_what_was_imitated():
    settings = quick(rate_after=0.0, states=0)
    untouched = train_catalogue([TINY], settings, 0, 3, quiet).state_dict()
    learned = train_catalogue([TINY], settings, 60, 3, quiet).state_dict()
    assert all(torch.equal(untouched[name], learned[name]) for name in untouched)


def test_states_of_catalogues_with_different_numbers_of_questions_are_learned_together():
    small = gym.make_vec(
        TINY, num_envs=2, vectorization_mode="vector_entry_point", autoreset_mode="SameStep", questions=8
    ).unwrapped
    learner = network()
    before = {name: weights.clone() for name, weights in learner.state_dict().items()}
    imitate(learner, [small, batch(2)], replace(TUNED["dqn"].imitation, states=40, rounds=2), 0, quiet)
    assert not all(torch.equal(before[name], weights) for name, weights in learner.state_dict().items())


def test_a_policy_is_trained_and_scored_by_commands(tmp_path, monkeypatch):
    narrow = partial(catalogue_play.beam_search, width=2)
    monkeypatch.setattr(catalogue_play, "beam_search", narrow)
    out, curves = tmp_path / "policy.safetensors", tmp_path / "curves.csv"
    few = ("--imitate", "60", "--steps", "40")
    told = succeeded("train", TINY, "--out", out, *few, "--seed", "3")
    assert told["trained_on"] == [TINY]
    names = (out, "expected-change", "nearest", "label-seeing", "label-seeing-beam")
    found = succeeded("score", *names, "--on", TINY_TEST, "--curves", curves)
    by_name = {each["policy"]: each for each in found["policies"]}
    assert [each["policy"] for each in found["policies"]] == list(map(str, names))
    assert by_name["nearest"]["score"] == {"mean": 0.0, "half_width": 0.0}
    assert by_name["label-seeing"]["score"] == {"mean": 1.0, "half_width": 0.0}
    assert min(filter(None, by_name["label-seeing-beam"]["tasks"].values())) >= 1
    assert by_name["label-seeing-beam"]["score"]["mean"] > 1
    tasks = by_name["nearest"]["tasks"]
    assert len(tasks) == 20
    assert set(by_name["nearest"]["families"]) == {"crowd", "archive", "herd", "single view"}
    assert curves.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(curves.open()))
    ends = [row for row in rows if row["policy"] == "label-seeing" and row["score"] == "1.0"]
    assert {row["task"] for row in ends} == {task for task, score in tasks.items() if score is not None}
    code, _, shown = call("score", "nearest", "--on", TINY_TEST)
    assert code == 0
    assert "mean of 20 tasks" in shown


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("score", "missing.safetensors"), "is neither a policy file nor a rule"),
        (("score", "nearest", "--on", "CartPole-v1"), "gives no scores"),
        (("score", "nearest", "--on", "Nothing-v0"), "is no registered environment"),
        (("train", "CartPole-v1", "--out", "p.safetensors"), "is no catalogue"),
        (("train", "Nothing-v7", "--out", "p.safetensors"), "is no registered environment"),
        (("train", TINY, "--out", "p.safetensors", "--weights", "w"), "are settings for images"),
        (("train", "synthetic", "--algo", "ppo", "--out", "p.safetensors"), "learns in catalogues"),
        (("train", "synthetic", "--imitate", "9", "--out", "p.safetensors"), "is for catalogues"),
        (("train", "synthetic", "--steps", "0", "--out", "p.safetensors"), "expected at least 1"),
        (
            ("train", "synthetic", "--settings", "s.yaml", "--out", "p.safetensors"),
            "is for catalogues; settings",
        ),
        (("train", TINY, "--device", "cuda", "--out", "p.safetensors"), "on the CPU only"),
        (("train", TINY, "--algo", "sarsa", "--out", "p.safetensors"), "choose one of dqn, ppo"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[1],
)
def test_bad_input_gets_one_line(command, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in failed(*command)


def test_a_paper_policy_is_refused(tmp_path):
    from reid_al_agents.dqn.selector import DQNSelector

    DQNSelector(30).save(tmp_path / "p.safetensors")
    assert "another environment" in failed("score", tmp_path / "p.safetensors")


def test_every_rule_has_a_name_that_score_takes():
    assert set(RULES) == {"nearest", "random", "one-check-in-four", "expected-change"}


def test_the_shipped_policy_is_small_and_says_what_it_was_trained_on():
    loaded = load_policy(SHIPPED)
    assert SHIPPED.stat().st_size < 1_000_000
    assert loaded.kind == "questions"
    assert all(name.startswith("ReIDCatalogue") and "Test" not in name for name in loaded.seen["trained_on"])


@pytest.mark.slow
def test_the_shipped_policy_is_ahead_of_every_rule_on_tasks_it_never_saw():
    env = catalogue("ReIDCatalogueSmallTest-v0")
    learned = np.array([task.score[-1] for task in play(env, "learned", 0, quiet)])
    for rule in RULES:
        others = np.array([task.score[-1] for task in play(env, rule, 0, quiet)])
        above = estimate((learned - others).tolist())
        assert above.mean - above.half_width > 0, rule
