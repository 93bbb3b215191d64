"""Rules that choose by the observation alone."""

import gymnasium as gym
import numpy as np
import pytest

from reid_al_env.catalogue import rules
from reid_al_env.catalogue.questions import QUESTION_FEATURES
from reid_al_env.catalogue.references import nearest_first
from reid_al_env.catalogue.rules import OFFSET, RULES, WEIGHTS, ExpectedChange, OneCheckInFour, described

TOGETHER = QUESTION_FEATURES.index("delivered_together")
IMAGES = 100


def question(probability, group, other, smaller, larger, together):
    """A question of that probability of a match, its log-odds in the first column; sizes in images."""
    odds = np.log(probability / (1 - probability))
    sizes = np.log([*sorted((group, other)), smaller, larger]) / np.log(IMAGES)
    return np.concatenate([[odds, 0, 0], sizes, [together, 0.0]])


@pytest.fixture
def plain_guess(monkeypatch):
    """A first guess that reads the first column as log-odds."""
    monkeypatch.setattr(rules, "WEIGHTS", np.eye(len(WEIGHTS))[0])
    monkeypatch.setattr(rules, "OFFSET", 0.0)


def seen(*questions):
    rows = np.array(questions)
    return {"questions": rows, "action_mask": np.ones(len(rows), dtype=np.int8)}


@pytest.mark.usefixtures("plain_guess")
def test_the_expected_change_is_that_of_the_formula():
    likely_small = question(0.8, 1, 1, 2, 2, 0)  # 0.8 · 2·2·2/4 = 1.6
    doubtful_large = question(0.5, 1, 1, 4, 6, 0)  # 0.5 · 2·4·6/10 = 2.4
    doubtful_check = question(0.6, 3, 4, 9, 9, 1)  # 0.4 · 2·3·6/9 = 1.6
    wrong_check = question(0.3, 3, 4, 9, 9, 1)  # 0.7 · 2·3·6/9 = 2.8
    infos = {"images": IMAGES}
    assert ExpectedChange()(seen(likely_small, doubtful_large, doubtful_check), infos) == 1
    assert ExpectedChange()(seen(likely_small, doubtful_large, wrong_check), infos) == 2
    closed = seen(likely_small, doubtful_large, wrong_check)
    closed["action_mask"][2] = 0
    assert ExpectedChange()(closed, infos) == 1


@pytest.mark.usefixtures("plain_guess")
def test_answers_calibrate_the_guess_of_an_episode_and_are_forgotten_in_the_next():
    rule = ExpectedChange()
    doubtful, check = question(0.6, 1, 1, 2, 2, 0), question(0.35, 2, 2, 4, 4, 1)  # 0.6 · 2 and 0.65 · 2
    infos = {"images": IMAGES}
    assert rule(seen(doubtful, check), infos) == 1
    for _ in range(25):
        chosen = rule(seen(doubtful), {**infos, "answer": 1, "invalid_action": False})
        assert chosen == 0
    assert rule(seen(doubtful, check), {**infos, "answer": 1, "invalid_action": False}) == 0
    assert rule(seen(doubtful, check), infos) == 1


def test_the_first_guess_tells_matches_better_than_similarity_does():
    env = gym.make("ReIDCatalogueSmall-v0").unwrapped
    described_, matched = [], []
    for seed in range(12):
        env.reset(seed=seed)
        for _ in range(6):
            rows = env.game.observation()["questions"][: len(env.game.slots)]
            described_.append(rows)
            matched.append(env.game.matches())
            env.step(0)
    rows, labels = np.concatenate(described_).astype(float), np.concatenate(matched)

    def auc(scores):
        ranks = np.argsort(np.argsort(scores)) + 1
        positive = labels.sum()
        return (ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * (~labels).sum())

    assert auc(described(rows) @ WEIGHTS + OFFSET) > auc(rows[:, 0]) + 0.05


@pytest.mark.parametrize("name", RULES)
def test_rules_play_whole_episodes_and_keep_to_the_mask(name):
    env = gym.make("ReIDCatalogueSmall-v0", identities=6, questions=30).unwrapped
    rule = RULES[name](3)
    for seed in (0, 1):
        observation, infos = env.reset(seed=seed)
        over = False
        while not over:
            observation, _, over, _, infos = env.step(rule(observation, infos))
            assert not infos["invalid_action"]


def test_the_zero_of_the_score_is_nearest():
    env = gym.make("ReIDCatalogueSmall-v0").unwrapped
    observation, infos = env.reset(seed=0)
    assert RULES["nearest"](0)(observation, infos) == nearest_first(env.game)


def test_every_fourth_question_is_a_check_in_each_episode():
    env, rule = gym.make("ReIDCatalogueSmall-v0").unwrapped, OneCheckInFour()
    for _ in range(2):
        observation, infos = env.reset(seed=1)
        for step in range(8):
            action = rule(observation, infos)
            checks = observation["questions"][:, TOGETHER] > 0
            assert checks[action] == (step % 4 == 0 and checks.any())
            observation, _, _, _, infos = env.step(action)
